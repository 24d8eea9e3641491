"""ONNX graphs of prefill and of one decode step, checked in onnxruntime."""

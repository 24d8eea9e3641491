"""CUDA devices: what the driver knows of them, and how networks are measured there."""

"""One-token steps of whole layers in a few Triton kernels, used where they are measured to be faster."""

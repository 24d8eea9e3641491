"""SwiGLU feed-forward network."""

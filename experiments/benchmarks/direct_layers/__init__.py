"""Layers written by hand around the kernels of other packages: what ours are compared with on a GPU."""

"""Kernels of other packages behind the operations that operators ask for."""

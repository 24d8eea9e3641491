"""Architectures and winners in formats that other programs load, one file each."""

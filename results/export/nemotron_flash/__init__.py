"""NVIDIA's format of Nemotron-Flash, without NVIDIA's code."""

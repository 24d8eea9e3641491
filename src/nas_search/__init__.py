"""Latency-aware architecture search for hybrid small language models."""

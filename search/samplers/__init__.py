"""Samplers: each proposes the next genome from what the study has seen."""

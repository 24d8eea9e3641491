"""Samplers held against each other: whole searches replayed from one table, seed by seed."""

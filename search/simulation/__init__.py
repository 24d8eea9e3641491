"""Simulated searches: the engine of real ones, replayed from a table in virtual time."""

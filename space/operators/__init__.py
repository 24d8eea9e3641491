"""Operators: one folder each, with a spec, a module and a reference."""

"""Corpora of any size: tokens in files that are mapped into memory, and an index that says what they are."""

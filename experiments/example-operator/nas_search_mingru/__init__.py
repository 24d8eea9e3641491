"""minGRU as an operator of nas-search."""

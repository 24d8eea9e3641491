"""The Optuna dashboard of a run: a view that grows with the search and never writes to it."""

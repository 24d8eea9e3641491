"""Bayesian search that takes as known what is known: only the loss is modelled."""

"""Full causal attention."""

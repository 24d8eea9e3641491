"""From our operators and weights to the settings and weights of other programs, without code that travels along."""

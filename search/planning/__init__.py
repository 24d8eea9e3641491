"""What a search would take: its schedule simulated with recorded rates, before anything runs."""

"""Workers on a Ray cluster. Only what connects to one imports Ray."""

"""DeltaNet."""

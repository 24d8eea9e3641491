"""What DeltaNet and Gated DeltaNet share."""

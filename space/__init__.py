"""What can be built: operators, architectures and search spaces."""

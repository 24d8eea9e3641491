"""What an architecture costs on a real device: timing, latency tables and predictions."""

"""What came out: reports, pictures and the winner."""

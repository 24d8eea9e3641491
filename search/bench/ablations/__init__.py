"""Samplers that a search does not offer: each leaves something of ours away, to see what that is worth."""

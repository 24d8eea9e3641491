"""How well a candidate learns, estimated cheaply: text, tokens and short training."""

"""The names in a winner's folder; beside these, ``tokenizer.json`` where the tokens are a BPE."""

ARCHITECTURE_FILE = "architecture.yaml"
TWIN_FILE = "twin.yaml"
"""Only where the weights are those of the architecture's twin: the twin."""
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
TOKENIZER_KEY = "tokenizer"
"""Entry of the weights' metadata that names the tokenizer, as in a search's configuration."""

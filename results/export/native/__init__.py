"""Model classes that transformers and flash-linear-attention have themselves: plain settings, no code of ours."""

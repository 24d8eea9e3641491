"""Accuracy on tasks that others have defined: EleutherAI's lm-eval over a trained network."""

"""Why a worker on a cluster is gone, in a few words instead of Ray's many."""

from __future__ import annotations

_CAUSES = {
    "running low on memory": "out of memory",
    "node has died": "its node died",
    "is unavailable": "it cannot be reached any more",
    "ray.kill": "it was killed",
    "runtime_env": "our code could not be set up on its node",
}


def why_lost(error: Exception) -> str:
    """The cause of one of Ray's errors."""
    text = " ".join(str(getattr(error, "cause", None) or error).split())
    return next((cause for sign, cause in _CAUSES.items() if sign in text), text[:200])

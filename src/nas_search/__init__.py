"""Latency-aware architecture search for hybrid small language models.

``search`` runs a search and returns its :class:`Study`; ``load`` opens the winner of one, ``export`` writes it for
others. Everything is imported when it is first used, so that ``import nas_search`` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_search.api import search as search
    from nas_search.results.export.export import export as export
    from nas_search.results.winner import load_winner as load
    from nas_search.search.study import Study
    from nas_search.space.architecture import Architecture
    from nas_search.space.search_space import SearchSpace

__all__ = ["Architecture", "SearchSpace", "Study", "export", "load", "search"]

_WHERE = {
    "Architecture": ("nas_search.space.architecture", "Architecture"),
    "SearchSpace": ("nas_search.space.search_space", "SearchSpace"),
    "Study": ("nas_search.search.study", "Study"),
    "export": ("nas_search.results.export.export", "export"),
    "load": ("nas_search.results.winner", "load_winner"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("nas-search")
    if name == "search":
        # The package of that name, whose module can be called: see nas_search/search/__init__.py.
        return import_module("nas_search.search")
    if name in _WHERE:
        module, attribute = _WHERE[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'nas_search' has no attribute {name!r}")

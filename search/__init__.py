"""Who proposes, who runs and who stops: samplers, executors and the study.

The package can be called: ``nas_search.search(device="cpu")`` is :func:`nas_search.api.search`.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run a search: :func:`nas_search.api.search`."""
        from nas_search.api import search

        return search(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage

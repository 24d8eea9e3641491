"""The operation of sliding-window attention; one token goes over the cache as in full attention."""

from nas_search.space.kernels import flash_attention
from nas_search.space.kernels.registry import Operation
from nas_search.space.operators.sliding_window.banded import windowed_attention

WINDOWED_ATTENTION = Operation("attention in a window", windowed_attention, (flash_attention.ATTENTION,), half=True)

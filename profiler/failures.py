"""What goes wrong with one network, told from what goes wrong with the device."""

from __future__ import annotations

from nas_search.profiler.measurement import Failure

# In the words of PyTorch's allocators, of CUDA, and of cuBLAS, which allocates for its first product.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed")
SHOWN_CHARACTERS = 200


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that something does not fit; what was begun can then be dropped, and nothing is broken."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY)


def failure_of(error: Exception) -> Failure:
    """That of one network. Raises what is not: an error that leaves the device broken, or bad input."""
    if not out_of_memory(error):
        raise error
    return Failure(reason=f"out of memory: {' '.join(str(error).split())[:SHOWN_CHARACTERS]}")

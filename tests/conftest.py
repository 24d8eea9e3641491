"""Settings of all tests: no deadlines, since the machine may be slow, and the same examples every time."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.load_profile("reproducible")

KERNEL_PACKAGES = ("flash_attn", "mamba_ssm", "selective_scan_cuda", "causal_conv1d", "fla")


@pytest.fixture
def fresh_kernels() -> Iterator[None]:
    """Nobody remembers which kernels could be loaded, before and after."""
    from nas_search.space.kernels import registry

    caches = (registry._implementation, registry._loaded, registry._warn)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def no_kernel_packages(fresh_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel package can be imported, and Triton is not found, whatever is installed."""
    for name in KERNEL_PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("nas_search.space.kernels.fused.choice.find_spec", lambda name: None)

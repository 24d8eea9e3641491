"""Settings of all tests: no deadlines, since the machine may be slow, and the same examples every time."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.append(str(Path(__file__).parent))

from postgres import Server, private_server, server_binaries

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.load_profile("reproducible")

# A shell leaves its background jobs deaf to Ctrl-C, and they their children; tests send it to both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

KERNEL_PACKAGES = ("flash_attn", "mamba_ssm", "selective_scan_cuda", "causal_conv1d", "fla")


@pytest.fixture(scope="session")
def modules_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Transformers copies modelling code to run it: not into the user's home, but one place for all tests."""
    import transformers.dynamic_module_utils as dynamic

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(sys, "path", list(sys.path))
        yield


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of the session's own."""
    binaries = server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here (no initdb)")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with private_server(binaries) as server:
        yield server

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kernel_fakes import FakePackages


@pytest.fixture
def packages(fresh_kernels: None, monkeypatch: pytest.MonkeyPatch) -> FakePackages:
    """Fakes in the place of every kernel package; ``calls`` has the keywords that they were called with.

    Triton is found, but has no fake: nobody imports it before a layer runs on a GPU.
    """
    fakes = FakePackages()
    for name, module in fakes.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (9, 0))
    monkeypatch.setattr("nas_search.space.kernels.fused.choice.find_spec", lambda name: name)
    return fakes

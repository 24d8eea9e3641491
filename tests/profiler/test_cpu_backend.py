from pathlib import Path

import psutil
import pytest
import torch

from nas_search.errors import InputError
from nas_search.profiler.backend import backend_of
from nas_search.profiler.cpu_backend import MEMORY_SHARE, CpuBackend
from nas_search.profiler.device import resolve_device
from nas_search.profiler.timing import HostMeter

CPU = resolve_device("cpu")


def test_networks_run_on_the_processor_as_they_are() -> None:
    backend = backend_of(CPU)

    def run() -> int:
        return 7

    assert isinstance(backend, CpuBackend)
    assert backend.device == CPU
    assert backend.torch_device == torch.device("cpu")
    assert backend.capture(run) is run
    assert isinstance(backend.meter(), HostMeter)


def test_a_processor_has_no_conditions_and_passes_every_check() -> None:
    backend = CpuBackend(CPU)
    assert backend.conditions() is None
    backend.check()


def test_free_memory_leaves_some_to_the_machine() -> None:
    available = psutil.virtual_memory().available
    assert CpuBackend(CPU).free_bytes() == pytest.approx(MEMORY_SHARE * available, rel=0.2)


def test_energy_counters_are_looked_for_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="energy"):
        CpuBackend(CPU, powercap=tmp_path).energy_meter()

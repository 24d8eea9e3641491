"""Tables from published rates alone."""

from pathlib import Path

import numpy as np
import pytest

from nas_search.errors import InputError
from nas_search.profiler.device import CUDA, Device
from nas_search.profiler.estimate import workload_estimate_ms
from nas_search.profiler.estimated_table import estimate_table
from nas_search.profiler.known_devices import find_known
from nas_search.profiler.memory import MIB
from nas_search.profiler.roofline import largest_batch, memory_bytes, prompt_bytes
from nas_search.profiler.table import LatencyTable
from nas_search.profiler.workload import Workload
from nas_search.space.search_space import load_space

KNOWN = find_known("h100")
assert KNOWN is not None
DEVICE = Device(name="h100", fingerprint={"kind": CUDA, "gpu": KNOWN.title}, place=None)
SPACE = load_space("cpu").with_vocabulary(1000)
TEXTS = ("decode:300", "prefill:128", "generate:400,prompt=32", "throughput:2048", "memory:512", "decode:64,batch=5")


def workloads(*texts: str) -> list[Workload]:
    return [Workload.parse(text, "bfloat16") for text in texts]


def test_it_predicts_what_the_roofline_estimates(tmp_path: Path) -> None:
    asked = workloads(*TEXTS)
    estimate_table(SPACE, asked, DEVICE, KNOWN).save(tmp_path / "h100.parquet")
    table = LatencyTable.load(tmp_path / "h100.parquet")
    assert (table.source, table.device.name, table.device.place) == ("estimate", "h100", None)
    members = SPACE.sample_architectures(8, seed=3)
    for workload in asked:
        reasons = table.covers(SPACE.operator_specs(), SPACE.widths, workload, vocabulary=1000)
        assert reasons == []
        if workload.is_latency:
            expected = [
                workload_estimate_ms(member, workload, KNOWN.rates("bfloat16"), captured=True) for member in members
            ]
            # Not exactly: a sliding window may fill between two contexts.
            np.testing.assert_allclose(table.predict_many(members, workload), expected, rtol=1e-4)
    memory = asked[TEXTS.index("memory:512")]
    assert table.predict(members[0], memory) == pytest.approx(
        sum(bytes_of(members[0], 512, 1, memory.precision) for bytes_of in (memory_bytes, prompt_bytes)) / MIB
    )


def test_a_throughput_is_within_a_twentieth_of_the_estimate_at_its_batch() -> None:
    (workload,) = workloads("throughput:2048")
    table = estimate_table(SPACE, [workload], DEVICE, KNOWN)
    for member in SPACE.sample_architectures(8, seed=4):
        batch = min(workload.batch, largest_batch(member, 2048, workload.precision, KNOWN.memory_bytes))
        step = Workload(kind="decode", prompt=2048, batch=batch, dtype="bfloat16")
        expected = 1e3 * batch / workload_estimate_ms(member, step, KNOWN.rates("bfloat16"))
        assert table.predict(member, workload) == pytest.approx(expected, rel=0.05)


def test_energy_does_not_follow_from_rates() -> None:
    with pytest.raises(InputError, match="energy does not follow from rates"):
        estimate_table(SPACE, workloads("energy:64"), DEVICE, KNOWN)


def test_a_format_without_a_rate_is_refused() -> None:
    t4 = find_known("t4")
    assert t4 is not None
    with pytest.raises(InputError, match="no rate is published for bfloat16"):
        estimate_table(SPACE, workloads("decode:64"), DEVICE, t4)

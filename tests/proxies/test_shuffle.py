import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.proxies import windows
from nas_search.proxies.shuffle import ComputedShuffle
from nas_search.proxies.windows import TrainingWindows


def _shuffle(count: int, seed: int = 0) -> ComputedShuffle:
    return ComputedShuffle(count, np.random.default_rng(seed))


@given(st.integers(1, 300), st.integers(0, 100))
def test_every_number_comes_once(count: int, seed: int) -> None:
    shuffle = _shuffle(count, seed)
    assert sorted(shuffle[place] for place in range(count)) == list(range(count))


def test_orders_are_mixed_and_follow_from_the_seed() -> None:
    count = 20_000
    orders = [[_shuffle(count, seed)[place] for place in range(count)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert abs(np.corrcoef(np.arange(count), order)[0, 1]) < 4 / np.sqrt(count)
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 4 / np.sqrt(count)
    assert abs(np.corrcoef(orders[0], orders[2])[0, 1]) < 4 / np.sqrt(count)


def test_billions_need_no_memory() -> None:
    shuffle = _shuffle(10**12)
    drawn = {shuffle[place] for place in range(1000)}
    assert len(drawn) == 1000
    assert max(drawn) < 10**12
    assert max(drawn) > 9 * 10**11


def test_windows_in_a_computed_order_come_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_MOST_STORED", 10)
    windows._epoch.cache_clear()
    tokens = np.arange(1000, dtype=np.uint16)
    drawn = TrainingWindows(tokens, 16, 1, seed=0)
    count = (1000 - 16) // 16
    epochs = [[int(drawn.batch(step)[0, 0]) for step in range(e * count, (e + 1) * count)] for e in range(2)]
    windows._epoch.cache_clear()
    for starts in epochs:
        assert set(np.diff(sorted(starts))) == {16}
    assert epochs[0] != epochs[1]


def test_orders_that_are_kept_stay_as_they_were() -> None:
    """Losses that were recorded depend on them."""
    tokens = np.arange(1000, dtype=np.uint16)
    count = (1000 - 16) // 16
    for epoch in range(2):
        generator = np.random.default_rng([5, epoch])
        starts = generator.integers(16) + 16 * generator.permutation(count)
        drawn = [int(TrainingWindows(tokens, 16, 1, seed=5).batch(epoch * count + i)[0, 0]) for i in range(count)]
        assert drawn == starts.tolist()

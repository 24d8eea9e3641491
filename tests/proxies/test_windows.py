import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import InputError
from nas_search.proxies.windows import TrainingWindows, validation_windows

TOKENS = np.arange(1000, dtype=np.uint16)


def test_a_batch_follows_from_seed_and_step() -> None:
    one, other = (TrainingWindows(TOKENS, 16, 4, seed=3) for _ in range(2))
    other.batch(0)
    assert np.array_equal(one.batch(7), other.batch(7))
    assert not np.array_equal(one.batch(7), one.batch(8))
    assert not np.array_equal(one.batch(7), TrainingWindows(TOKENS, 16, 4, seed=4).batch(7))


@given(st.integers(0, 2**32), st.integers(0, 500))
def test_windows_are_consecutive_tokens(seed: int, step: int) -> None:
    batch = TrainingWindows(TOKENS, 16, 4, seed).batch(step)
    assert batch.shape == (4, 17)
    assert batch.dtype == np.int64
    assert (np.diff(batch, axis=1) == 1).all()


def test_an_epoch_has_every_window_once_and_the_next_another_order() -> None:
    windows = TrainingWindows(TOKENS, 16, 1, seed=0)
    count = (1000 - 16) // 16
    epochs = [[int(windows.batch(step)[0, 0]) for step in range(e * count, (e + 1) * count)] for e in range(2)]
    for starts in epochs:
        assert set(np.diff(sorted(starts))) == {16}
    assert epochs[0] != epochs[1]


def test_validation_windows_are_spread_and_do_not_overlap() -> None:
    windows = validation_windows(TOKENS, 16, at_most=320)
    assert windows.shape == (20, 17)
    assert (windows[0, 0], windows[-1, -1]) == (0, 999)
    assert (np.diff(windows[:, 0]) >= 16).all()


def test_validation_takes_what_there_is() -> None:
    assert validation_windows(TOKENS, 16, at_most=10**9).shape == (62, 17)
    assert validation_windows(TOKENS[:17], 16, at_most=1).shape == (1, 17)


def test_text_shorter_than_windows() -> None:
    with pytest.raises(InputError, match="windows of 16 need 32"):
        TrainingWindows(TOKENS[:31], 16, 4, seed=0)
    with pytest.raises(InputError, match="a window of 16 needs 17"):
        validation_windows(TOKENS[:16], 16, 100)

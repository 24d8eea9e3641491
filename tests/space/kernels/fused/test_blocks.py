"""How weights are cut into programs."""

from hypothesis import given
from hypothesis import strategies as st

from nas_search.space.kernels.fused import blocks
from nas_search.space.kernels.fused.blocks import ENOUGH_PROGRAMS, choose_blocks, power_of_two

sizes = st.integers(1, 20_000)


@given(batch=st.integers(1, 64), rows=sizes, columns=sizes, least=st.sampled_from([1, 2, 16, 4096]))
def test_blocks_cover_everything_and_fit_into_registers(batch: int, rows: int, columns: int, least: int) -> None:
    chosen = choose_blocks(batch, rows, columns, least_rows=min(least, 2), least_columns=least)
    assert all(size == power_of_two(size) for size in chosen)
    programs = chosen.grid(batch, rows)
    assert programs[0] * chosen.rows >= rows > (programs[0] - 1) * chosen.rows
    assert programs[1] * chosen.vectors >= batch > (programs[1] - 1) * chosen.vectors
    assert chosen.columns >= least
    assert chosen.rows >= min(least, 2)
    assert chosen.products_per_thread <= max(blocks.MOST_PRODUCTS_PER_THREAD, least * 2 // 256)


@given(size=sizes)
def test_power_of_two(size: int) -> None:
    power = power_of_two(size)
    assert power >= size > power // 2
    assert power & (power - 1) == 0


def test_small_weights_keep_a_gpu_busy() -> None:
    small, large = choose_blocks(1, 1024, 256), choose_blocks(1, 8192, 256)
    assert small.rows < large.rows
    assert small.grid(1, 1024)[0] >= ENOUGH_PROGRAMS

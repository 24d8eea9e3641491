"""How the product of a weight and a few vectors is cut into programs."""

from __future__ import annotations

from typing import NamedTuple

# Two programs for each of the 132 multiprocessors of an H100: with fewer, a small weight would leave some of them idle.
ENOUGH_PROGRAMS = 264
# A thread of a warp then reads 16 bytes of a row of 2-byte weights, the widest load there is.
COLUMNS_PER_WARP = 256
MOST_WARPS = 8
LONGEST_COLUMNS = MOST_WARPS * COLUMNS_PER_WARP
# Enough loads in flight to hide their latency, and few enough registers for several programs on a multiprocessor.
MOST_ROWS = 4
MOST_PRODUCTS_PER_THREAD = 32
# Vectors that share what a program has read of the weight.
MOST_VECTORS = 4
# Rows or columns of a head's recurrent state for one program: a head of 128 is spread over eight multiprocessors.
STATE_BLOCK = 16
STATE_ELEMENTS_PER_WARP = 512


class Blocks(NamedTuple):
    """A program multiplies ``vectors`` with ``rows`` rows of the weight, ``columns`` at a time: all powers of two."""

    vectors: int
    rows: int
    columns: int

    @property
    def warps(self) -> int:
        """As many as one row keeps busy: every tile is then spread over the threads alike, and none is exchanged."""
        return min(max(self.columns // COLUMNS_PER_WARP, 1), MOST_WARPS)

    @property
    def products_per_thread(self) -> int:
        """Running sums that a thread keeps."""
        return ceil_div(self.vectors * self.rows * self.columns, 32 * self.warps)

    def along(self, columns: int) -> int:
        """Blocks along the columns, which a program takes one after the other."""
        return ceil_div(columns, self.columns)

    def grid(self, batch: int, rows: int) -> tuple[int, int]:
        """Programs along the rows of the weight and along the batch."""
        return ceil_div(rows, self.rows), ceil_div(batch, self.vectors)


def choose_blocks(batch: int, rows: int, columns: int, *, least_rows: int = 1, least_columns: int = 1) -> Blocks:
    """Blocks for ``batch`` vectors and a weight [rows, columns], not smaller than the least: powers of two."""
    length = max(min(power_of_two(columns), LONGEST_COLUMNS), least_columns)
    blocks = Blocks(min(power_of_two(batch), MOST_VECTORS), MOST_ROWS, length)
    while blocks.rows > least_rows and (_too_large(blocks) or ceil_div(rows, blocks.rows) < ENOUGH_PROGRAMS):
        blocks = blocks._replace(rows=blocks.rows // 2)
    while blocks.vectors > 1 and _too_large(blocks):
        blocks = blocks._replace(vectors=blocks.vectors // 2)
    return blocks


def _too_large(blocks: Blocks) -> bool:
    return blocks.products_per_thread > MOST_PRODUCTS_PER_THREAD


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least ``size``."""
    return 1 << (size - 1).bit_length()


def ceil_div(size: int, block: int) -> int:
    """Blocks that cover ``size``."""
    return -(-size // block)


def state_warps(elements: int) -> int:
    """Warps for a block of a recurrent state."""
    return min(max(elements // STATE_ELEMENTS_PER_WARP, 1), 4)

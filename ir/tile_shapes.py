"""The tile shapes that a target wants; form-tiles makes kernels of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xdsl.ir import SSAValue

from .dims import Dim
from .tile import KernelOp
from .types import TensorType

LEAST_ROWS = 16  # of a product whose tiles are powers of two: those of one tensor-core instruction


@dataclass(frozen=True)
class TileShapes:
    """Rows and columns of tiles, as they suit caches and registers; by default a CPU's.

    `powers`: tiles lie in powers of two, so that groups of columns are padded, and few rows take a smaller tile.
    """

    gemm_rows: int = 32
    gemm_columns: int = 32  # a gated pair of 64 leaves too little of a 1 MiB L2: 3 to 4 % slower (AVX-512, fp32)
    gemm_depth: int = 128
    gemm_multiple: int = 32  # columns come in multiples of it: the weights' panels
    matmul_rows: int = 256
    matmul_columns: int = 128
    matmul_depth: int = 256
    attention_rows: int = 128
    attention_keys: int = 64
    attention_few: int = 64  # queries of a KV head up to which threads share one: split-KV
    attention_parts: int | None = (
        32  # of its keys at most, whatever the threads and heads; None: as many as threads are idle
    )
    attention_least_rows: int = 1  # of few queries: so many rows that products take them
    merged_rows: int = 4  # of split-KV: so few that the rows of one KV head are work for several threads
    row_columns: int = 512  # of tiles that walk rows: a row of no more columns is one tile
    symbolic_columns: int = 256
    row_elements: int = 4096
    most_rows: int = 32
    transposed_columns: int = 32  # where neighbours of a row do not lie side by side
    powers: bool = False

    def columns_in(self, need: int) -> int:
        """The columns of a GEMM's tile that holds whole groups of `need`."""
        return need * max(1, self.gemm_columns // (power_of_two(need) if self.powers else need))

    def rows_for(self, rows: Dim) -> int:
        """The rows of a GEMM's tile where there are so many."""
        if not self.powers or not rows.is_const:
            return self.gemm_rows
        return min(self.gemm_rows, max(LEAST_ROWS, power_of_two(rows.value)))


class Formed(NamedTuple):
    """A kernel that one fused op becomes with given tiles, what its launch would read, its sizes, and the results that
    would be memory of their own."""

    kernel: KernelOp
    operands: Sequence[SSAValue]
    dims: Sequence[Dim]
    results: Sequence[TensorType]


def power_of_two(n: int) -> int:
    """The smallest power of two that is not less than n."""
    return 1 << max(n - 1, 0).bit_length()

"""How much of K a GEMM takes at a time: what it uses again must stay in L2.

The loops are Goto and van de Geijn's ("Anatomy of High-Performance Matrix Multiplication", 2008) with the roles of A and B
exchanged: packed rows of A stay while panels of the weights come from memory once for each block of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

ROWS = 144  # of A at a time: ww_gemm.h, kBlockRows
UNIT = 16  # what a cache line holds of what is multiplied: floats, or pairs of bf16
SHARE = 0.84  # of L2; the rest is for sums, outputs and what prefetching brings early
UNKNOWN_L2 = 1 << 20


@dataclass(frozen=True)
class Blocking:
    """`depth` of K at a time: equal blocks, of which the last may be shorter. `reason`: for the ledger."""

    depth: int
    reason: str


def blocking(depth: int, columns: int, l2: int, per: int = 1) -> Blocking:
    """The largest equal blocks of `depth` for which a block of A and, twice, the weights of a tile of `columns` (one in use, one
    on its way) fit the `l2` bytes of a core (0: unknown), `per` numbers in 4 bytes.

    Measured where L2 is 1 MiB (512 rows, fp32): K = 768 in one block is 2 % faster than in two, 2,816 in four 2 % faster than in
    six; beyond that it no longer matters.
    """
    size = l2 or UNKNOWN_L2
    row_bytes, line = 4 * (ROWS + 2 * columns), UNIT * per
    most = max(UNIT, int(SHARE * size) // row_bytes // UNIT * UNIT) * per
    count = -(-depth // most)
    each = depth if count == 1 else -(-depth // (count * line)) * line
    kib = each * row_bytes // per // 1024
    blocks = "one block" if count == 1 else f"{-(-depth // each)} blocks of {each}"
    return Blocking(
        each, f"K = {depth} in {blocks}: rows of A and two tiles' weights take {kib} of L2's {size // 1024} KiB"
    )

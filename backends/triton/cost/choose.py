"""Which tiles, warps and stages a kernel gets: candidates by their predicted time, then the first whose code is sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from ....ir.ledger import Ledger, Refusal
from ....ir.tile_shapes import TileShapes
from ...nvidia.checks import refusals
from ...nvidia.target import GpuTarget
from ..compiled import CompiledTriton
from ..source import Choice
from .model import Prediction, predict
from .tiling import Candidate
from .work import Work

RULE = "triton-tiles"

GEMM_ROWS, GEMM_COLUMNS, GEMM_INNER = (16, 32, 64, 128, 256), (16, 32, 64, 128, 256), (32, 64, 128)
ATTENTION_ROWS, ATTENTION_KEYS = (16, 32, 64, 128), (32, 64, 128)
MAP_ROWS, MAP_COLUMNS = (1, 2, 4, 8, 16, 32), (128, 256, 512, 1024, 2048, 4096)
WARPS, STAGES = (4, 8), (2, 3, 4, 5)
NEAR = 1.25
"""How much slower than the fastest with plain loads and a tile a program a candidate may be, to be looked at with boxes and a
persistent grid too: these save no more."""
WARP_ROWS = 16  # of a product's tile that one warp holds
SMALLEST_MAP, LARGEST_MAP = 256, 16384  # elements of a tile


class Ranked(NamedTuple):
    candidate: Candidate
    prediction: Prediction


def candidates(work: Work) -> list[Candidate]:
    """Tile shapes for a kernel's kind. Columns hold whole groups; where the domain has no columns there is one."""
    walks = [walk for phase in work.phases for walk in phase]
    multiplying = [walk for walk in walks if walk.products]
    if not multiplying:
        return _map_candidates(max(walks, key=lambda walk: walk.rows * walk.columns).columns > 1)
    rows, columns = (max(sizes) for sizes in zip(*((w.rows, w.columns) for w in multiplying), strict=True))
    if columns == 1:  # attention, whose rows are reduced by one warp each
        tiles = product(_useful(ATTENTION_ROWS, rows), ATTENTION_KEYS, WARPS, STAGES)
        return [Candidate(r, 1, k, Choice(w, s)) for r, k, w, s in tiles if w == WARPS[0] or r >= WARP_ROWS * w]
    group = max(walk.group for walk in multiplying)
    wide = [n for n in _useful(GEMM_COLUMNS, columns) if n % group == 0] or [group]
    shapes = product(_useful(GEMM_ROWS, rows), wide, GEMM_INNER)
    return [Candidate(*shape, Choice(w, s)) for shape, w, s in product(shapes, WARPS, STAGES)]


def _useful(sizes: Sequence[int], domain: int) -> list[int]:
    """Those up to the first that covers the domain."""
    return [size for before, size in zip((0, *sizes), sizes, strict=False) if before < domain]


def _map_candidates(columns: bool) -> list[Candidate]:
    shapes = [(r, c) for r, c in product(MAP_ROWS, MAP_COLUMNS) if SMALLEST_MAP <= r * c <= LARGEST_MAP]
    return [
        Candidate(r, c if columns else 1, 1 if columns else c, Choice(w, 1)) for (r, c), w in product(shapes, WARPS)
    ]


def shapes_for(work: Work, candidate: Candidate, base: TileShapes) -> TileShapes:
    """The shapes under which form-tiles makes this kernel with the candidate's tiles; `base` for all else."""
    rows, columns, inner = candidate.rows, candidate.columns, candidate.inner
    match work.kind:
        case "gemm":
            return replace(base, gemm_rows=rows, gemm_columns=columns, gemm_depth=inner)
        case "matmul":
            return replace(base, matmul_rows=rows, matmul_columns=columns, matmul_depth=inner)
        case "attention":
            return replace(base, attention_rows=rows, attention_keys=inner)
        case _:
            wide = max(columns, inner)
            return replace(base, row_columns=wide, symbolic_columns=wide, row_elements=rows * wide, most_rows=rows)


def why_not(ranked: Ranked, target: GpuTarget) -> Refusal | None:
    """A candidate whose block does not fit, as far as can be told before compiling it."""
    found = ranked.prediction
    if found.shared > target.smem_per_block:
        return Refusal(f"about {found.shared} bytes of shared memory, a block has {target.smem_per_block}", _SMALLER)
    if found.registers > target.max_registers:
        return Refusal(f"about {found.registers} registers a thread, there are {target.max_registers}", _SMALLER)
    return None if found.blocks else Refusal("no block fits an SM", _SMALLER)


_SMALLER = "smaller tiles, fewer stages or more warps"


def rank(
    work: Work,
    target: GpuTarget,
    ledger: Ledger,
    among: Sequence[Candidate] | None = None,
    precision: str = "ieee",
) -> list[Ranked]:
    """Candidates that should fit, the fastest first; of equals the smallest block. The ledger gets a row for each that was
    refused although predicted no slower than the first. Empty where none fits."""
    all_of = [Ranked(c, predict(work, target, c, precision)) for c in (among or candidates(work))]
    all_of += [] if among else _varied(work, target, all_of, precision)
    all_of.sort(key=_order)
    fitting = [r for r in all_of if why_not(r, target) is None]
    for ranked in all_of:
        refusal = why_not(ranked, target)
        if refusal and fitting and ranked.prediction.seconds <= fitting[0].prediction.seconds:
            ledger.refuse(RULE, where(work, ranked, target), refusal)
    return fitting


def variants(work: Work, target: GpuTarget, plain: Ranked) -> list[Candidate]:
    """The candidate with boxes, a persistent grid, or both, where they may be: more tiles than multiprocessors."""
    boxes = target.has_tma and any(m.boxed for phase in work.phases for walk in phase for m in walk.moves)
    walks = work.persistent and plain.prediction.programs > target.sms
    ways = [(tma, walk) for tma in (False, True)[: 1 + boxes] for walk in (False, True)[: 1 + walks]]
    choice = plain.candidate.choice
    return [replace(plain.candidate, choice=replace(choice, tma=tma, persistent=walk)) for tma, walk in ways[1:]]


def _varied(work: Work, target: GpuTarget, plain: Sequence[Ranked], precision: str) -> list[Ranked]:
    """The variants of all that could be the fastest by them."""
    fastest = min((r.prediction.seconds for r in plain if why_not(r, target) is None), default=0.0)
    near = [r for r in plain if r.prediction.seconds <= NEAR * fastest]
    return [Ranked(v, predict(work, target, v, precision)) for r in near for v in variants(work, target, r)]


def _order(ranked: Ranked) -> tuple[float, int, int, bool, bool]:
    """By time; of equals the smallest block, and plain loads."""
    choice, found = ranked.candidate.choice, ranked.prediction
    return found.seconds, found.shared, choice.num_warps, choice.tma, choice.persistent


def refused(phases: Sequence[CompiledTriton], target: GpuTarget) -> list[Refusal]:
    """What the static checks have against a candidate's code."""
    return [refusal for phase in phases for refusal in refusals(phase, target).values()]


def summary(prediction: Prediction) -> str:
    """`predicted 12.3 us, memory bound, 0.81 of the speed of light`."""
    return (
        f"predicted {prediction.seconds * 1e6:.1f} us, {prediction.bound} bound, "
        f"{prediction.speed_of_light:.2f} of the speed of light"
    )


def beside(work: Work, target: GpuTarget, taken: Ranked, precision: str = "ieee") -> str:
    """`; plain 13.0 us, persistent 12.5 us`: the same tiles loaded and launched in the other ways that fit, if any."""
    choice = taken.candidate.choice
    plain = replace(taken.candidate, choice=replace(choice, tma=False, persistent=False))
    first = Ranked(plain, predict(work, target, plain, precision))
    found = [first, *(Ranked(v, predict(work, target, v, precision)) for v in variants(work, target, first))]
    ways = {
        r.candidate.choice.ways or "plain": r.prediction.seconds
        for r in found
        if r.candidate != taken.candidate and not why_not(r, target)
    }
    return "; " * bool(ways) + ", ".join(f"{way} {seconds * 1e6:.1f} us" for way, seconds in ways.items())


def where(work: Work, ranked: Ranked, target: GpuTarget) -> str:
    """The kernel, the device and the candidate, for a row of the ledger."""
    return f"{work.name} on {target.device}: {ranked.candidate}"

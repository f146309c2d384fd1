"""Which kernels are warp-specialised CUDA C++, with which tiles: the cost model's order, the first candidate with sound code.

Tiles are those that warp roles have: 64 or 128 rows, a warpgroup for every 64. All kernels are compiled side by side, a candidate
of each at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir.ledger import Ledger, Refusal
from ...ir.tile_shapes import TileShapes
from ..contract import Form
from ..nvidia.target import GpuTarget
from ..triton.captured import Alike, Captured
from ..triton.cost.choose import Ranked, rank, shapes_for, summary, where
from ..triton.cost.tiling import Candidate
from ..triton.cost.work import Work
from ..triton.source import Choice
from .checks import refusals
from .compile import CompiledCuda, build
from .forms import Printed, Specialiser, printed

RULE = "cuda-kernels"
ATTEMPTS = 6
"""Candidates of a kernel that are tried before it is left to Triton."""
ROWS, COLUMNS, KEYS = (64, 128), (32, 64, 128, 256), (64, 128)
WARPGROUP_ROWS, WARPGROUP_WARPS, STAGES = 64, 4, 4


@dataclass(frozen=True)
class Made:
    """A kernel's launches, compiled."""

    printed: Printed
    compiled: tuple[CompiledCuda, ...]


@dataclass
class CudaChoices:
    """The tiles of the ops that have a warp-specialised form, and their code by the names of the kernels that they become."""

    shapes: dict[Operation, TileShapes] = field(default_factory=dict[Operation, TileShapes])
    kernels: dict[str, Made] = field(default_factory=dict[str, Made])


@dataclass
class _Case:
    """Ops that are the same work, on the way through its candidates. `why`: what the last one was refused for."""

    ops: list[Operation]
    work: Work
    ranked: Sequence[Ranked]
    attempt: int = 0
    why: Refusal | None = None
    is_settled: bool = False


@dataclass(frozen=True)
class _Try:
    case: _Case
    ranked: Ranked
    shapes: TileShapes
    name: str
    printed: Printed


def choose(
    module: ModuleOp,
    ops: Sequence[Operation],
    form: Form,
    target: GpuTarget,
    specialiser: Specialiser,
    ledger: Ledger,
) -> CudaChoices:
    """For the ops of a fused module; sizes are those of the capture. The ledger gets a row for each kernel: what was taken
    and what is predicted for it, or why the Triton backend has it; and for each candidate whose code a check refused.

    Raises MissingCompilerError, and CompileError for source of ours that the compiler does not take.
    """
    chooser = _Chooser(module, form, target, specialiser, ledger)
    cases = chooser.cases(ops)
    found = CudaChoices()
    while pending := [case for case in cases if not case.is_settled]:
        tries = [made for case in pending if (made := chooser.attempt(case)) is not None]
        compiled = iter(build([source for each in tries for source in each.printed.sources]))
        for each in tries:
            made = Made(each.printed, tuple(next(compiled) for _ in each.printed.sources))
            if chooser.is_sound(each, made):
                found.shapes.update(dict.fromkeys(each.case.ops, each.shapes))
                found.kernels[each.name] = made
    return found


class _Chooser:
    def __init__(
        self, module: ModuleOp, form: Form, target: GpuTarget, specialiser: Specialiser, ledger: Ledger
    ) -> None:
        self.form = form
        self.target = target
        self.specialiser = specialiser
        self.ledger = ledger
        self.captured = Captured(module, target.sms)

    def cases(self, ops: Sequence[Operation]) -> list[_Case]:
        return [self._case(alike) for alike in self.captured.alike(ops, self.form, self.specialiser.shapes)]

    def _case(self, alike: Alike) -> _Case:
        work = self.captured.work(alike)
        among = candidates(work, self.specialiser.shapes.gemm_depth)
        ranked = rank(work, self.target, Ledger(), among) if among else []
        case = _Case(alike.ops, work, ranked)
        if not among:
            self._leave(
                case, Refusal("it has no product: there is nothing to load ahead for", "a kernel around a product")
            )
        elif not ranked:
            self._leave(case, Refusal("no tile of warp roles fits an SM", "smaller tiles"))
        return case

    def attempt(self, case: _Case) -> _Try | None:
        """The case's next candidate in print; None where it has no such form, and the case may be settled."""
        ranked = case.ranked[case.attempt]
        case.attempt += 1
        shapes = shapes_for(case.work, ranked.candidate, self.specialiser.shapes)
        formed = self.form(case.ops[0], shapes)
        made = Refusal("no tile form", "other tiles") if formed is None else printed(formed.kernel, self.specialiser)
        if formed is not None and isinstance(made, Printed):
            return _Try(case, ranked, shapes, formed.kernel.sym_name.data, made)
        assert isinstance(made, Refusal)
        is_last = case.attempt == min(ATTEMPTS, len(case.ranked))
        if is_last or made == case.why:  # said twice: it is not for the tiles
            self._leave(case, made)
        case.why = made
        return None

    def is_sound(self, tried: _Try, made: Made) -> bool:
        """Whether no check has anything against the code; the ledger says what, and what was taken."""
        case, place = tried.case, where(tried.case.work, tried.ranked, self.target)
        why = [refusal for each in made.compiled for refusal in refusals(each).values()]
        if not why:
            case.is_settled = True
            self.ledger.take(RULE, place, f"{tried.printed.reason}; {summary(tried.ranked.prediction)}")
            return True
        for refusal in why:
            self.ledger.refuse(RULE, place, refusal)
        if case.attempt == min(ATTEMPTS, len(case.ranked)):
            self._leave(case, why[-1])
        return False

    def _leave(self, case: _Case, why: Refusal) -> None:
        """To the Triton backend."""
        case.is_settled = True
        reason = Refusal(f"{why.reason}: the Triton backend has it", why.would_change)
        self.ledger.refuse(RULE, f"{case.work.name} on {self.target.device}", reason)


def candidates(work: Work, depth: int) -> list[Candidate]:
    """Tile shapes of a kernel around products, which go `depth` deep; none where it has no product."""
    walks = [walk for phase in work.phases for walk in phase if walk.products]
    if not walks:
        return []
    columns, group = max(walk.columns for walk in walks), max(walk.group for walk in walks)
    if columns == 1:  # attention
        return [Candidate(rows, 1, keys, _roles(rows)) for rows, keys in product(ROWS, KEYS)]
    wide = [n for before, n in zip((0, *COLUMNS), COLUMNS, strict=False) if before < columns and n % group == 0]
    return [Candidate(rows, n, depth, _roles(rows)) for rows, n in product(ROWS, wide or [group])]


def _roles(rows: int) -> Choice:
    """The warps that multiply, and the most slots of a ring."""
    return Choice(WARPGROUP_WARPS * rows // WARPGROUP_ROWS, STAGES)

"""Tiles, warps and stages for every kernel of a program: the cost model's order, the first candidate whose code is sound.

All kernels are compiled side by side, a candidate of each at a time, until every one has sound code or none is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir import tile
from ...ir.ledger import Ledger, Refusal
from ...ir.tile_shapes import Formed, TileShapes
from ..contract import Form, Precision
from ..nvidia.target import GpuTarget
from . import boxes, persistent
from .captured import Captured
from .compile import Job, Workers, build, device_kernel, multiples_of
from .compiled import CompiledTriton
from .cost.choose import RULE, Ranked, beside, rank, refused, shapes_for, summary, where
from .cost.work import Work
from .emit import INPUT_PRECISION, emit
from .lanes import Layouts
from .products import Products
from .shapes import LARGE, SMALL
from .source import Choice, TritonSource, UnsupportedKernelError
from .tuning import CANDIDATES, Tuner, buffers_of

ATTEMPTS = 8
"""Candidates of a kernel that are compiled before the tiles of `SMALL` are taken."""


@dataclass
class Choices:
    """What was chosen: the tiles of each fused op, and warps and stages by the names of the kernels that they become."""

    shapes: dict[Operation, TileShapes] = field(default_factory=dict[Operation, TileShapes])
    launches: dict[str, Choice] = field(default_factory=dict[str, Choice])

    def shapes_of(self, op: Operation) -> TileShapes:
        return self.shapes.get(op, SMALL)


@dataclass
class _Try:
    """A candidate of a case: its tiles, and its code, or why there can be none."""

    ranked: Ranked
    shapes: TileShapes
    formed: Formed | None
    made: Job | Refusal
    phases: tuple[CompiledTriton, ...] = ()

    @property
    def source(self) -> TritonSource:
        assert isinstance(self.made, Job)
        return self.made.source


@dataclass
class _Case:
    """Ops that are the same work, on the way through its candidates. `ranked`: those to come; `attempt`: how many there were."""

    ops: list[Operation]
    work: Work
    ranked: list[Ranked]
    attempt: int = 0
    sound: list[_Try] = field(default_factory=list[_Try])


def choose(
    module: ModuleOp,
    ops: Sequence[Operation],
    form: Form,
    target: GpuTarget,
    precision: Precision,
    ledger: Ledger,
    tuner: Tuner | None = None,
) -> Choices:
    """For the ops of a fused module. Sizes are those of the capture; caches are taken to be full. The ledger gets a row for
    each kernel with what is predicted for it, and for each candidate that was refused, with the reason.

    With a `tuner` the first few sound candidates of a kernel are measured, and the fastest is taken.
    """
    with Workers() as workers:
        return _Chooser(module, form, target, precision, ledger, tuner, workers).choose(ops)


class _Chooser:
    def __init__(
        self,
        module: ModuleOp,
        form: Form,
        target: GpuTarget,
        precision: Precision,
        ledger: Ledger,
        tuner: Tuner | None,
        workers: Workers,
    ) -> None:
        self.form = form
        self.target = target
        self.precision: Precision = precision
        self.ledger = ledger
        self.tuner = tuner
        self.workers = workers
        self.captured = Captured(module, target.sms)

    def choose(self, ops: Sequence[Operation]) -> Choices:
        wanted = CANDIDATES if self.tuner else 1
        cases = self._cases(ops)
        pending = [case for case in cases if case.ranked]
        while pending:
            self._attempt(pending)
            pending = [
                case for case in pending
                if case.ranked and len(case.sound) < wanted and case.attempt < ATTEMPTS * wanted
            ]  # fmt: skip
        found = Choices()
        for case in cases:
            if case.sound:
                best = self._best(case)
                found.shapes.update(dict.fromkeys(case.ops, best.shapes))
                found.launches[best.source.name] = best.ranked.candidate.choice
        return found

    def _cases(self, ops: Sequence[Operation]) -> list[_Case]:
        cases: list[_Case] = []
        for alike in self.captured.alike(ops, self.form, LARGE):
            multiples = boxes.sixteens(alike.formed.kernel, [alike.formed.dims])
            work = self.captured.work(alike, multiples)
            self._refuse_ways(alike.formed.kernel, multiples)
            ranked = rank(work, self.target, self.ledger, precision=INPUT_PRECISION[self.precision])
            cases.append(_Case(alike.ops, work, ranked))
        return cases

    def _refuse_ways(self, kernel: tile.KernelOp, multiples: frozenset[str]) -> None:
        """The ledger gets a row for each operand that can be no box, and for a kernel that can have no persistent grid."""
        products, place = Products(kernel), f"{kernel.sym_name.data} on {self.target.device}"
        if not products.of:
            return
        if (refusal := persistent.why_not(kernel)) is not None:
            self.ledger.refuse(persistent.RULE, place, refusal)
        why_not = boxes.refusals(kernel, Layouts(kernel), products, multiples) if self.target.has_tma else {}
        for op, refusal in why_not.items():
            if refusal is not None:
                number = kernel.body.args.index(op.buffer)  # pyright: ignore[reportArgumentType]
                self.ledger.refuse(boxes.RULE, f"{place}: buffer {number}", refusal)

    def _attempt(self, cases: Sequence[_Case]) -> None:
        """The next candidate of each, compiled side by side."""
        tries = [self._try(case) for case in cases]
        built = iter(build([each.made for each in tries if isinstance(each.made, Job)], workers=self.workers))
        for case, each in zip(cases, tries, strict=True):
            case.attempt += 1
            if isinstance(each.made, Job):
                each.phases = next(built)
            why = [each.made] if isinstance(each.made, Refusal) else refused(each.phases, self.target)
            for refusal in why:
                self.ledger.refuse(RULE, where(case.work, each.ranked, self.target), refusal)
            case.sound += [] if why else [each]
            if why and not any(phase.launch.shared > self.target.smem_per_block for phase in each.phases):
                case.ranked = [other for other in case.ranked if not _differ_in_stages(other, each.ranked)]

    def _try(self, case: _Case) -> _Try:
        ranked = case.ranked.pop(0)
        shapes = shapes_for(case.work, ranked.candidate, LARGE)
        formed = self.form(case.ops[0], shapes)
        if formed is None:
            return _Try(ranked, shapes, formed, Refusal("no tile form", "other tiles"))
        try:
            multiples = boxes.sixteens(formed.kernel, [formed.dims])
            source = emit(
                formed.kernel, self.target, ranked.candidate.choice, precision=self.precision, multiples=multiples
            )
        except UnsupportedKernelError as error:
            return _Try(ranked, shapes, formed, Refusal(str(error), "other tiles"))
        known = multiples_of(source, formed.dims)
        return _Try(ranked, shapes, formed, Job(source, self.target, known))

    def _best(self, case: _Case) -> _Try:
        """Of the sound candidates the first, or the fastest; the ledger gets a row for each that was measured."""
        if self.tuner is None:
            (best,) = case.sound
            self.ledger.take(RULE, where(case.work, best.ranked, self.target), self._predicted(case, best))
            return best
        measured = [self._measured(self.tuner, each) for each in case.sound]
        fastest = min(measured)
        best = case.sound[measured.index(fastest)]
        for each, seconds in zip(case.sound, measured, strict=True):
            place = where(case.work, each.ranked, self.target)
            said = f"measured {seconds * 1e6:.1f} us, {self._predicted(case, each)}"
            if each is best:
                self.ledger.take(RULE, place, said)
            else:
                self.ledger.refuse(RULE, place, Refusal(said, f"less than {fastest * 1e6:.1f} us"))
        return best

    def _predicted(self, case: _Case, made: _Try) -> str:
        precision = INPUT_PRECISION[self.precision]
        return summary(made.ranked.prediction) + beside(case.work, self.target, made.ranked, precision)

    def _measured(self, tuner: Tuner, made: _Try) -> float:
        assert made.formed is not None
        buffers = buffers_of(made.formed, self.captured.sizes, self.captured.position)
        return tuner.seconds(device_kernel(made.source, made.phases), buffers, self.captured.dims(made.formed))


def _differ_in_stages(one: Ranked, other: Ranked) -> bool:
    """Whether no more than the stages of two candidates differ: what is wrong with the registers of one is wrong with both."""
    first, second = (replace(r.candidate, choice=replace(r.candidate.choice, num_stages=0)) for r in (one, other))
    return first == second

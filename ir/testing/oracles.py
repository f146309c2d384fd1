"""What must hold, one function each. Each raises `Violation` that says what does not, or returns what it learnt.

A pass is any `apply(module, ledger)` that rewrites in place. Modules that are given are not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.utils.exceptions import VerifyException

from .. import tile
from ..dims import Dim
from ..layout import resolve
from ..ledger import Decision, Ledger
from ..reference_tile import run_kernel
from ..signature import functions_of
from ..text import parse, structural_hash, to_text
from ..types import tensor_type
from ..verify import Level, verify_level
from .inputs import Inputs, draw
from .run import run

Pass = Callable[[ModuleOp, Ledger], None]
SAME = 1e-9
"""How far float64 results may be apart, in units of the largest: rounding, not mathematics."""


class Violation(AssertionError):  # noqa: N818 - a finding, not an error of the program
    """An oracle's finding; `oracle` is its name."""

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(f"{oracle}: {message}")
        self.oracle = oracle


def verifies(module: ModuleOp, level: Level) -> None:
    """The module is one of its level, op by op, and every value is defined before it is used."""
    try:
        verify_level(module, level)
    except VerifyException as error:
        raise Violation("verifies", str(error)) from error


def is_well_formed(module: ModuleOp) -> None:
    """Every op verifies and every value is defined before it is used, whatever the level: between two passes."""
    try:
        module.verify()
    except VerifyException as error:
        raise Violation("is_well_formed", str(error)) from error
    for op in module.walk():
        for region in op.regions:
            for block in region.blocks:
                _check_dominance(block)


def _check_dominance(block: Block) -> None:
    known: set[SSAValue] = set(block.args)
    for op in block.ops:
        for value in op.operands:
            if value not in known and _is_defined_in(value, block):
                raise Violation("is_well_formed", f"`{op.name}` uses a value before its definition")
        known.update(op.results)


def _is_defined_in(value: SSAValue, block: Block) -> bool:
    owner = value.owner
    return owner is block if isinstance(owner, Block) else owner.parent is block


def round_trips(module: ModuleOp) -> None:
    """Its text parses to a structurally equal module that prints the same text."""
    text = to_text(module)
    again = parse(text)
    if not again.is_structurally_equivalent(module):
        raise Violation("round_trips", "the text parses to another module")
    if to_text(again) != text:
        raise Violation("round_trips", "the parsed module prints another text")


def hashes_by_structure(module: ModuleOp) -> None:
    """The structural hash does not depend on the names of values."""
    renamed = module.clone()
    for op in renamed.walk():
        for value in op.results:
            value.name_hint = "renamed"
    if structural_hash(renamed) != structural_hash(module):
        raise Violation("hashes_by_structure", "it depends on value names")


def agree(
    wanted: Sequence[torch.Tensor], got: Sequence[torch.Tensor], oracle: str = "agree", bound: float = SAME
) -> None:
    """Results are equal up to `bound` of the largest number; NaN and infinities stand at the same places."""
    if len(wanted) != len(got):
        raise Violation(oracle, f"{len(got)} results where there were {len(wanted)}")
    for i, (want, have) in enumerate(zip(wanted, got, strict=True)):
        if want.shape != have.shape:
            raise Violation(oracle, f"result {i} has the shape {list(have.shape)}, expected {list(want.shape)}")
        if not want.is_floating_point():
            if not torch.equal(want, have):
                raise Violation(oracle, f"result {i}: {int((want != have).sum())} of {want.numel()} integers differ")
            continue
        kept = want.isfinite()
        if (
            not torch.allclose(want[~kept], have[~kept].to(want.dtype), equal_nan=True)
            or not have[kept].isfinite().all()
        ):
            raise Violation(oracle, f"result {i}: NaN or infinities at other places")
        if not kept.any():
            continue
        error = float((want[kept].double() - have[kept].double()).abs().max())
        largest = max(1.0, float(want[kept].abs().max()))
        if error > bound * largest:
            raise Violation(oracle, f"result {i} is off by {error:.1e}, of {largest:.1e} at most {bound * largest:.1e}")


def preserves_numbers(module: ModuleOp, apply: Pass, seed: int = 0, inputs: Inputs | None = None) -> list[Decision]:
    """The pass leaves a well-formed module with the same float64 results. Gives the decisions that it took."""
    inputs = inputs or draw(module, seed)
    changed, ledger = module.clone(), Ledger()
    apply(changed, ledger)
    is_well_formed(changed)
    agree(run(module, inputs), run(changed, inputs), "preserves_numbers")
    return ledger.rows


def pipeline_preserves_numbers(
    module: ModuleOp, passes: Mapping[str, Pass], seed: int = 0, inputs: Inputs | None = None
) -> tuple[ModuleOp, dict[str, list[Decision]]]:
    """`preserves_numbers` after every pass of a pipeline. Gives the last module and each pass's decisions.

    A Violation names the pass. A pass that changes nothing is not run again by the reference.
    """
    inputs = inputs or draw(module, seed)
    changed, decisions = module.clone(), dict[str, list[Decision]]()
    wanted, before = run(module, inputs), module
    for name, apply in passes.items():
        ledger = Ledger()
        try:
            apply(changed, ledger)
            if not changed.is_structurally_equivalent(before):
                is_well_formed(changed)
                agree(wanted, run(changed, inputs), "preserves_numbers")
                before = changed.clone()
        except Violation as violation:
            raise Violation(violation.oracle, f"after {name}: {violation}") from violation
        decisions[name] = ledger.rows
    return changed, decisions


def is_idempotent(module: ModuleOp, apply: Pass) -> None:
    """Running the pass again changes nothing: its form is canonical."""
    once = module.clone()
    apply(once, Ledger())
    twice = once.clone()
    apply(twice, Ledger())
    if not once.is_structurally_equivalent(twice):
        raise Violation("is_idempotent", "a second run changes the module")


def is_deterministic(module: ModuleOp, apply: Pass) -> None:
    """Equal modules become equal modules, whatever their locations."""
    copies = [module.clone(), parse(to_text(module))]
    for copy in copies:
        apply(copy, Ledger())
    if not copies[0].is_structurally_equivalent(copies[1]):
        raise Violation("is_deterministic", "an equal module, read from text, becomes another one")


def rounds_within(module: ModuleOp, got: Sequence[torch.Tensor], inputs: Inputs, roundings: float = 4.0) -> None:
    """Results in the program's dtypes are no further from float64 than twice a naive implementation's, or a few roundings.

    What is NaN or infinite both in float64 and naively is that; where only one of them is, the result may be either.
    """
    truth, naive = run(module, inputs), run(module, inputs, torch.float32)
    for i, (exact, plain, have) in enumerate(zip(truth, naive, got, strict=False)):
        if not have.is_floating_point():
            if not torch.equal(plain, have):
                raise Violation("rounds_within", f"result {i}: integers differ")
            continue
        odd = ~plain.isfinite() & ((plain.double() == exact) | (plain.isnan() & exact.isnan()))
        if not torch.equal(have[odd].double().nan_to_num(0.5), plain[odd].double().nan_to_num(0.5)):
            raise Violation("rounds_within", f"result {i}: NaN or infinities at other places")
        kept = plain.isfinite() & exact.isfinite() & (exact.abs() < torch.finfo(have.dtype).max / 4)
        if not kept.any():
            continue
        theirs = float((plain[kept].double() - exact[kept].double()).abs().max())
        ours = float((have[kept].double() - exact[kept].double()).nan_to_num(torch.inf).abs().max())
        eps = max(torch.finfo(have.dtype).eps, torch.finfo(torch.float32).eps * 8)
        allowed = max(2 * theirs, roundings * eps * max(1.0, float(exact[kept].abs().max())))
        if ours > allowed:
            raise Violation(
                "rounds_within", f"result {i} is {ours:.1e} from float64, naively {theirs:.1e}, {allowed:.1e} allowed"
            )


def views_are_layouts(module: ModuleOp, seed: int = 0) -> bool:
    """Returned views lie where `resolve` says, in their argument's memory; False where it says that they cannot."""
    main, inputs = functions_of(module)["main"], draw(module, seed)
    returned = main.body.block.last_op
    assert returned is not None
    for value, want in zip(returned.operands, run(module, inputs), strict=False):
        try:
            base, layout = resolve(value)
        except ValueError:
            return False
        memory = inputs.arguments[main.body.block.args.index(base)].double().reshape(-1)  # pyright: ignore[reportArgumentType]
        sizes, strides = ([d.evaluate(inputs.symbols) for d in dims] for dims in (layout.sizes, layout.strides))
        got = memory.as_strided(sizes, strides, layout.offset.evaluate(inputs.symbols))
        if not torch.equal(got, want):
            raise Violation("views_are_layouts", f"{tensor_type(value)} is not where its layout says")
    return True


def is_order_independent(module: ModuleOp, inputs: Inputs) -> None:
    """The tiles of every kernel may be computed in any order: backwards, the results are bitwise the same."""
    agree(run(module, inputs), run(backwards(module), inputs), "is_order_independent", 0.0)


def kernel_is_order_independent(
    module: ModuleOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int]
) -> list[torch.Tensor]:
    """The same for a module of one kernel, on buffers. Gives what they hold afterwards, in f64 arithmetic."""
    results: list[list[torch.Tensor]] = []
    for each in (module, backwards(module)):
        copies = [b.clone() for b in buffers]
        run_kernel(kernel_of(each), copies, dims, torch.float64)
        results.append(copies)
    agree(results[0], results[1], "is_order_independent", 0.0)
    return results[0]


def kernel_of(module: ModuleOp) -> tile.KernelOp:
    """The one kernel of a module."""
    (kernel,) = (op for op in module.ops if isinstance(op, tile.KernelOp))
    return kernel


def backwards(module: ModuleOp) -> ModuleOp:
    """A copy whose kernels walk the loops between two barriers in the opposite order, each from its last tile to its first."""
    copy = module.clone()
    for kernel in [op for op in copy.ops if isinstance(op, tile.KernelOp)]:
        runs = [list(ops) for _, ops in groupby(kernel.body.ops, lambda op: isinstance(op, tile.ParallelOp))]
        for op in [op for ops in runs for op in reversed(ops)]:
            op.detach()
            kernel.body.add_op(op)
            if isinstance(op, tile.ParallelOp):
                _mirror_loop(op)
    return copy


def _mirror_loop(loop: tile.ParallelOp) -> None:
    """Groups stay where they are: what is known of their rows is only known when it runs."""
    sizes = (loop.batch.data, loop.rows.data, loop.columns.data)
    axes = list(zip(loop.body.args, sizes, (1, *loop.tile_shape), strict=True))
    for arg, size, step in axes if loop.groups is None else axes[2:]:
        _mirror(loop.body, arg, (size + (step - 1)) // step * step - step)


def _mirror(block: Block, index: SSAValue, last: Dim) -> None:
    """Readers of `index` get `last` − index."""
    size = tile.SizeOp(last)
    mirrored = arith.SubiOp(size.result, index)
    index.replace_uses_with_if(mirrored.result, lambda use: use.operation is not mirrored)
    first = block.first_op
    assert first is not None
    block.insert_ops_before([size, mirrored], first)

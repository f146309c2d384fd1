"""Functions of fused ops: built, formed into tile programs, and checked against the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

from flow_models import Function
from warpweave.ir import flow, fused
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference import run
from warpweave.ir.testing import Runner
from warpweave.ir.text import parse, to_text
from warpweave.ir.types import TensorType, tensor_type
from warpweave.ir.verify import verify_level
from warpweave.passes import form_tiles, materialise

COMPUTE = torch.float64
"""What `check` runs tile programs in: everything in f64, or f32 for the declared types."""


def run_tiles(
    module: ModuleOp,
    args: Sequence[torch.Tensor],
    symbols: dict[str, int] | None = None,
    compute: torch.dtype = torch.float32,
) -> tuple[list[torch.Tensor], Runner]:
    """The results of @main on copies of the arguments, and the runner (whose `launched` names the kernels)."""
    runner = Runner(module, symbols, compute)
    with torch.no_grad():
        main = runner.functions["main"].body.block
        return runner.call("main", [runner.placed(a, v) for a, v in zip(main.args, args, strict=True)]), runner


def form(module: ModuleOp) -> ModuleOp:
    """The fused module as a tile module, verified and read back from its text."""
    ledger = Ledger()
    materialise.run(module, ledger)
    form_tiles.run(module, ledger)
    verify_level(module, "tile")
    text = to_text(module)
    assert to_text(parse(text)) == text
    return module


def check(function: Function, *results: SSAValue, atol: float = 2e-6, symbols: dict[str, int] | None = None) -> Runner:
    """The tile form of a function of fused ops gives the reference's numbers (both in float64)."""
    module = ModuleOp([function.finish(*results)])
    verify_level(module, "fused")
    wanted = run(module, function.args, float64=True, symbols=symbols)
    got, runner = run_tiles(form(module), function.args, symbols, COMPUTE)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours.double(), theirs.double(), atol=atol, rtol=1e-5, equal_nan=True)
    return runner


def region(args: Sequence[TensorType], body: Callable[..., Sequence[SSAValue]]) -> Region:
    """A fused op's region: `body(add, *block args)` gives what it yields; `add` puts an op in and gives its result."""
    block = Block(arg_types=args)

    def add(op: flow.FlowOp) -> SSAValue:
        block.add_op(op)
        return op.result

    block.add_op(fused.YieldOp(*body(add, *block.args)))
    return Region(block)


def gemm(
    f: Function,
    a: SSAValue,
    weights: Sequence[SSAValue],
    sides: Sequence[SSAValue],
    outputs: Sequence[TensorType],
    body: Callable[..., Sequence[SSAValue]],
) -> Sequence[SSAValue]:
    """A `fused.gemm` in f."""
    types = [fused.GemmOp.accumulator_type(a, w) for w in weights] + [tensor_type(s) for s in sides]
    op = fused.GemmOp(a, weights, sides, region(types, body), outputs)
    f.block.add_op(op)
    return op.results


def map_(
    f: Function, inputs: Sequence[SSAValue], outputs: Sequence[TensorType], body: Callable[..., Sequence[SSAValue]]
) -> Sequence[SSAValue]:
    """A `fused.map` in f."""
    op = fused.MapOp(inputs, region([tensor_type(v) for v in inputs], body), outputs)
    f.block.add_op(op)
    return op.results


def kernel(f: Function, op: Operation) -> SSAValue:
    """Any other fused op in f; gives its result."""
    f.block.add_op(op)
    return op.results[0]

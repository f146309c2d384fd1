"""Runs tile modules: launches by the reference interpreter on flat buffers, everything else by the flow reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

from flow_models import Function
from warpweave.ir import flow, fused, tile
from warpweave.ir.layout import resolve
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference import Evaluator, run
from warpweave.ir.reference_tile import run_kernel
from warpweave.ir.text import parse, to_text
from warpweave.ir.types import TensorType, tensor_type
from warpweave.ir.verify import constant_ops, verify_level
from warpweave.passes import form_tiles, materialise


class Runner:
    """Executes @main of a tile module; memory is flat, views are layouts."""

    def __init__(self, module: ModuleOp, symbols: dict[str, int] | None = None, compute: torch.dtype = torch.float32):
        self.evaluator = Evaluator(module, False, {tile.NUM_THREADS: 3, **(symbols or {})})
        self.functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}
        self.kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, tile.KernelOp)}
        self.compute = compute
        self.launched: list[str] = []

    def size(self, dim) -> int:
        return dim.evaluate(self.evaluator.symbols)

    def tensor(self, value: SSAValue, memory: dict[SSAValue, torch.Tensor]) -> torch.Tensor:
        """The strided tensor of a value."""
        base, layout = resolve(value)
        sizes, strides = [self.size(n) for n in layout.sizes], [self.size(s) for s in layout.strides]
        start = memory[base].storage_offset()
        return memory[base].as_strided(sizes, strides, start + self.size(layout.offset))

    def call(self, name: str, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The results; `args` are written where a kernel writes in place."""
        function = self.functions[name]
        memory: dict[SSAValue, torch.Tensor] = {}
        for arg, value in zip(function.body.block.args, args, strict=True):
            self.evaluator.bind(tensor_type(arg), value)
            flat = torch.as_strided(value, [value.untyped_storage().nbytes() // value.element_size()], [1], 0)
            memory[arg] = flat
        constants = constant_ops(function)
        for op in function.body.block.ops:
            if isinstance(op, func.ReturnOp):
                return [self.tensor(v, memory) for v in op.operands]
            if isinstance(op, flow.VIEWS) and op not in constants:
                continue
            if isinstance(op, tile.LaunchOp):
                self.launch(op, memory)
                continue
            operands = [self.tensor(v, memory) for v in op.operands]
            if isinstance(op, func.CallOp):
                results = self.call(op.callee.root_reference.data, operands)
            else:
                results = self.evaluator.evaluate(op, operands)
            for value, result in zip(op.results, results, strict=True):
                memory[value] = result.contiguous().view(-1)
        raise AssertionError("no return")

    def launch(self, op: tile.LaunchOp, memory: dict[SSAValue, torch.Tensor]) -> None:
        kernel = self.kernels[op.kernel.root_reference.data]
        self.launched.append(kernel.sym_name.data)
        buffers = []
        for value in op.inputs:
            assert not isinstance(value.owner, flow.VIEWS) or value in memory, "a launch operand is a view"
            buffers.append(memory[value])
        for i, result in enumerate(op.results):
            if i in op.aliases:
                memory[result] = memory[op.inputs[op.aliases[i]]]
                continue
            type_ = tensor_type(result)
            count = 1
            for n in type_.shape:
                count *= self.size(n)
            memory[result] = torch.full([count], 7, dtype=self.evaluator.dtype(type_))
            buffers.append(memory[result])
        dims = {s.data: self.size(d.data) for s, d in zip(kernel.symbols, op.dims, strict=True)}
        run_kernel(kernel, buffers, dims, self.compute)


def run_tiles(
    module: ModuleOp,
    args: Sequence[torch.Tensor],
    symbols: dict[str, int] | None = None,
    compute: torch.dtype = torch.float32,
) -> tuple[list[torch.Tensor], Runner]:
    """The results of @main on copies of the arguments, and the runner (whose `launched` names the kernels)."""
    runner = Runner(module, symbols, compute)
    with torch.no_grad():
        copies = [a.clone(memory_format=torch.preserve_format) for a in args]
        return runner.call("main", copies), runner


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
    got, runner = run_tiles(form(module), function.args, symbols, torch.float64)
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

"""Runs @main of a module at any level: flow, fused, tile, and mixes of them, as they stand between two passes.

Ops on whole tensors go to `ir/reference.py`, launches to `ir/reference_tile.py`, those of warp roles to
`ir/reference_aref.py`. Memory is modelled as the machine has it: views share the memory of what they view, results written
in place are the operand's memory, a launch takes its operands' memory in the layout that its kernel was formed for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import IntAttr, ModuleOp, VectorType, f64
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from .. import aref, flow, reference_aref, tile
from ..dims import Dim
from ..layout import in_place_operand, resolve
from ..protocol.machine import ProtocolError
from ..reference import Evaluator
from ..reference_tile import run_kernel
from ..signature import functions_of, mutations_of, role_of, strides_of
from ..types import is_float, tensor_type
from ..verify import constant_ops, describe
from .inputs import Inputs, in_layout


class NotRunnableError(RuntimeError):
    """An op that the reference cannot run: a `flow.aten` that PyTorch refuses here."""


Launch = Callable[[tile.KernelOp, Sequence[torch.Tensor], Mapping[str, int], torch.dtype], None]
"""Runs a kernel on its buffers, for the values of its symbols; `ir/reference_tile.py: run_kernel` is one."""


def run(
    module: ModuleOp, inputs: Inputs, compute: torch.dtype = torch.float64, launch: Launch | None = None
) -> list[torch.Tensor]:
    """The results of @main in order, then what each argument that may be written holds afterwards, in argument order.

    `torch.float64`: the mathematics; every float is f64 and nothing is rounded, so that modules before and after a pass
    agree to f64 rounding at every level. `torch.float32`: types as declared, each op computes in f32 and rounds to its
    result type, as a naive implementation would. `inputs` are not written. `launch`: what runs kernels.

    Raises ValueError where an input does not fit its type or a launch's operand has another layout than its kernel
    reads, UnboundSymbolError for a size that is not known, NotRunnableError, IndexError for a kernel that leaves a buffer.
    """
    runner = Runner(module, inputs.symbols, compute, launch)
    main = functions_of(module)["main"]
    written = mutations_of(main)
    arguments = [runner.placed(a, v) for a, v in zip(main.body.block.args, inputs.arguments, strict=True)]
    kept = {argument for _, argument in written} | {a.index for a in main.body.block.args if role_of(a) == "cache"}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        results = runner.call("main", arguments)
        results = [
            r.clone() for r in results
        ]  # one result may be the memory of an argument that another one overwrites
        for value, argument in written:
            arguments[argument].copy_(results[value])
    return [*results, *(arguments[i] for i in sorted(kept))]


class Runner:
    """Calls functions of one module. `launched` names the kernels that ran, in order."""

    def __init__(
        self,
        module: ModuleOp,
        symbols: Mapping[str, int] | None = None,
        compute: torch.dtype = torch.float64,
        launch: Launch | None = None,
    ) -> None:
        self.module = module
        self.compute = compute
        self._launch = launch or run_any_kernel
        self.evaluator = Evaluator(module, compute == torch.float64, {tile.NUM_THREADS: 3, **(symbols or {})})
        self.launched: list[str] = []
        self._wide: dict[tile.KernelOp, tile.KernelOp] = {}

    @cached_property
    def functions(self) -> dict[str, func.FuncOp]:
        return functions_of(self.module)

    @cached_property
    def kernels(self) -> dict[str, tile.KernelOp]:
        return {op.sym_name.data: op for op in self.module.ops if isinstance(op, tile.KernelOp)}

    def placed(self, arg: BlockArgument, value: torch.Tensor) -> torch.Tensor:
        """A copy of an argument's value in the element type and the strides that the function takes it in."""
        type_ = tensor_type(arg)
        self.evaluator.bind(type_, value)
        return in_layout(value.to(self.evaluator.dtype(type_)), strides_of(arg), self.evaluator.symbols)

    def call(self, name: str, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The results; `args` are written where the function writes in place, and must be `placed`."""
        function = self.functions[name]
        block = function.body.block
        constants = constant_ops(function)
        memory: dict[SSAValue, torch.Tensor] = {}
        for arg, value in zip(block.args, args, strict=True):
            self.evaluator.bind(tensor_type(arg), value)
            memory[arg] = value
        last_use = {value: op for op in block.ops for value in op.operands}
        for op in block.ops:
            operands = [memory[v] for v in op.operands]
            if isinstance(op, func.ReturnOp):
                return operands
            memory.update(zip(op.results, self.evaluate(op, operands, op in constants), strict=True))
            for value in (*op.operands, *op.results):
                if last_use.get(value, op) is op:
                    memory.pop(value, None)
        raise ValueError(f"@{name} does not end in a func.return")

    def evaluate(self, op: Operation, operands: list[torch.Tensor], constant: bool = False) -> list[torch.Tensor]:
        """The results of one op. `constant`: it is computed once, as whole tensors, even where it is a view."""
        if isinstance(op, tile.LaunchOp):
            return self.launch(op, operands)
        if isinstance(op, func.CallOp):
            return self.call(op.callee.root_reference.data, operands)
        results = self.aten(op, operands) if isinstance(op, flow.AtenOp) else self.evaluator.evaluate(op, operands)
        if isinstance(op, flow.VIEWS) and not constant:
            return results
        return [self._stored(v, r, op, operands) for v, r in zip(op.results, results, strict=True)]

    def aten(self, op: flow.AtenOp, operands: list[torch.Tensor]) -> list[torch.Tensor]:
        """By PyTorch; the same random numbers wherever the op stands."""
        torch.manual_seed(0)
        try:
            return self.evaluator.evaluate(op, operands)
        except (RuntimeError, TypeError, AttributeError, IndexError) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise NotRunnableError(f"`{op.target.data}` ({describe(op)}): PyTorch says: {reason[0]}") from error

    def _stored(
        self, value: SSAValue, result: torch.Tensor, op: Operation, operands: list[torch.Tensor]
    ) -> torch.Tensor:
        """Where a result lies: in its operand if it is written in place, else contiguous, in memory of its own."""
        written = in_place_operand(value)
        if written is not None:
            return operands[list(op.operands).index(written)].copy_(result)
        result = result.contiguous()
        shared = any(result.untyped_storage().data_ptr() == v.untyped_storage().data_ptr() for v in operands)
        return result.clone() if shared else result

    def launch(self, op: tile.LaunchOp, operands: list[torch.Tensor]) -> list[torch.Tensor]:
        """Runs the kernel on its operands' memory. New results hold NaN (integers 7) where it writes nothing."""
        kernel = self.kernels[op.kernel.root_reference.data]
        self.launched.append(kernel.sym_name.data)
        for value, tensor in zip(op.inputs, operands, strict=True):
            self._check_layout(kernel, value, tensor)
        buffers = [_flat(tensor) for tensor in operands]
        results: list[torch.Tensor] = []
        for i, value in enumerate(op.results):
            if i in op.aliases:
                results.append(operands[op.aliases[i]])
                continue
            dtype = self.evaluator.dtype(tensor_type(value))
            shape = self.evaluator.shape(tensor_type(value))
            results.append(torch.full(shape, float("nan") if dtype.is_floating_point else 7, dtype=dtype))
            buffers.append(results[-1].view(-1))
        dims = {s.data: self._size(d.data) for s, d in zip(kernel.symbols, op.dims, strict=True)}
        self._launch(self._widened(kernel), buffers, dims, self.compute)
        return results

    def _size(self, dim: Dim) -> int:
        return self.evaluator.size(dim)

    def _check_layout(self, kernel: tile.KernelOp, value: SSAValue, tensor: torch.Tensor) -> None:
        base, layout = resolve(value)
        if base is not value:
            raise ValueError(f"{kernel.sym_name.data} is launched on a view, `{value.type}`")
        wanted = [self._size(s) for s in layout.strides]
        rows = zip(tensor.shape, wanted, tensor.stride(), strict=True)
        if tensor.numel() and any(size > 1 and a != b for size, a, b in rows):
            raise ValueError(
                f"{kernel.sym_name.data} reads {value.type} with the strides {wanted}, it has {list(tensor.stride())}"
            )

    def _widened(self, kernel: tile.KernelOp) -> tile.KernelOp:
        """The kernel; where everything is f64, with f64 for every float type."""
        if self.compute != torch.float64:
            return kernel
        if kernel not in self._wide:
            self._wide[kernel] = wide = kernel.clone()
            arrivals = [op for op in wide.walk() if isinstance(op, aref.ArriveOp) and op.bytes.data]
            narrow = [_copied_bytes(op) for op in arrivals]
            for op in wide.walk():
                args = (arg for region in op.regions for block in region.blocks for arg in block.args)
                for value in (*op.results, *args):
                    value._type = _wide(value.type)
            for op, bytes in zip(arrivals, narrow, strict=True):  # wider copies report more
                op.properties["bytes"] = IntAttr(op.bytes.data * _copied_bytes(op) // bytes)
        return self._wide[kernel]


def run_any_kernel(
    kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], compute: torch.dtype
) -> None:
    """Runs a tile kernel, or one of warp roles. Raises ProtocolError with what is wrong where its roles do not agree."""
    if not any(isinstance(op, aref.RoleOp) for op in kernel.walk()):
        run_kernel(kernel, buffers, dims, compute)
        return
    for finding in reference_aref.run_kernel(kernel, buffers, dims, compute):
        raise ProtocolError(finding)


def _copied_bytes(op: aref.ArriveOp) -> int:
    """Of one copy of each kind that reports to the barriers of an arrival."""
    copies = [use.operation for use in op.barriers.uses if isinstance(use.operation, aref.CopyOp)]
    return sum(aref.tile_bytes(aref.tile_in(copy.memory)) for copy in copies)


def _wide(type_: Attribute) -> Attribute:
    if isinstance(type_, aref.MemoryType | aref.FlightType):
        return type(type_)(_wide(type_.tile))  # pyright: ignore[reportArgumentType]
    if isinstance(type_, aref.RingType):
        return aref.RingType.of([_wide(held) for held in type_.tiles])  # pyright: ignore[reportArgumentType]
    if isinstance(type_, tile.BufferType) and is_float(type_.element):
        return tile.BufferType(f64, type_.layout)
    if isinstance(type_, VectorType) and is_float(type_.element_type):
        return VectorType(f64, type_.shape, type_.scalable_dims)
    return type_


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """The memory from a tensor's first element on."""
    count = tensor.untyped_storage().nbytes() // tensor.element_size() - tensor.storage_offset()
    return tensor.as_strided([count], [1])

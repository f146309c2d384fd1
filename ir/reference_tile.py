"""Executable reference semantics of tile kernels: a plain walk over the domain, one tile at a time, on flat torch tensors.

Written for clarity and for checking the printers: no tile is skipped, nothing is reordered.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from xdsl.dialects import scf
from xdsl.dialects.builtin import VectorType, f64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from . import tile
from .dims import Dim, product
from .index_arithmetic import index_result
from .pointwise import torch_reference
from .reference import TORCH_DTYPES
from .types import DTYPE_NAMES, is_float

_REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.sum(-1) / x.shape[-1],
    "max": lambda x: x.amax(-1),
    "maxnum": lambda x: x.amax(-1),
    "min": lambda x: x.amin(-1),
}


def run_kernel(
    kernel: tile.KernelOp,
    buffers: Sequence[torch.Tensor | np.ndarray[Any, Any]],
    dims: Mapping[str, int],
    compute: torch.dtype = torch.float32,
) -> None:
    """Runs `kernel` in place on its flat `buffers` (contiguous; a packed weight is given as plain row-major [N, K]).

    `dims` gives every symbol of the kernel. `compute`: the dtype that f32 tiles are held in; with float64, nothing is
    rounded but loads, stores and conversions to 16-bit types. Raises IndexError where an access leaves its buffer, and
    before anything is written where a look-up leaves its extent.
    """
    flat = [(torch.from_numpy(b) if isinstance(b, np.ndarray) else b).view(-1) for b in buffers]
    if len(flat) != len(kernel.body.args):
        raise ValueError(f"{kernel.sym_name.data}: {len(kernel.body.args)} buffers, {len(flat)} given")
    for arg, buffer in zip(kernel.body.args, flat, strict=True):
        assert isinstance(arg.type, tile.BufferType)
        if buffer.dtype != TORCH_DTYPES[arg.type.dtype]:
            raise TypeError(f"{kernel.sym_name.data}: buffer {arg.index} is {arg.type.dtype}, {buffer.dtype} given")
    Interpreter(dims, compute, dict(zip(kernel.body.args, flat, strict=True))).run(kernel)


class Accessor(Protocol):
    """An op that reads or writes a tile of a buffer."""

    name: str

    @property
    def access(self) -> tile.AccessAttr: ...
    @property
    def buffer(self) -> SSAValue: ...
    @property
    def row(self) -> SSAValue: ...
    @property
    def column(self) -> SSAValue: ...
    @property
    def batch(self) -> SSAValue | None: ...
    @property
    def index(self) -> SSAValue | None: ...


@dataclass
class Interpreter:
    """`values` holds tensors of two dims for tiles, flat tensors for buffers, ints for indices."""

    dims: Mapping[str, int]
    compute: torch.dtype
    values: dict[SSAValue, Any] = field(default_factory=dict[SSAValue, Any])
    row_limits: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])  # where accesses at a group's rows end

    def run(self, kernel: tile.KernelOp) -> None:
        for index, entries, extent in kernel.lookups:
            outside = [i for i in self.values[index][: self.size(entries)].tolist() if not 0 <= i < self.size(extent)]
            if outside:
                raise IndexError(f"{kernel.sym_name.data}: index {outside[0]} is out of range of {self.size(extent)}")
        for loop in (loop for phase in kernel.phases for loop in phase):
            for batch in range(self.size(loop.batch.data)):
                begin, end = self.group(loop, batch)
                rows, columns = range(begin, end, loop.tile_shape[0]), self.size(loop.columns.data)
                self.row_limits = {loop.body.args[1]: end} if loop.groups is not None else {}
                for row, column in itertools.product(rows, range(0, columns, loop.tile_shape[1])):
                    self.block(loop.body, (batch, row, column))

    def group(self, loop: tile.ParallelOp, batch: int) -> tuple[int, int]:
        """The first row of a batch index, and the one after its last."""
        if loop.groups is None:
            return 0, self.size(loop.rows.data)
        begin, end = self.values[loop.groups][batch : batch + 2].tolist()
        return begin, end

    def size(self, dim: Dim) -> int:
        return dim.evaluate(self.dims)

    def block(self, block: Block, args: Sequence[Any]) -> list[Any]:
        """Runs a block; gives what it yields."""
        self.values.update(zip(block.args, args, strict=True))
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                return [self.values[v] for v in op.operands]
            self.op(op)
        return []

    def op(self, op: Operation) -> None:
        match op:
            case tile.StoreOp():
                self.store(op)
            case tile.GroupRowsOp():
                self.group_rows(op)
            case scf.ForOp():
                low, high, step, *carried = (self.values[v] for v in op.operands)
                for i in range(low, high, step):
                    carried = self.block(op.body.block, [i, *carried])
                self.values.update(zip(op.results, carried, strict=True))
            case _:
                self.values[op.results[0]] = self.index(op) if op.name.startswith("arith.") else self.tile(op)

    def index(self, op: Operation) -> int:
        """An `arith` op on indices."""
        return index_result(op, [self.values[v] for v in op.operands])

    def tile(self, op: Operation) -> Any:
        """The result of an op that gives a tile or an index."""
        values = self.values
        match op:
            case tile.SizeOp():
                return self.size(op.dim.data)
            case tile.LoadIndexOp():
                position = values[op.position]
                return int(values[op.buffer][position]) if 0 <= position < self.size(op.size.data) else 0
            case tile.LoadOp():
                return self.load(op)
            case tile.DotOp():
                a, b, c = values[op.a], values[op.b], values[op.accumulator]
                return c + a @ (b.T if op.transposed is not None else b)
            case tile.PointwiseOp():
                inputs = self.promoted([values[v] for v in op.inputs])
                result = torch_reference(op.kind.data)(*inputs)
                return self.convert(result, element_of(op.result)).expand(tile.tile_shape(op.result)).clone()
            case tile.ConvertOp():
                return self.convert(values[op.input], element_of(op.result))
            case tile.FillOp():
                filled = torch.full(tile.tile_shape(op.result), op.value.value.data, dtype=torch.float64)
                return filled.to(self.dtype(element_of(op.result)))
            case tile.SplatOp():
                return torch.tensor([[values[op.input]]])
            case tile.IotaOp():
                start, shape = values[op.start], tile.tile_shape(op.result)
                return torch.arange(start, start + max(shape)).view(shape)
            case tile.ReduceOp():
                return self.reduce(op)
            case tile.ExpandColumnsOp():
                return values[op.input].repeat_interleave(op.group.data, 1)
            case tile.RepeatColumnsOp():
                return values[op.input].repeat(1, op.count.data)
            case tile.RopeOp():
                return rope(values[op.input], values[op.cos], values[op.sin], op.kind.data, op.head.data)
            case _:
                raise NotImplementedError(f"no reference semantics for `{op.name}`")

    # ---- memory ------------------------------------------------------------------------------------------------

    def load(self, op: tile.LoadOp) -> torch.Tensor:
        address, rows, columns = self.addresses(op, tile.tile_shape(op.result))
        element = element_of(op.result)
        result = torch.zeros(tile.tile_shape(op.result), dtype=self.dtype(element))
        result[:rows, :columns] = self.convert(self.values[op.buffer][address], element)
        return result

    def store(self, op: tile.StoreOp) -> None:
        address, rows, columns = self.addresses(op, tile.tile_shape(op.value))
        buffer = self.values[op.buffer]
        buffer[address] = self.values[op.value][:rows, :columns].to(buffer.dtype)

    def group_rows(self, op: tile.GroupRowsOp) -> None:
        values, group = self.values, self.values[op.group]
        entries = values[op.entries][: values[op.count]]
        found, first = (entries == group).nonzero().flatten(), int((entries < group).sum())
        values[op.offsets][group] = first
        values[op.slots][first : first + len(found)] = found
        values[op.tokens][first : first + len(found)] = found // op.top_k.data

    def addresses(self, op: Accessor, shape: tuple[int, int]) -> tuple[torch.Tensor, int, int]:
        """Element addresses of the valid part of a tile, and its numbers of rows and columns."""
        access, values = op.access.data, self.values
        row, column = values[op.row], values[op.column]
        size, end = self.size(product([a.size for a in access.rows])), self.row_limits.get(op.row)
        rows = max(0, min(shape[0], (size if end is None else min(size, end)) - row))
        columns = max(0, min(shape[1], self.size(product([a.size for a in access.columns])) - column))
        index = values[op.index] if op.index is not None else None
        by_row = self.offsets(access.rows, torch.arange(row, row + rows), index, access.gather)
        by_column = self.offsets(access.columns, torch.arange(column, column + columns))
        batch = (
            self.offsets(access.batch, torch.tensor([values[op.batch]])) if op.batch is not None else torch.tensor([0])
        )
        address = self.size(access.offset) + batch[:, None] + by_row[:, None] + by_column[None, :]
        size = values[op.buffer].numel()
        if address.numel() and not 0 <= int(address.min()) <= int(address.max()) < size:
            raise IndexError(f"`{op.name}` at {int(address.min())}…{int(address.max())} of a buffer of {size}")
        return address, rows, columns

    def offsets(
        self,
        axes: Sequence[tile.Axis],
        position: torch.Tensor,
        index: torch.Tensor | None = None,
        gather: tile.Gather | None = None,
    ) -> torch.Tensor:
        """Σ axis index · stride of linear positions over axes, the last one fastest."""
        total = torch.zeros_like(position)
        for number in reversed(range(len(axes))):
            size, stride = self.size(axes[number].size), self.size(axes[number].stride)
            step = position % size if size else position
            position = position // size if size else position
            if index is not None and gather is not None and gather.axis == number:
                step = index[step].long()
            total += step * stride
        return total

    # ---- arithmetic --------------------------------------------------------------------------------------------

    def dtype(self, element: Attribute) -> torch.dtype:
        """What tiles of an element type are held in: floats in `compute` (f64 in f64), integers in i64."""
        if is_float(element):
            return torch.float64 if element == f64 else self.compute
        return torch.bool if DTYPE_NAMES[element] == "i1" else torch.int64

    def convert(self, value: torch.Tensor, element: Attribute) -> torch.Tensor:
        """`value` rounded to an element type, in the dtype that holds it."""
        wide = DTYPE_NAMES[element] in ("f32", "f64", "i64", "i1")
        return (value if wide else value.to(TORCH_DTYPES[DTYPE_NAMES[element]])).to(self.dtype(element))

    def promoted(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Operands in one dtype, but for truth values among numbers (the condition of a `where`)."""
        numbers = [v.dtype for v in values if v.dtype != torch.bool]
        if not numbers:
            return values
        common = next((d for d in (torch.float64, torch.float32) if d in numbers), torch.int64)
        return [v if v.dtype == torch.bool else v.to(common) for v in values]

    def reduce(self, op: tile.ReduceOp) -> torch.Tensor:
        value: torch.Tensor = self.values[op.input]
        rows, columns = tile.tile_shape(op.result)
        if op.columns is not None:
            identity = identity_of(op.kind.data, value.dtype)
            outside = torch.arange(value.shape[1]) >= self.values[op.columns]
            value = torch.where(outside[None], torch.tensor(identity, dtype=value.dtype), value)
        return _REDUCTIONS[op.kind.data](value.reshape(rows, columns, -1)).to(value.dtype)


def element_of(value: SSAValue) -> Attribute:
    assert isinstance(value.type, VectorType)
    return value.type.element_type


def identity_of(kind: str, dtype: torch.dtype) -> float | int:
    """The number that takes no part in a reduction."""
    if kind in ("sum", "mean"):
        return 0
    if dtype.is_floating_point:
        return float("inf") if kind == "min" else float("-inf")
    limits = torch.iinfo(dtype)
    return limits.max if kind == "min" else limits.min


def rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, kind: str, head: int) -> torch.Tensor:
    """`flow.rope` of a tile of whole heads; cos, sin [.., r] are one head's."""
    rows, columns = x.shape
    r = cos.shape[1]
    heads = x.reshape(rows, columns // head, head)
    turned, rest = heads[..., :r], heads[..., r:]
    if kind == "half":
        partner = torch.cat([-turned[..., r // 2 :], turned[..., : r // 2]], -1)
    else:
        partner = torch.stack([-turned[..., 1::2], turned[..., 0::2]], -1).flatten(-2)
    result = turned * cos[:, None] + partner * sin[:, None]
    return torch.cat([result, rest], -1).reshape(rows, columns)

"""What tile kernels are written with: buffers, loops, loads and stores, arithmetic; a kernel with its expected numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, f32
from xdsl.ir import Attribute, Block, SSAValue

from warpweave.ir import tile
from warpweave.ir.dims import DimLike
from warpweave.ir.reference import TORCH_DTYPES
from warpweave.ir.tile import Access, BufferType, axes, tile_type
from warpweave.ir.types import DTYPES

Expected = dict[int, torch.Tensor]


@dataclass(frozen=True)
class Sample:
    kernel: tile.KernelOp
    dims: Sequence[Mapping[str, int]]
    shapes: Callable[..., Sequence[Sequence[int]]]
    expected: Callable[..., Expected]
    integers: Mapping[int, int] = field(default_factory=dict)  # buffer → exclusive upper bound of its integers
    given: Mapping[int, Callable[..., torch.Tensor]] = field(
        default_factory=dict
    )  # buffer → what it holds, of the dims

    def buffers(self, dims: Mapping[str, int], seed: int = 0) -> list[torch.Tensor]:
        """Shaped buffers of random numbers; integers below their bound, without repeats in one-dim buffers that allow it."""
        generator = torch.Generator().manual_seed(seed)
        result: list[torch.Tensor] = []
        for i, (arg, shape) in enumerate(zip(self.kernel.body.args, self.shapes(**dims), strict=True)):
            assert isinstance(arg.type, BufferType)
            dtype = TORCH_DTYPES[arg.type.dtype]
            if i in self.given:
                result.append(self.given[i](**dims))
            elif dtype == torch.bool:
                result.append(torch.rand(shape, generator=generator) < 0.6)
            elif i in self.integers and len(shape) == 1 and shape[0] <= self.integers[i]:
                result.append(torch.randperm(self.integers[i], generator=generator)[: shape[0]].to(dtype))
            elif i in self.integers:
                result.append(torch.randint(self.integers[i], tuple(shape), generator=generator).to(dtype))
            elif dtype == torch.int8:
                result.append(torch.randint(-128, 128, tuple(shape), generator=generator, dtype=dtype))
            else:
                result.append(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
        return result


def index(value: int) -> SSAValue:
    return arith.ConstantOp.from_int_and_width(value, IndexType()).result


def size(dim: DimLike) -> SSAValue:
    return tile.SizeOp(dim).result


def kernel(
    name: str,
    kind: str,
    symbols: str,
    buffers: Sequence[str | BufferType],
    outputs: Sequence[int],
    write: Callable[..., None],
) -> tile.KernelOp:
    """`write(*buffers)` adds the parallel loops. A buffer is a dtype's name, or a type."""
    types = [b if isinstance(b, BufferType) else BufferType.of(DTYPES[b]) for b in buffers]
    body = Block(arg_types=types)
    with ImplicitBuilder(body):
        write(*body.args)
    result = tile.KernelOp(name, kind, symbols.split(), outputs, body)
    result.verify()
    return result


def parallel(
    rows: DimLike,
    columns: DimLike,
    shape: tuple[int, int],
    write: Callable[..., None],
    batch: DimLike = 1,
    groups: SSAValue | None = None,
) -> None:
    loop = tile.ParallelOp(rows, columns, shape, batch, groups=groups)
    with ImplicitBuilder(loop.body):
        write(*loop.body.args)


def loop(
    low: int, high: SSAValue, step: int, init: Sequence[SSAValue], write: Callable[..., Sequence[SSAValue]]
) -> Sequence[SSAValue]:
    """scf.for; `write(i, *carried)` gives what the body yields."""
    block = Block(arg_types=[IndexType(), *(v.type for v in init)])
    with ImplicitBuilder(block):
        scf.YieldOp(*write(*block.args))
    return scf.ForOp(index(low), high, index(step), list(init), block).results


def matrix(rows: DimLike, columns: DimLike, row_stride: DimLike | None = None, **more: object) -> Access:
    return Access(axes([rows], [columns if row_stride is None else row_stride]), axes([columns], [1]), **more)  # type: ignore[arg-type]


def load(
    buffer: SSAValue,
    row: SSAValue,
    column: SSAValue,
    access: Access,
    shape: tuple[int, int],
    element: Attribute = f32,
    **more: SSAValue,
) -> SSAValue:
    return tile.LoadOp(buffer, row, column, access, tile_type(*shape, element), **more).result


def store(value: SSAValue, buffer: SSAValue, row: SSAValue, column: SSAValue, access: Access, **more: SSAValue) -> None:
    tile.StoreOp(value, buffer, row, column, access, **more)


def pw(kind: str, *inputs: SSAValue, element: Attribute | None = None) -> SSAValue:
    return tile.PointwiseOp(kind, inputs, element).result


def fill(value: float, rows: int = 1, columns: int = 1, element: Attribute = f32) -> SSAValue:
    return tile.FillOp(value, tile_type(rows, columns, element)).result


def reduce(kind: str, value: SSAValue, group: int | None = None, columns: SSAValue | None = None) -> SSAValue:
    return tile.ReduceOp(kind, value, group, columns).result


def iota(start: SSAValue, length: int, axis: int) -> SSAValue:
    return tile.IotaOp(start, length, axis).result


def convert(value: SSAValue, element: Attribute) -> SSAValue:
    return tile.ConvertOp(value, element).result


def packed(dtype: str) -> BufferType:
    return BufferType.of(DTYPES[dtype], "packed")

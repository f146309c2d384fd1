"""Hand-written tile kernels, one for each thing a printer must get right, with buffers and the expected numbers.

`SAMPLES[name](dtype)` is a Sample: the kernel; `arrange(dims)` gives its flat buffers and a function that computes in
float64, from copies of them, what each written buffer must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, f32, f64, i1, i8, i32, i64
from xdsl.ir import Attribute, Block, SSAValue

from warpweave.ir import tile
from warpweave.ir.dims import Dim, DimLike
from warpweave.ir.reference import TORCH_DTYPES
from warpweave.ir.tile import Access, BufferType, Gather, axes, tile_type
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


def centred(dtype: str) -> Sample:
    """Two phases: tiles of columns leave their sums in a workspace; behind a barrier every tile reads all of a row's."""
    n, shape, pieces = 150, (4, 64), 3

    def body(x: SSAValue, sums: SSAValue, y: SSAValue) -> None:
        columns = Access(axes(["M"], [n]), axes([n], [1]))

        def add(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            piece = arith.DivUIOp(c, index(64)).result
            total = reduce("sum", load(x, r, c, columns, shape))
            store(total, sums, r, piece, matrix("M", pieces))

        def subtract(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            total = reduce("sum", load(sums, r, index(0), matrix("M", pieces), (4, pieces)))
            store(pw("sub", load(x, r, c, columns, shape), pw("mul", total, fill(1 / n))), y, r, c, columns)

        parallel("M", n, shape, add)
        tile.BarrierOp()
        parallel("M", n, shape, subtract)

    made = kernel("centred", "map", "M", [dtype, "f32", dtype], [1, 2], body)
    return Sample(
        made, [{"M": 1}, {"M": 21}], lambda M: [[M, n], [M, pieces], [M, n]],
        lambda x, sums, y, M: {
            1: torch.stack([part.sum(-1) for part in x.split(64, -1)], -1), 2: x - x.mean(-1, keepdim=True)
        },
    )  # fmt: skip


# ---- maps ------------------------------------------------------------------------------------------------------


def silu(dtype: str) -> Sample:
    n, shape = 100, (8, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            store(pw("silu", load(x, r, c, matrix("M", n), shape)), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("silu", "map", "M", [dtype, dtype], [1], body)
    return Sample(
        made, [{"M": 1}, {"M": 21}, {"M": 0}], lambda M: [[M, n]] * 2, lambda x, y, M: {1: torch.nn.functional.silu(x)}
    )


def f64_map(_dtype: str) -> Sample:
    """f64, every special number, all unary operators that the float ones have."""
    n, shape = 40, (4, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            value = load(x, r, c, matrix("M", n), shape, f64)
            total = pw("add", pw("exp", value), pw("mul", pw("tanh", value), fill(0.3, element=f64)))
            scaled = pw("div", total, reduce("sum", pw("square", value)))
            store(scaled, y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("f64_map", "map", "M", ["f64", "f64"], [1], body)
    return Sample(
        made, [{"M": 7}], lambda M: [[M, n]] * 2,
        lambda x, y, M: {1: (x.exp() + 0.3 * x.tanh()) / x.square().sum(-1, keepdim=True)},
    )  # fmt: skip


def softmax(dtype: str) -> Sample:
    """Three sweeps over rows of a symbolic length; the last tile of columns is masked by `columns`."""
    shape = (4, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            access, length = matrix("M", "L"), size("L")

            def maximum(c: SSAValue, m: SSAValue) -> Sequence[SSAValue]:
                return [
                    pw("max", m, reduce("max", load(x, r, c, access, shape), columns=arith.SubiOp(length, c).result))
                ]

            (m,) = loop(0, length, 64, [fill(float("-inf"), 4)], maximum)

            def add(c: SSAValue, s: SSAValue) -> Sequence[SSAValue]:
                e = pw("exp", pw("sub", load(x, r, c, access, shape), m))
                return [pw("add", s, reduce("sum", e, columns=arith.SubiOp(length, c).result))]

            (s,) = loop(0, length, 64, [fill(0, 4)], add)
            inverse = pw("reciprocal", s)

            def write(c: SSAValue) -> Sequence[SSAValue]:
                e = pw("exp", pw("sub", load(x, r, c, access, shape), m))
                store(pw("mul", e, inverse), y, r, c, access)
                return []

            loop(0, length, 64, [], write)

        parallel("M", 1, (4, 1), one)

    made = kernel("softmax", "map", "M L", [dtype, dtype], [1], body)
    return Sample(
        made, [{"M": 1, "L": 1}, {"M": 6, "L": 64}, {"M": 13, "L": 201}], lambda M, L: [[M, L]] * 2,
        lambda x, y, M, L: {1: x.softmax(-1)},
    )  # fmt: skip


def rms_norm(dtype: str) -> Sample:
    """Two sweeps with a column vector."""
    n, shape = 200, (4, 64)

    def body(x: SSAValue, w: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            access = matrix("M", n)
            (s,) = loop(
                0, index(n), 64, [fill(0, 4)],
                lambda c, s: [pw("add", s, reduce("sum", pw("square", load(x, r, c, access, shape))))],
            )  # fmt: skip
            factor = pw("rsqrt", pw("add", pw("mul", s, fill(1 / n)), fill(1e-5)))

            def write(c: SSAValue) -> Sequence[SSAValue]:
                weight = load(w, index(0), c, Access((), axes([n], [1])), (1, 64))
                store(pw("mul", pw("mul", load(x, r, c, access, shape), factor), weight), y, r, c, access)
                return []

            loop(0, index(n), 64, [], write)

        parallel("M", 1, (4, 1), one)

    made = kernel("rms_norm", "map", "M", [dtype, dtype, dtype], [2], body)
    return Sample(
        made, [{"M": 1}, {"M": 9}], lambda M: [[M, n], [n], [M, n]],
        lambda x, w, y, M: {2: x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * w},
    )  # fmt: skip


def layer_norm(dtype: str) -> Sample:
    """One tile holds whole rows; padded columns stay out of the statistics; everything in one straight line."""
    n, width = 90, 96
    shape = (4, width)

    def body(x: SSAValue, w: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            vector = Access((), axes([n], [1]))
            value = load(x, r, c, matrix("M", n), shape)
            mean = pw("mul", reduce("sum", value), fill(1 / n))
            centred = pw("sub", value, mean)
            var = pw("mul", reduce("sum", pw("square", centred), columns=index(n)), fill(1 / n))
            normal = pw("mul", centred, pw("rsqrt", pw("add", var, fill(1e-5))))
            scaled = pw("mul", normal, load(w, index(0), c, vector, (1, width)))
            store(pw("add", scaled, load(b, index(0), c, vector, (1, width))), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("layer_norm", "map", "M", [dtype] * 4, [3], body)
    return Sample(
        made, [{"M": 1}, {"M": 11}], lambda M: [[M, n], [n], [n], [M, n]],
        lambda x, w, b, y, M: {3: torch.nn.functional.layer_norm(x, (n,), w, b, 1e-5)},
    )  # fmt: skip


def embedding(dtype: str) -> Sample:
    n, vocabulary, shape = 72, 50, (4, 64)

    def body(ids: SSAValue, table: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            rows = Access(axes(["M"], [n]), axes([n], [1]), gather=Gather(0, Dim.of(vocabulary)))
            store(load(table, r, c, rows, shape, index=ids), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("embedding", "map", "M", ["i64", dtype, dtype], [2], body)
    return Sample(
        made, [{"M": 1}, {"M": 30}], lambda M: [[M], [vocabulary, n], [M, n]],
        lambda ids, table, y, M: {2: table[ids]}, {0: vocabulary},
    )  # fmt: skip


def masks(dtype: str) -> Sample:
    """i1, i32 and i64 buffers: where(keep & (column <= limit of the row), x, −inf), and an integer sum of both."""
    shape = (4, 64)

    def body(x: SSAValue, keep: SSAValue, limit: SSAValue, y: SSAValue, z: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            access = matrix("M", "L")
            bound = load(limit, r, index(0), Access(axes(["M"], [1]), ()), (4, 1), i64)
            column = iota(c, 64, 1)
            seen = pw("and", load(keep, r, c, access, shape, i1), pw("le", column, bound))
            store(pw("where", seen, load(x, r, c, access, shape), fill(float("-inf"))), y, r, c, access)
            number = pw("add", pw("mul", column, bound), pw("mod", iota(r, 4, 0), fill(3, element=i64)))
            store(pw("where", pw("not", seen), number, fill(-7, element=i64)), z, r, c, access)

        parallel("M", "L", shape, one)

    def expected(
        x: torch.Tensor, keep: torch.Tensor, limit: torch.Tensor, y: torch.Tensor, z: torch.Tensor, M: int, L: int
    ) -> Expected:
        column, row = torch.arange(L)[None], torch.arange(M)[:, None]
        seen = keep & (column <= limit[:, None])
        number = torch.where(~seen, column * limit[:, None] + row % 3, torch.tensor(-7))
        return {3: torch.where(seen, x, torch.tensor(float("-inf"))), 4: number}

    made = kernel("masks", "map", "M L", [dtype, "i1", "i32", dtype, "i64"], [3, 4], body)
    return Sample(
        made,
        [{"M": 5, "L": 70}, {"M": 9, "L": 64}],
        lambda M, L: [[M, L], [M, L], [M], [M, L], [M, L]],
        expected,
        {2: 60, 4: 5},
    )


def transpose(dtype: str) -> Sample:
    """y[b, n, m] = x[b, m, n] + 1 with a batch axis: strided loads; and a column axis split in two."""
    shape = (8, 32)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            batch = axes(["B"], ["M*36"])
            read = Access(axes([36], [1]), axes(["M"], [36]), Dim(), batch)
            write = Access(axes([3, 12], ["12*M", "M"]), axes(["M"], [1]), Dim(), batch)
            store(pw("add", load(x, r, c, read, shape, batch=b), fill(1)), y, r, c, write, batch=b)

        parallel(36, "M", shape, one, "B")

    made = kernel("transpose", "map", "B M", [dtype, dtype], [1], body)
    return Sample(
        made, [{"B": 1, "M": 5}, {"B": 3, "M": 40}], lambda B, M: [[B, M, 36], [B, 36, M]],
        lambda x, y, B, M: {1: x.transpose(1, 2) + 1},
    )  # fmt: skip


def heads_norm(dtype: str) -> Sample:
    """RMS norm of each head of 16 columns, then rope; written as [H, M, d] (column axes split in the store)."""
    d, heads = 16, 6
    n = d * heads
    shape = (4, n)

    def body(x: SSAValue, w: SSAValue, cos: SSAValue, sin: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            value = load(x, r, c, matrix("M", n), shape)
            mean = reduce("mean", pw("square", value), d)
            factor = tile.ExpandColumnsOp(pw("rsqrt", pw("add", mean, fill(1e-6))), d).result
            weight = tile.RepeatColumnsOp(load(w, index(0), index(0), Access((), axes([d], [1])), (1, d)), heads).result
            normal = pw("mul", pw("mul", value, factor), weight)
            table = matrix("M", d)
            c_, s_ = (load(t, r, index(0), table, (4, d)) for t in (cos, sin))
            turned = tile.RopeOp(normal, c_, s_, "interleaved", d).result
            store(turned, y, r, c, Access(axes(["M"], [d]), axes([heads, d], [f"M*{d}", 1])))

        parallel("M", n, shape, one)

    def expected(
        x: torch.Tensor, w: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, y: torch.Tensor, M: int
    ) -> Expected:
        h = x.view(M, heads, d)
        h = h * (h.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * w
        rotated = torch.stack([-h[..., 1::2], h[..., ::2]], -1).flatten(-2)
        return {4: (h * cos[:, None] + rotated * sin[:, None]).transpose(0, 1)}

    made = kernel("heads_norm", "map", "M", [dtype] * 5, [4], body)
    return Sample(made, [{"M": 1}, {"M": 7}], lambda M: [[M, n], [d], [M, d], [M, d], [heads, M, d]], expected)


# ---- matrix products -------------------------------------------------------------------------------------------


def mainloop(
    a: SSAValue,
    weights: Sequence[SSAValue],
    r: SSAValue,
    c: SSAValue,
    k: int,
    n: int,
    shape: tuple[int, int],
    element: Attribute = f32,
    a_access: Access | None = None,
    sums: Attribute | None = None,
) -> Sequence[SSAValue]:
    """One accumulator for each packed weight [n, k], of `sums` where factors of `element` are not added up as such."""
    step = 32

    def body(i: SSAValue, *acc: SSAValue) -> Sequence[SSAValue]:
        left = load(a, r, i, a_access or matrix("M", k), (shape[0], step), element)
        right = [load(w, c, i, matrix(n, k), (shape[1], step), element) for w in weights]
        return [tile.DotOp(left, b, x, True).result for b, x in zip(right, acc, strict=True)]

    return loop(0, index(k), step, [fill(0, *shape, sums or element) for _ in weights], body)


def gemm_gelu(dtype: str) -> Sample:
    """y = gelu(a wᵀ + bias) with ragged N and K; a is a [B, S, K] view with a gap between batches."""
    k, n, shape = 70, 150, (32, 64)

    def body(a: SSAValue, w: SSAValue, bias: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            view = Access(axes(["B", "S"], [f"(S + 1)*{k}", k]), axes([k], [1]))
            (acc,) = mainloop(a, [w], r, c, k, n, shape, a_access=view)
            biased = pw("add", acc, load(bias, index(0), c, Access((), axes([n], [1])), (1, 64)))
            store(pw("gelu", biased), y, r, c, matrix("B*S", n))

        parallel("B*S", n, shape, one)

    def expected(a: torch.Tensor, w: torch.Tensor, bias: torch.Tensor, y: torch.Tensor, B: int, S: int) -> Expected:
        return {3: torch.nn.functional.gelu(a[:, :S] @ w.T + bias)}

    made = kernel("gemm_gelu", "gemm", "B S", [dtype, packed(dtype), dtype, dtype], [3], body)
    return Sample(
        made,
        [{"B": 1, "S": 1}, {"B": 2, "S": 21}, {"B": 1, "S": 5}],
        lambda B, S: [[B, S + 1, k], [n, k], [n], [B, S, n]],
        expected,
    )


def gemm_int8(dtype: str) -> Sample:
    """y = (a wᵀ) · step · scale of int8 rows and an int8 weight, summed up in i32; ragged N and K."""
    k, n, shape = 70, 150, (32, 64)

    def body(a: SSAValue, w: SSAValue, step: SSAValue, scale: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [w], r, c, k, n, shape, i8, sums=i32)
            rows = load(step, r, index(0), Access(axes(["M"], [1]), ()), (32, 1))
            columns = load(scale, index(0), c, Access((), axes([n], [1])), (1, 64))
            store(pw("mul", pw("mul", convert(acc, f32), rows), columns), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    def expected(
        a: torch.Tensor, w: torch.Tensor, step: torch.Tensor, scale: torch.Tensor, y: torch.Tensor, M: int
    ) -> Expected:
        return {4: (a.double() @ w.double().T) * step[:, None] * scale}

    made = kernel("gemm_int8", "gemm", "M", ["i8", packed("i8"), "f32", "f32", dtype], [4], body)
    sizes = [{"M": 1}, {"M": 7}, {"M": 75}, {"M": 301}]
    return Sample(made, sizes, lambda M: [[M, k], [n, k], [M], [n], [M, n]], expected)


def gemm_f64(_dtype: str) -> Sample:
    k, n, shape = 40, 50, (8, 32)

    def body(a: SSAValue, w: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [w], r, c, k, n, shape, f64)
            store(acc, y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("gemm_f64", "gemm", "M", ["f64", packed("f64"), "f64"], [2], body)
    return Sample(made, [{"M": 11}], lambda M: [[M, k], [n, k], [M, n]], lambda a, w, y, M: {2: a @ w.T})


def gated_stats(dtype: str) -> Sample:
    """silu(r · a gᵀ) · (r · a uᵀ) with a row factor from partial statistics, and the result's own partial statistics."""
    k, n, shape, tiles = 96, 160, (32, 64), 3

    def body(a: SSAValue, g: SSAValue, u: SSAValue, stats: SSAValue, y: SSAValue, out_stats: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            gate, up = mainloop(a, [g, u], r, c, k, n, shape)
            partial = pw("square", load(stats, r, index(0), matrix("M", 2), (32, 2)))
            factor = pw("rsqrt", pw("add", pw("mul", reduce("sum", partial), fill(1 / k)), fill(1e-5)))
            value = pw("mul", pw("silu", pw("mul", gate, factor)), pw("mul", up, factor))
            store(value, y, r, c, matrix("M", n))
            column = arith.DivUIOp(c, index(64)).result
            store(reduce("sum", pw("square", value), 64), out_stats, r, column, matrix("M", tiles))

        parallel("M", n, shape, one)

    def expected(
        a: torch.Tensor, g: torch.Tensor, u: torch.Tensor, stats: torch.Tensor, y: torch.Tensor, o: torch.Tensor, M: int
    ) -> Expected:
        factor = (stats.sum(-1, keepdim=True) / k + 1e-5).rsqrt()
        value = torch.nn.functional.silu(a @ g.T * factor) * (a @ u.T * factor)
        padded = torch.nn.functional.pad(value, (0, tiles * 64 - n)).view(M, tiles, 64)
        return {4: value, 5: padded.square().sum(-1)}

    made = kernel("gated_stats", "gemm", "M", [dtype, packed(dtype), packed(dtype), "f32", dtype, "f32"], [4, 5], body)

    def shapes(M: int) -> Sequence[Sequence[int]]:
        return [[M, k], [n, k], [n, k], [M, 2], [M, n], [M, tiles]]

    return Sample(
        made,
        [{"M": 1}, {"M": 4}, {"M": 37}, {"M": 301}],
        shapes,
        lambda a, g, u, s, y, o, M: expected(a, g, u, s.square(), y, o, M),
    )


def qkv(dtype: str) -> Sample:
    """q, k, v as three parallels that share `a`; rope (half) on q and k; k and v appended to caches at positions."""
    k, d, heads, groups, cache = 64, 32, 4, 2, 40
    nq, nk = d * heads, d * groups

    def body(
        a: SSAValue,
        wq: SSAValue,
        wk: SSAValue,
        wv: SSAValue,
        cos: SSAValue,
        sin: SSAValue,
        pos: SSAValue,
        q: SSAValue,
        kc: SSAValue,
        vc: SSAValue,
    ) -> None:
        def turned(acc: SSAValue, r: SSAValue) -> SSAValue:
            access = matrix("S", d)
            c_, s_ = (load(t, r, index(0), access, (32, d)) for t in (cos, sin))
            return tile.RopeOp(acc, c_, s_, "half", d).result

        append = Access(axes(["S"], [d]), axes([groups, d], [cache * d, 1]), gather=Gather(0, Dim.of(cache)))

        def write_q(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wq], r, c, k, nq, (32, 64), a_access=matrix("S", k))
            store(turned(acc, r), q, r, c, matrix("S", nq))

        def write_k(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wk], r, c, k, nk, (32, 64), a_access=matrix("S", k))
            store(turned(acc, r), kc, r, c, append, index=pos)

        def write_v(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wv], r, c, k, nk, (32, 64), a_access=matrix("S", k))
            store(acc, vc, r, c, append, index=pos)

        parallel("S", nq, (32, 64), write_q)
        parallel("S", nk, (32, 64), write_k)
        parallel("S", nk, (32, 64), write_v)

    def expected(a, wq, wk, wv, cos, sin, pos, q, kc, vc, S) -> Expected:  # type: ignore[no-untyped-def]
        def turn(x: torch.Tensor) -> torch.Tensor:
            rotated = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1)
            return x * cos[:, None] + rotated * sin[:, None]

        kc, vc = kc.clone(), vc.clone()
        kc[:, pos] = turn((a @ wk.T).view(S, groups, d)).transpose(0, 1)
        vc[:, pos] = (a @ wv.T).view(S, groups, d).transpose(0, 1)
        return {7: turn((a @ wq.T).view(S, heads, d)), 8: kc, 9: vc}

    types = [dtype, *[packed(dtype)] * 3, "f32", "f32", "i64", dtype, dtype, dtype]
    made = kernel("qkv", "gemm", "S", types, [7, 8, 9], body)

    def shapes(S: int) -> Sequence[Sequence[int]]:
        return [
            [S, k],
            [nq, k],
            [nk, k],
            [nk, k],
            [S, d],
            [S, d],
            [S],
            [S, nq],
            [groups, cache, d],
            [groups, cache, d],
        ]

    return Sample(made, [{"S": 1}, {"S": 19}, {"S": 40}], shapes, expected, {6: cache})


def matmul(dtype: str) -> Sample:
    """Batched a [B, M, K] · b [B, K, N] with symbolic K and N."""
    shape = (16, 32)

    def body(a: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(batch: SSAValue, r: SSAValue, c: SSAValue) -> None:
            left = Access(axes(["M"], ["K"]), axes(["K"], [1]), Dim(), axes(["B"], ["M*K"]))
            right = Access(axes(["K"], ["N"]), axes(["N"], [1]), Dim(), axes(["B"], ["K*N"]))

            def step(i: SSAValue, acc: SSAValue) -> Sequence[SSAValue]:
                x = load(a, r, i, left, (16, 32), batch=batch)
                return [tile.DotOp(x, load(b, i, c, right, (32, 32), batch=batch), acc, False).result]

            (acc,) = loop(0, size("K"), 32, [fill(0, *shape)], step)
            out = Access(axes(["M"], ["N"]), axes(["N"], [1]), Dim(), axes(["B"], ["M*N"]))
            store(pw("mul", acc, fill(0.5)), y, r, c, out, batch=batch)

        parallel("M", "N", shape, one, "B")

    made = kernel("matmul", "matmul", "B M N K", [dtype] * 3, [2], body)
    return Sample(
        made, [{"B": 2, "M": 19, "N": 45, "K": 50}, {"B": 1, "M": 1, "N": 33, "K": 7}],
        lambda B, M, N, K: [[B, M, K], [B, K, N], [B, M, N]], lambda a, b, y, B, M, N, K: {2: 0.5 * (a @ b)},
    )  # fmt: skip


def attention(dtype: str) -> Sample:
    """Causal GQA: q [B, S, H, d], k, v [B, Hkv, L, d]; rows are (s, head of the group), batches (b, KV head)."""
    d, hkv, groups, block = 32, 2, 3, 64
    h = hkv * groups
    tm = 24

    def body(q: SSAValue, k: SSAValue, v: SSAValue, y: SSAValue) -> None:
        def one(b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            heads = Access(
                axes(["S", groups], [h * d, d]), axes([d], [1]), Dim(), axes(["B", hkv], [f"S*{h * d}", groups * d])
            )
            cache = Access(axes(["L"], [d]), axes([d], [1]), Dim(), axes(["B", hkv], [f"L*{hkv * d}", f"L*{d}"]))
            query = pw("mul", load(q, r, index(0), heads, (tm, d), batch=b), fill(d**-0.5))
            offset = size(Dim.of("L") - Dim.of("S"))
            position = pw(
                "add", pw("floor_div", iota(r, tm, 0), fill(groups, element=i64)), tile.SplatOp(offset).result
            )
            last = arith.AddiOp(
                arith.DivUIOp(arith.AddiOp(r, index(tm - 1)).result, index(groups)).result, offset
            ).result
            end = arith.MinSIOp(size("L"), arith.AddiOp(last, index(1)).result).result

            def step(i: SSAValue, m: SSAValue, total: SSAValue, acc: SSAValue) -> Sequence[SSAValue]:
                keys = load(k, i, index(0), cache, (block, d), batch=b)
                score = tile.DotOp(query, keys, fill(0, tm, block), True).result
                column = iota(i, block, 1)
                seen = pw("and", pw("le", column, position), pw("lt", column, tile.SplatOp(size("L")).result))
                masked = pw("where", seen, score, fill(float("-inf")))
                m1 = pw("max", m, reduce("max", masked))
                safe = pw("max", m1, fill(-1e30))
                p = pw("exp", pw("sub", masked, safe))
                alpha = pw("exp", pw("sub", m, safe))
                total1 = pw("add", pw("mul", total, alpha), reduce("sum", p))
                values = load(v, i, index(0), cache, (block, d), batch=b)
                return [m1, total1, tile.DotOp(p, values, pw("mul", acc, alpha), False).result]

            init = [fill(float("-inf"), tm), fill(0, tm), fill(0, tm, d)]
            _, total, acc = loop(0, end, block, init, step)
            store(pw("div", acc, total), y, r, index(0), heads, batch=b)

        parallel(Dim.of("S") * groups, 1, (tm, 1), one, Dim.of("B") * hkv)

    def expected(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, y: torch.Tensor, B: int, S: int, L: int
    ) -> Expected:
        mask = torch.arange(L)[None] <= torch.arange(S)[:, None] + L - S
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        score = (q.transpose(1, 2) @ k.transpose(2, 3)) * d**-0.5
        return {3: (score.masked_fill(~mask, float("-inf")).softmax(-1) @ v).transpose(1, 2)}

    made = kernel("attention", "attention", "B S L", [dtype] * 4, [3], body)
    return Sample(
        made, [{"B": 1, "S": 1, "L": 5}, {"B": 2, "S": 30, "L": 30}, {"B": 1, "S": 3, "L": 150}],
        lambda B, S, L: [[B, S, h, d], [B, hkv, L, d], [B, hkv, L, d], [B, S, h, d]], expected,
    )  # fmt: skip


def _ends(S: int) -> torch.Tensor:
    """Rows of five experts: the second has none, the third most of them; the last rows are nobody's."""
    return torch.tensor([0, S // 4, S // 4, S - S // 4, S - S // 4, S - S // 8])


def grouped(dtype: str) -> Sample:
    """silu(x wg[e]ᵀ) · x wu[e]ᵀ of gathered rows x = a[rows], group by group, scattered to their slots."""
    n, k, experts, shape = 70, 48, 5, (32, 64)

    def body(
        a: SSAValue, wg: SSAValue, wu: SSAValue, rows: SSAValue, offsets: SSAValue, slots: SSAValue, y: SSAValue
    ) -> None:
        def one(e: SSAValue, r: SSAValue, c: SSAValue) -> None:
            gathered = matrix("S", k, gather=Gather(0, Dim.of("T")))
            weight = matrix(n, k, batch=axes([experts], [n * k]))

            def step(i: SSAValue, *sums: SSAValue) -> Sequence[SSAValue]:
                x = load(a, r, i, gathered, (shape[0], 16), index=rows)
                parts = [load(w, c, i, weight, (shape[1], 16), batch=e) for w in (wg, wu)]
                return [tile.DotOp(x, w, s, True).result for w, s in zip(parts, sums, strict=True)]

            gate, up = loop(0, index(k), 16, [fill(0, *shape)] * 2, step)
            placed = matrix("S", n, gather=Gather(0, Dim.of("S")))
            store(pw("mul", pw("silu", gate), up), y, r, c, placed, index=slots)

        parallel("S", n, shape, one, experts, offsets)

    def expected(
        a: torch.Tensor, wg: torch.Tensor, wu: torch.Tensor, rows: torch.Tensor, offsets: torch.Tensor,
        slots: torch.Tensor, y: torch.Tensor, T: int, S: int,
    ) -> Expected:  # fmt: skip
        expert = torch.repeat_interleave(torch.arange(experts), offsets.diff())
        x, placed = a[rows[: len(expert)]], slots[: len(expert)]
        gate, up = (torch.einsum("sk,snk->sn", x, w[expert]) for w in (wg, wu))
        return {6: y.index_copy(0, placed, torch.nn.functional.silu(gate) * up)}

    i64s, weights = ["i64"] * 3, [packed(dtype)] * 2
    made = kernel("grouped", "gemm", "T S", [dtype, *weights, *i64s, dtype], [6], body)
    return Sample(
        made, [{"T": 1, "S": 1}, {"T": 3, "S": 21}, {"T": 20, "S": 140}],
        lambda T, S: [[T, k], [experts, n, k], [experts, n, k], [S], [experts + 1], [S], [S, n]], expected,
        given={
            3: lambda T, S: torch.randint(T, (S,), generator=torch.Generator().manual_seed(S)),
            4: lambda T, S: _ends(S),
            5: lambda T, S: torch.randperm(S, generator=torch.Generator().manual_seed(S)),
        },
    )  # fmt: skip


def group_rows(_dtype: str) -> Sample:
    """Two choices of each token, in 0 … 4, sorted by what was chosen."""
    groups = 5

    def body(entries: SSAValue, slots: SSAValue, tokens: SSAValue, offsets: SSAValue) -> None:
        def one(_b: SSAValue, group: SSAValue, _c: SSAValue) -> None:
            tile.GroupRowsOp(entries, slots, tokens, offsets, group, size("S"), 2)

        parallel(groups + 1, 1, (1, 1), one)

    def expected(
        entries: torch.Tensor, slots: torch.Tensor, tokens: torch.Tensor, offsets: torch.Tensor, S: int
    ) -> Expected:
        order = torch.sort(entries, stable=True).indices
        before = torch.stack([(entries < e).sum() for e in range(groups + 1)])
        return {1: order, 2: order // 2, 3: before}

    made = kernel("group_rows", "route", "S", ["i64"] * 4, [1, 2, 3], body)
    return Sample(
        made, [{"S": 2}, {"S": 18}, {"S": 1100}], lambda S: [[S], [S], [S], [groups + 1]], expected,
        given={
            0: lambda S: torch.randint(1, groups, (S,), generator=torch.Generator().manual_seed(S)),
            **{i: lambda S: torch.zeros(S, dtype=torch.int64) for i in (1, 2)},
            3: lambda S: torch.zeros(groups + 1, dtype=torch.int64),
        },
    )  # fmt: skip


SAMPLES: dict[str, Callable[[str], Sample]] = {
    f.__name__: f
    for f in (
        silu, f64_map, softmax, rms_norm, layer_norm, embedding, masks, transpose, heads_norm,
        gemm_gelu, gemm_int8, gemm_f64, gated_stats, qkv, matmul, attention, centred, grouped, group_rows,
    )
}  # fmt: skip


def in_float64(buffers: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [b.double() if b.is_floating_point() else b.clone() for b in buffers]

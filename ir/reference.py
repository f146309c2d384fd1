"""Executable reference semantics of the flow and fused levels, on torch CPU tensors.

`run` is the oracle of every pass: run before and after, compare. With `float64=True` every float value is f64 and
float casts round nothing, so that the result is the mathematics; otherwise each op computes in f32 (f64 for f64
operands, i64 for ints) and rounds to its result type, as a naive implementation would.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from . import flow, fused
from .dims import Dim
from .pointwise import POINTWISE, torch_reference
from .types import TensorType, is_float, tensor_type

TORCH_DTYPES: dict[str, torch.dtype] = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "f8E4M3FN": torch.float8_e4m3fn, "f8E5M2": torch.float8_e5m2,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "i4": torch.int8,
    "i1": torch.bool,
}  # fmt: skip


class UnboundSymbolError(KeyError):
    """A dim symbol that no argument's shape binds."""


@dataclass
class Evaluator:
    """Runs functions of one module. `symbols` binds dim symbols; `float64` as in `run`."""

    module: ModuleOp
    float64: bool = False
    symbols: dict[str, int] = field(default_factory=dict[str, int])

    def dtype(self, type_: TensorType) -> torch.dtype:
        return torch.float64 if self.float64 and is_float(type_.element) else TORCH_DTYPES[type_.dtype]

    def size(self, dim: Dim) -> int:
        try:
            return dim.evaluate(self.symbols)
        except KeyError as error:
            raise UnboundSymbolError(f"dim `{dim}`: symbol {error} is bound by no argument") from error

    def shape(self, type_: TensorType) -> list[int]:
        return [self.size(d) for d in type_.shape]

    def compute(self, *tensors: torch.Tensor) -> torch.dtype:
        """The dtype that arithmetic on the operands is done in."""
        if any(t.dtype == torch.float64 for t in tensors):
            return torch.float64
        if any(t.is_floating_point() for t in tensors):
            return torch.float64 if self.float64 else torch.float32
        return torch.int64

    def bind(self, type_: TensorType, value: torch.Tensor) -> None:
        """Bind the symbols of a type to a tensor's sizes. Raises ValueError where they do not fit."""
        if value.dim() != type_.rank:
            raise ValueError(f"a tensor of rank {value.dim()} for {type_}")
        for dim, size in zip(type_.shape, value.shape, strict=True):
            if str(dim).isidentifier() and not dim.is_const:
                self.symbols.setdefault(str(dim), size)
        for dim, size in zip(type_.shape, value.shape, strict=True):
            if dim.symbols <= self.symbols.keys() and self.size(dim) != size:
                raise ValueError(f"a dim of {size} where the type says {dim} = {self.size(dim)}")

    def call(self, name: str, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        function = next(op for op in self.module.ops if isinstance(op, func.FuncOp) and op.sym_name.data == name)
        block = function.body.block
        values: list[torch.Tensor] = []
        for arg, value in zip(block.args, args, strict=True):
            type_ = tensor_type(arg)
            self.bind(type_, value)
            values.append(value.to(self.dtype(type_)))
        return self.block(block, values)

    def block(self, block: Block, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The values that the block's terminator takes."""
        env: dict[SSAValue, torch.Tensor] = dict(zip(block.args, args, strict=True))
        uses: dict[SSAValue, int] = {value: value.uses.get_length() for op in block.ops for value in op.results}
        for op in block.ops:
            operands = [env[v] for v in op.operands]
            if isinstance(op, func.ReturnOp | fused.YieldOp):
                return operands
            for value, result in zip(op.results, self.evaluate(op, operands), strict=True):
                env[value] = result
            for value in op.operands:
                uses[value] = uses.get(value, 1 << 30) - 1
                if uses[value] == 0:
                    env.pop(value, None)
        return []

    def evaluate(self, op: Operation, operands: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        if isinstance(op, func.CallOp):
            return self.call(op.callee.root_reference.data, operands)
        rule = _RULES.get(type(op))
        if rule is None:
            raise TypeError(f"`{op.name}` has no reference semantics here")
        results = rule(self, op, *operands)
        results = results if isinstance(results, list) else [results]
        return [r.to(self.dtype(tensor_type(v))) for v, r in zip(op.results, results, strict=True)]


def run(
    module: ModuleOp,
    args: Sequence[torch.Tensor],
    *,
    float64: bool = False,
    function: str = "main",
    symbols: dict[str, int] | None = None,
) -> list[torch.Tensor]:
    """The results of `function` on `args`, one tensor a result. No argument is written; appended caches are results.

    Raises ValueError where an argument does not fit its type, UnboundSymbolError where a size is not known.
    """
    with torch.no_grad():
        return Evaluator(module, float64, dict(symbols or {})).call(function, args)


# ---- one function an op ----------------------------------------------------------------------------------------


def _pointwise(e: Evaluator, op: flow.PointwiseOp, *xs: torch.Tensor) -> torch.Tensor:
    kind = op.kind.data
    if kind == "where":
        return torch.where(xs[0].bool(), xs[1].to(e.dtype(op.type)), xs[2].to(e.dtype(op.type)))
    if kind in ("and", "or", "xor", "not"):
        return torch_reference(kind)(*xs)
    dtype = (
        e.compute(*xs)
        if POINTWISE[kind].result == "bool" or not is_float(op.type.element)
        else e.compute(*xs, torch.empty(0))
    )
    if dtype == torch.int64 and is_float(op.type.element):
        dtype = torch.float32
    return torch_reference(kind)(*(x.to(dtype) for x in xs))


def _constant(e: Evaluator, op: flow.ConstantOp) -> torch.Tensor:
    return torch.full(e.shape(op.type), op.number, dtype=e.dtype(op.type))


def _iota(e: Evaluator, op: flow.IotaOp) -> torch.Tensor:
    shape = e.shape(op.type)
    axis = op.axis.data
    numbers = e.size(op.start.data) + op.step.data * torch.arange(shape[axis])
    return numbers.reshape([-1 if i == axis else 1 for i in range(len(shape))]).expand(shape)


def _slice(e: Evaluator, op: flow.SliceOp, x: torch.Tensor) -> torch.Tensor:
    for axis, (start, step, length) in enumerate(zip(op.starts, op.steps, e.shape(op.type), strict=True)):
        first = e.size(start.data)
        x = x[
            (slice(None),) * axis
            + (slice(first, first + (length - 1) * step.data + 1 if length else first, step.data),)
        ]
    return x


def _reduce(e: Evaluator, op: flow.ReduceOp, x: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    axes = op.dims_reduced
    if op.kind.data in ("max", "min"):
        return (torch.amax if op.kind.data == "max" else torch.amin)(x, dim=axes, keepdim=True)
    if op.kind.data == "mean" and not x.is_floating_point():
        x = x.float()
    return (torch.sum if op.kind.data == "sum" else torch.mean)(x, dim=axes, keepdim=True)


def _rms_norm(e: Evaluator, op: flow.RMSNormOp, x: torch.Tensor, *weight: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + op.eps.value.data)
    if not weight:
        return y
    scale = weight[0].to(y.dtype)
    return y * (1 + scale if op.unit_offset is not None else scale)


def _layer_norm(e: Evaluator, op: flow.LayerNormOp, x: torch.Tensor, *vectors: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    y = (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + op.eps.value.data)
    rest = list(vectors)
    y = y * rest.pop(0).to(y.dtype) if op.weight is not None else y
    return y + rest.pop(0).to(y.dtype) if op.bias is not None else y


def _column_tiles(x: torch.Tensor, tile: int) -> list[torch.Tensor]:
    return list(x.split(tile, dim=-1))


def _row_stats(e: Evaluator, op: flow.RowStatsOp, x: torch.Tensor) -> torch.Tensor:
    tiles = _column_tiles(x.to(e.compute(x)), op.tile.data)
    if op.kind.data == "sumsq":
        return torch.stack([t.square().sum(-1) for t in tiles], -1)
    m2 = [(t - t.mean(-1, keepdim=True)).square().sum(-1) for t in tiles]
    return torch.stack([*(t.sum(-1) for t in tiles), *m2], -1)


def _row_scale(e: Evaluator, op: flow.RowScaleOp, stats: torch.Tensor) -> torch.Tensor:
    n, eps = op.columns.data, op.eps.value.data
    if op.kind.data == "sumsq":
        return torch.rsqrt(stats.sum(-1, keepdim=True) / n + eps)
    sums, m2 = stats.chunk(2, dim=-1)
    width = op.tile.data
    counts = torch.tensor([min(width, n - t * width) for t in range(sums.shape[-1])], dtype=stats.dtype)
    mean = sums.sum(-1, keepdim=True) / n
    total = m2.sum(-1, keepdim=True) + (counts * (sums / counts - mean).square()).sum(-1, keepdim=True)
    return torch.rsqrt(total / n + eps)


def _row_mean(e: Evaluator, op: flow.RowMeanOp, stats: torch.Tensor) -> torch.Tensor:
    return stats.chunk(2, dim=-1)[0].sum(-1, keepdim=True) / op.columns.data


def _linear(e: Evaluator, op: flow.LinearOp, x: torch.Tensor, w: torch.Tensor, *bias: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(x, w)
    y = x.to(dtype) @ w.to(dtype).T
    return y + bias[0].to(dtype) if bias else y


def _matmul(e: Evaluator, op: flow.MatmulOp, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(a, b)
    return a.to(dtype) @ b.to(dtype)


def _rope(e: Evaluator, op: flow.RopeOp, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(x, cos)
    r = cos.shape[-1]
    x, cos, sin = x.to(dtype), cos.to(dtype)[:, :, None], sin.to(dtype)[:, :, None]
    turned, rest = x[..., :r], x[..., r:]
    if op.kind.data == "half":
        first, second = turned.chunk(2, dim=-1)
        rotated = torch.cat([-second, first], -1)
    else:
        rotated = torch.stack([-turned[..., 1::2], turned[..., ::2]], -1).flatten(-2)
    return torch.cat([turned * cos + rotated * sin, rest], -1)


def _attention(e: Evaluator, op: flow.AttentionOp | fused.AttentionKernelOp, *xs: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(*xs[:3])
    q, k, v = (t.to(dtype).transpose(1, 2) for t in xs[:3])
    rest = list(xs[3:])
    mask = rest.pop(0) if op.mask is not None else None
    sinks = rest.pop(0) if op.sinks is not None else None
    start = int(rest.pop(0)) if op.start is not None else 0
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = (q @ k.transpose(-1, -2)) * op.scale.value.data
    if op.softcap is not None:
        cap = op.softcap.value.data
        scores = cap * torch.tanh(scores / cap)
    if mask is not None:
        scores = torch.where(mask, scores, -math.inf) if mask.dtype == torch.bool else scores + mask.to(dtype)
    rows, columns = torch.arange(q.shape[2])[:, None], torch.arange(k.shape[2])[None]
    last = rows + start + (e.size(op.offset.data) if op.offset is not None else 0)
    if op.causal is not None:
        scores = scores.masked_fill(columns > last, -math.inf)
    if op.window is not None:
        scores = scores.masked_fill(columns <= last - op.window.data, -math.inf)
    if sinks is not None:
        scores = torch.cat([scores, sinks.to(dtype).reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)], -1)
    top = scores.amax(-1, keepdim=True)
    weights = torch.exp(scores - torch.where(top == -math.inf, 0.0, top))
    total = weights.sum(-1, keepdim=True)
    weights = (weights / torch.where(total == 0, 1.0, total))[..., : k.shape[2]]
    return (weights @ v).transpose(1, 2)


def _kv_append(
    e: Evaluator, op: flow.KVAppendOp, cache: torch.Tensor, new: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    return cache.index_copy(op.axis.data, positions.long(), new.to(cache.dtype))


def _aten(e: Evaluator, op: flow.AtenOp, *xs: torch.Tensor) -> list[torch.Tensor]:
    args, kwargs = decode_arguments(op.arguments.data, xs, e.symbols)
    if op.target.data in GROUPED_PRODUCTS:
        x, weight, ends = args
        return [_by_group(x, weight.mT, torch.cat([ends.new_zeros(1), ends]))]
    namespace, name, overload = op.target.data.split(".")
    result = getattr(getattr(getattr(torch.ops, namespace), name), overload)(*args, **kwargs)
    return list(result) if isinstance(result, list | tuple) else [result]


GROUPED_PRODUCTS = ("aten._grouped_mm.default", "transformers.grouped_mm_fallback.default")
"""x [S, K] by weights [E, K, N] up to the row at which each group ends; PyTorch has them for some dtypes only."""


def decode_arguments(
    text: str, operands: Sequence[torch.Tensor], symbols: dict[str, int]
) -> tuple[list[Any], dict[str, Any]]:
    """The args and kwargs of a `flow.aten` from its JSON."""
    leaves: dict[str, Callable[[Any], Any]] = {
        "tensor": lambda i: operands[i],
        "dim": lambda text: Dim.of(text).evaluate(symbols),
        "dtype": lambda name: getattr(torch, name),
        "layout": lambda name: getattr(torch, name),
        "memory_format": lambda name: getattr(torch, name),
        "device": torch.device,
        "float": float,
    }

    def decode(node: Any) -> Any:
        if isinstance(node, list):
            return [decode(n) for n in node]
        if isinstance(node, dict):
            [(tag, value)] = cast("dict[str, Any]", node).items()
            return leaves[tag](value)
        return node

    data = json.loads(text)
    return [decode(a) for a in data["args"]], {k: decode(v) for k, v in data["kwargs"].items()}


def _route(e: Evaluator, op: flow.RouteOp, scores: torch.Tensor) -> list[torch.Tensor]:
    scores, k = scores.to(e.compute(scores)), op.top_k.data
    if op.softmax is not None:
        scores = torch.softmax(scores, -1)
    chosen = torch.sort(scores, dim=-1, descending=True, stable=True)
    weights, experts = chosen.values[:, :k], chosen.indices[:, :k]
    if op.normalised is not None:
        weights = weights / weights.sum(-1, keepdim=True)
    slots = torch.sort(experts.flatten(), stable=True).indices
    counts = torch.bincount(experts.flatten(), minlength=scores.shape[1])
    return [weights, slots, slots // k, torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])]


def _by_group(x: torch.Tensor, weight: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """x [S, K] · weight[e]ᵀ for the rows of each group e. Raises ValueError for offsets that do not divide the rows."""
    ends = offsets.tolist()
    if ends != sorted(ends) or ends[0] != 0 or ends[-1] != x.shape[0]:
        raise ValueError(f"offsets of {x.shape[0]} rows that do not rise from 0 to it: {ends}")
    return torch.cat([x[ends[i] : ends[i + 1]] @ w.T for i, w in enumerate(weight)])


def _grouped_linear(
    e: Evaluator, op: flow.GroupedLinearOp, x: torch.Tensor, w: torch.Tensor, offsets: torch.Tensor
) -> torch.Tensor:
    dtype = e.compute(x, w)
    return _by_group(x.to(dtype), w.to(dtype), offsets)


def _scatter_rows(e: Evaluator, op: flow.ScatterRowsOp, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x).index_copy(0, positions, x)


def _gemm(e: Evaluator, op: fused.GemmOp, a: torch.Tensor, *rest: torch.Tensor) -> list[torch.Tensor]:
    count, given = len(op.weights), list(rest)
    groups = given.pop() if op.groups is not None else None
    a = a[given.pop()] if op.rows is not None else a
    weights, sides = given[:count], given[count:]
    dtype = e.compute(a, *weights)
    a, weights = a.to(dtype), [w.to(dtype) for w in weights]
    accumulators = [a @ w.T if groups is None else _by_group(a, w, groups) for w in weights]
    return e.block(op.body, [*accumulators, *sides])


def _concat(e: Evaluator, op: flow.ConcatOp | fused.CopyOp, *xs: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(xs), op.axis.data)


_RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.PointwiseOp: _pointwise,
    flow.CastOp: lambda e, op, x: x,
    flow.ConstantOp: _constant,
    flow.DimValueOp: lambda e, op: torch.tensor(e.size(op.dim.data)),
    flow.IotaOp: _iota,
    flow.ReshapeOp: lambda e, op, x: x.reshape(e.shape(op.type)),
    flow.TransposeOp: lambda e, op, x: x.permute(op.order),
    flow.BroadcastOp: lambda e, op, x: x.expand(e.shape(op.type)),
    flow.SliceOp: _slice,
    flow.ConcatOp: _concat,
    flow.ReduceOp: _reduce,
    flow.SoftmaxOp: lambda e, op, x: torch.softmax(x.to(e.compute(x)), op.axis.data),
    flow.RMSNormOp: _rms_norm,
    flow.LayerNormOp: _layer_norm,
    flow.RowStatsOp: _row_stats,
    flow.RowScaleOp: _row_scale,
    flow.RowMeanOp: _row_mean,
    flow.LinearOp: _linear,
    flow.MatmulOp: _matmul,
    flow.RopeOp: _rope,
    flow.AttentionOp: _attention,
    flow.EmbeddingOp: lambda e, op, ids, table: table[ids.long()],
    flow.KVAppendOp: _kv_append,
    flow.RouteOp: _route,
    flow.GroupedLinearOp: _grouped_linear,
    flow.ScatterRowsOp: _scatter_rows,
    flow.AtenOp: _aten,
    fused.GemmOp: _gemm,
    fused.MapOp: lambda e, op, *xs: e.block(op.body, xs),
    fused.AttentionKernelOp: _attention,
    fused.MatmulKernelOp: _matmul,
    fused.RouteKernelOp: _route,
    fused.CopyOp: _concat,
}

"""The attention step: projections, heads, rotary embedding, an appended cache, masks; named or spelled out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from xdsl.ir import SSAValue

from ...flow import AttentionOp, BroadcastOp, ConcatOp, IotaOp, KVAppendOp, MatmulOp, PointwiseOp, RopeOp, SoftmaxOp
from ...types import TensorType, dtype_of, shape_of, tensor_type
from .builder import FlowBuilder
from .norms import Norm, norm
from .source import Source, pick, sometimes
from .steps import linear

RopeKind = Literal["none", "half", "interleaved", "spelled"]
MaskKind = Literal["none", "bool", "float"]


@dataclass(frozen=True)
class Attention:
    """q, k, v projections of rows, attention over `heads · groups` query heads, a projection back (`output`).

    `cache`: k and v are written into cache arguments, at positions, before they are read. `spelled`: as two products and
    a softmax, with repeated keys. Modifiers that the spelled form has no words for (softcap, sinks) are left out of it.
    """

    of: int = 0
    heads: int = 1
    groups: int = 1
    size: int = 8
    rope: RopeKind = "none"
    normed: bool = False
    packed: bool = False
    cache: bool = False
    causal: bool = False
    window: int = 0
    softcap: bool = False
    mask: MaskKind = "none"
    sinks: bool = False
    start: bool = False
    spelled: bool = False
    output: int = 8

    @staticmethod
    def draw(source: Source) -> Attention:
        return Attention(
            of=source.below(4),
            heads=pick(source, (1, 2, 3)),
            groups=pick(source, (1, 2, 4, 3)),
            size=pick(source, (8, 2, 16, 6)),
            rope=pick(source, ("none", "half", "interleaved", "spelled")),
            normed=sometimes(source, 4),
            packed=sometimes(source, 3),
            cache=sometimes(source, 3),
            causal=sometimes(source),
            window=pick(source, (0, 0, 2, 5)),
            softcap=sometimes(source, 4),
            mask=pick(source, ("none", "none", "bool", "float")),
            sinks=sometimes(source, 4),
            start=sometimes(source, 4),
            spelled=sometimes(source, 3),
            output=pick(source, (8, 16, 1, 7)),
        )

    def apply(self, builder: FlowBuilder) -> None:
        query, key, value = self._projected(builder, builder.latest(self.of))
        if self.normed:
            query, key = (norm(builder, x, Norm()) for x in (query, key))
        if self.rope != "none":
            cos, sin = (builder.argument(n, [1, builder.length, self.size]) for n in ("cos", "sin"))
            query, key = (self._turned(builder, x, cos, sin) for x in (query, key))
        if self.cache:
            positions = builder.argument("positions", [builder.length], "i64")
            key, value = (self._appended(builder, x, positions) for x in (key, value))
        attend = self._spelled if self.spelled else self._named
        attended = attend(builder, query, key, value)
        rows = builder.reshape(attended, builder.batch, builder.length, self.heads * self.groups * self.size)
        builder.keep(linear(builder, rows, self.output))

    def _projected(self, builder: FlowBuilder, x: SSAValue) -> tuple[SSAValue, ...]:
        """q, k, v as [batch, length, heads, size]."""
        counts = [self.heads * self.groups, self.heads, self.heads]
        if self.packed:
            whole, starts = linear(builder, x, sum(counts) * self.size), (0, counts[0], counts[0] + self.heads)
            parts = [builder.columns(whole, a * self.size, n * self.size) for a, n in zip(starts, counts, strict=True)]
        else:
            parts = [linear(builder, x, n * self.size) for n in counts]
        shape = builder.batch, builder.length
        return tuple(builder.reshape(p, *shape, n, self.size) for p, n in zip(parts, counts, strict=True))

    def _turned(self, builder: FlowBuilder, x: SSAValue, cos: SSAValue, sin: SSAValue) -> SSAValue:
        if self.rope in ("half", "interleaved") and dtype_of(x) == dtype_of(cos):
            return builder(RopeOp(x, cos, sin, self.rope))
        half = self.size // 2
        rotated = builder(
            ConcatOp([builder.pointwise("neg", builder.columns(x, half, half)), builder.columns(x, 0, half)], 3)
        )
        shape, type_ = (1, builder.length, 1, self.size), tensor_type(x)
        cos, sin = builder.reshape(cos, *shape), builder.reshape(sin, *shape)
        return builder(
            PointwiseOp(
                "add",
                [builder(PointwiseOp("mul", [x, cos], type_)), builder(PointwiseOp("mul", [rotated, sin], type_))],
            )
        )

    def _appended(self, builder: FlowBuilder, new: SSAValue, positions: SSAValue) -> SSAValue:
        shape = [builder.batch, self.heads, builder.length + 4, self.size]
        cache = builder.argument("cache", shape, dtype_of(new), "cache")
        whole = builder(KVAppendOp(cache, builder.transpose(new, 0, 2, 1, 3), positions, 2))
        builder.appended(whole, cache)
        return builder.transpose(whole, 0, 2, 1, 3)

    def _mask(self, builder: FlowBuilder, keys: SSAValue, dtype: str) -> SSAValue | None:
        """[1, 1, length, keys]: booleans or numbers to add."""
        if self.mask == "none":
            return None
        shape = [1, 1, builder.length, shape_of(keys)[1]]
        return builder.argument("mask", shape, "i1" if self.mask == "bool" else dtype)

    def _named(self, builder: FlowBuilder, query: SSAValue, key: SSAValue, value: SSAValue) -> SSAValue:
        bounded = self.causal or self.window > 0
        dtype = dtype_of(query)
        return builder(
            AttentionOp(
                query,
                key,
                value,
                1 / math.sqrt(self.size),
                mask=self._mask(builder, key, dtype),
                sinks=builder.weight("sinks", [self.heads * self.groups], dtype) if self.sinks else None,
                causal=self.causal,
                window=self.window or None,
                softcap=2.0 if self.softcap else None,
                start=builder.argument("start", [], "i64") if self.start and bounded else None,
            )
        )

    def _spelled(self, builder: FlowBuilder, query: SSAValue, key: SSAValue, value: SSAValue) -> SSAValue:
        q, k, v = (builder.transpose(x, 0, 2, 1, 3) for x in (query, key, value))
        k, v = self._repeated(builder, k), self._repeated(builder, v)
        scores = builder.scaled("mul", builder(MatmulOp(q, builder.transpose(k, 0, 1, 3, 2))), 1 / math.sqrt(self.size))
        mask = self._mask(builder, key, dtype_of(query))
        if mask is not None and self.mask == "float":
            scores = builder.pointwise("add", mask, scores)
        if self.causal:
            rows = builder(IotaOp(TensorType.of([1, 1, builder.length, 1], "i64"), 2))
            columns = builder(IotaOp(TensorType.of([1, 1, 1, shape_of(key)[1]], "i64"), 3))
            seen, hidden = builder.pointwise("le", columns, rows), builder.number(-math.inf, dtype_of(scores))
            scores = builder(PointwiseOp("where", [seen, scores, hidden], tensor_type(scores)))
        return builder.transpose(builder(MatmulOp(builder(SoftmaxOp(scores, 3)), v)), 0, 2, 1, 3)

    def _repeated(self, builder: FlowBuilder, x: SSAValue) -> SSAValue:
        """Each KV head once for each query head of its group."""
        if self.groups == 1:
            return x
        batch, heads, keys, size = shape_of(x)
        apart = builder.reshape(x, batch, heads, 1, keys, size)
        copies = builder(BroadcastOp(apart, [batch, heads, self.groups, keys, size]))
        return builder.reshape(copies, batch, heads * self.groups, keys, size)

"""Operators that are left to PyTorch, between those that are not: scans, convolutions, scatters, sorts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xdsl.ir import SSAValue

from ...flow import AtenOp, DimValueOp
from ...types import TensorType, dtype_of, tensor_type
from .builder import FlowBuilder, width_of
from .source import Source, pick


@dataclass(frozen=True)
class Aten:
    """Rows through one of `OPERATORS`."""

    of: int = 0
    kind: str = "cumsum"

    @staticmethod
    def draw(source: Source) -> Aten:
        return Aten(source.below(4), pick(source, tuple(OPERATORS)))

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(OPERATORS[self.kind](builder, builder.latest(self.of)))


def aten(
    builder: FlowBuilder, target: str, args: list[Any], inputs: list[SSAValue], *results: TensorType
) -> list[SSAValue]:
    """The results of a `flow.aten`; `args` in its JSON, without keyword arguments."""
    text = json.dumps({"args": args, "kwargs": {}})
    op = AtenOp(f"aten.{target}", text, "drawn", inputs, results)
    builder.insert(op)
    return list(op.outputs)


_X, _Y, _Z = ({"tensor": i} for i in range(3))


def _same(target: str, *args: Any) -> Callable[[FlowBuilder, SSAValue], SSAValue]:
    """An operator of rows alone, which keeps their type."""
    return lambda builder, x: aten(builder, target, [_X, *args], [x], tensor_type(x))[0]


def _sorted(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    return aten(builder, "sort.default", [_X, 2], [x], tensor_type(x), tensor_type(x).with_element("i64"))[0]


def _convolved(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    """Along the positions, a kernel of 3 for each column."""
    n, dtype = width_of(x), dtype_of(x)
    taps = builder.weight("taps", [n, 1, 3], dtype)
    bias = builder.weight("bias", [n], dtype)
    turned = builder.transpose(x, 0, 2, 1)
    args = [_X, _Y, _Z, [1], [1], [1], n]
    (made,) = aten(builder, "conv1d.default", args, [turned, taps, bias], tensor_type(turned))
    return builder.transpose(made, 0, 2, 1)


def _scattered(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    """Rows put, by ids that may repeat, on top of each other."""
    drawn = builder.argument("ids", [builder.length], "i64")
    ids = builder.pointwise("mod", drawn, builder(DimValueOp(builder.length)))
    return aten(builder, "index_add.default", [_X, 1, _Y, _Z], [x, ids, x], tensor_type(x))[0]


OPERATORS: dict[str, Callable[[FlowBuilder, SSAValue], SSAValue]] = {
    "cumsum": _same("cumsum.default", 1), "flip": _same("flip.default", [2]), "tril": _same("tril.default", 0),
    "roll": _same("roll.default", [1], [2]), "logcumsumexp": _same("logcumsumexp.default", 2),
    "sort": _sorted, "conv1d": _convolved, "index_add": _scattered,
}  # fmt: skip

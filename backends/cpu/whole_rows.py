"""Ops that walk a row in their own way, and reductions: from arrays of a row, to arrays of a row."""

from __future__ import annotations

import math

from xdsl.ir import Operation

from ...ir import tile
from .expressions import held, literal
from .stages import shape
from .values import Values

_IDENTITIES = {"sum": 0.0, "mean": 0.0, "max": -math.inf, "maxnum": -math.inf, "min": math.inf}
_REDUCERS = {"sum": "sum", "mean": "sum", "max": "max", "maxnum": "maxnum", "min": "min"}


def print_op(values: Values, op: Operation) -> None:
    """Prints a rope or a reduction of groups of columns; its result has an array."""
    if isinstance(op, tile.RopeOp):
        _rope(values, op)
    else:
        assert isinstance(op, tile.ReduceOp)
        _groups(values, op)


def reduced(op: tile.ReduceOp, count: int, array: str) -> str:
    """The reduction of `count` numbers from `array` on, as an expression."""
    mean = f" / {count}" if op.kind.data == "mean" else ""
    return f"ww::row_{_REDUCERS[op.kind.data]}<{count}>({array}){mean}"


def identity(op: tile.ReduceOp) -> str:
    """The number that takes no part in a reduction."""
    ctype = held(tile.element_dtype(op.result))
    if ctype == "int64_t" and op.kind.data in ("max", "maxnum", "min"):
        return "INT64_MAX" if op.kind.data == "min" else "INT64_MIN"
    return literal(_IDENTITIES[op.kind.data], ctype)


def _groups(values: Values, op: tile.ReduceOp) -> None:
    out = values.ctx.out
    assert op.group is not None
    group, count = op.group.data, shape(op.result)[1]
    source = values.array_of(op.input)
    if op.columns is not None or not source:
        source = values.ctx.names.fresh("parts")
        values.ctx.array(source, held(tile.element_dtype(op.result)), group * count)
        value = values.at(op.input, "c")
        if op.columns is not None:
            value = f"c < {values.ctx.symbols.index(op.columns)} ? {value} : {identity(op)}"
        out("#pragma omp simd")
        out(f"for (int c = 0; c < {group * count}; ++c) {source}[c] = {value};")
    target = values.places[op.result].at("j")
    out(f"for (int j = 0; j < {count}; ++j) {target} = {reduced(op, group, f'{source} + j * {group}')};")


def _rope(values: Values, op: tile.RopeOp) -> None:
    """Pairs of columns turned by the row's angles, head by head."""
    out, ctype, target = values.ctx.out, held(tile.element_dtype(op.result)), values.places[op.result]
    head, turned = op.head.data, shape(op.cos)[1]
    half = turned // 2
    apart, pair = (half, "i") if op.kind.data == "half" else (1, "2 * i")
    first, second = f"h + {pair}", f"h + {pair} + {apart}"
    with out.block(f"for (int h = 0; h < {shape(op.result)[1]}; h += {head})"):
        out("#pragma omp simd")
        with out.block(f"for (int i = 0; i < {half}; ++i)"):
            out(f"const {ctype} a = {values.at(op.input, first)}, b = {values.at(op.input, second)};")
            angle = (values.at(op.cos, pair), values.at(op.sin, pair))
            out(f"{target.at(first)} = a * {angle[0]} - b * {angle[1]};")
            angle = (values.at(op.cos, f"{pair} + {apart}"), values.at(op.sin, f"{pair} + {apart}"))
            out(f"{target.at(second)} = b * {angle[0]} + a * {angle[1]};")
        if turned < head:
            out("#pragma omp simd")
            out(f"for (int i = {turned}; i < {head}; ++i) {target.at('h + i')} = {values.at(op.input, 'h + i')};")

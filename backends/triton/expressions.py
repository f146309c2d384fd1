"""Triton spellings: types, literals, dims, indices, pointwise operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xdsl.dialects import arith, scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from ...ir.dims import Call, Dim
from ...ir.pointwise import POINTWISE
from .source import UnsupportedKernelError
from .text import bare

TYPES: dict[str, str] = {
    "f64": "fp64", "f32": "fp32", "f16": "fp16", "bf16": "bf16",
    "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8", "u8": "u8", "i1": "i1",
}  # fmt: skip
"""Element types of buffers, as Triton's signatures name them."""

_LANGUAGE: dict[str, str] = {
    "f64": "tl.float64", "f32": "tl.float32", "f16": "tl.float16", "bf16": "tl.bfloat16",
    "i64": "tl.int64", "i32": "tl.int32", "i16": "tl.int16", "i8": "tl.int8", "u8": "tl.uint8", "i1": "tl.int1",
}  # fmt: skip


def language(dtype: str) -> str:
    """The name of an element type in a kernel. Raises UnsupportedKernelError."""
    if dtype not in _LANGUAGE:
        raise UnsupportedKernelError(f"the Triton backend has no element type {dtype}")
    return _LANGUAGE[dtype]


def held(dtype: str) -> str:
    """The type in which tile elements are computed: narrow floats in f32, integers in i64, sums of i8 products in i32."""
    if dtype in ("f64", "i32", "i1"):
        return dtype
    return "f32" if dtype.startswith(("f", "bf")) else "i64"


def literal(value: float, dtype: str) -> str:
    """A number of a held type."""
    if dtype == "i1":
        return "True" if value else "False"
    if dtype in ("i64", "i32"):
        return str(int(value))
    if dtype == "f32" and math.isfinite(value) and abs(value) > 3.5e38:
        value = math.copysign(math.inf, value)
    if value == 0 and math.copysign(1, value) < 0:  # Triton makes 0.0 of a number -0.0
        whole = "64" if dtype == "f64" else "32"
        return f"tl.full((), -2 ** {int(whole) - 1}, tl.int{whole}).to(tl.float{whole}, bitcast=True)"
    return repr(float(value)) if math.isfinite(value) else f'float("{value}")'


def scalar(text: str, dtype: str) -> str:
    """A literal as a tensor of no dims."""
    return f"tl.full((), {text}, {language(dtype)})"


def cast(text: str, source: str, target: str) -> str:
    """A tensor of one type as another."""
    if source == target:
        return text
    return f"({text} != 0)" if target == "i1" else f"{operand(text)}.to({language(target)})"


def operand(text: str) -> str:
    """The text in brackets where something binds looser than a call."""
    depth = 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == " " and depth == 0:
            return f"({text})"
    return f"({text})" if text.startswith(("-", "~")) else text


# ---- pointwise operators -------------------------------------------------------------------------------------------

# where the table's spelling is for floats, or for truth values
_INTEGER: dict[str, str] = {
    "not": "(~{0})", "neg": "(-{0})", "relu": "tl.maximum({0}, 0)",
    "max": "tl.maximum({0}, {1})", "min": "tl.minimum({0}, {1})", "floor": "{0}", "ceil": "{0}", "round": "{0}", "trunc": "{0}",
    "sign": "tl.where({0} > 0, 1, tl.where({0} < 0, -1, 0))",
    "floor_div": "ww_floor_div({0}, {1})", "mod": "ww_mod({0}, {1})", "fmod": "({0} % {1})",
}  # fmt: skip
_PLAIN_DIVISION = {"floor_div": "({0} // {1})", "mod": "({0} % {1})"}  # neither number is negative
_TRUTHS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf"})


def common_type(kind: str, types: Sequence[str]) -> str:
    """The held type in which operands of an operator meet: the widest; a quotient is a float."""
    common = next(t for t in ("f64", "f32", "i64", "i1") if t in types)
    return "f32" if kind in ("div", "reciprocal") and common in ("i64", "i1") else common


def pointwise(kind: str, texts: Sequence[str], common: str, positive: bool) -> tuple[str, str]:
    """(an operator on operands of a type, its type). `positive`: integers that are known not to be negative.

    Raises UnsupportedKernelError.
    """
    spelling = POINTWISE[kind].triton
    if common == "i64":
        if "libdevice" in spelling and kind not in _INTEGER:
            raise UnsupportedKernelError(f"tile.pointwise<{kind}> of integers")
        spelling = _INTEGER.get(kind, spelling)
        spelling = _PLAIN_DIVISION.get(kind, spelling) if positive else spelling
    text = spelling.format(*texts)
    return bare(text), "i1" if kind in _TRUTHS else common


# ---- sums and products ---------------------------------------------------------------------------------------------


def sum_of(terms: Sequence[str]) -> str:
    """A sum without its zero terms."""
    return " + ".join(t for t in terms if t != "0") or "0"


def all_of(conditions: Sequence[str]) -> str:
    """A conjunction; empty without conditions."""
    return conditions[0] if len(conditions) == 1 else " & ".join(map(operand, conditions))


def times(factor: str, stride: str) -> str:
    if stride == "1" or factor == "0":
        return factor
    if stride == "0":
        return "0"
    return f"{operand(stride)}" if factor == "1" else f"{operand(factor)} * {operand(stride)}"


def over(position: str, size: str) -> str:
    return position if size == "1" or position == "0" else f"{operand(position)} // {operand(size)}"


def rest(position: str, size: str) -> str:
    return "0" if size == "1" or position == "0" else f"{operand(position)} % {operand(size)}"


# ---- dims and indices ----------------------------------------------------------------------------------------------


def dim_text(dim: Dim, wide: bool = False) -> str:
    """A dim over the kernel's parameters, which are not negative. `wide`: products in i64."""
    parts: list[str] = []
    for monomial, coefficient in dim.terms:
        factors = [a if isinstance(a, str) else _call(a) for a in monomial]
        if wide and factors and len(factors) + (abs(coefficient) != 1) > 1:
            factors[0] = f"tl.cast({factors[0]}, tl.int64)"
        if coefficient not in (1, -1) or not factors:
            factors.append(str(abs(coefficient)))
        sign = "-" if coefficient < 0 else "+"
        parts.append((f" {sign} " if parts else sign.strip("+")) + " * ".join(factors))
    return "".join(parts) or "0"


def _call(call: Call) -> str:
    lhs, rhs = dim_text(call.lhs), dim_text(call.rhs)
    if call.function in ("floordiv", "mod"):
        helper = {"floordiv": "ww_floor_div", "mod": "ww_mod"}[call.function]
        plain = {"floordiv": f"({operand(lhs)} // {operand(rhs)})", "mod": f"({operand(lhs)} % {operand(rhs)})"}[
            call.function
        ]
        return plain if _is_positive(call.lhs) and _is_positive(call.rhs) else f"{helper}({lhs}, {rhs})"
    return f"tl.{ {'min': 'minimum', 'max': 'maximum'}[call.function] }({lhs}, {rhs})"


def _is_positive(dim: Dim) -> bool:
    """Whether the dim is known not to be negative."""
    return all(
        coefficient > 0 and all(isinstance(a, str) or (_is_positive(a.lhs) and _is_positive(a.rhs)) for a in monomial)
        for monomial, coefficient in dim.terms
    )


_ARITHMETIC: dict[type[Operation], str] = {
    arith.AddiOp: "{0} + {1}", arith.SubiOp: "{0} - {1}", arith.MuliOp: "{0} * {1}",
    arith.DivUIOp: "{0} // {1}", arith.DivSIOp: "ww_quotient({0}, {1})",
    arith.RemUIOp: "{0} % {1}", arith.RemSIOp: "{0} - {1} * ww_quotient({0}, {1})",
    arith.FloorDivSIOp: "ww_floor_div({0}, {1})",
    arith.CeilDivSIOp: "-ww_floor_div(-{0}, {1})", arith.CeilDivUIOp: "tl.cdiv({0}, {1})",
    arith.MinSIOp: "tl.minimum({0}, {1})", arith.MaxSIOp: "tl.maximum({0}, {1})",
    arith.MinUIOp: "tl.minimum({0}, {1})", arith.MaxUIOp: "tl.maximum({0}, {1})",
    arith.SelectOp: "tl.where({0}, {1}, {2})", arith.IndexCastOp: "{0}",
}  # fmt: skip
_OF_POSITIVE: dict[type[Operation], str] = {
    arith.DivSIOp: "{0} // {1}", arith.RemSIOp: "{0} % {1}",
    arith.FloorDivSIOp: "{0} // {1}", arith.CeilDivSIOp: "tl.cdiv({0}, {1})",
}  # fmt: skip
_PREDICATES = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")


def arithmetic(op: Operation, texts: Sequence[str]) -> str:
    """An `arith` op on indices. Raises UnsupportedKernelError."""
    if isinstance(op, arith.CmpiOp):
        return f"{operand(texts[0])} {_PREDICATES[op.predicate.value.data]} {operand(texts[1])}"
    if type(op) not in _ARITHMETIC:
        raise UnsupportedKernelError(f"`{op.name}` on indices")
    if isinstance(op, arith.AddiOp):
        return sum_of(texts)
    if isinstance(op, arith.SubiOp) and texts[1] == "0":
        return texts[0]
    spelling = _ARITHMETIC[type(op)]
    if all(map(is_positive, op.operands)):
        spelling = _OF_POSITIVE.get(type(op), spelling)
    return spelling.format(*map(operand, texts))


_KEEP_SIGN = (
    arith.AddiOp, arith.MuliOp, arith.DivUIOp, arith.RemUIOp, arith.CeilDivUIOp, arith.DivSIOp, arith.RemSIOp,
    arith.FloorDivSIOp, arith.CeilDivSIOp, arith.MinSIOp, arith.MinUIOp, arith.MaxUIOp, arith.IndexCastOp,
)  # fmt: skip
_POSITIVE_KINDS = frozenset({"add", "mul", "floor_div", "mod", "min", "max"})


def is_positive(value: SSAValue) -> bool:
    """Whether an index, or every element of an integer tile, is known not to be negative."""
    op = value.owner
    if isinstance(op, Block):
        parent = op.parent_op()
        if isinstance(parent, scf.ForOp):
            return value is op.args[0] and is_positive(parent.lb)
        return isinstance(parent, tile.ParallelOp)
    rules: dict[type[Operation], Callable[[], bool]] = {
        arith.ConstantOp: lambda: (tile.constant_index(value) or 0) >= 0,
        arith.MaxSIOp: lambda: any(map(is_positive, op.operands)),
        tile.SizeOp: lambda: _is_positive(op.dim.data),  # pyright: ignore[reportAttributeAccessIssue]
        tile.SplatOp: lambda: is_positive(op.operands[0]),
        tile.IotaOp: lambda: is_positive(op.operands[0]),
        tile.FillOp: lambda: op.value.value.data >= 0,  # pyright: ignore[reportAttributeAccessIssue]
        tile.PointwiseOp: lambda: (
            op.kind.data in _POSITIVE_KINDS and all(map(is_positive, op.operands))  # pyright: ignore[reportAttributeAccessIssue]
        ),
    }
    if isinstance(op, _KEEP_SIGN):
        return all(map(is_positive, op.operands))
    return type(op) in rules and rules[type(op)]()

"""The pointwise functions of the language: rows of `ir.pointwise`, what they do to dtypes, and to numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

import torch
from xdsl.ir import SSAValue

from ...ir.dims import Dim
from ...ir.pointwise import INTEGRAL, POINTWISE, torch_reference
from ...ir.types import dtype_of
from ..build import compute_dtype
from .errors import Fault
from .parse import parse

Scalar: TypeAlias = "int | float | bool | Dim"
Operand: TypeAlias = "SSAValue | Scalar"


@dataclass(frozen=True)
class Space:
    """The indices that an expression is computed over, one axis each, with their sizes."""

    sizes: Mapping[str, Dim]

    def axis(self, index: str) -> int:
        return list(self.sizes).index(index)


DTYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "i1")
_FOREIGN = {
    "float64": "f64", "double": "f64", "float32": "f32", "float": "f32", "fp32": "f32", "float16": "f16", "half": "f16",
    "fp16": "f16", "bfloat16": "bf16", "int64": "i64", "int": "i64", "int32": "i32", "int16": "i16", "int8": "i8",
    "uint8": "u8", "bool": "i1",
}  # fmt: skip

SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floor_div": "//", "mod": "%", "pow": "**", "neg": "-", "eq": "==",
    "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&&", "or": "||", "not": "!",
}  # fmt: skip
"""The rows of `POINTWISE` that are written as symbols."""

_INTERNAL = {"softmax_exp2", "minnum", *INTEGRAL}
FUNCTIONS: dict[str, str] = {kind: kind for kind in POINTWISE if kind not in SYMBOLS and kind not in _INTERNAL}
"""Name in a program → row of `POINTWISE`."""

PRELUDE = parse("epilogue softcap(x, cap) = cap * tanh(x / cap)\n", "<prelude>")
"""Epilogues that every program knows."""

_INTEGRAL = {
    "add", "sub", "mul", "floor_div", "mod", "max", "min", "neg", "abs", "square", "eq", "ne", "lt", "le", "gt", "ge",
    "where",
}  # fmt: skip
_LOGICAL = {"and", "or", "xor", "not"}
_ON_BOOLEANS = {*_LOGICAL, "eq", "ne", "where"}


def dtype_named(name: str) -> str:
    """A dtype of the language. Raises Fault with the nearest one."""
    if name in DTYPES:
        return name
    near = _FOREIGN.get(name) or next(iter(get_close_matches(name, DTYPES, n=1)), "")
    raise Fault(f"there is no dtype `{name}`", f"did you mean `{near}`?" if near else f"known: {', '.join(DTYPES)}")


def fold(kind: str, operands: Sequence[Operand]) -> Scalar | None:
    """The function of numbers alone, as a number; None where a tensor or an unknown size is among them."""
    if any(isinstance(v, SSAValue) for v in operands):
        return None
    if any(isinstance(v, Dim) for v in operands):
        return _fold_sizes(kind, operands)
    numbers = [v for v in operands if isinstance(v, bool | int | float)]
    whole = all(isinstance(v, int) for v in numbers)
    dtype = torch.bool if kind in _LOGICAL else torch.int64 if whole and kind in _INTEGRAL else torch.float64
    if kind == "pow" and whole and 0 <= numbers[1] <= 62:
        return numbers[0] ** numbers[1]
    try:
        result = torch_reference(kind)(*(torch.tensor(v, dtype=dtype) for v in numbers)).item()
    except RuntimeError as error:  # a division by zero, or a number too large
        raise Fault(f"`{SYMBOLS.get(kind, kind)}` of {' and '.join(map(str, numbers))} is no number") from error
    return bool(result) if POINTWISE[kind].result == "bool" else result


def _fold_sizes(kind: str, operands: Sequence[Operand]) -> Scalar | None:
    if not all(isinstance(v, int | Dim) and not isinstance(v, bool) for v in operands):
        return None
    dims = [Dim.of(v) for v in operands if isinstance(v, int | Dim)]
    match kind, dims:
        case "add", [a, b]:
            return a + b
        case "sub", [a, b]:
            return a - b
        case "mul", [a, b]:
            return a * b
        case "floor_div", [a, b]:
            return a // b
        case "mod", [a, b]:
            return a % b
        case "neg", [a]:
            return -a
        case _:
            return None


def pointwise_dtype(kind: str, operands: Sequence[Operand]) -> tuple[str, str]:
    """The dtype of numbers among the operands, and of the result. Raises Fault where dtypes do not go together."""
    word = f"`{SYMBOLS.get(kind, kind)}`"
    chosen = operands[1:] if kind == "where" else operands
    if kind == "where" and (not isinstance(operands[0], SSAValue) or dtype_of(operands[0]) != "i1"):
        raise Fault("the condition of `where` is no i1 tensor", "make one by a comparison, such as `x > 0`")
    tensors = [dtype_of(v) for v in chosen if isinstance(v, SSAValue)]
    found = list(dict.fromkeys(tensors))
    if len(found) > 1:
        raise Fault(f"{word} of {' and '.join(found)}", f"convert one of them, as in `x as {_wider(found)}`")
    dtype = found[0] if found else "f32"
    numbers = [v for v in chosen if not isinstance(v, SSAValue)]
    if dtype == "i1" and kind not in _ON_BOOLEANS:
        raise Fault(f"{word} of booleans", "convert them, as in `x as f32`, or use `where(x, 1, 0)`")
    if dtype != "i1" and kind in _LOGICAL:
        raise Fault(f"{word} of {dtype}", "logic takes booleans: compare first, as in `x > 0`")
    if dtype[0] in "iu" and dtype != "i1" and kind not in _INTEGRAL:
        raise Fault(f"{word} of whole numbers", "convert them, as in `x as f32`" + (", or use `//`" * (kind == "div")))
    if dtype[0] in "iu" and any(isinstance(v, float) for v in numbers):
        raise Fault(f"{word} of {dtype} and a fraction", "convert the tensor, as in `x as f32`")
    result = "i1" if POINTWISE[kind].result == "bool" else dtype
    return ("i1" if dtype == "i1" else compute_dtype(dtype)), result


def _wider(found: Sequence[str]) -> str:
    return next(name for name in DTYPES if name in found)

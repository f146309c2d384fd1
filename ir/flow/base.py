"""The base of the ops, and what they share: formats, properties, checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    Float64Type,
    FloatAttr,
    IntAttr,
    f64,
)
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim
from ..types import TensorType, tensor_type


def optional_format(required: Sequence[str], optional: Sequence[str], result: str = "result") -> str:
    """An assembly format with keyworded, typed optional operands (xDSL's `operands` takes one variadic only)."""
    given = " `,` ".join(f"${name}" for name in required)
    types = " `,` ".join(f"type(${name})" for name in required)
    extras = " ".join(f"(`{name}` ${name}^ `:` type(${name}))?" for name in optional)
    return f"{given} `:` {types} {extras} attr-dict" + (f" `->` type(${result})" if result else "")


FORMAT = "operands attr-dict `:` functional-type(operands, results)"
Float = FloatAttr[Float64Type]


def ints(values: Sequence[int]) -> ArrayAttr[IntAttr]:
    return ArrayAttr([IntAttr(v) for v in values])


def real(value: float) -> Float:
    return FloatAttr(value, f64)


def require(condition: bool, message: str) -> None:
    if not condition:
        raise VerifyException(message)


def texts(shape: Sequence[Dim]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


class FlowOp(IRDLOperation):
    """Base of the ops with one result."""

    assembly_format: ClassVar[str | None] = FORMAT
    irdl_options = (ParsePropInAttrDict(),)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    @property
    def type(self) -> TensorType:
        return tensor_type(self.result)

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape

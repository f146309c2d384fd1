"""Types of the flow and fused levels: tensors with named symbolic dims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from xdsl.dialects.builtin import (
    ArrayAttr,
    BFloat16Type,
    Float8E4M3FNType,
    Float8E5M2Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
    f64,
    i1,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute, Data, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from .dims import Dim, DimLike

# name (as printed and as the runtime knows it) → element type; sizes in bits
DTYPES: dict[str, Attribute] = {
    "f64": f64, "f32": f32, "f16": f16, "bf16": bf16,
    "f8E4M3FN": Float8E4M3FNType(), "f8E5M2": Float8E5M2Type(),
    "i64": i64, "i32": i32, "i16": IntegerType(16), "i8": i8, "i4": IntegerType(4),
    "u8": IntegerType(8, Signedness.UNSIGNED), "i1": i1,
}  # fmt: skip
DTYPE_NAMES: dict[Attribute, str] = {attr: name for name, attr in DTYPES.items()}
TORCH_NAMES: dict[str, str] = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "f8E4M3FN": "float8_e4m3fn",
    "f8E5M2": "float8_e5m2", "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8", "i4": "int8",
    "i1": "bool",
}  # fmt: skip
"""The names of PyTorch and numpy, by which the runtime calls element types."""

BITS: dict[str, int] = {
    "f64": 64, "f32": 32, "f16": 16, "bf16": 16, "f8E4M3FN": 8, "f8E5M2": 8,
    "i64": 64, "i32": 32, "i16": 16, "i8": 8, "i4": 4, "u8": 8, "i1": 8,
}  # fmt: skip
_FLOATS = (Float64Type, Float32Type, Float16Type, BFloat16Type, Float8E4M3FNType, Float8E5M2Type)


def is_float(element: Attribute) -> bool:
    return isinstance(element, _FLOATS)


def sum_dtype(dtype: str) -> str:
    """The element type in which products of numbers of a type are added up."""
    return {"f64": "f64", "i8": "i32"}.get(dtype, "f32")


@irdl_attr_definition
class DimAttr(Data[Dim]):
    """One dimension, printed as a string: `#flow.dim<"B*S">`."""

    name = "flow.dim"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Dim:
        with parser.in_angle_brackets():
            return parse_dim(parser)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_dim(printer, self.data)


def print_dim(printer: Printer, dim: Dim) -> None:
    text = str(dim)
    if dim.is_const or text.isidentifier():
        printer.print_string(text)
    else:
        printer.print_string_literal(text)


def parse_dim(parser: AttrParser) -> Dim:
    """A constant, a symbol, or a quoted expression."""
    text: Any = parser.parse_optional_str_literal()
    if text is None:
        text = parser.parse_optional_identifier()
    if text is None:
        return Dim.of(parser.parse_integer())
    try:
        return Dim.of(text)
    except ValueError as error:
        parser.raise_error(str(error))


def dims_attr(dims: Iterable[DimLike]) -> ArrayAttr[DimAttr]:
    return ArrayAttr([DimAttr(Dim.of(d)) for d in dims])


@irdl_attr_definition
class TensorType(ParametrizedAttribute, TypeAttribute):
    """A whole tensor: `!flow.tensor<[B, S, 1024], bf16>`. Rank 0 is `!flow.tensor<[], f32>`."""

    name = "flow.tensor"

    dims: ArrayAttr[DimAttr]
    element: Attribute

    @staticmethod
    def of(shape: Iterable[DimLike], element: Attribute | str) -> TensorType:
        return TensorType(dims_attr(shape), DTYPES[element] if isinstance(element, str) else element)

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(d.data for d in self.dims)

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def dtype(self) -> str:
        """The element type's short name, a key of `DTYPES`."""
        return DTYPE_NAMES[self.element]

    @property
    def bits(self) -> int:
        return BITS[self.dtype]

    def with_shape(self, shape: Iterable[DimLike]) -> TensorType:
        return TensorType.of(shape, self.element)

    def with_element(self, element: Attribute | str) -> TensorType:
        return TensorType.of(self.shape, element)

    def verify(self) -> None:
        if self.element not in DTYPE_NAMES:
            raise VerifyException(f"flow.tensor: unknown element type {self.element}; known: {', '.join(DTYPES)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            dims = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: parse_dim(parser))
            parser.parse_punctuation(",")
            element = parser.parse_type()
        return [dims_attr(dims), element]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string("[")
            printer.print_list(self.shape, lambda d: print_dim(printer, d))
            printer.print_string("], ")
            printer.print_attribute(self.element)


def tensor_type(value: SSAValue) -> TensorType:
    """The tensor type of a value. Raises TypeError where it has another type."""
    if not isinstance(value.type, TensorType):
        raise TypeError(f"expected a !flow.tensor value, got {value.type}")
    return value.type


def shape_of(value: SSAValue) -> tuple[Dim, ...]:
    return tensor_type(value).shape


def dtype_of(value: SSAValue) -> str:
    return tensor_type(value).dtype


def broadcast_shapes(shapes: Iterable[Sequence[Dim]]) -> tuple[Dim, ...] | None:
    """The numpy broadcast of shapes; None where two dims differ and neither is 1."""
    result: list[Dim] = []
    one = Dim.of(1)
    for shape in shapes:
        padded = [one] * (len(result) - len(shape)) + list(shape)
        result = [one] * (len(padded) - len(result)) + result
        for i, (a, b) in enumerate(zip(result, padded, strict=True)):
            if a != b and one not in (a, b):
                return None
            result[i] = b if a == one else a
    return tuple(result)

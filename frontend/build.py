"""A builder of flow ops for one FX node at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from xdsl.dialects.builtin import UnknownLoc
from xdsl.ir import Operation, SSAValue

from ..ir import flow
from ..ir.dims import Dim, DimLike
from ..ir.pointwise import POINTWISE
from ..ir.types import TensorType, broadcast_shapes, dtype_of, shape_of, tensor_type
from .errors import Unsupported

if TYPE_CHECKING:
    from xdsl.dialects.builtin import LocationAttr

DTYPES: dict[torch.dtype, str] = {
    torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16",
    torch.float8_e4m3fn: "f8E4M3FN", torch.float8_e5m2: "f8E5M2",
    torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "i1",
}  # fmt: skip
TORCH_DTYPES: dict[str, torch.dtype] = {name: dtype for dtype, name in DTYPES.items()}

Value: TypeAlias = SSAValue
Number: TypeAlias = "int | float | bool | Dim"
Rule: TypeAlias = "Callable[..., Value | Sequence[Value]]"
R = TypeVar("R", bound=Rule)


@lru_cache(maxsize=16384)
def tensor(shape: tuple[Dim, ...], dtype: str) -> TensorType:
    """The tensor type; one object for equal types."""
    return TensorType.of(shape, dtype)


def is_float(value: Value) -> bool:
    return dtype_of(value).startswith(("f", "b"))


def compute_dtype(dtype: str) -> str:
    """The dtype that PyTorch keeps scalars in when it computes on `dtype`."""
    return {"f64": "f64"}.get(dtype, "f32") if dtype.startswith(("f", "b")) else "i64"


def axis_of(axis: int, rank: int) -> int:
    """A non-negative axis; rank 0 counts as rank 1, as in PyTorch."""
    return axis % max(rank, 1)


def number(value: Number) -> int | float:
    """A Python number. Raises Unsupported for a symbolic size."""
    if not isinstance(value, Dim):
        return value
    if not value.is_const:
        raise Unsupported(f"the size `{value}` used as a number")
    return value.value


class Builder:
    """Collects the flow ops of one FX node; `out` is the type PyTorch gives the node's result (`outs`: several).

    `at_most(a, b)`: whether `a <= b` is known of all calls.
    """

    def __init__(self, at_most: Callable[[Dim, Dim], bool]) -> None:
        self.at_most = at_most
        self.ops: list[Operation] = []
        self.location: LocationAttr = UnknownLoc()
        self.outs: tuple[TensorType | None, ...] = ()
        self.used: tuple[bool, ...] = ()
        self.weights: set[Value] = set()

    def start(
        self, location: LocationAttr, outs: tuple[TensorType | None, ...] = (), used: tuple[bool, ...] = ()
    ) -> None:
        """Begin a node: its location, its result types, and which of its results are read."""
        self.ops, self.location, self.outs, self.used = [], location, outs, used

    def abandon(self) -> None:
        """Forget the ops of this node."""
        for op in reversed(self.ops):
            op.erase()
        self.ops = []

    @property
    def out(self) -> TensorType:
        if len(self.outs) != 1 or self.outs[0] is None:
            raise Unsupported("a result that is not one tensor")
        return self.outs[0]

    def emit(self, op: flow.FlowOp) -> Value:
        op.location = self.location
        self.ops.append(op)
        return op.result

    # ---- elementwise -------------------------------------------------------------------------------------------

    def pointwise(self, kind: str, *values: Value, dtype: str | None = None) -> Value:
        """`kind` of the operands, broadcast; raises Unsupported where symbolic shapes cannot be shown to fit."""
        shape = broadcast_shapes([shape_of(v) for v in values])
        if shape is None:
            raise Unsupported(f"shapes of {kind} are not known to broadcast")
        bool_result = POINTWISE[kind].result == "bool"
        dtype = dtype or ("i1" if bool_result else dtype_of(values[-1]))
        return self.emit(flow.PointwiseOp(kind, values, tensor(shape, dtype)))

    def cast(self, value: Value, dtype: str) -> Value:
        return value if dtype_of(value) == dtype else self.emit(flow.CastOp(value, dtype))

    def constant(self, value: int | float, dtype: str, shape: Sequence[Dim] = ()) -> Value:
        return self.emit(flow.ConstantOp(value, tensor(tuple(shape), dtype)))

    def scalar(self, value: Number, dtype: str) -> Value:
        """A rank-0 value from a number or a symbolic size."""
        if isinstance(value, Dim) and not value.is_const:
            return self.cast(self.emit(flow.DimValueOp(value)), dtype)
        return self.constant(number(value), dtype)

    def iota(self, size: DimLike, dtype: str = "i64", start: DimLike = 0, step: int = 1) -> Value:
        return self.emit(flow.IotaOp(tensor((Dim.of(size),), dtype), 0, start, step))

    # ---- views -------------------------------------------------------------------------------------------------

    def reshape(self, value: Value, shape: Sequence[DimLike]) -> Value:
        dims = tuple(Dim.of(d) for d in shape)
        return value if shape_of(value) == dims else self.emit(flow.ReshapeOp(value, dims))

    def transpose(self, value: Value, permutation: Sequence[int]) -> Value:
        in_order = list(permutation) == list(range(len(permutation)))
        return value if in_order else self.emit(flow.TransposeOp(value, permutation))

    def swap(self, value: Value, a: int, b: int) -> Value:
        order = list(range(len(shape_of(value))))
        order[a], order[b] = order[b], order[a]
        return self.transpose(value, order)

    def broadcast(self, value: Value, shape: Sequence[DimLike]) -> Value:
        dims = tuple(Dim.of(d) for d in shape)
        if shape_of(value) == dims:
            return value
        if broadcast_shapes([shape_of(value), dims]) != dims:
            raise Unsupported("shapes are not known to broadcast")
        return self.emit(flow.BroadcastOp(value, dims))

    def slice(self, value: Value, axis: int, start: DimLike, size: DimLike, step: int = 1) -> Value:
        """`size` elements along `axis` from `start`, every `step`-th."""
        shape = list(shape_of(value))
        start, size = Dim.of(start), Dim.of(size)
        if start == Dim() and size == shape[axis] and step == 1:
            return value
        starts, steps = [Dim()] * len(shape), [1] * len(shape)
        starts[axis], steps[axis], shape[axis] = start, step, size
        return self.emit(flow.SliceOp(value, starts, shape, steps))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        return values[0] if len(values) == 1 else self.emit(flow.ConcatOp(list(values), axis))

    # ---- reductions and products -------------------------------------------------------------------------------

    def reduce(self, kind: str, value: Value, axes: Sequence[int], dtype: str | None = None) -> Value:
        """`kind` over `axes`, which stay as dims of 1."""
        return self.emit(flow.ReduceOp(kind, value, sorted(axes), dtype))

    def linear(self, x: Value, weight: Value, bias: Value | None, dtype: str) -> Value:
        if shape_of(x)[-1] != shape_of(weight)[1]:
            raise Unsupported(f"a linear of rows of {shape_of(x)[-1]} against {shape_of(weight)[1]}")
        return self.emit(flow.LinearOp(x, weight, bias, dtype))

    def matmul(self, lhs: Value, rhs: Value, dtype: str) -> Value:
        a, b = shape_of(lhs), shape_of(rhs)
        if a[-1] != b[-2] or broadcast_shapes([a[:-2], b[:-2]]) is None:
            raise Unsupported("shapes of a matmul are not known to fit")
        return self.emit(flow.MatmulOp(lhs, rhs, dtype))

    # ---- results -----------------------------------------------------------------------------------------------

    def fit(self, value: Value, expected: TensorType | None) -> Value:
        """The value with the type PyTorch gives it: cast where the dtype differs, equal dims in the same spelling."""
        if expected is None or value.type == expected:
            return value
        if dtype_of(value) != expected.dtype:
            value = self.cast(value, expected.dtype)
        shape = shape_of(value)
        differ = [(a, b) for a, b in zip(shape, expected.shape, strict=False) if a != b]
        if len(shape) != len(expected.shape) or any(a.is_const and b.is_const for a, b in differ):
            raise Unsupported(f"an imported shape {tensor_type(value)} where PyTorch has {expected}")
        return self.reshape(value, expected.shape)


def registrar(table: dict[str, Rule]) -> Callable[..., Callable[[R], R]]:
    """A decorator that enters a rule into `table` under ATen overload names."""

    def register(*targets: str) -> Callable[[R], R]:
        def enter(rule: R) -> R:
            table.update(dict.fromkeys(targets, rule))
            return rule

        return enter

    return register


def sizes(values: Any) -> list[Dim]:
    """A list of ints and dims as dims."""
    return [Dim.of(v) for v in values]

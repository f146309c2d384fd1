"""What is computed on tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    IndexType,
    IntAttr,
    StringAttr,
    UnitAttr,
    VectorType,
    i1,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from ..flow import REDUCTIONS, Float, real
from ..pointwise import POINTWISE
from ..types import is_float
from .base import TileOp, tile_shape, tile_type


@irdl_op_definition
class DotOp(TileOp):
    """accumulator [M, N] + a [M, K] · b, where b is [K, N], or [N, K] with `transposed`; of floats, or of i8 into i32."""

    name = "tile.dot"
    a = operand_def(VectorType)
    b = operand_def(VectorType)
    accumulator = operand_def(VectorType)
    transposed = opt_prop_def(UnitAttr)

    def __init__(self, a: SSAValue, b: SSAValue, accumulator: SSAValue, transposed: bool):
        properties: dict[str, Attribute | None] = {"transposed": UnitAttr() if transposed else None}
        super().__init__(operands=[a, b, accumulator], result_types=[accumulator.type], properties=properties)

    def verify_(self) -> None:
        (m, k), b, (rows, columns) = tile_shape(self.a), tile_shape(self.b), tile_shape(self.accumulator)
        if b[::-1] != (k, columns) if self.transposed is not None else b != (k, columns):
            raise VerifyException(f"tile.dot: {m}x{k} by {b[0]}x{b[1]} into {rows}x{columns}")
        elements = [v.type.element_type for v in (self.a, self.b, self.accumulator)]  # pyright: ignore
        if elements != [i8, i8, i32] and not all(is_float(e) for e in elements):
            raise VerifyException(f"tile.dot: {elements[0]} by {elements[1]} into {elements[2]}")


@irdl_op_definition
class PointwiseOp(TileOp):
    """`kind` (a row of `POINTWISE`) of the broadcast tiles."""

    name = "tile.pointwise"
    assembly_format: ClassVar[str | None] = "`<` $kind `>` operands attr-dict `:` functional-type(operands, results)"
    kind = prop_def(StringAttr)
    inputs = var_operand_def(VectorType)

    def __init__(self, kind: str, inputs: Sequence[SSAValue], element: Attribute | None = None):
        shapes = [tile_shape(v) for v in inputs]
        rows, columns = max(s[0] for s in shapes), max(s[1] for s in shapes)
        if element is None:
            last = inputs[-1].type
            assert isinstance(last, VectorType)
            element = i1 if POINTWISE[kind].result == "bool" else last.element_type
        super().__init__(
            operands=[list(inputs)],
            result_types=[tile_type(rows, columns, element)],
            properties={"kind": StringAttr(kind)},
        )

    def verify_(self) -> None:
        kind = POINTWISE.get(self.kind.data)
        if kind is None or len(self.inputs) != kind.arity:
            raise VerifyException(f"tile.pointwise: `{self.kind.data}` of {len(self.inputs)} operands")
        rows, columns = tile_shape(self.result)
        for shape in map(tile_shape, self.inputs):
            if shape[0] not in (1, rows) or shape[1] not in (1, columns):
                raise VerifyException(
                    f"tile.pointwise<{self.kind.data}>: {shape} does not broadcast to {(rows, columns)}"
                )


@irdl_op_definition
class ConvertOp(TileOp):
    """Conversion between element types (float → int truncates)."""

    name = "tile.convert"
    input = operand_def(VectorType)

    def __init__(self, value: SSAValue, element: Attribute):
        super().__init__(operands=[value], result_types=[tile_type(*tile_shape(value), element)])


@irdl_op_definition
class FillOp(TileOp):
    """Every element `value`."""

    name = "tile.fill"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    value = prop_def(Float)

    def __init__(self, value: float, result: VectorType):
        super().__init__(result_types=[result], properties={"value": real(value)})


@irdl_op_definition
class SplatOp(TileOp):
    """A [1, 1] tile of i64 holding an index."""

    name = "tile.splat"
    input = operand_def(IndexType)

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value], result_types=[tile_type(1, 1, i64)])


@irdl_op_definition
class IotaOp(TileOp):
    """`start + i` in i64 along axis 0 ([TM, 1]) or 1 ([1, TN])."""

    name = "tile.iota"
    start = operand_def(IndexType)

    def __init__(self, start: SSAValue, length: int, axis: int):
        super().__init__(
            operands=[start], result_types=[tile_type(length, 1, i64) if axis == 0 else tile_type(1, length, i64)]
        )


@irdl_op_definition
class ReduceOp(TileOp):
    """`kind` over the columns: [TM, TN] → [TM, 1]; with `group` g, over each g columns: → [TM, TN / g].

    `columns`: where given, an index operand; columns at or beyond it take no part. `maxnum` is `max` for columns without
    NaN; of others it gives one of the numbers, or NaN.
    """

    name = "tile.reduce"
    assembly_format: ClassVar[str | None] = "`<` $kind `>` operands attr-dict `:` functional-type(operands, results)"
    kind = prop_def(StringAttr)
    group = opt_prop_def(IntAttr)
    input = operand_def(VectorType)
    columns = opt_operand_def(IndexType)

    def __init__(self, kind: str, value: SSAValue, group: int | None = None, columns: SSAValue | None = None):
        rows, width = tile_shape(value)
        assert isinstance(value.type, VectorType)
        result = tile_type(rows, width // group if group else 1, value.type.element_type)
        properties: dict[str, Attribute | None] = {"kind": StringAttr(kind), "group": IntAttr(group) if group else None}
        super().__init__(operands=[value, columns], result_types=[result], properties=properties)

    def verify_(self) -> None:
        if self.kind.data not in (*REDUCTIONS, "maxnum"):
            raise VerifyException(f"tile.reduce: unknown kind `{self.kind.data}`")
        if self.group is not None and tile_shape(self.input)[1] % self.group.data:
            raise VerifyException(
                f"tile.reduce: {tile_shape(self.input)[1]} columns are no multiple of the group {self.group.data}"
            )


@irdl_op_definition
class ExpandColumnsOp(TileOp):
    """Each column repeated `group` times: [TM, G] → [TM, G·group]."""

    name = "tile.expand_columns"
    input = operand_def(VectorType)
    group = prop_def(IntAttr)

    def __init__(self, value: SSAValue, group: int):
        rows, columns = tile_shape(value)
        assert isinstance(value.type, VectorType)
        super().__init__(
            operands=[value],
            result_types=[tile_type(rows, columns * group, value.type.element_type)],
            properties={"group": IntAttr(group)},
        )


@irdl_op_definition
class RepeatColumnsOp(TileOp):
    """The columns repeated as a whole `count` times: [TM, g] → [TM, g·count] (one head's cos for all heads of the tile)."""

    name = "tile.repeat_columns"
    input = operand_def(VectorType)
    count = prop_def(IntAttr)

    def __init__(self, value: SSAValue, count: int):
        rows, columns = tile_shape(value)
        assert isinstance(value.type, VectorType)
        super().__init__(
            operands=[value],
            result_types=[tile_type(rows, columns * count, value.type.element_type)],
            properties={"count": IntAttr(count)},
        )


@irdl_op_definition
class RopeOp(TileOp):
    """`flow.rope` on a tile that holds whole heads of `head` columns; cos, sin [TM, r] of one head, r ≤ head."""

    name = "tile.rope"
    input = operand_def(VectorType)
    cos = operand_def(VectorType)
    sin = operand_def(VectorType)
    kind = prop_def(StringAttr)
    head = prop_def(IntAttr)

    def __init__(self, value: SSAValue, cos: SSAValue, sin: SSAValue, kind: str, head: int):
        super().__init__(
            operands=[value, cos, sin],
            result_types=[value.type],
            properties={"kind": StringAttr(kind), "head": IntAttr(head)},
        )

    def verify_(self) -> None:
        if tile_shape(self.input)[1] % self.head.data:
            raise VerifyException("tile.rope: the tile does not hold whole heads")

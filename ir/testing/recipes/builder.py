"""A flow function under construction, as the recipes' steps see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, IntAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from ...dims import Dim, DimLike
from ...flow import ConstantOp, FlowOp, PointwiseOp, ReshapeOp, SliceOp, TransposeOp
from ...locations import location
from ...signature import Role, argument_attributes
from ...types import TensorType, dtype_of, shape_of


class FlowStep(Protocol):
    """One step of a recipe: takes values that the builder has, adds ops, and hands values back to it."""

    def apply(self, builder: FlowBuilder) -> None: ...


class FlowBuilder:
    """`rows` holds the float values of shape [batch, length, n] made so far; steps choose among them, latest first.

    `others`: values of other shapes and types that steps leave over; `truths`: booleans made so far.
    """

    def __init__(self, batch: DimLike, length: DimLike, dtype: str) -> None:
        self.batch, self.length, self.dtype = Dim.of(batch), Dim.of(length), dtype
        self.block = Block()
        self.rows: list[SSAValue] = []
        self.others: list[SSAValue] = []
        self.truths: list[SSAValue] = []
        self.path = ""
        self._roles: list[Role] = []
        self._appended: list[tuple[SSAValue, int]] = []

    # ---- values ------------------------------------------------------------------------------------------------

    def argument(self, hint: str, shape: Sequence[DimLike], dtype: str | None = None, role: Role = "input") -> SSAValue:
        """A new last argument of @main."""
        made = self.block.insert_arg(TensorType.of(shape, dtype or self.dtype), len(self.block.args))
        made.name_hint = hint
        self._roles.append(role)
        return made

    def weight(self, hint: str, shape: Sequence[DimLike], dtype: str) -> SSAValue:
        return self.argument(hint, shape, dtype, "weight")

    def latest(self, index: int) -> SSAValue:
        """The rows made `index` steps ago, counted round."""
        return self.rows[-1 - index % len(self.rows)]

    def partner(self, value: SSAValue, index: int) -> SSAValue:
        """Rows of the same type: the ones made `index` such values ago, counted round; at least `value` itself is there."""
        alike = [v for v in self.rows if v.type == value.type]
        return alike[-1 - index % len(alike)]

    def keep(self, value: SSAValue) -> None:
        """Offers rows to the steps that follow."""
        self.rows.append(value)

    def appended(self, value: SSAValue, cache: SSAValue) -> None:
        """The value is the cache argument's new content."""
        self._appended.append((value, next(i for i, arg in enumerate(self.block.args) if arg is cache)))

    # ---- ops ---------------------------------------------------------------------------------------------------

    def __call__(self, op: FlowOp) -> SSAValue:
        self.insert(op)
        return op.result

    def insert(self, op: Operation) -> None:
        op.location = location(self.path)
        self.block.add_op(op)

    def pointwise(self, kind: str, *inputs: SSAValue) -> SSAValue:
        return self(PointwiseOp(kind, inputs))

    def number(self, value: float, dtype: str) -> SSAValue:
        return self(ConstantOp(value, TensorType.of([], dtype)))

    def scaled(self, kind: str, value: SSAValue, number: float) -> SSAValue:
        """`kind` of the value and a number of its dtype; the value stays the last operand's type."""
        result = TensorType.of(shape_of(value), dtype_of(value))
        return self(PointwiseOp(kind, [value, self.number(number, dtype_of(value))], result))

    def reshape(self, value: SSAValue, *shape: DimLike) -> SSAValue:
        return self(ReshapeOp(value, shape))

    def transpose(self, value: SSAValue, *order: int) -> SSAValue:
        return self(TransposeOp(value, order))

    def columns(self, value: SSAValue, start: int, size: int, step: int = 1) -> SSAValue:
        """Some of the last dim."""
        *rest, _ = shape_of(value)
        return self(SliceOp(value, [*(0 for _ in rest), start], [*rest, size], [*(1 for _ in rest), step]))

    # ---- the whole ---------------------------------------------------------------------------------------------

    def finish(self, results: Sequence[SSAValue]) -> ModuleOp:
        """@main that returns the results, and stores appended caches in their arguments."""
        returned = [*results, *(value for value, _ in self._appended)]
        self.block.add_op(func.ReturnOp(*returned))
        main = func.FuncOp(
            "main",
            ([a.type for a in self.block.args], [v.type for v in returned]),
            Region(self.block),
            arg_attrs=ArrayAttr([argument_attributes(role) for role in self._roles]),
        )
        if self._appended:
            pairs = [(len(results) + i, argument) for i, (_, argument) in enumerate(self._appended)]
            main.attributes["weave.mutations"] = ArrayAttr([ArrayAttr([IntAttr(r), IntAttr(a)]) for r, a in pairs])
            main.attributes["weave.outputs"] = ArrayAttr([StringAttr("tensor")] * len(results))
        return ModuleOp([main])


def width_of(value: SSAValue) -> int:
    """The number of columns of rows; it is static in every recipe."""
    return shape_of(value)[-1].value

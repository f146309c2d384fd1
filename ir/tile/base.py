"""Tiles as values, and the base of the ops that give one."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import (
    VectorType,
    f32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

TileType = VectorType


def tile_type(rows: int, columns: int, element: Attribute = f32) -> VectorType:
    return VectorType(element, [rows, columns])


def tile_shape(value: SSAValue) -> tuple[int, int]:
    """(rows, columns) of a tile value."""
    assert isinstance(value.type, VectorType)
    rows, columns = value.type.get_shape()
    return rows, columns


class TileOp(IRDLOperation):
    """Base of the ops that give one tile."""

    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    result = result_def(VectorType)
    traits = traits_def(Pure())

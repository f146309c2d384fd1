"""Tiles as arrays [rows, columns] in memory: those that outlive their segment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from ...ir import tile
from .context import Context
from .expressions import UnsupportedKernelError, held, literal
from .stages import shape
from .values import Place, wish


@dataclass
class Arrays:
    """The array of each value that has one; values may share one where the older is no longer needed."""

    ctx: Context
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def of(self, value: SSAValue) -> str:
        """The value's array, declared if it has none yet."""
        if value not in self.names:
            name = self.ctx.names.of(value, f"{wish(value)}_tile")
            self.ctx.array(name, held(tile.element_dtype(value)), math.prod(shape(value)))
            self.names[value] = name
        return self.names[value]

    def assign(self, array: str, value: SSAValue) -> None:
        """All of a value copied to an array. Raises UnsupportedKernelError for values that are in no array."""
        count = math.prod(shape(value))
        if isinstance(value.owner, tile.FillOp):
            constant = literal(value.owner.value.value.data, held(tile.element_dtype(value)))
            self.ctx.out(f"ww::fill({array}, {count}, {constant});")
        elif value not in self.names:
            raise UnsupportedKernelError(f"a loop that carries a {getattr(value.owner, 'name', 'block argument')}")
        elif self.names[value] != array:
            self.ctx.out(f"ww::copy({array}, {self.names[value]}, {count});")

    def row(self, value: SSAValue, written: bool = False) -> Place:
        """Row `r` of a value's array: a pointer; for one number a row a variable, or the element itself where it is written."""
        rows, columns = shape(value)
        name = self.names[value]
        if columns == 1:
            element = f"{name}[{'r' if rows > 1 else '0'}]"
            if written:
                return Place(element, False)
            local = self.ctx.names.fresh(f"{name}_r")
            self.ctx.out(f"const {held(tile.element_dtype(value))} {local} = {element};")
            return Place(local, False)
        if rows == 1:
            return Place(name, True)
        local = self.ctx.names.fresh(f"{name}_r")
        self.ctx.out(f"auto* const {local} = {name} + r * {columns};")
        return Place(local, True)

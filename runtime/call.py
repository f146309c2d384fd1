"""One call of a program in flight, as its ATen steps and its outputs see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .arrays import LAID_WRONG, Arrays
from .artifact import Output, ProgramDescription, Slot
from .constants import Packed
from .errors import DescriptionError
from .sizes import Sizes
from .slot_table import SlotTable
from .workspace import Workspace


class Call:
    """Slots as arrays. `args`: all arguments of the description, bound weights included; `passed`: those of them that are
    copies, as they were passed; `workers`: of the device."""

    __slots__ = (
        "_constants", "_description", "_outputs", "_table", "_values", "args", "arrays", "passed", "sizes", "workers",
        "workspace",
    )  # fmt: skip

    def __init__(
        self,
        description: ProgramDescription,
        table: SlotTable,
        args: Sequence[Any],
        passed: Mapping[int, Any],
        arrays: Arrays,
        sizes: Sizes,
        workspace: Workspace,
        packed: Packed,
        outputs: Sequence[Any],
        workers: int,
    ) -> None:
        self._description = description
        self._table = table
        self.args = args
        self.passed = passed
        self.arrays = arrays
        self.sizes = sizes
        self.workspace = workspace
        self.workers = workers
        self._constants = packed.arrays
        self._outputs = outputs
        self._values: dict[int, Any] = {}

    def dim(self, expr: str) -> int:
        """The value of one of the program's expressions."""
        return self.sizes.value(expr)

    def tensor(self, slot: int) -> Any:
        """The slot as an array that shares its memory: the argument, output or result itself where it is all of it."""
        spec = self._description.slots[slot]
        shape, strides, offset = self.sizes.layout(slot)
        if spec.source == "arena":
            chunk = int(self.sizes.chunk_offsets[spec.index])
            return self.workspace.view(self.arrays, chunk, shape, strides, offset, spec.dtype)
        base = self._base(spec)
        if offset == 0 and self.arrays.mismatch(base, shape, strides, spec.dtype) is None:
            return base
        return self.arrays.view(base, shape, strides, offset, spec.dtype)

    def define(self, slot: int, value: Any, *, copy: bool = False) -> None:
        """Takes an operator's result as the slot's contents; copies it if it does not lie as described, or if asked to."""
        spec = self._description.slots[slot]
        shape, strides, _ = self.sizes.layout(slot)
        wrong = self.arrays.mismatch(value, shape, strides, spec.dtype)
        if wrong is not None and wrong not in LAID_WRONG:
            raise DescriptionError(
                f"An operator's result is not as described: its {wrong}", where=f"slot {slot}",
                why=f"expected {spec.dtype} {list(shape)}, got {value.dtype} {list(value.shape)}",
                next="report this: a compiler's mistake",
            )  # fmt: skip
        if spec.source != "aten":
            self.tensor(slot).copy_(value)
            return
        if wrong or copy or self.workspace.holds(self.arrays.address(value)):  # the arena's chunks will be used again
            value = self.arrays.relaid(value, strides, spec.dtype)
        self._values[spec.index] = value
        address, table, offsets = self.arrays.address(value), self.workspace.table, self.sizes.slot_offsets
        for number in self._table.aten_slots[spec.index]:
            table[number] = address + offsets[number]

    def result(self, output: Output) -> Any:
        """What the caller gets for a tensor, int or None."""
        match output.kind:
            case "tensor":
                found = self.tensor(output.slot) if not self.passed else self._shown(output.slot)
                return self.arrays.unwritten(found) if output.slot in self._table.copied else found
            case "int":
                return self.sizes.value(output.value)
            case "arg":
                return self.passed.get(output.arg, self.args[output.arg])
            case "none":
                return None

    def _shown(self, slot: int) -> Any:
        """A result that shows an argument's memory: that which was passed, if it lies as described."""
        spec = self._description.slots[slot]
        passed = self.passed.get(spec.index) if spec.source == "arg" else None
        shape, strides, _ = self.sizes.argument(spec.index) if passed is not None else ((), (), 0)
        if passed is None or self.arrays.mismatch(passed, shape, strides, spec.dtype) == "strides":
            return self.tensor(slot)
        return self.arrays.view(passed, *self.sizes.layout(slot), spec.dtype)

    def _base(self, spec: Slot) -> Any:
        match spec.source:
            case "arg":
                return self.args[spec.index]
            case "output":
                return self._outputs[spec.index]
            case "constant":
                return self.arrays.adopt(self._constants[spec.index])
            case _:
                return self._values[spec.index]

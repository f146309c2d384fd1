"""What every part of a kernel's printer shares: names of buffers, sizes and indices, layouts, the text being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from ....ir import aref, tile
from ...cpu.expressions import (
    MEMORY_TYPES,
    Names,
    Symbols,
    UnsupportedKernelError,
    Writer,
    arithmetic,
    over,
    rest,
    sum_of,
    times,
)
from .layouts import Layouts

FAULT = "fault"
"""The parameter that a look-up out of range is reported to: three i64, zero before the launch."""

RESERVED = (
    FAULT,
    "lane_row", "lane_column", "i", "r", "c", "k", "n", "s", "at", "smem", "warp", "group", "chosen",
    "row_tiles", "column_tiles", "tiles",
)  # fmt: skip


@dataclass
class Context:
    """One kernel being printed. `lane_row`, `lane_column` in its text: the thread's first row and column in the role's tile."""

    kernel: tile.KernelOp
    out: Writer = field(default_factory=Writer)
    names: Names = field(default_factory=Names)
    symbols: Symbols = field(default_factory=Symbols)
    layouts: Layouts = field(default_factory=Layouts)
    buffers: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    sizes: frozenset[str] = field(init=False)
    counts: set[SSAValue] = field(default_factory=set[SSAValue])  # indices that come of counters: 32 bits wide

    def __post_init__(self) -> None:
        self.sizes = tile.size_symbols(self.kernel)
        for name in RESERVED:
            self.names.fresh(name)
        for symbol in self.kernel.symbols:
            self.symbols.names[symbol.data] = self.names.fresh(symbol.data)
        outputs = {i.data for i in self.kernel.outputs}
        for arg in self.kernel.body.args:
            self.buffers[arg] = self.names.of(arg, f"{'out' if arg.index in outputs else 'in'}{arg.index}")

    @property
    def parameters(self) -> list[str]:
        """The declarations of buffers and sizes, in the order of the launch."""
        outputs = {i.data for i in self.kernel.outputs}
        declared: list[str] = []
        for arg in self.kernel.body.args:
            const = "" if arg.index in outputs else "const "
            declared.append(f"{const}{memory_type(tile.element_dtype(arg))}* {self.buffers[arg]}")
        declared += [f"{self.type_of(symbol.data)} {self.symbols.names[symbol.data]}" for symbol in self.kernel.symbols]
        return [*declared, f"int64_t* {FAULT}"] if self.kernel.lookups else declared

    def type_of(self, symbol: str) -> str:
        """Sizes are below 2^31; strides are not."""
        return "int" if symbol in self.sizes else "int64_t"

    def define_index(self, op: Operation) -> None:
        """An op on indices, as a variable."""
        value = op.results[0]
        if tile.constant_index(value) is not None:
            return
        match op:
            case tile.SizeOp():
                text, wish = self.symbols.dim(op.dim.data), "size"
            case tile.LoadIndexOp():
                text, wish = self._looked_up(op), "index"
            case _:
                text, wish = arithmetic(op, self.symbols), "index"
        name = self.symbols.names[value] = self.names.of(value, wish)
        if any(operand in self.counts for operand in op.operands):
            self.counts.add(value)
        self.out(f"const {'uint32_t' if value in self.counts else 'int'} {name} = {text};")

    def _looked_up(self, op: tile.LoadIndexOp) -> str:
        at = self.symbols.index(op.position)
        entry = f"ww::load({sum_of([self.buffers[op.buffer], at])})"
        constant, size = tile.constant_index(op.position), op.size.data
        if constant is not None and size.is_const and 0 <= constant < size.value:
            return entry
        return f"{at} >= 0 && {at} < {self.symbols.dim(size)} ? {entry} : 0"

    def walk(self, axes: Sequence[tile.Axis], position: str, looked_up: tuple[int, str] | None = None) -> list[str]:
        """The terms of the address of `position`, split over the axes, last axis fastest. `looked_up`: the axis whose
        index is an entry of that buffer."""
        terms: list[str] = []
        for number in reversed(range(len(axes))):
            size = self.symbols.dim(axes[number].size)
            step = rest(position, size) if number else position
            if looked_up is not None and number == looked_up[0]:
                step = f"ww::load({looked_up[1]} + {step})"
            stride = self.symbols.dim(axes[number].stride)
            terms.append(times(step if stride in ("0", "1") or step == "0" else f"int64_t({step})", stride))
            position = over(position, size)
        return terms

    def start(self, op: tile.MemoryOp | aref.CopyOp) -> list[str]:
        """The terms of the address that are alike for the whole tile: buffer, offset, batch."""
        access = op.access.data
        terms = [self.buffers[op.buffer], self.symbols.dim(access.offset)]
        if op.batch is not None:
            terms += self.walk(access.batch, self.symbols.index(op.batch))
        return terms


def memory_type(dtype: str) -> str:
    """The C++ type of a buffer's elements. Raises UnsupportedKernelError."""
    if dtype not in MEMORY_TYPES:
        raise UnsupportedKernelError(f"the CUDA backend has no element type {dtype}")
    return MEMORY_TYPES[dtype]

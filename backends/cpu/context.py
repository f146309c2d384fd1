"""What every part of a kernel's printer shares: names, buffers, scratch, and what is known of indices and bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation, SSAValue

from ...ir import tile
from ...ir.dims import product
from .exact_factors import is_rounded
from .expressions import ITEM_BYTES, Names, Symbols, Writer, arithmetic, memory_type
from .pack import PackedLayout

LINE = 64

_PACKED_TYPES = {
    "pairs": "ww::bf16x2", "bf16x1-pairs": "ww::bf16x2", "vnni": "ww::vnni", "bf16x1": "ww::vnni", "bf16x3": "ww::vnni3",
    "quads": "ww::s8x4", "vnni8": "ww::vnni8",
}  # fmt: skip
"""The C++ type of packed weights, by layout, where it is not that of their elements."""


@dataclass
class Context:
    """One kernel being printed. `packed`: the layout of its packed weights (see `pack`)."""

    kernel: tile.KernelOp
    packed: PackedLayout = "rows"
    l2: int = 0  # bytes of a core; 0: unknown
    bf16_products: bool = False  # whether the CPU has them
    blocking: list[str] = field(default_factory=list[str])  # how each GEMM is cut, and why
    out: Writer = field(default_factory=Writer)
    names: Names = field(default_factory=Names)
    symbols: Symbols = field(default_factory=Symbols)
    loop: tile.ParallelOp | None = None  # the one being printed
    rows: str = ""  # its variable of the rows of a tile that lie inside the domain
    scratch_terms: list[str] = field(default_factory=list[str])  # bytes that each loop needs
    scratch_bytes: int = 0  # arrays of the loop being printed
    scratch_base: str = ""  # what comes before the arrays: the scratch of products
    limited: bool = True  # rows beyond the domain's are not computed
    whole_rows: set[SSAValue] = field(default_factory=set[SSAValue])  # tiles all rows of which are computed
    limits: dict[Operation, tuple[str, str]] = field(default_factory=dict[Operation, tuple[str, str]])  # see `ragged`

    # ---- the kernel's head -------------------------------------------------------------------------------------

    @property
    def entry(self) -> str:
        return self.kernel.sym_name.data

    def declare_arguments(self) -> None:
        """Pointers of the buffers and values of the symbols, at the head of a phase."""
        self.names = Names()
        unused = "[[maybe_unused]] " if len(self.kernel.phases) > 1 else ""
        outputs = {i.data for i in self.kernel.outputs}
        for arg in self.kernel.body.args:
            ctype = memory_type(tile.element_dtype(arg))
            if self.is_packed(arg):
                ctype = _PACKED_TYPES.get(self.packed, ctype)
            qualifier = "" if arg.index in outputs else "const "
            role = "w" if self.is_packed(arg) else "out" if arg.index in outputs else "in"
            name = self.names.of(arg, f"{role}{arg.index}")
            self.symbols.names[arg] = name
            self.out(f"{unused}{qualifier}auto* {name} = static_cast<{qualifier}{ctype}*>(bufs[{arg.index}]);")
        for i, symbol in enumerate(self.kernel.symbols):
            assert isinstance(symbol, StringAttr)
            name = self.names.fresh(symbol.data)
            self.symbols.names[symbol.data] = name
            self.out(f"[[maybe_unused]] const int64_t {name} = dims[{i}];")

    @property
    def unit(self) -> str:
        """The C++ type of a few packed numbers of neighbouring k that are multiplied at once; empty for single ones."""
        return _PACKED_TYPES[self.packed] if self.per > 1 else ""

    @property
    def per(self) -> int:
        """How many numbers of neighbouring k are multiplied at once."""
        return {"pairs": 2, "bf16x1-pairs": 2, "quads": 4}.get(self.packed, 1)

    def is_rounded(self, op: tile.DotOp) -> bool:
        """Whether the product takes bf16 numbers two at a time."""
        return self.bf16_products and is_rounded(op)

    def is_packed(self, buffer: SSAValue) -> bool:
        assert isinstance(buffer.type, tile.BufferType)
        return buffer.type.layout.data == "packed"

    def buffer(self, value: SSAValue) -> str:
        return self.symbols.names[value]

    def is_written(self, buffer: SSAValue) -> bool:
        return any(buffer is self.kernel.body.args[i.data] for i in self.kernel.outputs)

    def begin(self, loop: tile.ParallelOp) -> None:
        """Turns to a parallel loop."""
        self.loop, self.scratch_bytes = loop, 0
        dots = [op for op in loop.walk() if isinstance(op, tile.DotOp)]
        depth = max((n for op in dots for n in (*tile.tile_shape(op.a), *tile.tile_shape(op.b))), default=0)
        rounded = max((math.prod(tile.tile_shape(op.a)) for op in dots if self.is_rounded(op)), default=0)
        sizes = f"{depth}, {rounded}" if rounded else str(depth)
        self.scratch_base = f"ww::dot_scratch_bytes({sizes})" if depth else ""
        tall = loop.tile_shape[0]
        stores = [op for op in loop.walk() if isinstance(op, tile.StoreOp) and tile.tile_shape(op.value)[0] == tall > 1]
        self.limited = all(op.row is loop.body.args[1] for op in stores)

    def end(self) -> None:
        """Notes the scratch that the loop needs."""
        self.scratch_terms.append(
            " + ".join(t for t in (self.scratch_base, str(self.scratch_bytes)) if t not in ("", "0")) or "0"
        )

    def declare_arrays(self) -> None:
        """The memory of arrays, behind the scratch of products."""
        if self.scratch_base:
            self.out(f"[[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, {self.scratch_base});")

    # ---- memory of tiles ---------------------------------------------------------------------------------------

    def array(self, name: str, ctype: str, count: int) -> None:
        """Declares an aligned array in the thread's scratch.

        Never on the stack: GCC 12 takes addresses in loops as differences to other pointers, and then moves reads of
        the stack across writes through them (its bug 49330).
        """
        memory = "arrays" if self.scratch_base else "scratch"
        self.out(f"{ctype}* const {name} = ww::scratch_at<{ctype}>({memory}, {self.scratch_bytes});")
        self.scratch_bytes += (count * ITEM_BYTES[ctype] + LINE - 1) // LINE * LINE

    # ---- indices -----------------------------------------------------------------------------------------------

    def define_indices(self, ops: Iterable[Operation]) -> None:
        """The index values of a block, as variables."""
        for op in ops:
            if not tile.is_index(op) or tile.constant_index(op.results[0]) is not None:
                continue
            value = op.results[0]
            match op:
                case tile.SizeOp():
                    text = self.symbols.dim(op.dim.data)
                    if text.isidentifier():
                        self.symbols.names[value] = text
                        continue
                case tile.LoadIndexOp():
                    position = self.symbols.index(op.position)
                    bounds = f"{position} >= 0 && {position} < {self.symbols.dim(op.size.data)}"
                    text = f"{bounds} ? int64_t({self.buffer(op.buffer)}[{position}]) : 0"
                case _:
                    text = arithmetic(op, self.symbols)
            name = self.names.of(value, "index")
            self.symbols.names[value] = name
            self.out(f"const int64_t {name} = {text};")

    # ---- bounds ------------------------------------------------------------------------------------------------

    def rows_inside(self, op: tile.MemoryOp) -> bool:
        """Whether each row of the tile that is computed lies inside the access' rows."""
        size = product([a.size for a in op.access.data.rows])
        assert self.loop is not None
        if op.row is self.loop.body.args[1]:
            return self.limited and size == self.loop.rows.data and tile.tile_of(op) not in self.whole_rows
        return tile.always_inside(op.row, size, tile.tile_shape(tile.tile_of(op))[0])

    def columns_inside(self, op: tile.MemoryOp) -> bool:
        """Whether the access' columns hold the whole tile."""
        size = product([a.size for a in op.access.data.columns])
        width = tile.tile_shape(tile.tile_of(op))[1]
        assert self.loop is not None
        if op.column is self.loop.body.args[2] and self.loop.columns.data == size:
            return size.is_const and size.value % width == 0 and self.loop.tile_shape[1] % width == 0
        return tile.always_inside(op.column, size, width)

    @contextmanager
    def ragged(self, ops: Iterable[Operation]) -> Iterator[None]:
        """Around the text of ops: where tiles of their accesses may stick out, it is compiled for whole and for ragged tiles.

        `limits` then has, for each such access, the flag that says that tiles are whole, and the number of columns inside.
        """
        counts: dict[str, tuple[str, int]] = {}
        outside = [op for op in ops if isinstance(op, tile.LoadOp | tile.StoreOp) and not self.columns_inside(op)]
        if not outside:
            yield
            return
        whole, flag = self.names.fresh("whole"), self.names.fresh("kWhole")
        for op in outside:
            text = f"{self.symbols.dim(product([a.size for a in op.access.data.columns]))} - {self.symbols.index(op.column)}"
            name, width = counts.get(text) or (self.names.fresh("columns"), 0)
            counts[text] = (name, max(width, tile.tile_shape(tile.tile_of(op))[1]))
            self.limits[op] = (flag, name)
        for text, (name, _) in counts.items():
            self.out(f"const int64_t {name} = {text};")
        condition = " && ".join(f"{name} >= {width}" for name, width in counts.values())
        head = f"ww::whole_or_ragged({condition}, [&](auto {whole}) __attribute__((always_inline))"
        with self.out.block(head, "});"):
            self.out(f"constexpr bool {flag} = decltype({whole})::value;")
            yield

    def column_guard(self, op: tile.MemoryOp, column: str) -> str:
        """The condition under which a column of the tile lies inside; empty where it always does."""
        if op not in self.limits:
            return ""
        flag, count = self.limits[op]
        return f"({flag} || {column} < {count})"

"""What every part of a kernel's printer shares: names of buffers and indices, lanes, the block being written, bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.ir import Block, SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from .expressions import TYPES, dim_text
from .lanes import Lanes, Layouts
from .source import Parameter, UnsupportedKernelError
from .text import Names, Scope

FAULT = "fault"
PROGRAM = "program"


@dataclass
class Context:
    """One kernel being printed. `precision`: of products of f32 tiles, as `tl.dot` names it."""

    kernel: tile.KernelOp
    precision: str
    layouts: Layouts = field(init=False)
    names: Names = field(init=False)
    scope: Scope = field(init=False)
    indices: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    row_ends: dict[SSAValue, str] = field(
        default_factory=dict[SSAValue, str]
    )  # of a loop over groups: where its group ends
    boxes: frozenset[tile.LoadOp] = frozenset()  # loads that a descriptor does

    def __post_init__(self) -> None:
        self.layouts = Layouts(self.kernel)
        symbols = [symbol.data for symbol in self.kernel.symbols]
        names = Names(FAULT, PROGRAM)
        for symbol in symbols:
            if names.fresh(symbol) != symbol:
                raise UnsupportedKernelError(f"a size named `{symbol}`")
        outputs = {i.data for i in self.kernel.outputs}
        self.parameters: list[Parameter] = []
        self._buffers: dict[SSAValue, str] = {}
        for arg in self.kernel.body.args:
            assert isinstance(arg.type, tile.BufferType)
            role = "w" if arg.type.layout.data == "packed" else "out" if arg.index in outputs else "in"
            name = self._buffers[arg] = names.fresh(f"{role}{arg.index}")
            if arg.type.dtype not in TYPES:
                raise UnsupportedKernelError(f"the Triton backend has no element type {arg.type.dtype}")
            self.parameters.append(Parameter(name, f"*{TYPES[arg.type.dtype]}"))
        sizes = tile.size_symbols(self.kernel)
        self.parameters += [Parameter(symbol, "i32" if symbol in sizes else "i64") for symbol in symbols]
        if self.kernel.lookups:
            self.parameters.append(Parameter(FAULT, "*i64"))
        self._taken = [parameter.name for parameter in self.parameters]

    def begin(self) -> None:
        """Turns to a phase: a function of its own."""
        self.names = Names(FAULT, PROGRAM, *self._taken)
        self.scope = Scope(self.names)

    # ---- names -------------------------------------------------------------------------------------------------

    def buffer(self, value: SSAValue) -> str:
        return self._buffers[value]

    def dim(self, dim: Dim, wide: bool = False) -> str:
        """A dim over the kernel's symbols. `wide`: products in i64."""
        return dim_text(dim, wide)

    def index(self, value: SSAValue) -> str:
        """An index value: a variable, or a literal where it is constant."""
        constant = tile.constant_index(value)
        return str(constant) if constant is not None else self.indices[value]

    def lane(self, lanes: Lanes) -> str:
        return self.scope.pure(f"lanes{lanes.padded}", f"tl.arange(0, {lanes.padded})")

    def position(self, lanes: Lanes) -> str:
        """The number of the tile that each lane holds."""
        return self.scope.pure("position", lanes.position(self.lane(lanes)))

    def inside(self, lanes: Lanes) -> str:
        """Which lanes hold a number."""
        return self.scope.pure("inside", lanes.inside(self.lane(lanes)))

    def positions(self, start: str, lanes: Lanes, wish: str) -> str:
        """The numbers in the access of a tile's rows or columns, lane by lane; a scalar for one lane."""
        if lanes.padded == 1:
            return start
        own = self.position(lanes)
        return own if start == "0" else self.scope.pure(wish, f"{start} + {own}")

    # ---- bounds ------------------------------------------------------------------------------------------------

    def rows_inside(self, op: tile.MemoryOp) -> bool:
        """Whether the access' rows hold the whole tile wherever it lies."""
        return self._holds(op.row, product([a.size for a in op.access.data.rows]), tile.tile_shape(tile.tile_of(op))[0])

    def columns_inside(self, op: tile.MemoryOp) -> bool:
        """Whether the access' columns hold the whole tile wherever it lies."""
        return self._holds(
            op.column, product([a.size for a in op.access.data.columns]), tile.tile_shape(tile.tile_of(op))[1]
        )

    def _holds(self, start: SSAValue, size: Dim, width: int) -> bool:
        owner = start.owner
        parent = owner.parent_op() if isinstance(owner, Block) else None
        if isinstance(parent, tile.ParallelOp):
            if start in self.row_ends:  # a group begins and ends anywhere
                return width == 1
            number = parent.body.args.index(start)  # pyright: ignore[reportArgumentType]
            extent, step = (
                (parent.batch, 1),
                (parent.rows, parent.tile_shape[0]),
                (parent.columns, parent.tile_shape[1]),
            )[number]
            return (
                step % width == 0
                and extent.data == size
                and (width == 1 or (size.is_const and size.value % width == 0))
            )
        return tile.always_inside(start, size, width)

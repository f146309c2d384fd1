"""The `tile` dialect: how a kernel walks its data.

A kernel's body is a list of `tile.parallel` loops with no order between them but where a `tile.barrier` stands; each walks
tiles of a rows × columns domain. Tile values are builtin vectors of two dims, `vector<TMxTNxf32>`: [TM, TN] tiles, [TM, 1] row
vectors, [1, TN] column vectors, [1, 1] scalars; pointwise ops broadcast. Float tiles are f32 (f64 in f64 kernels),
integer tiles i64, truth values i1. Buffers are typed memory; an `Access` maps (row, column) to an element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    IndexType,
    IntAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    UnitAttr,
    VectorType,
    f32,
    i1,
    i64,
)
from xdsl.ir import Attribute, Block, Data, Dialect, ParametrizedAttribute, Region, SSAValue, TypeAttribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import NoTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from .dims import Dim, DimLike
from .flow import REDUCTIONS, Float, optional_format, real
from .pointwise import POINTWISE
from .types import DTYPE_NAMES, DimAttr, TensorType, dims_attr, parse_dim, print_dim

_ZERO = Dim()

NUM_THREADS = "num_threads"
"""The symbol that a launch's dims may hold beside those of its function: the threads that the program runs on."""


@dataclass(frozen=True)
class Axis:
    """`size` steps of `stride` elements."""

    size: Dim
    stride: Dim


@dataclass(frozen=True)
class Gather:
    """The index of row axis `axis` is looked up: entry i of the op's index operand (i64 or i32), for index i of that axis.

    All entries of a kernel's index operands lie in [0, `extent`), or the kernel writes nothing and says so.
    """

    axis: int
    extent: Dim


@dataclass(frozen=True)
class Access:
    """Element address of (batch, row, column): `offset` + Σ axis index · stride over the batch, row and column axes.

    Each index is split over its axes (row-major, last axis fastest). No batch axes: the op has no batch operand.
    `gather`: embedding reads, KV-append writes.
    """

    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    offset: Dim = _ZERO
    batch: tuple[Axis, ...] = ()
    gather: Gather | None = None

    def normalised(self) -> Access:
        """The same addresses with axes of one step dropped and neighbours merged where the strides allow."""
        rows = self.rows if self.gather is not None else _merge(self.rows)
        return Access(rows, _merge(self.columns), self.offset, _merge(self.batch), self.gather)


def _merge(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    merged: list[Axis] = []
    for axis in axes:
        if axis.size == Dim.of(1):
            continue
        if merged and merged[-1].stride == axis.stride * axis.size:
            merged[-1] = Axis(merged[-1].size * axis.size, axis.stride)
        else:
            merged.append(axis)
    return tuple(merged)


def axes(sizes: Sequence[DimLike], strides: Sequence[DimLike]) -> tuple[Axis, ...]:
    return tuple(Axis(Dim.of(n), Dim.of(s)) for n, s in zip(sizes, strides, strict=True))


@irdl_attr_definition
class AccessAttr(Data[Access]):
    """`#tile.access<batch [] rows [B:"S*64", S:64] columns [64:1] + 0 gather 1 of 512>`."""

    name = "tile.access"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Access:
        def axis() -> Axis:
            size = parse_dim(parser)
            parser.parse_punctuation(":")
            return Axis(size, parse_dim(parser))

        with parser.in_angle_brackets():
            groups: list[tuple[Axis, ...]] = []
            for keyword in ("batch", "rows", "columns"):
                parser.parse_keyword(keyword)
                groups.append(tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, axis)))
            batch, rows, columns = groups
            parser.parse_punctuation("+")
            offset = parse_dim(parser)
            if not parser.parse_optional_keyword("gather"):
                return Access(rows, columns, offset, batch)
            number = parser.parse_integer()
            parser.parse_keyword("of")
            return Access(rows, columns, offset, batch, Gather(number, parse_dim(parser)))

    def print_parameter(self, printer: Printer) -> None:
        def axis(a: Axis) -> None:
            print_dim(printer, a.size)
            printer.print_string(":")
            print_dim(printer, a.stride)

        with printer.in_angle_brackets():
            for keyword, group in (
                ("batch", self.data.batch),
                ("rows", self.data.rows),
                ("columns", self.data.columns),
            ):
                printer.print_string(f"{keyword} [")
                printer.print_list(group, axis)
                printer.print_string("] ")
            printer.print_string("+ ")
            print_dim(printer, self.data.offset)
            if self.data.gather is not None:
                printer.print_string(f" gather {self.data.gather.axis} of ")
                print_dim(printer, self.data.gather.extent)


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """Memory of `element`s. `layout` is `strided` (an Access addresses it) or `packed` (a weight in the target's panel order)."""

    name = "tile.buffer"
    element: Attribute
    layout: StringAttr

    @staticmethod
    def of(element: Attribute, layout: str = "strided") -> BufferType:
        return BufferType(element, StringAttr(layout))

    @property
    def dtype(self) -> str:
        return DTYPE_NAMES[self.element]


TileType = VectorType


def tile_type(rows: int, columns: int, element: Attribute = f32) -> VectorType:
    return VectorType(element, [rows, columns])


def tile_shape(value: SSAValue) -> tuple[int, int]:
    """(rows, columns) of a tile value."""
    assert isinstance(value.type, VectorType)
    rows, columns = value.type.get_shape()
    return rows, columns


@irdl_op_definition
class KernelOp(IRDLOperation):
    """A kernel. Block arguments are its buffers; `outputs` marks, by index, the ones it writes.

    `symbols`: the sizes it is given at launch.
    """

    name = "tile.kernel"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format: ClassVar[str | None] = "$sym_name attr-dict-with-keyword $region"
    sym_name = prop_def(SymbolNameConstraint())
    kind = prop_def(StringAttr)
    symbols = prop_def(ArrayAttr[StringAttr])
    outputs = prop_def(ArrayAttr[IntAttr])
    region = region_def("single_block")
    traits = traits_def(NoTerminator())

    def __init__(self, name: str, kind: str, symbols: Sequence[str], outputs: Sequence[int], body: Block):
        properties = {
            "sym_name": StringAttr(name), "kind": StringAttr(kind),
            "symbols": ArrayAttr([StringAttr(s) for s in symbols]), "outputs": ArrayAttr([IntAttr(i) for i in outputs]),
        }  # fmt: skip
        super().__init__(properties=properties, regions=[Region(body)])

    @property
    def body(self) -> Block:
        return self.region.block

    @property
    def lookups(self) -> list[tuple[SSAValue, Dim, Dim]]:
        """(index buffer, its number of entries, the extent in which they lie), each once."""
        found: dict[tuple[SSAValue, Dim, Dim], None] = {}
        for op in self.walk():
            if isinstance(op, LoadOp | StoreOp) and op.index is not None and op.access.data.gather is not None:
                access, gather = op.access.data, op.access.data.gather
                found[op.index, access.rows[gather.axis].size, gather.extent] = None
        return list(found)

    @property
    def phases(self) -> list[list[ParallelOp]]:
        """The loops between barriers: all threads end a phase before any begins the next."""
        phases: list[list[ParallelOp]] = [[]]
        for op in self.body.ops:
            if isinstance(op, BarrierOp):
                phases.append([])
            elif isinstance(op, ParallelOp):
                phases[-1].append(op)
        return phases

    def verify_(self) -> None:
        for arg in self.body.args:
            if not isinstance(arg.type, BufferType):
                raise VerifyException(f"tile.kernel: argument {arg.type} is no buffer")
        for op in self.body.ops:
            if not isinstance(op, ParallelOp | BarrierOp):
                raise VerifyException(f"tile.kernel: `{op.name}` outside a tile.parallel")
        if not all(self.phases):
            raise VerifyException("tile.kernel: a barrier stands between two loops")
        for phase in self.phases:
            _verify_unordered(phase)
        written = [self.body.args[i.data] for i in self.outputs]
        if any(index in written for index, _, _ in self.lookups):
            raise VerifyException("tile.kernel: an index buffer is written by the kernel that looks it up")


def _verify_unordered(loops: Sequence[ParallelOp]) -> None:
    """No loop reads what another one writes: nothing says which comes first."""
    accesses = [[op for op in loop.walk() if isinstance(op, LoadOp | StoreOp | LoadIndexOp)] for loop in loops]
    written = [{op.buffer for op in ops if isinstance(op, StoreOp)} for ops in accesses]
    for i, ops in enumerate(accesses):
        others = {buffer for j, buffers in enumerate(written) if j != i for buffer in buffers}
        if any(not isinstance(op, StoreOp) and op.buffer in others for op in ops):
            raise VerifyException(
                "tile.kernel: a loop reads a buffer that another loop writes, with no barrier between"
            )


@irdl_op_definition
class BarrierOp(IRDLOperation):
    """Between the loops of a kernel: every thread has ended those before when any thread begins those after."""

    name = "tile.barrier"
    assembly_format: ClassVar[str | None] = "attr-dict"


@irdl_op_definition
class ParallelOp(IRDLOperation):
    """For each tile of the domain `batch` × `rows` × `columns` in steps of `tile`: the body.

    The domain has three axes: batch (step 1), rows, columns; the block has one index argument each.
    """

    name = "tile.parallel"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format: ClassVar[str | None] = "attr-dict-with-keyword $region"
    batch = prop_def(DimAttr)
    rows = prop_def(DimAttr)
    columns = prop_def(DimAttr)
    tile = prop_def(ArrayAttr[IntAttr])
    region = region_def("single_block")
    traits = traits_def(NoTerminator())

    def __init__(
        self, rows: DimLike, columns: DimLike, tile: tuple[int, int], batch: DimLike = 1, body: Block | None = None
    ):
        properties = {
            "batch": DimAttr(Dim.of(batch)), "rows": DimAttr(Dim.of(rows)), "columns": DimAttr(Dim.of(columns)),
            "tile": ArrayAttr([IntAttr(tile[0]), IntAttr(tile[1])]),
        }  # fmt: skip
        block = body if body is not None else Block(arg_types=[IndexType()] * 3)
        super().__init__(properties=properties, regions=[Region(block)])

    @property
    def body(self) -> Block:
        return self.region.block

    @property
    def tile_shape(self) -> tuple[int, int]:
        rows, columns = self.tile
        return rows.data, columns.data

    def verify_(self) -> None:
        if [arg.type for arg in self.body.args] != [IndexType()] * 3:
            raise VerifyException("tile.parallel: the block takes batch, row and column indices")


class TileOp(IRDLOperation):
    """Base of the ops that give one tile."""

    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    result = result_def(VectorType)
    traits = traits_def(Pure())


@irdl_op_definition
class SizeOp(IRDLOperation):
    """The value of a dim expression over the kernel's symbols, as an index."""

    name = "tile.size"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    irdl_options = (ParsePropInAttrDict(),)
    dim = prop_def(DimAttr)
    result = result_def(IndexType)
    traits = traits_def(Pure())

    def __init__(self, dim: DimLike):
        super().__init__(result_types=[IndexType()], properties={"dim": DimAttr(Dim.of(dim))})


@irdl_op_definition
class LoadOp(TileOp):
    """The tile of `buffer` at (batch, row, column), converted to the result's element type.

    Rows and columns at or beyond the product of the access' sizes read as 0.
    """

    name = "tile.load"
    assembly_format: ClassVar[str | None] = optional_format(["buffer", "row", "column"], ["batch", "index"])
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    index = opt_operand_def(BufferType)
    access = prop_def(AccessAttr)

    def __init__(
        self,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        result: VectorType,
        batch: SSAValue | None = None,
        index: SSAValue | None = None,
    ):
        super().__init__(
            operands=[buffer, row, column, batch, index],
            result_types=[result],
            properties={"access": AccessAttr(access)},
        )

    def verify_(self) -> None:
        _verify_gather(self)


@irdl_op_definition
class StoreOp(IRDLOperation):
    """The tile written to `buffer` at (row, column), rounded to its element type.

    Rows and columns beyond the sizes are not written.
    """

    name = "tile.store"
    assembly_format: ClassVar[str | None] = optional_format(
        ["value", "buffer", "row", "column"], ["batch", "index"], ""
    )
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    value = operand_def(VectorType)
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    index = opt_operand_def(BufferType)
    access = prop_def(AccessAttr)

    def __init__(
        self,
        value: SSAValue,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        batch: SSAValue | None = None,
        index: SSAValue | None = None,
    ):
        super().__init__(operands=[value, buffer, row, column, batch, index], properties={"access": AccessAttr(access)})

    def verify_(self) -> None:
        _verify_gather(self)


def _verify_gather(op: LoadOp | StoreOp) -> None:
    gather = op.access.data.gather
    if (gather is None) != (op.index is None):
        raise VerifyException(f"{op.name}: a gather needs an index buffer, and only a gather has one")
    if gather is not None and not 0 <= gather.axis < len(op.access.data.rows):
        raise VerifyException(f"{op.name}: gather {gather.axis} of {len(op.access.data.rows)} row axes")


@irdl_op_definition
class LoadIndexOp(IRDLOperation):
    """One integer of an i64, i32 or i1 buffer at `position`, as an index (0 where it lies beyond `size`)."""

    name = "tile.load_index"
    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    buffer = operand_def(BufferType)
    position = operand_def(IndexType)
    size = prop_def(DimAttr)
    result = result_def(IndexType)
    traits = traits_def(Pure())

    def __init__(self, buffer: SSAValue, position: SSAValue, size: DimLike):
        super().__init__(
            operands=[buffer, position], result_types=[IndexType()], properties={"size": DimAttr(Dim.of(size))}
        )


@irdl_op_definition
class DotOp(TileOp):
    """accumulator [M, N] + a [M, K] · b, where b is [K, N], or [N, K] with `transposed`."""

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


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """One run of a kernel from a function: `operands` are base tensors (never views), results whole contiguous tensors.

    The kernel's buffers are the operands in order, then the results that are not `in_place`.
    `in_place`: pairs (result, operand): that
    result is the operand's own memory (and layout). `dims`: the value of each of the kernel's symbols, in the function's
    symbols and `num_threads`.
    """

    name = "tile.launch"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format: ClassVar[str | None] = "$kernel operands attr-dict `:` functional-type(operands, results)"
    kernel = prop_def(SymbolRefAttr)
    dims = prop_def(ArrayAttr[DimAttr])
    in_place = prop_def(ArrayAttr[ArrayAttr[IntAttr]])
    inputs = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)

    def __init__(
        self,
        kernel: str,
        inputs: Sequence[SSAValue],
        outputs: Sequence[TensorType],
        dims: Sequence[DimLike],
        in_place: Sequence[tuple[int, int]] = (),
    ):
        properties = {
            "kernel": SymbolRefAttr(kernel),
            "dims": dims_attr(dims),
            "in_place": ArrayAttr([ArrayAttr([IntAttr(r), IntAttr(o)]) for r, o in in_place]),
        }
        super().__init__(operands=[list(inputs)], result_types=[list(outputs)], properties=properties)

    @property
    def aliases(self) -> dict[int, int]:
        """Result index → operand index of the results that are an operand's memory."""
        return {pair.data[0].data: pair.data[1].data for pair in self.in_place}


Tile = Dialect(
    "tile",
    [
        LaunchOp, KernelOp, ParallelOp, BarrierOp, SizeOp, LoadOp, StoreOp, LoadIndexOp, DotOp, PointwiseOp, ConvertOp,
        FillOp, SplatOp, IotaOp, ReduceOp,
        ExpandColumnsOp, RepeatColumnsOp, RopeOp,
    ],
    [AccessAttr, BufferType],
)  # fmt: skip

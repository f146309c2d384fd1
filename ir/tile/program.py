"""A kernel: its loops over tiles, and its launches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    IndexType,
    IntAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
)
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_operand_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, DimLike
from ..types import DimAttr, TensorType, dims_attr
from .access import BufferType
from .memory import GroupRowsOp, LoadIndexOp, LoadOp, StoreOp

NUM_THREADS = "num_threads"
"""The symbol that a launch's dims may hold beside those of its function: the threads that the program runs on."""


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
            if isinstance(op, ParallelOp) and op.groups is not None:
                found[op.groups, op.batch.data + 1, op.rows.data + 1] = None
            if isinstance(op, LoadOp | StoreOp) and op.index is not None and op.access.data.gather is not None:
                access, gather = op.access.data, op.access.data.gather
                found[op.index, access.rows[gather.axis].size, gather.extent] = None
        return list(found)

    @property
    def lookup_buffers(self) -> tuple[int, ...]:
        """The number of the buffer that each look-up reads."""
        buffers = list(self.body.args)
        return tuple(buffers.index(index) for index, _, _ in self.lookups)  # pyright: ignore[reportArgumentType]

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
    read = [{v for op in loop.walk() for v in buffers_read(op)} for loop in loops]
    written = [{v for op in loop.walk() for v in buffers_written(op)} for loop in loops]
    for i, buffers in enumerate(read):
        if any(buffers & others for j, others in enumerate(written) if j != i):
            raise VerifyException(
                "tile.kernel: a loop reads a buffer that another loop writes, with no barrier between"
            )


def buffers_read(op: Operation) -> Sequence[SSAValue]:
    """The buffers that an op of a kernel reads."""
    match op:
        case LoadOp():
            return [op.buffer] if op.index is None else [op.buffer, op.index]
        case StoreOp():
            return [] if op.index is None else [op.index]
        case LoadIndexOp():
            return [op.buffer]
        case GroupRowsOp():
            return [op.entries]
        case ParallelOp() if op.groups is not None:
            return [op.groups]
        case _:
            return []


def buffers_written(op: Operation) -> Sequence[SSAValue]:
    """The buffers that an op of a kernel writes."""
    match op:
        case StoreOp():
            return [op.buffer]
        case GroupRowsOp():
            return [op.slots, op.tokens, op.offsets]
        case _:
            return []


@irdl_op_definition
class BarrierOp(IRDLOperation):
    """Between the loops of a kernel: every thread has ended those before when any thread begins those after."""

    name = "tile.barrier"
    assembly_format: ClassVar[str | None] = "attr-dict"


@irdl_op_definition
class ParallelOp(IRDLOperation):
    """For each tile of the domain `batch` × `rows` × `columns` in steps of `tile`: the body.

    The domain has three axes: batch (step 1), rows, columns; the block has one index argument each.

    `groups`: a buffer of batch + 1 offsets (i64), rising, in [0, rows]. Then batch index g has the rows groups[g] up to
    groups[g + 1]: its tiles begin at the first of them, and loads and stores at the row argument end at the last. A group
    without rows has no tiles.
    """

    name = "tile.parallel"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format: ClassVar[str | None] = "(`groups` $groups^ `:` type($groups))? attr-dict-with-keyword $region"
    groups = opt_operand_def(BufferType)
    batch = prop_def(DimAttr)
    rows = prop_def(DimAttr)
    columns = prop_def(DimAttr)
    tile = prop_def(ArrayAttr[IntAttr])
    region = region_def("single_block")
    traits = traits_def(NoTerminator())

    def __init__(
        self,
        rows: DimLike,
        columns: DimLike,
        tile: tuple[int, int],
        batch: DimLike = 1,
        body: Block | None = None,
        groups: SSAValue | None = None,
    ):
        properties = {
            "batch": DimAttr(Dim.of(batch)), "rows": DimAttr(Dim.of(rows)), "columns": DimAttr(Dim.of(columns)),
            "tile": ArrayAttr([IntAttr(tile[0]), IntAttr(tile[1])]),
        }  # fmt: skip
        block = body if body is not None else Block(arg_types=[IndexType()] * 3)
        super().__init__(operands=[groups], properties=properties, regions=[Region(block)])

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
        stores = [op for op in self.walk() if isinstance(op, StoreOp)]
        if self.groups is not None and any(op.row is not self.body.args[1] for op in stores):
            raise VerifyException("tile.parallel: a loop over groups stores at the row of its tile")


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

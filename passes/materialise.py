"""Copy what must be contiguous: values that cross a call, a GEMM's rows, gathered indices, unstridable views."""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ..ir import flow, fused
from ..ir.dims import Dim
from ..ir.layout import ONE, Layout, in_place_operand, is_constant, resolve
from ..ir.ledger import Ledger
from ..ir.signature import functions_of
from ..ir.types import shape_of, tensor_type
from .rewriting import is_main, size_in_bytes, where

RULE = "materialise"


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Afterwards `layout.resolve` succeeds on every value; calls pass and give whole tensors; GEMMs read plain rows."""
    for function in functions_of(module).values():
        for op in list(function.body.block.ops):
            fix(op, ledger)


def fix(op: Operation, ledger: Ledger) -> list[fused.CopyOp]:
    """Put copies before an op where it needs them; gives the copies."""
    return [_copy(op, index, reason, ledger) for index, reason in _needs(op)]


def _needs(op: Operation) -> list[tuple[int, str]]:
    """(operand index, reason) of the operands that must be copied first."""
    if isinstance(op, flow.ReshapeOp):
        if not is_constant(op.result) and resolve(op.input)[1].reshaped(op.shape) is None:
            return [(0, f"a reshape to [{', '.join(map(str, op.shape))}] cannot be strided")]
        return []
    if isinstance(op, func.CallOp):
        return [(i, "an operand of a layer function") for i, v in enumerate(op.operands) if not _is_whole(v)]
    if isinstance(op, func.ReturnOp) and not _in_main(op):
        return [(i, "a returned view") for i, v in enumerate(op.operands) if not (_is_given(v) or _is_whole(v))]
    if isinstance(op, fused.GemmOp):
        wrong = [(0, "the GEMM's rows are not contiguous")] if not _are_rows(op.a) else []
        weights = [(1 + i, "a weight that is a view") for i, w in enumerate(op.weights) if not _is_whole(w)]
        indices = [v for v in (op.rows, op.groups) if v is not None]  # the last operands
        first = len(op.operands) - len(indices)
        copied = [(first + i, "indices that are looked up") for i, v in enumerate(indices) if not _is_whole(v)]
        return wrong + weights + _gathered(op, 1) + copied
    if isinstance(op, fused.AttentionKernelOp) and op.start is not None and not _is_whole(op.start):
        return [(len(op.operands) - 1, "a number that the kernel reads before its loops")]
    return _gathered(op, 0) if isinstance(op, fused.MapOp) else []


def _gathered(op: fused.GemmOp | fused.MapOp, shift: int) -> list[tuple[int, str]]:
    """Ids and positions: kernels look them up in contiguous buffers."""
    found: dict[int, str] = {}
    for inner in op.body.ops:
        if not isinstance(inner, flow.EmbeddingOp | flow.KVAppendOp | flow.ScatterRowsOp):
            continue
        value = inner.ids if isinstance(inner, flow.EmbeddingOp) else inner.positions
        if isinstance(value, BlockArgument) and not _is_whole(op.operands[value.index + shift]):
            found[value.index + shift] = "indices that are looked up"
    return list(found.items())


def _is_whole(value: SSAValue) -> bool:
    """Contiguous, from the start of its base."""
    layout = resolve(value)[1]
    return layout.is_contiguous and layout.offset == Dim()


def _in_main(op: Operation) -> bool:
    """@main may return views: the planner gives its results the strides that PyTorch expects."""
    function = op.parent_op()
    return isinstance(function, func.FuncOp) and is_main(function)


def _is_given(value: SSAValue) -> bool:
    """An argument or an appended cache, returned as it is."""
    return isinstance(value, BlockArgument) or in_place_operand(value) is not None


def _are_rows(value: SSAValue) -> bool:
    """Unit-stride columns, and leading dims that two strides walk at most."""
    layout = resolve(value)[1]
    if layout.strides[-1] != ONE and layout.sizes[-1] != ONE:
        return False
    return len(Layout(layout.sizes[:-1], layout.strides[:-1]).chunks) <= 2


def _copy(op: Operation, index: int, reason: str, ledger: Ledger) -> fused.CopyOp:
    value = op.operands[index]
    type_ = tensor_type(value).with_shape(shape_of(value))
    copy = fused.CopyOp([value], 0, type_)
    copy.location = op.location
    block = op.parent
    assert isinstance(block, Block)
    block.insert_op_before(copy, op)
    op.operands[index] = copy.result
    ledger.take(RULE, where(op), f"{reason}: {size_in_bytes(type_)} bytes copied")
    return copy

"""Form GEMM kernels: linears over one input share a main loop, and what follows them moves into its epilogue.

An op joins the epilogue of a GEMM whose result it reads where `why_not` allows: the epilogue can compute it tile by
tile, and nothing else it reads depends on that GEMM's outputs. Cheap values that only epilogues read (row factors,
casts, a norm applied again) are computed there too. Linears of experts are grouped GEMMs, which gather their rows themselves.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ...ir import flow, fused
from ...ir.ledger import Ledger, Refusal
from ..clusters import Graph
from ..rewriting import constant_values, erase_dead, functions, inserter, where
from .emission import emit
from .gemm import RULE, Linear
from .growth import group, join, trim
from .sides import pull_sides


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Every linear with a constant weight becomes (part of) a `fused.gemm`; the others become `flow.matmul`.

    A grouped linear without one has no form as a kernel and is left as it is.
    """
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, Linear) and op.result not in constants and op.weight not in constants:
                ledger.refuse(
                    RULE,
                    where(op),
                    Refusal(
                        "the weight is not constant: a matrix product of two activations",
                        "a weight that is a parameter",
                    ),
                )
                if isinstance(op, flow.LinearOp):
                    _as_matmul(op)
        _fuse_function(function, constants, ledger)


def _fuse_function(function: func.FuncOp, constants: set[SSAValue], ledger: Ledger) -> None:
    graph = Graph(function.body.block)
    gemms = group(graph, constants)
    if not gemms:
        return
    for op in graph.ops:
        if not any(v in constants for v in op.results):
            join(op, graph, gemms, ledger)
    trim(graph, gemms)
    owner = {op: gemm for gemm in gemms for op in graph.members(gemm.node)}
    for gemm in gemms:
        pull_sides(gemm, graph, owner, constants)
    graph.rebuild()
    for gemm in gemms:
        emit(gemm, graph, ledger)
    erase_dead(function)


def _as_matmul(op: flow.LinearOp) -> None:
    """input · weightᵀ + bias as a matrix product of two values."""
    insert = inserter(op)
    element = fused.GemmOp.accumulator_type(op.input, op.weight).element
    transposed = insert(flow.TransposeOp(op.weight, (1, 0)))
    if op.bias is None:
        result = insert(flow.MatmulOp(op.input, transposed, op.type.element))
    else:
        result = insert(
            flow.PointwiseOp("add", [insert(flow.MatmulOp(op.input, transposed, element)), op.bias], op.type)
        )
    op.result.replace_all_uses_with(result)
    op.detach()
    op.erase()

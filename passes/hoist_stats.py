"""Move row statistics next to the op that produces their rows, across function boundaries.

Statistics of a function's argument move to the callers; statistics of a call's result move into the callee and come
back as a result. They end beside the residual add whose GEMM can compute them in its epilogue, and are computed once.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from ..ir import flow
from ..ir.ledger import Ledger
from .rewriting import add_argument, add_result, callee_of, functions, inserter, is_main, row_view, same_row_view, where

RULE = "hoist-stats"
Key = tuple[str, str, int, str, int]  # function, "argument" or "result", its index, statistics kind, tile


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Until every `row_stats` reads a value that its own function computes (or an argument of @main)."""
    by_name = {f.sym_name.data: f for f in functions(module)}
    moved: dict[Key, int] = {}
    pending = [op for f in by_name.values() for op in f.body.block.ops if isinstance(op, flow.RowStatsOp)]
    while pending:
        stats = pending.pop()
        source = stats.input
        function = stats.parent_op()
        assert isinstance(function, func.FuncOp)
        kind, tile = stats.kind.data, stats.tile.data
        made: list[flow.RowStatsOp] = []

        def stats_of(
            value: SSAValue, before: Operation, of: flow.RowStatsOp = stats, made: list[flow.RowStatsOp] = made
        ) -> SSAValue:
            new = flow.RowStatsOp(value, of.kind.data, of.tile.data)  # pyright: ignore[reportArgumentType]
            made.append(new)
            return inserter(before, of.location)(new)

        if isinstance(source, BlockArgument) and not is_main(function):
            key = (function.sym_name.data, "argument", source.index, kind, tile)
            if key not in moved:
                index = source.index
                moved[key] = add_argument(
                    module, function, stats.type, lambda call, i=index: stats_of(call.arguments[i], call), "stats"
                ).index
                ledger.take(
                    RULE, where(stats), f"statistics of @{function.sym_name.data}'s argument move to its callers"
                )
            replacement: SSAValue = function.body.block.args[moved[key]]
        elif isinstance(source, OpResult) and isinstance(source.op, func.CallOp):
            callee, index = by_name[callee_of(source.op)], source.index
            key = (callee.sym_name.data, "result", index, kind, tile)
            call_position = source.op
            if key not in moved:
                returned = callee.body.block.last_op
                assert returned is not None
                moved[key] = add_result(module, callee, stats_of(returned.operands[index], returned))
                ledger.take(
                    RULE,
                    where(stats),
                    f"statistics of @{callee.sym_name.data}'s result are computed where it is produced",
                )
                source = stats.input
                assert isinstance(source, OpResult)
                call_position = source.op
            replacement = call_position.results[moved[key]]
        elif isinstance(source, OpResult) and (view := row_view(source.op)) is not None:
            insert = inserter(stats)
            replacement = insert(same_row_view(view, stats_of(view.input, stats)))
        else:
            continue
        stats.result.replace_all_uses_with(replacement)
        stats.detach()
        stats.erase()
        pending.extend(made)
    for function in by_name.values():
        _merge(function)


def _merge(function: func.FuncOp) -> None:
    """One `row_stats` for each (value, kind, tile), where the first stood; likewise row scales and means."""
    seen: dict[tuple[object, ...], SSAValue] = {}
    for op in list(function.body.block.ops):
        if not isinstance(op, flow.RowStatsOp | flow.RowScaleOp | flow.RowMeanOp):
            continue
        key = (op.name, op.operands[0], *sorted((k, v) for k, v in op.properties.items()))
        if key in seen:
            op.result.replace_all_uses_with(seen[key])
            op.detach()
            op.erase()
        else:
            seen[key] = op.result

"""Edits that make a module smaller: each has a number of places, and a rewrite of some of them. `EDITS` lists them.

An edit keeps uses behind definitions; types may come out wrong, which the verifier then says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.traits import IsTerminator

from .. import flow, tile
from ..dims import Dim
from ..signature import functions_of
from ..types import TensorType
from .signatures import Labels, map_dims, returned_of

Places = Sequence[int]


@dataclass(frozen=True)
class Edit:
    """`count`: its places in a module; `apply` rewrites those of these numbers, and says whether anything changed."""

    count: Callable[[ModuleOp], int]
    apply: Callable[[ModuleOp, Places], bool]


def tidy(module: ModuleOp) -> None:
    """Erases what nothing reads: results, functions and kernels that nobody calls, arguments of @main."""
    for op in reversed(list(module.walk())):
        if op.results and not any(map(_is_read, op.results)) and not op.has_trait(IsTerminator):
            op.detach()
            op.erase()
    while unused := _uncalled(module):
        for op in unused:
            op.detach()
            op.erase()
    main = functions_of(module)["main"]
    labels = Labels(main)
    for arg in reversed(main.body.block.args):
        if not _is_read(arg):
            main.body.block.erase_arg(arg)
    labels.settle()


def expose(module: ModuleOp) -> None:
    """@main returns what nobody reads, so that `tidy` keeps it."""
    main = functions_of(module)["main"]
    labels, returned = Labels(main), returned_of(main)
    returned.operands = [*returned.operands, *(r for op in _steps(module) for r in op.results if not _is_read(r))]
    labels.settle(range(len(returned.operands)))


def _uncalled(module: ModuleOp) -> list[func.FuncOp | tile.KernelOp]:
    called = {name for op in module.walk() if (name := _callee(op)) is not None} | {"main"}
    return [op for op in module.ops if isinstance(op, func.FuncOp | tile.KernelOp) and op.sym_name.data not in called]


def _callee(op: Operation) -> str | None:
    if isinstance(op, func.CallOp):
        return op.callee.root_reference.data
    return op.kernel.root_reference.data if isinstance(op, tile.LaunchOp) else None


# ---- places ----------------------------------------------------------------------------------------------------


def _steps(module: ModuleOp) -> list[Operation]:
    """The ops of @main but its return."""
    return [op for op in functions_of(module)["main"].body.block.ops if not isinstance(op, func.ReturnOp)]


def _calls(module: ModuleOp) -> list[func.CallOp]:
    return [op for op in module.walk() if isinstance(op, func.CallOp)]


def _results(module: ModuleOp) -> list[OpResult]:
    """Results that are read."""
    return [result for op in module.walk() for result in op.results if _is_read(result)]


def _is_read(value: SSAValue) -> bool:
    return any(True for _ in value.uses)


def _nested(module: ModuleOp) -> list[OpResult]:
    """Results inside layer functions and regions that are tensors and not constant."""
    outer = functions_of(module)["main"].body.block
    return [
        r
        for r in _results(module)
        if r.op.parent is not outer and isinstance(r.type, TensorType) and not isinstance(r.op, flow.ConstantOp)
    ]


def _effects(module: ModuleOp) -> list[Operation]:
    """Ops that are there for what they do: stores, loops over tiles, barriers."""
    kept = (ModuleOp, func.FuncOp, tile.KernelOp)
    return [
        op for op in module.walk() if not op.results and not isinstance(op, kept) and not op.has_trait(IsTerminator)
    ]


def _dim_steps(module: ModuleOp) -> list[Callable[[Dim], Dim]]:
    """Each size, wherever it stands, as 1 or half as large; each symbol as 2."""
    dims = {d: None for r in _values(module) if isinstance(r.type, TensorType) for d in r.type.shape}
    numbers = sorted({d.value for d in dims if d.is_const and d.value > 1})
    symbols = sorted({s for d in dims for s in d.symbols})
    numbered = [_number_step(old, new) for old in numbers for new in dict.fromkeys((1, old // 2))]
    return [*(_symbol_step(s) for s in symbols), *numbered]


def _number_step(old: int, new: int) -> Callable[[Dim], Dim]:
    return lambda dim: Dim.of(new) if dim == Dim.of(old) else dim


def _symbol_step(symbol: str) -> Callable[[Dim], Dim]:
    return lambda dim: dim.substitute({symbol: 2})


def _values(module: ModuleOp) -> list[SSAValue]:
    blocks = (block for op in module.walk() for region in op.regions for block in region.blocks)
    return [*_results(module), *(arg for block in blocks for arg in block.args)]


# ---- edits -----------------------------------------------------------------------------------------------------


def _cut(module: ModuleOp, places: Places) -> bool:
    """Ops of @main are gone; what others read of them becomes arguments."""
    main = functions_of(module)["main"]
    labels, block, steps = Labels(main), main.body.block, _steps(module)
    gone = {steps[i] for i in places}
    for result in (r for op in gone for r in op.results):
        readers = [use for use in result.uses if use.operation not in gone]
        if readers:
            arg = block.insert_arg(result.type, len(block.args))
            for use in readers:
                use.operation.operands[use.index] = arg
    for op in reversed([steps[i] for i in places]):
        op.detach()
        op.erase()
    labels.settle()
    return True


def _cut_below(module: ModuleOp, places: Places) -> bool:
    """As `_cut`; what only they read is returned, so that it stays."""
    main, steps = functions_of(module)["main"], _steps(module)
    gone = {steps[i] for i in places}
    read = dict.fromkeys(v for i in places for v in steps[i].operands if isinstance(v, OpResult) and v.op not in gone)
    only = [v for v in read if all(use.operation in gone for use in v.uses)]
    labels, returned = Labels(main), returned_of(main)
    returned.operands = [*returned.operands, *only]
    labels.settle(range(len(returned.operands)))
    return bool(only) and _cut(module, places)


def _drop_results(module: ModuleOp, places: Places) -> bool:
    """@main returns less, but something."""
    main = functions_of(module)["main"]
    labels, returned = Labels(main), returned_of(main)
    kept = [i for i in range(len(returned.operands)) if i not in places]
    if not kept:
        return False
    returned.operands = [returned.operands[i] for i in kept]
    labels.settle(kept)
    return True


def _inline(module: ModuleOp, places: Places) -> bool:
    """Calls are replaced by what they call."""
    functions, calls = functions_of(module), _calls(module)
    for call in (calls[i] for i in places):
        function = functions[call.callee.root_reference.data]
        mapping: dict[SSAValue, SSAValue] = dict(zip(function.body.block.args, call.arguments, strict=True))
        block = call.parent
        assert block is not None
        for op in function.body.block.ops:
            if not isinstance(op, func.ReturnOp):
                block.insert_op_before(op.clone(mapping), call)
        for result, value in zip(call.results, returned_of(function).operands, strict=True):
            result.replace_all_uses_with(mapping[value])
        call.detach()
        call.erase()
    return True


def _bypass(module: ModuleOp, places: Places) -> bool:
    """Results are replaced by the first operand of the same type."""
    results = _results(module)
    pairs = [(r, v) for r in (results[i] for i in places) for v in _alike(r)[:1]]
    for result, operand in reversed(pairs):
        result.replace_all_uses_with(operand)
    return bool(pairs)


def _alike(result: OpResult) -> list[SSAValue]:
    return [v for v in result.op.operands if v.type == result.type]


def _zero(module: ModuleOp, places: Places) -> bool:
    """Tensors in layer functions and regions, where no argument can be added, become zeros."""
    results = _nested(module)
    for result in (results[i] for i in places):
        block = result.op.parent
        assert block is not None
        assert isinstance(result.type, TensorType)
        zero = flow.ConstantOp(0.0, result.type)
        block.insert_op_before(zero, result.op)
        result.replace_all_uses_with(zero.result)
    return bool(places)


def _erase(module: ModuleOp, places: Places) -> bool:
    """Ops without results are gone."""
    effects = _effects(module)
    for op in reversed([effects[i] for i in places]):  # what is inside first
        op.detach()
        op.erase()
    return True


def _shrink(module: ModuleOp, places: Places) -> bool:
    steps = _dim_steps(module)
    for i in places:
        map_dims(module, steps[i])
    return True


def _unlabel(module: ModuleOp, places: Places) -> bool:
    """Arguments and functions say less of themselves: names, roles, strides."""
    found = [
        (labels, *place) for f in functions_of(module).values() for labels in [Labels(f)] for place in labels.places
    ]
    for labels, argument, name in (found[i] for i in places):
        labels.drop(argument, name)
    for labels in {id(labels): labels for labels, _, _ in found}.values():
        labels.settle()
    return True


EDITS: tuple[Edit, ...] = (
    Edit(lambda m: len(returned_of(functions_of(m)["main"]).operands), _drop_results),
    Edit(lambda m: len(_steps(m)), _cut),
    Edit(lambda m: len(_steps(m)), _cut_below),
    Edit(lambda m: len(returned_of(functions_of(m)["main"]).operands), _drop_results),
    Edit(lambda m: len(_calls(m)), _inline),
    Edit(lambda m: len(_effects(m)), _erase),
    Edit(lambda m: len(_results(m)), _bypass),
    Edit(lambda m: len(_nested(m)), _zero),
    Edit(lambda m: len(_dim_steps(m)), _shrink),
    Edit(lambda m: sum(len(Labels(f).places) for f in functions_of(m).values()), _unlabel),
)

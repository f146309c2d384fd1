"""Constants of a program: folded and packed weights, computed with the reference semantics of the ops that define them.

Two programs that need the same constant of the same weight (prefill and decode) share one array: constants are
remembered, weakly, by what computes them and by the weights they come from, each a range of memory and the epoch of its content
(`runtime/tracking.py`). A remembered constant holds weak references to the weights' storages, so that no later storage can be
taken for one of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from .ir.reference import Evaluator
from .planner import ConstantRecipe
from .runtime.tracking import TRACKER, frozen_identity

Pack = Callable[[torch.Tensor, Any], torch.Tensor]
Identity = Callable[[torch.Tensor], Hashable]

_shared: dict[tuple[Any, ...], tuple[weakref.ref[torch.Tensor], list[StorageWeakRef]]] = {}


class ConstantComputer:
    """`computer(args)` gives the constants of one program, in the order of its recipes, on the arguments' device.

    Of what computing them takes besides, it holds one constant's share at a time. `sources`: the numbers of the arguments that
    it reads. `frozen`: these never change.
    """

    def __init__(self, module: ModuleOp, recipes: Sequence[ConstantRecipe], pack: Pack, *, frozen: bool = False):
        self._evaluator = Evaluator(module)
        self._recipes = recipes
        self._pack = pack
        self._identity: Identity = frozen_identity if frozen else TRACKER.identity
        self.sources = sorted({number for recipe in recipes for number in _sources(recipe.value)})

    def __call__(self, args: Sequence[Any]) -> list[torch.Tensor]:
        device = next((arg.device for arg in args if isinstance(arg, torch.Tensor)), torch.device("cpu"))
        with torch.no_grad(), device:
            return [self._constant(recipe, args, device) for recipe in self._recipes]

    def _constant(self, recipe: ConstantRecipe, args: Sequence[Any], device: torch.device) -> torch.Tensor:
        key = (device, recipe.layout, _key(recipe.value, args, self._identity))
        known = _shared[key][0]() if key in _shared else None
        if known is not None:
            return known
        value = self._value(recipe.value, args, {})
        made = self._pack(value, recipe.layout) if recipe.layout else value.contiguous().clone()
        for dead in [k for k, (array, _) in list(_shared.items()) if array() is None]:
            _shared.pop(dead, None)
        storages = [StorageWeakRef(args[number].untyped_storage()) for number in _sources(recipe.value)]
        _shared[key] = (weakref.ref(made), storages)
        return made

    def _value(self, value: SSAValue, args: Sequence[Any], values: dict[SSAValue, torch.Tensor]) -> torch.Tensor:
        if isinstance(value, BlockArgument):
            return args[value.index].detach()
        if value not in values:
            op = value.owner
            assert isinstance(op, Operation)
            operands = [self._value(v, args, values) for v in op.operands]
            values.update(zip(op.results, self._evaluator.evaluate(op, operands), strict=True))
        return values[value]


def _key(value: SSAValue, args: Sequence[Any], identity: Identity) -> tuple[Any, ...]:
    """What a constant is: the ops that compute it and the identity of the weights they start from."""
    if isinstance(value, BlockArgument):
        tensor = args[value.index]
        return (identity(tensor), tensor.storage_offset(), tensor.dtype, tuple(tensor.shape), tensor.stride())
    op = value.owner
    assert isinstance(op, Operation)
    result = list(op.results).index(value)  # pyright: ignore[reportArgumentType]
    return (op.name, tuple(op.properties.items()), result, value.type, *(_key(v, args, identity) for v in op.operands))


def _sources(value: SSAValue) -> list[int]:
    """The numbers of the arguments that a constant comes from."""
    if isinstance(value, BlockArgument):
        return [value.index]
    op = value.owner
    assert isinstance(op, Operation)
    return [number for operand in op.operands for number in _sources(operand)]

"""The sizes that a program was captured with, and which of its ops are the same work at these sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir.signature import functions_of, role_of, sizes_of
from ...ir.text import structural_hash
from ...ir.tile import NUM_THREADS
from ...ir.tile_shapes import Formed, TileShapes
from ...ir.types import TensorType, tensor_type
from ..contract import Form
from .cost.reading import work_of
from .cost.work import Work

USUAL = 1024
"""What a symbol is taken for where nothing is known of it."""


@dataclass(frozen=True)
class Alike:
    """Ops that become one kernel, with the same sizes. `formed`: of the first; `dims`: the values of its symbols."""

    ops: list[Operation]
    formed: Formed
    dims: tuple[int, ...]


class Captured:
    """`sizes`: the value of every symbol; `position`: how many tokens are in the caches, which are taken to be full."""

    def __init__(self, module: ModuleOp, sms: int) -> None:
        self.sizes = {**_usual(module), **sizes_of(functions_of(module)["main"]), NUM_THREADS: sms}
        self.position = _filled(module, self.sizes)

    def dims(self, formed: Formed) -> tuple[int, ...]:
        return tuple(dim.evaluate(self.sizes) for dim in formed.dims)

    def work(self, alike: Alike, multiples: frozenset[str] = frozenset()) -> Work:
        """What the kernel does. `multiples`: symbols as `boxes.sixteens` names them."""
        kernel = alike.formed.kernel
        symbols = dict(zip((s.data for s in kernel.symbols), alike.dims, strict=True))
        return work_of(kernel, symbols, self.position, multiples)

    def alike(self, ops: Sequence[Operation], form: Form, shapes: TileShapes) -> list[Alike]:
        """Those of the ops that have a form with these tiles and something to compute."""
        found: dict[tuple[str, tuple[int, ...]], Alike] = {}
        for op in ops:
            formed = form(op, shapes)
            if formed is None or self._is_empty(op):
                continue
            dims = self.dims(formed)
            key = structural_hash(formed.kernel), dims
            found.setdefault(key, Alike([], formed, dims)).ops.append(op)
        return list(found.values())

    def _is_empty(self, op: Operation) -> bool:
        shapes = [tensor_type(result).shape for result in op.results]
        return all(any(dim.evaluate(self.sizes) == 0 for dim in shape) for shape in shapes)


def _usual(module: ModuleOp) -> dict[str, int]:
    """Every symbol of a module, taken for what it usually is."""
    arguments = [arg for function in functions_of(module).values() for arg in function.body.block.args]
    values = [*arguments, *(result for op in module.walk() for result in op.results)]
    dims = [dim for value in values if isinstance(value.type, TensorType) for dim in tensor_type(value).shape]
    return {symbol: USUAL for dim in dims for symbol in dim.symbols}


def _filled(module: ModuleOp, sizes: Mapping[str, int]) -> int:
    """Tokens in full caches: their longest inner axis, before that of a head."""
    arguments = functions_of(module)["main"].body.block.args
    types = [tensor_type(a) for a in arguments if isinstance(a.type, TensorType) and role_of(a) == "cache"]
    return max((d.evaluate(sizes) for t in types for d in t.shape[1:-1]), default=1) - 1

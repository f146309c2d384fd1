"""Memory planning: a module at the tile level becomes a `ProgramDescription`.

Calls of layer functions are inlined into one list of launches; every value gets a slot (a strided view of an argument,
a constant, an output or a chunk of the arena); chunks are shared by values with disjoint lifetimes; a barrier stands
only between launches that depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from ..ir.signature import functions_of
from ..runtime.artifact import Kernel, ProgramDescription
from .describe import Describer, PackedType
from .in_place import store_in_place
from .inline import Inliner
from .memory import chunks, lifetimes
from .results import returned_values, stored, write_back
from .values import ConstantRecipe, Step

__all__ = ["ConstantRecipe", "Plan", "Step", "plan"]


@dataclass(frozen=True)
class Plan:
    """`constants`: how each of the description's is computed. `steps`: launches and ATen calls, with what they touch."""

    description: ProgramDescription
    constants: list[ConstantRecipe]
    steps: list[Step]


def plan(
    module: ModuleOp, name: str, kernels: Mapping[str, Kernel], layouts: Mapping[str, str], packed_type: PackedType
) -> Plan:
    """The plan of a module. `layouts`: how each kernel reads its packed weights; `packed_type`: their shape and dtype.

    Raises TypeError where an op is none of the tile level.
    """
    inliner = Inliner(module, layouts)
    returned = inliner.run()
    main = functions_of(module)["main"]
    results = returned_values(main, returned, inliner)
    steps, left = store_in_place([*inliner.steps, *results.copies], stored(main, returned, inliner), inliner.kernels)
    steps += write_back(left, inliner)
    constants = inliner.read_constants(steps)
    lifetimes(steps, [ref for ref in returned if ref is not None])
    sizes = chunks(steps)
    describer = Describer(main, kernels, constants, packed_type, results.strided)
    return Plan(describer.describe(name, steps, sizes, results.tensors), constants, steps)

"""Made-up inputs for a program that stands alone: normal floats, zeros for integers (valid as token ids)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..runtime.artifact import ProgramDescription
from ..runtime.expressions import Expressions
from ..runtime.host_arrays import numpy_dtype
from .failures import USAGE, Failure
from .ir_files import sizes_of

USUAL_SIZE = 16
_MOST = 2**32  # elements of an argument


def made_up(description: ProgramDescription, sizes: tuple[str, ...]) -> list[Any]:
    """One value for each argument that is not a weight. Raises Failure for a size that the program does not have."""
    chosen = _chosen(description, sizes)
    expressions = Expressions(list(chosen), [text for arg in description.args for text in arg.shape])
    values = expressions.evaluate(list(chosen.values()))
    by_place = {s.arg: chosen[s.name] for s in description.symbols if s.dim is None}
    generator = np.random.default_rng(0)
    made: list[Any] = []
    for place, arg in enumerate(description.args):
        if arg.role == "weight":
            continue
        if arg.kind != "tensor":
            made.append(by_place.get(place, 0.0 if arg.kind == "float" else 0))
            continue
        shape = [values[i] for i in expressions.positions(arg.shape)]
        if math.prod(shape) > _MOST:
            raise Failure(
                f"argument {arg.name} would be {shape}: too large to be made up; give a smaller --size.", USAGE
            )
        integral = arg.dtype.startswith(("int", "uint", "bool"))
        array = np.zeros(shape) if integral or arg.role == "cache" else generator.standard_normal(shape)
        made.append(array.astype(numpy_dtype(arg.dtype)))
    return made


def _chosen(description: ProgramDescription, sizes: tuple[str, ...]) -> dict[str, int]:
    chosen = {s.name: min(max(s.low or 0, USUAL_SIZE), s.high or USUAL_SIZE) for s in description.symbols}
    return chosen | sizes_of(sizes, chosen)

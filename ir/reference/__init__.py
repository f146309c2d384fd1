"""Executable reference semantics of the flow and fused levels, on torch CPU tensors.

`run` is the oracle of every pass: run before and after, compare. With `float64=True` every float value is f64 and
float casts round nothing, so that the result is the mathematics; otherwise each op computes in f32 (f64 for f64
operands, i64 for ints) and rounds to its result type, as a naive implementation would.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.dialects.builtin import ModuleOp

from .evaluator import TORCH_DTYPES, Evaluator, UnboundSymbolError

__all__ = ["TORCH_DTYPES", "Evaluator", "UnboundSymbolError", "run"]


def run(
    module: ModuleOp,
    args: Sequence[torch.Tensor],
    *,
    float64: bool = False,
    function: str = "main",
    symbols: dict[str, int] | None = None,
) -> list[torch.Tensor]:
    """The results of `function` on `args`, one tensor a result. No argument is written; appended caches are results.

    Raises ValueError where an argument does not fit its type, UnboundSymbolError where a size is not known.
    """
    with torch.no_grad():
        return Evaluator(module, float64, dict(symbols or {})).call(function, args)

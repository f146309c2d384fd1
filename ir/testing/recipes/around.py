"""Programs around given operators: what a rewrite matches stands in every one of them, operator next to operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from ...pointwise import INTEGRAL, POINTWISE
from .aten import OPERATORS, Aten
from .attention import Attention
from .experts import Experts
from .integers import IntegerOp, Integers
from .norms import Norm, Softmax
from .pointwise import Pointwise
from .source import Source, pick, sometimes
from .steps import REDUCTIONS, Cast, Given, Linear, Mixed, Reduction, Selected, Viewed
from .writes import Overwritten

Draw = Callable[[Source], Any]


def _pointwise(kind: str) -> Draw:
    return lambda source: replace(Pointwise.draw(source), kind=kind, exact=False)


def _integers(kind: str) -> Draw:
    return lambda source: replace(
        Integers.draw(source), ops=(IntegerOp(kind), replace(IntegerOp.draw(source), kind=kind))
    )


def _reduction(kind: str) -> Draw:
    return lambda source: replace(Reduction.draw(source), kind=kind)


def _viewed(*kinds: str) -> Draw:
    return lambda source: Viewed(kind=pick(source, kinds))


OPERATORS_AROUND: dict[str, Draw] = {
    **{kind: _pointwise(kind) for kind in POINTWISE if kind not in INTEGRAL},
    **{kind: _integers(kind) for kind in INTEGRAL},
    **{f"reduce_{kind}": _reduction(kind) for kind in REDUCTIONS},
    **{kind: lambda source, kind=kind: Aten(kind=kind) for kind in OPERATORS},
    "linear": lambda source: replace(Linear.draw(source), flat=False),
    "matmul": Mixed.draw,
    "rms_norm": lambda source: replace(Norm.draw(source), centred=False, spelled=False),
    "layer_norm": lambda source: replace(Norm.draw(source), centred=True, spelled=False),
    "softmax": lambda source: Softmax(),
    "attention": lambda source: replace(Attention.draw(source), spelled=False),
    "rope": lambda source: replace(Attention.draw(source), rope="half"),
    "kv_append": lambda source: replace(Attention.draw(source), cache=True),
    "embedding": Selected.draw,
    "route": Experts.draw,
    "grouped_linear": Experts.draw,
    "cast": Cast.draw,
    "transpose": _viewed("transpose", "swap", "split"),
    "reshape": _viewed("flatten", "split"),
    "slice": _viewed("tail", "every_other", "turn_halves"),
    "concat": _viewed("double", "turn_halves"),
    "broadcast": _viewed("repeat"),
    "mutation": Overwritten.draw,
}
"""What a program can be drawn around: the functions of `ir/pointwise.py`, reductions, ops of the flow dialect by their names
(without `flow.`), what is left to PyTorch (`recipes/aten.py`), and arguments that are overwritten."""


def known(operators: str | Sequence[str]) -> tuple[str, ...]:
    """Their names as the table has them. Raises ValueError for an operator that it has not."""
    names = [name.removeprefix("flow.") for name in ([operators] if isinstance(operators, str) else operators)]
    for name in names:
        if name not in OPERATORS_AROUND:
            near = get_close_matches(name, OPERATORS_AROUND, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"no programs can be drawn around {name!r}. {hint}Known: {', '.join(OPERATORS_AROUND)}.")
    return tuple(names)


def chain(source: Source, operators: Sequence[str]) -> tuple[Any, ...]:
    """New rows, and each operator of the last one's result; half the time in the opposite order."""
    order = operators[::-1] if len(set(operators)) > 1 and sometimes(source) else operators
    steps = [OPERATORS_AROUND[name](source) for name in order]
    return (Given(), *(replace(step, of=0) if hasattr(step, "of") else step for step in steps))

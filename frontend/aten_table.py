"""THE table: ATen overload → the rule that says it in `flow`. What is not here stays a `flow.aten` call."""

from __future__ import annotations

from . import (
    aten_contractions,
    aten_creation,
    aten_gradients,
    aten_pointwise,
    aten_reductions,
    aten_views,
    aten_writes,
)
from .build import Rule

GROUPS = (
    aten_pointwise,
    aten_views,
    aten_creation,
    aten_reductions,
    aten_contractions,
    aten_writes,
    aten_gradients,
)
TABLE: dict[str, Rule] = {target: rule for group in GROUPS for target, rule in group.RULES.items()}

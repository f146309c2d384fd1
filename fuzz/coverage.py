"""What a campaign has exercised: ops by dtype and rank, passes by outcome and reason, pairs of passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from .checks import Facts

Op = tuple[str, str, int]
Decision = tuple[str, str, str]


@dataclass
class Coverage:
    """Numbers of programs in which each thing occurred. `decisions`: (rule, taken or refused, reason of a refusal).

    `pairs`: both passes did something, the first one earlier.
    """

    ops: Counter[Op] = field(default_factory=Counter[Op])
    decisions: Counter[Decision] = field(default_factory=Counter[Decision])
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def add(self, facts: Facts) -> None:
        """Counts one program."""
        self.ops.update(facts.ops)
        rows = [row for rows in facts.decisions.values() for row in rows]
        self.decisions.update({(r.rule, r.outcome, r.reason if r.outcome == "refused" else "") for r in rows})
        active = [name for name, rows in facts.decisions.items() if any(r.outcome == "taken" for r in rows)]
        self.pairs.update(combinations(active, 2))

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """For JSON; the most frequent first."""
        columns = {
            "ops": (self.ops, ("op", "dtype", "rank")),
            "decisions": (self.decisions, ("rule", "outcome", "reason")),
            "pairs": (self.pairs, ("first", "then")),
        }
        return {
            name: [dict(zip((*names, "programs"), (*key, count), strict=True)) for key, count in counter.most_common()]
            for name, (counter, names) in columns.items()
        }

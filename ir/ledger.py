"""The decision ledger: what each pass did or refused, why, and what would change it.

Legality functions return `Refusal | None`; passes record both outcomes. `explain`, the log and tests read one list.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

log = logging.getLogger("warpweave.ledger")


@dataclass(frozen=True)
class Refusal:
    """Why a rewrite is not legal or does not pay, and what would change that."""

    reason: str
    would_change: str = ""


@dataclass(frozen=True)
class Decision:
    """One row. `bytes_saved`: an expression over the symbolic dims; `bound`: the numeric effect (`bitwise` or a bound)."""

    outcome: Literal["taken", "refused"]
    rule: str
    where: str
    reason: str = ""
    would_change: str = ""
    bytes_saved: str = "0"
    bound: str = "bitwise"


@dataclass
class Ledger:
    """The decisions of one compilation, in order, each once."""

    rows: list[Decision] = field(default_factory=list[Decision])
    _known: set[Decision] = field(default_factory=set[Decision])

    def take(self, rule: str, where: str, reason: str = "", *, bytes_saved: object = 0, bound: str = "bitwise") -> None:
        self._add(Decision("taken", rule, where, reason, bytes_saved=str(bytes_saved), bound=bound))

    def refuse(self, rule: str, where: str, refusal: Refusal) -> None:
        self._add(Decision("refused", rule, where, refusal.reason, refusal.would_change))

    def _add(self, row: Decision) -> None:
        if row in self._known:
            return
        self._known.add(row)
        self.rows.append(row)
        log.info("%s %s at %s: %s", row.outcome, row.rule, row.where or "?", row.reason)

    def as_dicts(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows]

"""Whether the pass under test did anything: a property of programs on which it never fires holds of every pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from xdsl.dialects.builtin import ModuleOp

from ..ledger import Ledger
from .oracles import Pass, Violation


class Watched:
    """A pass that counts, over all its runs: `programs` that it was given, those `changed`, the decisions `taken`, and the
    reasons `refused`. Otherwise the pass itself."""

    def __init__(self, apply: Pass) -> None:
        self._apply = apply
        self.programs = self.changed = self.taken = 0
        self.refused: Counter[str] = Counter()

    def __call__(self, module: ModuleOp, ledger: Ledger) -> None:
        before, known = module.clone(), len(ledger.rows)
        self._apply(module, ledger)
        rows = ledger.rows[known:]
        self.programs += 1
        self.changed += not module.is_structurally_equivalent(before)
        self.taken += sum(row.outcome == "taken" for row in rows)
        self.refused.update(row.reason for row in rows if row.outcome == "refused")

    @property
    def name(self) -> str:
        apply = self._apply
        module, name = getattr(apply, "__module__", ""), getattr(apply, "__qualname__", type(apply).__name__)
        return f"{module}.{name}" if module else name


@contextmanager
def fires(apply: Pass, least: int = 1) -> Iterator[Watched]:
    """The pass, watched: where the block ends without it having changed `least` programs, that is a Violation.

        with fires(my_pass) as apply:
            for recipe in recipes:
                oracles.preserves_numbers(recipe.build(), apply)

    What the ledger says is not enough: a decision that leaves the module as it was is none.
    """
    watched = Watched(apply)
    yield watched
    if watched.changed < least:
        raise Violation("fires", _complaint(watched, least))


def _complaint(watched: Watched, least: int) -> str:
    said = [f"{count} x {reason!r}" for reason, count in watched.refused.most_common(3)]
    return (
        f"{watched.name} changed {watched.changed or 'none'} of {watched.programs} programs, at least {least} wanted: "
        f"the other oracles have said nothing about it yet.\n"
        f"  ledger: {watched.taken} taken, {watched.refused.total()} refused{': ' if said else ''}{', '.join(said)}\n"
        "  next:   draw programs around what it matches, flow_programs(around=('neg', 'abs')), or build one"
    )

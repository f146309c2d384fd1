"""Reduces a module that fails to a small one that still does: delta debugging on IR.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: each kind of edit is tried on halves, then
quarters, … of its places, and kept where the module verifies and still fails. Kinds go from coarse to fine, and start
again until none is accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from .edits import EDITS, Edit, expose, tidy

StillFails = Callable[[ModuleOp], bool]


def reduce(module: ModuleOp, still_fails: StillFails, *, seconds: float = 10.0) -> ModuleOp:
    """A smaller module for which `still_fails` holds. `module` is not changed; the same module gives the same result,
    unless time runs out, after about `seconds`.

    `still_fails` gets a module of its own, verified, which it may rewrite; where it raises, that is another failure.
    Raises ValueError where the module does not fail to begin with.
    """
    if not still_fails(module.clone()):
        raise ValueError("the module does not fail to begin with")
    search = _Search(module.clone(), still_fails, time.monotonic() + seconds)
    search.start()
    shrunk = True
    while shrunk and not search.late:
        shrunk = False
        for edit in EDITS:
            shrunk |= search.shrink(edit)
    return search.module


class _Search:
    def __init__(self, module: ModuleOp, still_fails: StillFails, deadline: float):
        self.module = module
        self.still_fails = still_fails
        self.deadline = deadline

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def start(self) -> None:
        """Nothing is dead any more: it is gone, or, where the failure needs it, returned."""
        for prepare in (tidy, expose):
            candidate = self.module.clone()
            prepare(candidate)
            if self._accepts(candidate):
                self.module = candidate
                return

    def shrink(self, edit: Edit) -> bool:
        """Applies an edit in as many places as it may be; whether it was anywhere."""
        accepted = False
        size = edit.count(self.module)
        while size:
            end = edit.count(self.module)
            while end > 0 and not self.late:  # from the end: what nobody reads any more goes first
                start = max(0, end - size)
                accepted |= self._try(edit, range(start, end))
                end = min(start, edit.count(self.module))
            size //= 2
        return accepted

    def _try(self, edit: Edit, places: Sequence[int]) -> bool:
        candidate = self.module.clone()
        if not edit.apply(candidate, places):
            return False
        tidy(candidate)
        if not self._accepts(candidate):
            return False
        self.module = candidate
        return True

    def _accepts(self, candidate: ModuleOp) -> bool:
        try:
            candidate.verify()
        except VerifyException:
            return False
        try:
            return self.still_fails(candidate.clone())
        except Exception:  # whatever it is, it is not the failure that is looked for
            return False

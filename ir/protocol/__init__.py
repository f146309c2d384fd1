"""The protocol of a kernel's roles: who waits for whom, checked over every interleaving on a CPU.

`machine` is what the roles share: barriers, slots, and the order of events. `agent` is one warpgroup of a role, walking its
program. `check` runs them for every number of iterations that matters and says what is wrong, with a trace.
"""

from __future__ import annotations

from .check import Verdict, check
from .machine import Finding

__all__ = ["Finding", "Verdict", "check"]

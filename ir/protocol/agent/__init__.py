"""A role, or one of its warpgroups, walking its program tile by tile: rings and barriers, no data."""

from __future__ import annotations

from .agent import Agent
from .cta import Cta, Ring, Task, Walk

__all__ = ["Agent", "Cta", "Ring", "Task", "Walk"]

"""What a runtime gives for a call: a function, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable

import torch

Function = Callable[..., torch.Tensor]


class SkippedError(Exception):
    """Why a system is not measured, in one line."""

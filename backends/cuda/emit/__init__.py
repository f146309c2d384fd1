"""Prints kernels of the lowered `aref` level as CUDA C++ over the device primitives of `include/`."""

from .kernel import emit

__all__ = ["emit"]

"""Compiled GPU kernels as members of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ..artifact import Kernel, ProgramDescription
from ..launch import DeviceKernel


def member(kernel: Kernel) -> str:
    """The kernel's place in a bundle."""
    return f"objects/{kernel.isa}/{kernel.entry}.kernel"


def objects_of(description: ProgramDescription, kernels: Sequence[DeviceKernel]) -> dict[str, bytes]:
    """`kernels`: those of the description, in order. The same bytes for the same kernels."""
    pairs = zip(description.kernels, kernels, strict=True)
    return {member(kernel): msgspec.msgpack.encode(code, order="sorted") for kernel, code in pairs}


def kernels_in(description: ProgramDescription, read: Callable[[str], bytes]) -> list[DeviceKernel]:
    """Of a bundle whose members `read` gives. Raises msgspec.ValidationError where one does not fit."""
    return [msgspec.msgpack.decode(read(member(kernel)), type=DeviceKernel) for kernel in description.kernels]

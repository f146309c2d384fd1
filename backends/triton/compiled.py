"""What compiling one phase of a kernel gives: its code, how it is launched, and what its code was found to use."""

from __future__ import annotations

import msgspec

from ...runtime.launch import LaunchDescription
from ..nvidia.resources import Resources


class CompiledTriton(msgspec.Struct, frozen=True):
    """One phase of the kernel `name` for one target."""

    name: str
    phase: int
    cubin: bytes
    launch: LaunchDescription
    resources: Resources


def encode(compiled: CompiledTriton) -> bytes:
    return msgspec.msgpack.encode(compiled, order="sorted")


def decode(data: bytes) -> CompiledTriton:
    """Raises msgspec.ValidationError where the data does not fit."""
    return msgspec.msgpack.decode(data, type=CompiledTriton)

"""What compiling one phase of a kernel gives: its code, how it is launched, and what its code was found to use."""

from __future__ import annotations

import msgspec

from ...runtime.launch import LaunchDescription


class Resources(msgspec.Struct, frozen=True):
    """Read out of a cubin by `sass.py`, apart from the last three, which the compiler says.

    `registers` a thread; `stack` bytes a thread (spilled values and local arrays), `local` bytes a thread declared as
    such; `threads` a block; `offsets`: (byte offset, size) of each
    parameter; `opcodes`: how often each instruction occurs, by its first name (`HGMMA`); `products`: matrix products
    in the source that tensor cores can do; `angles`: sines and cosines in it; `tensor_columns` of tensor memory (sm_100).
    """

    registers: int
    stack: int
    local: int
    threads: int
    offsets: tuple[tuple[int, int], ...]
    opcodes: dict[str, int]
    products: int = 0
    angles: int = 0
    tensor_columns: int = 0


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

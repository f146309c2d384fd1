"""What the code of a kernel was found to use."""

from __future__ import annotations

import msgspec


class Resources(msgspec.Struct, frozen=True):
    """Read out of a cubin by `sass.py`, apart from the last five, which the compiler says.

    `registers` a thread; `stack` bytes a thread (spilled values and local arrays), `local` bytes a thread declared as
    such; `threads` a block; `offsets`: (byte offset, size) of each
    parameter; `opcodes`: how often each instruction occurs, by its first name (`HGMMA`); `products`: matrix products
    in the source that tensor cores can do; `angles`: sines and cosines in it; `tensor_columns` of tensor memory (sm_100);
    `boxes`: loads by a descriptor in the source.
    `warnings`: what the assembler remarks on, such as wgmma that it had to serialise.
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
    boxes: int = 0
    warnings: tuple[str, ...] = ()

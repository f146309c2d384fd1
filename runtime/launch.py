"""How a compiled GPU kernel is launched: plain data, read without the compiler that made it.

A launch packs one value a parameter at the byte offsets given here, sets the attributes that are not their defaults, and
starts `grid` blocks of `32 · num_warps` threads with `shared` bytes of dynamic shared memory.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LAUNCH_VERSION = 1  # of this description; part of every cache key


class LaunchParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """`size` bytes at `offset`.

    `multiple`: the code holds only for values (addresses, for a pointer) that are multiples of it. The value of a
    `scratch` parameter is the address of that scratch memory, or 0 where it is empty; a `tensor_map` is a CUtensorMap, by value.
    """

    name: str
    kind: Literal["pointer", "i32", "i64", "f32", "tensor_map", "scratch"]
    offset: int
    size: int
    multiple: int = 1


class Scratch(msgspec.Struct, frozen=True):
    """Device memory that the launcher provides: `bytes` for each block of the grid, aligned to `alignment`."""

    bytes: int = 0
    alignment: int = 1


class LaunchDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`entry`: the function's name in the cubin. `grid`: the number of blocks, a dim expression (`expressions.py`) over
    the parameters that are sizes. `target`: the architecture (`sm_90`) that the code runs on."""

    entry: str
    target: str
    grid: str
    num_warps: int
    shared: int
    parameters: tuple[LaunchParameter, ...]
    global_scratch: Scratch = Scratch()
    profile_scratch: Scratch = Scratch()
    cluster: tuple[int, int, int] = (1, 1, 1)
    cooperative: bool = False
    programmatic: bool = False


class DevicePhase(msgspec.Struct, frozen=True):
    """Machine code, and how it is launched."""

    cubin: bytes
    launch: LaunchDescription


class DeviceKernel(msgspec.Struct, frozen=True):
    """A kernel's phases, which are launches one after the other, all with the same parameters: the buffers in order, the
    sizes in order, then, where rows are looked up, `fault`.

    `fault`: three i64 that are zero before the launch. A launch that finds an entry out of range writes nothing but them:
    1 + the number of the look-up in `lookups`, the entry, its extent. `lookups`: the buffer that each look-up reads.
    """

    phases: tuple[DevicePhase, ...]
    lookups: tuple[int, ...] = ()

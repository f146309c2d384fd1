"""How a compiled GPU kernel is launched: plain data, read without the compiler that made it.

A launch packs one value a parameter at the byte offsets given here, sets the attributes that are not their defaults, and
starts `grid` blocks of `32 · num_warps` threads with `shared` bytes of dynamic shared memory.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LAUNCH_VERSION = 2  # of this description; part of every cache key
SMS = "sms"
"""In the expression of a grid: the number of SMs that a persistent launch may fill."""


class TensorMap(msgspec.Struct, frozen=True):
    """A tensor as TMA sees it, in the kernel's buffer number `buffer`, and the `box` that one copy moves.

    Outermost dim first. `sizes`, `strides` and `offset` count elements: dim expressions over the parameters that are sizes.
    `swizzle`: the bytes of a row of the box in shared memory (32, 64 or 128), or 0.
    """

    buffer: int
    dtype: str
    box: tuple[int, ...]
    swizzle: Literal[0, 32, 64, 128]
    sizes: tuple[str, ...]
    strides: tuple[str, ...]
    offset: str


class LaunchParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """`size` bytes at `offset`.

    `multiple`: the code holds only for values (addresses, for a pointer) that are multiples of it. The value of a
    `scratch` parameter is the address of that scratch memory, or 0 where it is empty; a `tensor_map` is a CUtensorMap, by
    value: of `map`.
    """

    name: str
    kind: Literal["pointer", "i32", "i64", "f32", "tensor_map", "scratch"]
    offset: int
    size: int
    multiple: int = 1
    map: TensorMap | None = None


class Scratch(msgspec.Struct, frozen=True):
    """Device memory that the launcher provides: `bytes` for each block of the grid, aligned to `alignment`."""

    bytes: int = 0
    alignment: int = 1


class LaunchDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`entry`: the function's name in the cubin. `grid`: the number of blocks, a dim expression (`expressions.py`) over
    the parameters that are sizes, and `SMS`. `target`: the architecture (`sm_90`) that the code runs on."""

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


class DeviceKernel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kernel's phases, which are launches one after the other, all with the same parameters: tensor maps, the buffers in
    order, the sizes in order, then, where rows are looked up, `fault`.

    `fault`: three i64 that are zero before the launch. A launch that finds an entry out of range writes nothing but them:
    1 + the number of the look-up in `lookups`, the entry, its extent. `lookups`: the buffer that each look-up reads.
    `otherwise`: the same kernel without tensor maps, launched in place of `phases` where one of theirs cannot be made.
    """

    phases: tuple[DevicePhase, ...]
    lookups: tuple[int, ...] = ()
    otherwise: tuple[DevicePhase, ...] = ()

    @property
    def every(self) -> tuple[DevicePhase, ...]:
        """`phases`, then `otherwise`."""
        return self.phases + self.otherwise

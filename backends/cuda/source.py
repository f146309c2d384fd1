"""What the printer gives: CUDA C++ over the device primitives, with its launch description as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ...runtime.errors import ArgumentError
from ...runtime.expressions import Expressions
from ...runtime.launch import SMS

HEADERS = Path(__file__).with_name("include")


class Buffer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A contiguous tensor in global memory; `shape`: expressions over the sizes, None where only its parameters know how
    it is read: then `elements` is how many of them the kernel reaches from the first. `dtype` as in `runtime/artifact.py`."""

    name: str
    dtype: str
    shape: tuple[str, ...] | None = None
    written: bool = False
    elements: str | None = None


class MapParameter(msgspec.Struct, frozen=True, tag_field="kind", tag="map"):
    """A tensor map of a buffer of 2 to 5 dims. `box`: what one copy moves, outermost first, as the shape is; `swizzle`:
    the bytes of a row of the tile (32, 64 or 128), or 0.

    `sizes`, `strides`, `offset`: the tensor in the buffer, in elements, as expressions over the sizes; by default all of it.
    """

    buffer: str
    box: tuple[int, ...]
    swizzle: Literal[0, 32, 64, 128] = 128
    sizes: tuple[str, ...] = ()
    strides: tuple[str, ...] = ()
    offset: str = "0"

    @property
    def label(self) -> str:
        return self.buffer


class PointerParameter(msgspec.Struct, frozen=True, tag_field="kind", tag="pointer"):
    """The address of a buffer, a multiple of `multiple` bytes."""

    buffer: str
    multiple: int = 1

    @property
    def label(self) -> str:
        return self.buffer


class SizeParameter(msgspec.Struct, frozen=True, tag_field="kind", tag="size"):
    """A size or a stride, as an i32; `wide`: as an i64. It must be a multiple of `multiple`."""

    name: str
    wide: bool = False
    multiple: int = 1

    @property
    def label(self) -> str:
        return self.name


class NumberParameter(msgspec.Struct, frozen=True, tag_field="kind", tag="number"):
    """A constant, as an f32."""

    value: float

    @property
    def label(self) -> str:
        return str(self.value)


Parameter = MapParameter | PointerParameter | SizeParameter | NumberParameter


class CudaLaunch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the function `entry` is launched: `grid` blocks (an expression over the sizes and `sms`) of `threads` threads
    with `shared` bytes of dynamic shared memory; `blocks` is the kernel's launch bound, blocks an SM."""

    entry: str
    target: Literal["sm_80", "sm_86", "sm_89", "sm_90a"]
    threads: Annotated[int, msgspec.Meta(ge=32, le=1024, multiple_of=32)]
    shared: int
    grid: str
    sizes: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    parameters: tuple[Parameter, ...]
    blocks: int = 1

    @property
    def registers(self) -> int:
        """A thread's at the start: as many as the launch bound leaves."""
        return min(255, 65536 // (self.threads * self.blocks) // 8 * 8)

    def evaluate(self, texts: list[str], sizes: Mapping[str, int], sms: int) -> list[int]:
        """The values of expressions. Raises ArgumentError where a size is missing."""
        missing = [name for name in self.sizes if name not in sizes]
        if missing:
            raise ArgumentError(
                f"No value for {', '.join(missing)}",
                where=self.entry,
                why=f"its sizes are {', '.join(self.sizes)}",
                next="give every size",
            )
        expressions = Expressions([*self.sizes, SMS], texts)
        values = expressions.evaluate([*(sizes[name] for name in self.sizes), sms])
        return [values[position] for position in expressions.positions(texts)]


class CudaSource(msgspec.Struct, frozen=True):
    """One kernel: `text` includes `ww_cuda.h` and nothing else, and defines the entry of `launch`."""

    text: str
    launch: CudaLaunch


def headers() -> dict[str, str]:
    """The device primitives and their twin: include path → text."""
    files = sorted(p for p in HEADERS.rglob("*") if p.suffix in (".h", ".cpp"))
    return {str(path.relative_to(HEADERS)): path.read_text() for path in files}


def read_source(path: Path) -> CudaSource:
    """A `.cu` and the launch description of the same name beside it, as `.json`. Raises ArgumentError."""
    described = path.with_suffix(".json")
    try:
        return CudaSource(path.read_text(), msgspec.json.decode(described.read_bytes(), type=CudaLaunch))
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ArgumentError(
            f"{path.name} is no kernel with a launch description",
            where=str(path),
            why=str(error),
            next=f"give a .cu, and beside it {described.name}, whose fields docs/cuda.md lists",
        ) from error

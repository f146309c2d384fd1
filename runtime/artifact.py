"""The description of a program: what a compiled graph is, without its weights and without its machine code.

Everything here is plain data (msgspec structs, JSON on disk). Dim expressions are Python-syntax text over the symbols'
names and `num_threads`, the threads that a call runs on (`B*S*4`, `S//2`, `max(a, b)`); `expressions.py` says which syntax is
allowed. Shapes and strides count elements, chunks count bytes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ABI_VERSION = 3  # of kernels, of ww_run and of this description; part of every cache key
NUM_THREADS = "num_threads"
ALIGNMENT = 64  # bytes; of chunks, outputs, constants and scratch

ITEM_SIZES: dict[str, int] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}

Dims = tuple[str, ...]


class ArgSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One positional argument. `ignored` arguments may be anything; weights are tensors that constants are made of."""

    name: str
    kind: Literal["tensor", "int", "float", "ignored"]
    dtype: str = ""
    shape: Dims = ()
    strides: Dims = ()
    role: Literal["input", "weight", "cache"] = "input"


class Symbol(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named size: dimension `dim` of the tensor argument `arg`, or the int argument `arg` itself (`low` None: any int)."""

    name: str
    arg: int
    dim: int | None = None
    low: int | None = 0
    high: int | None = None


class Promise(msgspec.Struct, frozen=True):
    """A relation of two dim expressions that must hold in each call: without it memory beyond an array could be read."""

    lhs: str
    relation: Literal["<=", "=="]
    rhs: str


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A strided view that steps read and write.

    `index` is the number of the chunk, argument, output buffer, constant or ATen value that it lies in; `offset` counts
    elements from the beginning of that. Several slots may lie in one: the first slot of an output buffer describes its
    allocation, the first slot of an ATen value is the one which the call defines.
    """

    source: Literal["arena", "arg", "output", "constant", "aten"]
    index: int
    dtype: str
    shape: Dims
    strides: Dims
    offset: str = "0"


class Chunk(msgspec.Struct, frozen=True):
    """A piece of the arena. The planner lets slots with disjoint lifetimes share one."""

    bytes: str


class Constant(msgspec.Struct, frozen=True):
    """A contiguous array computed from the weights: a packed weight, a folded one, a table."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Kernel(msgspec.Struct, frozen=True, omit_defaults=True):
    """C++ source of one kernel with the C ABI `entry(bufs, dims, scratch, tid, nt)`; `digest` names its meaning.

    `bufs`: its buffers, then the two pointers that ww_run.cpp adds for look-ups out of range.

    A kernel with barriers inside is several such functions, one a phase: `entry`, `entry_phase1`, …; it exports their number
    as the int64 `entry_phases`.

    `symbols`: names of its dims, in order. `extents`: how many bytes of each buffer it reads or writes at most, an expression
    in them. Both are empty where nobody says (a kernel that was written by hand).
    """

    name: str
    source: str
    entry: str
    isa: str
    digest: str = ""
    symbols: tuple[str, ...] = ()
    extents: Dims = ()


class Launch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One kernel call by the whole team. `barrier`: wait for all threads before the next launch."""

    kernel: int
    args: tuple[int, ...]
    dims: Dims = ()
    barrier: bool = True


class SlotRef(msgspec.Struct, frozen=True, tag_field="is", tag="slot"):
    """A tensor."""

    slot: int


class ArgRef(msgspec.Struct, frozen=True, tag_field="is", tag="arg"):
    """The argument as the caller gave it: a float, an int, or anything else that is no tensor."""

    arg: int


class DimRef(msgspec.Struct, frozen=True, tag_field="is", tag="dim"):
    """The value of a dim expression."""

    expr: str


class Number(msgspec.Struct, frozen=True, tag_field="is", tag="float"):
    """A float that JSON cannot say: `inf`, `-inf`, `nan`."""

    text: str


class TorchName(msgspec.Struct, frozen=True, tag_field="is", tag="torch"):
    """A dtype, a layout or a memory format: an attribute of torch."""

    name: str


class DeviceName(msgspec.Struct, frozen=True, tag_field="is", tag="device"):
    """A torch device."""

    name: str


class Items(msgspec.Struct, frozen=True, tag_field="is", tag="list"):
    """A list of values."""

    items: tuple[Value, ...]


Value = None | bool | int | float | str | SlotRef | ArgRef | DimRef | Number | TorchName | DeviceName | Items


class AtenCall(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="step", tag="aten"):
    """An operator executed by PyTorch: `aten.topk.default`.

    `results` names the slot of each tensor that it returns, flattened (None: not used). `module` and `reason` say whose
    operator it is and why it was not compiled.
    """

    target: str
    args: tuple[Value, ...] = ()
    kwargs: dict[str, Value] = {}
    results: tuple[int | None, ...] = ()
    module: str = ""
    reason: str = ""


class NativeStep(msgspec.Struct, frozen=True, tag_field="step", tag="native"):
    """Launches that run inside one parallel region: one native call."""

    launches: tuple[Launch, ...]


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """One result: the tensor in `slot`, the int `value`, the argument `arg` itself, or None."""

    kind: Literal["tensor", "int", "arg", "none"]
    slot: int = -1
    value: str = "0"
    arg: int = -1


class ProgramDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A whole program. `mutations` lists the tensor arguments that it writes; `headers` are files kernels include."""

    name: str
    args: tuple[ArgSpec, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    promises: tuple[Promise, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    constants: tuple[Constant, ...] = ()
    slots: tuple[Slot, ...] = ()
    steps: tuple[NativeStep | AtenCall, ...] = ()
    outputs: tuple[Output, ...] = ()
    mutations: tuple[int, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    headers: dict[str, str] = {}


def encode(description: ProgramDescription) -> bytes:
    """JSON, the same bytes for the same description."""
    return msgspec.json.encode(description, order="sorted")


def decode(data: bytes) -> ProgramDescription:
    """The description in `data`. Raises msgspec.ValidationError where the JSON does not fit the structs."""
    return msgspec.json.decode(data, type=ProgramDescription)


def launches(description: ProgramDescription) -> list[Launch]:
    """All launches in the order in which they run."""
    return [launch for step in description.steps if isinstance(step, NativeStep) for launch in step.launches]


def aten_calls(description: ProgramDescription) -> list[AtenCall]:
    """All calls that are left to PyTorch, in order."""
    return [step for step in description.steps if isinstance(step, AtenCall)]

"""Runs a kernel on the CPU, against the twin of the device primitives: numbers, and what is wrong with its synchronisation.

The emulator is compiled once, a kernel in about a second; both through the kernel cache. No GPU and no CUDA are needed.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...runtime.artifact import ITEM_SIZES
from ...runtime.cache import Cache
from ...runtime.cpu import best_isa
from ...runtime.cuda.tensor_maps import MapShape, refusal, texts
from ...runtime.errors import ArgumentError, MissingCompilerError
from ...runtime.host_arrays import address, aligned_bytes, numpy_dtype
from ...runtime.toolchain import Source, build
from .compile import tensor_map
from .source import (
    CudaLaunch,
    CudaSource,
    MapParameter,
    NumberParameter,
    Parameter,
    PointerParameter,
    SizeParameter,
    headers,
)

RESIDENT = 4
"""Blocks that run at the same time; the others follow as these end."""
_MAX_DIMS = 5
_running = threading.Lock()  # the emulator runs one launch at a time


class Finding(msgspec.Struct, frozen=True):
    """A mistake: its kind, in which block, at which lines of the source (0: none), who did what, and what to do."""

    kind: str
    block: int
    line: int
    other_line: int
    message: str
    next: str


class Emulation(NamedTuple):
    """What a run found. `timeline`: JSON for Perfetto, where it was asked for. `steps` of the scheduler."""

    findings: tuple[Finding, ...]
    steps: int
    timeline: str


class Memory(NamedTuple):
    """A buffer: where it begins, and its bytes, beyond which no kernel may reach."""

    address: int
    bytes: int


class _TensorMap(ctypes.Structure):
    """`ww::TensorMap` of twin/primitives.h: innermost dim first, strides in bytes. As many bytes as a CUtensorMap."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("sizes", ctypes.c_int64 * _MAX_DIMS),
        ("strides", ctypes.c_int64 * _MAX_DIMS),
        ("box", ctypes.c_int32 * _MAX_DIMS),
        ("rank", ctypes.c_int32),
        ("element_bytes", ctypes.c_int32),
        ("swizzle", ctypes.c_int32),
        ("padding", ctypes.c_char * 8),
    )


class _Buffer(ctypes.Structure):
    """`WwBuffer` of twin/emulator.cpp."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("element_bytes", ctypes.c_int64),
        ("written", ctypes.c_int64),
    )


class _Launch(ctypes.Structure):
    """`WwLaunch` of twin/emulator.cpp."""

    _fields_ = (
        ("invoke", ctypes.c_void_p),
        ("arguments", ctypes.c_void_p),
        ("buffers", ctypes.c_void_p),
        ("schedule", ctypes.c_char_p),
        *((name, ctypes.c_int64) for name in (
            "n_buffers", "blocks", "threads", "shared_bytes", "registers", "resident", "seed", "timeline"
        )),
    )  # fmt: skip


class EmulatedKernel:
    """A kernel compiled against the twin. Raises CompileError or MissingCompilerError."""

    def __init__(self, source: CudaSource, cache: Cache | None = None) -> None:
        self.launch = source.launch
        self._emulator = _emulator()
        (built,) = build([twin_source(source)], cache)
        self._library = ctypes.CDLL(str(built.path))

    def run(
        self,
        arrays: Mapping[str, NDArray[Any]],
        sizes: Mapping[str, int],
        *,
        schedule: str = "fifo",
        seed: int = 0,
        sms: int = 2,
        timeline: bool = False,
    ) -> Emulation:
        """Runs one launch; `arrays`, by the buffers' names, are read and written in place.

        Raises ArgumentError where an array does not fit its buffer, or the schedule is none of `schedules()`.
        """
        memories: dict[str, Memory] = {}
        for buffer in self.launch.buffers:
            shape = None if buffer.shape is None else tuple(self.launch.evaluate(list(buffer.shape), sizes, sms))
            array = arrays.get(buffer.name)
            self._check(buffer.name, array, shape, numpy_dtype(buffer.dtype))
            assert array is not None
            memories[buffer.name] = Memory(address(array), array.nbytes)
        return self.run_on(memories, sizes, schedule=schedule, seed=seed, sms=sms, timeline=timeline)

    def run_on(
        self,
        memories: Mapping[str, Memory],
        sizes: Mapping[str, int],
        *,
        schedule: str = "fifo",
        seed: int = 0,
        sms: int = 2,
        timeline: bool = False,
    ) -> Emulation:
        """The same on memory, by the buffers' names, which is taken to be what the launch description says."""
        values = [self._argument(parameter, memories, sizes, sms) for parameter in self.launch.parameters]
        arguments = (ctypes.c_void_p * len(values))(*(address(v) for v in values))
        (blocks,) = self.launch.evaluate([self.launch.grid], sizes, sms)
        return self.execute(ctypes.addressof(arguments), blocks, memories, schedule, seed, timeline)

    def execute(
        self,
        arguments: int,
        blocks: int,
        memories: Mapping[str, Memory],
        schedule: str = "fifo",
        seed: int = 0,
        timeline: bool = False,
    ) -> Emulation:
        """A launch as a driver gets it. `arguments`: where a table of the addresses of each parameter's value begins; a
        tensor map's value is what `encoded` gives. Raises ArgumentError where there is no such schedule."""
        if schedule not in schedules():
            raise ArgumentError(
                f"No schedule is called {schedule}",
                where=self.launch.entry,
                why=f"there are {', '.join(schedules())}",
                next="choose one of those",
            )
        buffers = (_Buffer * len(self.launch.buffers))()
        for row, buffer in zip(buffers, self.launch.buffers, strict=True):
            row.name, row.written = buffer.name.encode(), int(buffer.written)
            row.base, row.bytes = memories[buffer.name]
            row.element_bytes = ITEM_SIZES[buffer.dtype]
        launch = _Launch(
            ctypes.cast(self._library.ww_twin_invoke, ctypes.c_void_p), arguments,
            ctypes.addressof(buffers), schedule.encode(), len(buffers), blocks, self.launch.threads, self.launch.shared,
            self.launch.registers, RESIDENT, seed, int(timeline),
        )  # fmt: skip
        with _running:
            steps = self._emulator.ww_twin_run(ctypes.byref(launch))
            findings = msgspec.json.decode(self._emulator.ww_twin_findings(), type=tuple[Finding, ...])
            return Emulation(findings, steps, self._emulator.ww_twin_timeline().decode())

    def unmapped(self, memories: Mapping[str, Memory], sizes: Mapping[str, int], sms: int) -> str:
        """Why a tensor map of the launch cannot be made, or nothing."""
        maps = [parameter for parameter in self.launch.parameters if isinstance(parameter, MapParameter)]
        why = (refusal(map_shape(self.launch, p, sizes, sms), memories[p.buffer].address) for p in maps)
        return next(filter(None, why), "")

    def _check(
        self, name: str, array: NDArray[Any] | None, shape: tuple[int, ...] | None, dtype: np.dtype[Any]
    ) -> None:
        wanted = f"contiguous {dtype} array{f' of shape {list(shape)}' if shape is not None else ''}"
        fits = array is not None and (shape is None or array.shape == shape)
        if fits and array is not None and array.dtype == dtype and array.flags.c_contiguous:
            return
        found = "nothing" if array is None else f"{array.dtype} of shape {list(array.shape)}"
        raise ArgumentError(
            f"No {wanted} for {name}", where=self.launch.entry, why=f"{found} was given", next=f"give a {wanted}"
        )

    def _argument(
        self, parameter: Parameter, memories: Mapping[str, Memory], sizes: Mapping[str, int], sms: int
    ) -> NDArray[Any]:
        match parameter:
            case MapParameter():
                shape = map_shape(self.launch, parameter, sizes, sms)
                base = memories[parameter.buffer].address
                # the driver takes no empty tensor, and a kernel that is launched on one anyway issues no copy of it
                why = refusal(shape._replace(sizes=tuple(max(n, 1) for n in shape.sizes)), base)
                if why:
                    raise ArgumentError(
                        f"No tensor map of {parameter.buffer}",
                        where=self.launch.entry,
                        why=why,
                        next="pad the tensor, or load it without TMA",
                    )
                return encoded(shape, base)
            case PointerParameter():
                return np.array([memories[parameter.buffer].address], np.int64)
            case SizeParameter():
                return np.array([sizes[parameter.name]], np.int64 if parameter.wide else np.int32)
            case NumberParameter():
                return np.array([parameter.value], np.float32)


def schedules() -> tuple[str, ...]:
    """The names of the policies that a seed is given to."""
    return tuple(_emulator().ww_twin_schedules().decode().split())


def twin_source(source: CudaSource) -> Source:
    """A kernel as C++ for the host: it needs the emulator, which must be loaded before it."""
    text = (
        '#define WW_TWIN 1\n#include "kernel.cu"\n#include "twin/call.h"\n'
        f'extern "C" void ww_twin_invoke(void** arguments) {{ ww::twin::call({source.launch.entry}, arguments); }}\n'
    )
    files = {name: content for name, content in headers().items() if name.endswith(".h")}
    return Source(f"{source.launch.entry}_twin", text, "portable", {**files, "kernel.cu": source.text})


def map_shape(launch: CudaLaunch, parameter: MapParameter, sizes: Mapping[str, int], sms: int) -> MapShape:
    """A launch's tensor map for these sizes."""
    described = tensor_map(launch, parameter)
    return MapShape.of(described, launch.evaluate(list(texts(described)), sizes, sms))


def encoded(shape: MapShape, buffer: int) -> NDArray[np.uint8]:
    """A tensor map as the twin reads it, aligned as a kernel's parameter is: what the driver gives for a GPU."""
    made = _TensorMap(buffer + shape.offset, rank=len(shape.sizes), element_bytes=ITEM_SIZES[shape.dtype])
    for inward, (size, stride, box) in enumerate(
        reversed(list(zip(shape.sizes, shape.strides, shape.box, strict=True)))
    ):
        made.sizes[inward], made.strides[inward], made.box[inward] = size, stride, box
    made.swizzle = shape.swizzle.bit_length() - 5 if shape.swizzle else 0  # 32, 64, 128 → 1, 2, 3
    memory = aligned_bytes(ctypes.sizeof(made))
    memory[:] = np.frombuffer(bytes(made), np.uint8)
    return memory


@functools.cache
def _emulator() -> ctypes.CDLL:
    """The emulator, with its symbols open to the kernels that are loaded after it."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise MissingCompilerError(
            "The emulator does not run on this machine",
            where=platform.machine(),
            why="its fibers are switched in x86-64 assembler",
            next="run it on an x86-64 machine",
        )
    (built,) = build([Source("ww_twin", '#include "twin/emulator.cpp"\n', best_isa(), headers())])
    library = ctypes.CDLL(str(built.path), mode=ctypes.RTLD_GLOBAL)
    for name in ("ww_twin_findings", "ww_twin_timeline", "ww_twin_schedules"):
        getattr(library, name).restype = ctypes.c_char_p
    library.ww_twin_run.restype = ctypes.c_int64
    return library

"""Runs a kernel on the CPU, against the twin of the device primitives: numbers, and what is wrong with its synchronisation.

The emulator is compiled once, a kernel in about a second; both through the kernel cache. No GPU and no CUDA are needed.
"""

from __future__ import annotations

import ctypes
import functools
import math
import platform
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...runtime.cache import Cache
from ...runtime.cpu import best_isa
from ...runtime.errors import ArgumentError, MissingCompilerError
from ...runtime.host_arrays import address, aligned_bytes, numpy_dtype
from ...runtime.toolchain import Source, build
from .source import CudaSource, MapParameter, NumberParameter, PointerParameter, SizeParameter, headers

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


class _TensorMap(ctypes.Structure):
    """`ww::TensorMap` of twin/primitives.h: innermost dim first, strides in bytes."""

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
        if schedule not in schedules():
            raise ArgumentError(
                f"No schedule is called {schedule}",
                where=self.launch.entry,
                why=f"there are {', '.join(schedules())}",
                next="choose one of those",
            )
        buffers = self._buffers(arrays, sizes, sms)
        values = [self._argument(p, arrays, sizes, sms) for p in self.launch.parameters]
        arguments = (ctypes.c_void_p * len(values))(*(address(v) for v in values))
        (blocks,) = self.launch.evaluate([self.launch.grid], sizes, sms)
        launch = _Launch(
            ctypes.cast(self._library.ww_twin_invoke, ctypes.c_void_p), ctypes.addressof(arguments),
            ctypes.addressof(buffers), schedule.encode(), len(buffers), blocks, self.launch.threads, self.launch.shared,
            self.launch.registers, RESIDENT, seed, int(timeline),
        )  # fmt: skip
        with _running:
            steps = self._emulator.ww_twin_run(ctypes.byref(launch))
            findings = msgspec.json.decode(self._emulator.ww_twin_findings(), type=tuple[Finding, ...])
            return Emulation(findings, steps, self._emulator.ww_twin_timeline().decode())

    def _buffers(self, arrays: Mapping[str, NDArray[Any]], sizes: Mapping[str, int], sms: int) -> ctypes.Array[_Buffer]:
        described = (_Buffer * len(self.launch.buffers))()
        for row, buffer in zip(described, self.launch.buffers, strict=True):
            shape = None if buffer.shape is None else tuple(self.launch.evaluate(list(buffer.shape), sizes, sms))
            array = arrays.get(buffer.name)
            self._check(buffer.name, array, shape, numpy_dtype(buffer.dtype))
            assert array is not None
            row.name, row.base = buffer.name.encode(), address(array)
            row.bytes, row.element_bytes, row.written = array.nbytes, array.itemsize, int(buffer.written)
        return described

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
        self, parameter: Any, arrays: Mapping[str, NDArray[Any]], sizes: Mapping[str, int], sms: int
    ) -> NDArray[Any]:
        match parameter:
            case MapParameter():
                array = arrays[parameter.buffer]
                shape = self.launch.evaluate(list(parameter.sizes), sizes, sms) or list(array.shape)
                strides = self.launch.evaluate(list(parameter.strides), sizes, sms) or _contiguous(shape)
                (offset,) = self.launch.evaluate([parameter.offset], sizes, sms)
                base = address(array) + offset * array.itemsize
                return _in_memory(_tensor_map(base, shape, strides, array.itemsize, parameter, self.launch.entry))
            case PointerParameter():
                return np.array([address(arrays[parameter.buffer])], np.int64)
            case SizeParameter():
                return np.array([sizes[parameter.name]], np.int64 if parameter.wide else np.int32)
            case NumberParameter():
                return np.array([parameter.value], np.float32)
            case _:
                raise TypeError(f"a parameter of kind {type(parameter).__name__}")


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


def tensor_map_refusal(
    shape: Sequence[int], element_bytes: int, base: int, parameter: MapParameter, strides: Sequence[int] = ()
) -> str:
    """Why no tensor map can be made (the rules of cuTensorMapEncodeTiled), or nothing. `strides`: in elements, outermost
    dim first; by default a contiguous tensor's."""
    steps = [stride * element_bytes for stride in (strides or _contiguous(shape))]
    inner = parameter.box[-1] * element_bytes
    rules = (
        (len(shape) != len(parameter.box), f"a box of {len(parameter.box)} dims for {len(shape)}"),
        (not 2 <= len(shape) <= _MAX_DIMS, f"{len(shape)} dims; 2 to {_MAX_DIMS} are supported"),
        (steps[-1] != element_bytes, f"columns {steps[-1]} bytes apart"),
        (any(step % 16 for step in steps[:-1]), f"rows of {max(steps[-2:])} bytes, which are no multiple of 16"),
        (base % 16 != 0, "an address that is no multiple of 16"),
        (max(parameter.box) > 256, f"a box of {max(parameter.box)} elements along a dim; 256 is the most"),
        (inner % 16 != 0, f"rows of a box of {inner} bytes, which are no multiple of 16"),
        (0 < parameter.swizzle < inner, f"rows of a box of {inner} bytes in a swizzle of {parameter.swizzle}"),
    )
    return next((why for broken, why in rules if broken), "")


def _contiguous(shape: Sequence[int]) -> list[int]:
    return [math.prod(shape[d + 1 :]) for d in range(len(shape))]


def _tensor_map(
    base: int, shape: Sequence[int], strides: Sequence[int], element_bytes: int, parameter: MapParameter, entry: str
) -> _TensorMap:
    refusal = tensor_map_refusal(shape, element_bytes, base, parameter, strides)
    if refusal:
        raise ArgumentError(
            f"No tensor map of {parameter.buffer}",
            where=entry,
            why=refusal,
            next="pad the tensor, or load it without TMA",
        )
    made = _TensorMap(base, rank=len(shape), element_bytes=element_bytes)
    for inward, (size, stride, box) in enumerate(reversed(list(zip(shape, strides, parameter.box, strict=True)))):
        made.sizes[inward], made.strides[inward], made.box[inward] = size, stride * element_bytes, box
    made.swizzle = parameter.swizzle.bit_length() - 5 if parameter.swizzle else 0  # 32, 64, 128 → 1, 2, 3
    return made


def _in_memory(structure: ctypes.Structure) -> NDArray[np.uint8]:
    """Its bytes, aligned as the kernel's parameter is."""
    memory = aligned_bytes(ctypes.sizeof(structure))
    memory[:] = np.frombuffer(bytes(structure), np.uint8)
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

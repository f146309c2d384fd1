"""A GPU that is none: launches are written down, and run on CPU tensors: Triton's in its interpreter, CUDA C++ in the emulator.

Parameters are read where the cubin's own parameter table says, so that what is packed elsewhere is seen as it would be by
the GPU. A pointer must lie in memory that the program was given or has made, and on the bytes that the code counts on. The
emulator takes the very table that the driver would be given, tensor maps and all.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _disable_current_modes

from warpweave.backends.cuda import backend as cuda_backend
from warpweave.backends.cuda.choices import Made
from warpweave.backends.cuda.compile import CompiledCuda
from warpweave.backends.cuda.emulate import EmulatedKernel, Memory, encoded, schedules
from warpweave.backends.cuda.source import CudaSource
from warpweave.backends.triton import backend, choices, compile
from warpweave.backends.triton.compiled import CompiledTriton
from warpweave.backends.triton.interpret import Number, Pointer, Request, process
from warpweave.backends.triton.source import TritonSource
from warpweave.frontend import importer, placeholders
from warpweave.runtime.artifact import ITEM_SIZES
from warpweave.runtime.cuda import driver
from warpweave.runtime.cuda.driver import Function
from warpweave.runtime.cuda.tensor_maps import MapShape, refusal
from warpweave.runtime.launch import DeviceKernel
from warpweave.runtime.torch_arrays import TorchArrays

ARCHITECTURE = "sm_90"
MAP_ALIGNMENT = 64
FAULT_WORDS = "3"

Code = tuple[TritonSource | CudaSource, CompiledTriton | CompiledCuda]


@dataclass(frozen=True)
class Launched:
    entry: str
    blocks: int
    stream: int
    values: tuple[int, ...]
    """Of the parameters, in order: addresses and sizes; of a tensor map, the address that it begins with."""


class FakeGpu:
    """Stands for `CudaDriver`. `launched`: in order; `waits`: how often somebody waited; `maps`: those encoded, in order;
    `emulated`: CUDA C++ that was launched, by its entry."""

    architecture = ARCHITECTURE
    name = "NVIDIA H100 80GB HBM3"
    multiprocessors = 132

    def __init__(self) -> None:
        self.arrays: Any = _Arrays(self)
        self.launched: list[Launched] = []
        self.maps: list[tuple[MapShape, int]] = []
        self.waits = 0
        self.current_stream = 7
        self.measures = False
        self.takes_maps = True
        self.clock: Callable[[Launched], float] = lambda _: 1e-6
        self._known: dict[bytes, Code] = {}
        self._loaded: list[Code] = []
        self.emulated: dict[str, EmulatedKernel] = {}
        self._memories: dict[int, torch.UntypedStorage] = {}

    def learn(self, source: TritonSource | CudaSource, phases: Sequence[CompiledTriton | CompiledCuda]) -> None:
        """What the machine code is made of."""
        self._known.update({phase.cubin: (source, phase) for phase in phases})

    def remember(self, tensor: torch.Tensor) -> None:
        """Memory that a kernel may be given."""
        storage = tensor.untyped_storage()
        self._memories[torch._C._data_address(tensor)] = storage

    # ---- runtime/cuda/driver.py: Driver ------------------------------------------------------------------------

    def load(self, cubin: bytes, entry: str, shared: int) -> Function:
        source, phase = self._known[cubin]
        assert (entry, shared) == (phase.launch.entry, phase.launch.shared)
        self._loaded.append((source, phase))
        return Function(len(self._loaded) - 1)

    def current(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def stream(self) -> int:
        return self.current_stream

    def tensor_map(self, shape: MapShape, buffer: int) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """What the emulator takes for a CUtensorMap, as large as one."""
        assert refusal(shape, buffer) == "", "the driver would refuse it"
        self._memory_of(buffer)
        self.maps.append((shape, buffer))
        return encoded(shape, buffer).view(np.int64) if self.takes_maps else None

    def page_locked(self, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        with _disable_current_modes():  # while Dynamo compiles, tensors have no memory
            memory = torch.zeros(count, dtype=torch.int64)
            self.remember(memory)
            return memory.numpy()

    def wait(self) -> None:
        self.waits += 1

    @contextmanager
    def measuring(self) -> Iterator[None]:
        with _disable_current_modes(), torch.no_grad():
            self.measures = True
            yield
            self.measures = False

    def filled(self, dtype: str, count: int, value: int) -> torch.Tensor:
        return torch.full((count,), value, dtype=getattr(torch, dtype))

    def elapsed(self, run: Callable[[], Any]) -> float:
        """By `clock`, which is asked of every launch."""
        first = len(self.launched)
        run()
        return sum(self.clock(launched) for launched in self.launched[first:])

    def launch(self, function: Function, blocks: int, threads: int, shared: int, stream: int, parameters: int) -> None:
        source, phase = self._loaded[function.handle]
        assert threads == phase.resources.threads
        assert shared == phase.launch.shared
        assert blocks > 0
        values = _read(parameters, phase)
        if isinstance(source, TritonSource):
            self._check_scratch(phase, blocks, values)
        self.launched.append(Launched(phase.launch.entry, blocks, stream, values))
        if self.measures:
            return
        if isinstance(source, CudaSource):
            self._emulate(source, phase, blocks, values, parameters)
        else:
            self._interpret(source, phase, blocks, values)

    def _check_scratch(self, phase: Any, blocks: int, values: Sequence[int]) -> None:
        """Every block has what it needs, in memory that somebody made for it."""
        addresses = [v for p, v in zip(phase.launch.parameters, values, strict=True) if p.kind == "scratch"]
        for address, need in zip(addresses, (phase.launch.global_scratch, phase.launch.profile_scratch), strict=True):
            if not need.bytes:
                assert address == 0
                continue
            start = self._memory_of(address)
            assert address % need.alignment == 0
            assert address + blocks * need.bytes <= start + self._memories[start].nbytes()

    # ---- what runs the launches --------------------------------------------------------------------------------

    def _interpret(self, source: TritonSource, phase: Any, blocks: int, values: Sequence[int]) -> None:
        memories: dict[int, torch.UntypedStorage] = {}
        arguments = list[Pointer | Number]()
        for parameter, placed, value in zip(source.parameters, phase.launch.parameters, values, strict=False):
            assert value % placed.multiple == 0, f"{phase.launch.entry}: {parameter.name} = {value}"
            if not parameter.type.startswith("*"):
                arguments.append(Number(value, parameter.type))
                continue
            start = self._memory_of(value)
            memories.setdefault(start, self._memories[start])
            arguments.append(Pointer(list(memories).index(start), value - start, parameter.type))
        held = [torch.tensor([], dtype=torch.uint8).set_(storage) for storage in memories.values()]
        contents = tuple(memory.numpy().tobytes() for memory in held)
        written = process().run(Request(source.source, ((phase.launch.entry, blocks),), tuple(arguments), contents))
        for memory, before, now in zip(held, contents, written, strict=True):
            if now != before:
                memory.copy_(torch.frombuffer(bytearray(now), dtype=torch.uint8))

    def _emulate(self, source: CudaSource, phase: Any, blocks: int, values: Sequence[int], parameters: int) -> None:
        """The emulator reads the parameters itself; a buffer is as much as the launch description says."""
        name, placed = phase.launch.entry, list(zip(phase.launch.parameters, values, strict=True))
        for parameter, value in placed:
            assert value % (16 if parameter.kind == "pointer" else parameter.multiple) == 0, (
                f"{name}: {parameter.name} = {value}"
            )
        pointers = iter([value for parameter, value in placed if parameter.kind == "pointer"])
        sizes = {parameter.name: value for parameter, value in placed if parameter.kind in ("i32", "i64")}
        memories: dict[str, Memory] = {}
        for buffer, at in zip(source.launch.buffers, pointers, strict=True):
            start = self._memory_of(at)
            (reach,) = source.launch.evaluate([buffer.elements or FAULT_WORDS], sizes, self.multiprocessors)
            memories[buffer.name] = Memory(at, reach * ITEM_SIZES[buffer.dtype])
            assert at + memories[buffer.name].bytes <= start + self._memories[start].nbytes(), f"{name}: {buffer.name}"
        if name not in self.emulated:
            self.emulated[name] = EmulatedKernel(source)
        turn = len(self.launched)
        schedule = schedules()[turn % len(schedules())]
        found = self.emulated[name].execute(parameters, blocks, memories, schedule, turn).findings
        assert found == (), "\n".join(finding.message for finding in found)

    def _memory_of(self, address: int) -> int:
        found = [start for start, held in self._memories.items() if start <= address < start + max(held.nbytes(), 1)]
        assert len(found) == 1, f"an address that nobody has allocated: {address}"
        return found[0]


class _Arrays(TorchArrays):
    """PyTorch's on the CPU, with a GPU's alignment; whose address is asked for is memory."""

    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__("cpu", alignment=16)
        self.address = self.writable_address = self._address
        self.addresses = lambda tensors: list(map(self._address, tensors))
        self._gpu = gpu

    def _address(self, tensor: torch.Tensor) -> int:
        address = torch.Tensor.data_ptr(tensor)
        self._gpu.remember(tensor)
        return address


def _read(table: int, phase: CompiledTriton | CompiledCuda) -> tuple[int, ...]:
    """The values whose addresses stand in the table; together they are the block that the cubin reads."""
    offsets = phase.resources.offsets
    addresses = list((ctypes.c_int64 * len(offsets)).from_address(table))
    assert [address - addresses[0] for address in addresses] == [offset - offsets[0][0] for offset, _ in offsets]
    for at, parameter in zip(addresses, phase.launch.parameters, strict=False):
        assert parameter.kind != "tensor_map" or at % MAP_ALIGNMENT == 0, "a tensor map that is not aligned"
    kinds = {4: ctypes.c_int32, 8: ctypes.c_int64, 128: ctypes.c_int64}
    return tuple(kinds[size].from_address(a).value for a, (_, size) in zip(addresses, offsets, strict=True))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """Meanwhile every graph is on `cuda:0`, which is this one."""
    fake = FakeGpu()
    device_kernel, choose = compile.device_kernel, cuda_backend.choose

    def spy(source: TritonSource, phases: Sequence[CompiledTriton]) -> DeviceKernel:
        fake.learn(source, phases)
        return device_kernel(source, phases)

    def chosen(*args: Any) -> Any:
        found = choose(*args)
        for made in found.kernels.values():
            assert isinstance(made, Made)
            for source, compiled in zip(made.printed.sources, made.compiled, strict=True):
                fake.learn(source, [compiled])
        return found

    for module in (backend, choices):
        monkeypatch.setattr(module, "device_kernel", spy)
    monkeypatch.setattr(cuda_backend, "choose", chosen)
    monkeypatch.setattr(backend, "driver_of", lambda _: fake)
    monkeypatch.setattr(driver, "driver_of", lambda _: fake)
    for module in (importer, placeholders):
        monkeypatch.setattr(module, "device_name", lambda _: "cuda:0")
    return fake

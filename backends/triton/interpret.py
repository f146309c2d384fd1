"""Kernels in Triton's interpreter: what they compute, on CPU tensors, with no GPU.

The interpreter runs in a process of its own, which stays for the next call: Triton decides at import whether it
interprets or compiles, for the whole process. It tests arithmetic and addresses, not pipelining.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from ...ir.dims import Dim
from ...runtime import arrays as libraries
from ...runtime.arrays import Arrays
from ...runtime.artifact import ProgramDescription, launches
from ...runtime.aten import torch_module
from ...runtime.call import Call
from ...runtime.device import Fault, HostMemory
from .source import TritonSource

if TYPE_CHECKING:
    import torch

FAULT_WORDS = 3


class InterpreterFailedError(RuntimeError):
    """The interpreter could not run a kernel; the message is what it said."""


class OutOfRange(NamedTuple):
    """`entry`, found in buffer number `buffer` of a kernel, does not lie in [0, `extent`)."""

    buffer: int
    entry: int
    extent: int


@dataclass(frozen=True)
class Pointer:
    """A place in one of a request's memories, as Triton types it."""

    memory: int
    offset: int
    type: str


@dataclass(frozen=True)
class Number:
    """A size, as Triton types it."""

    value: int
    type: str


@dataclass(frozen=True)
class Request:
    """A run of a module's functions one after the other, each with its number of programs, on copies of memories."""

    source: str
    launches: tuple[tuple[str, int], ...]
    arguments: tuple[Pointer | Number, ...]
    memories: tuple[bytes, ...]


class InterpretedKernel:
    """A kernel, called like `fuzz.kernels.CompiledKernel`: CPU tensors, changed in place; packed weights as plain [N, K].

    A buffer is the memory from its tensor's first element on: strides are the kernel's own. Raises IndexError where an entry
    that is looked up is out of range, InterpreterFailedError.
    """

    def __init__(self, emitted: TritonSource) -> None:
        self.emitted = emitted
        self._sizes = [p.name for p in emitted.parameters if not p.type.startswith("*")]

    def __call__(self, buffers: Sequence[torch.Tensor], dims: Mapping[str, int]) -> None:
        found = self.run(buffers, [dims[name] for name in self._sizes])
        if found is not None:
            raise IndexError(f"index {found.entry} is out of range of {found.extent}")

    def run(self, buffers: Sequence[torch.Tensor], sizes: Sequence[int]) -> OutOfRange | None:
        """`sizes`: in the order of the kernel's symbols."""
        import torch

        emitted, dims = self.emitted, dict(zip(self._sizes, sizes, strict=True))
        fault = torch.zeros(FAULT_WORDS, dtype=torch.int64)
        tensors = [*buffers, *([fault] if emitted.lookups else [])]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in tensors}
        memories = [torch.tensor([], dtype=torch.uint8).set_(storage) for storage in storages.values()]
        places, arguments = iter(tensors), list[Pointer | Number]()
        for parameter in emitted.parameters:
            if parameter.type.startswith("*"):
                tensor = next(places)
                memory = list(storages).index(tensor.untyped_storage().data_ptr())
                offset = int(tensor.storage_offset()) * tensor.element_size()
                arguments.append(Pointer(memory, offset, parameter.type))
            else:
                arguments.append(Number(dims[parameter.name], parameter.type))
        launches = tuple(
            (entry, Dim.of(grid).evaluate(dims)) for entry, grid in zip(emitted.entries, emitted.grids, strict=True)
        )
        written = process().run(
            Request(emitted.source, launches, tuple(arguments), tuple(m.numpy().tobytes() for m in memories))
        )
        for memory, now in zip(memories, written, strict=True):
            memory.copy_(torch.frombuffer(bytearray(now), dtype=torch.uint8) if now else memory)
        number, entry, extent = fault.tolist()
        return OutOfRange(emitted.lookups[number - 1], entry, extent) if number else None


class HostKernel(Protocol):
    """A GPU's kernel that something on the CPU runs."""

    def run(self, buffers: Sequence[torch.Tensor], sizes: Sequence[int]) -> OutOfRange | None:
        """On CPU tensors, changed in place. `sizes`: in the order of the kernel's symbols."""
        ...


class InterpretedDevice(HostMemory):
    """What runs a GPU's kernels on the CPU as a device: the memory is the CPU's, and every launch waits for the one before.

    `kernels`: those of the description, in order. `workers`: programs that the target runs at a time.
    """

    scratch_bytes = 0

    def __init__(self, description: ProgramDescription, kernels: Sequence[HostKernel], workers: int) -> None:
        self._launches = launches(description)
        self._kernels = kernels
        self._workers = workers

    def arrays(self, args: Sequence[Any]) -> Arrays:
        """PyTorch's, whatever the arguments are."""
        torch_module()
        return libraries.torch()

    def workers(self) -> int:
        return self._workers

    def run(self, first: int, count: int, call: Call) -> Fault | None:
        for number in range(first, first + count):
            launch = self._launches[number]
            buffers = [call.tensor(slot) for slot in launch.args]
            found = self._kernels[launch.kernel].run(buffers, [call.dim(text) for text in launch.dims])
            if found is not None:
                return Fault(number, launch.args[found.buffer], found.entry, found.extent)
        return None


class _Process:
    """The other process: `interpreter_process.py`."""

    def __init__(self) -> None:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", f"{__package__}.interpreter_process"]
        self._turn = threading.Lock()
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def run(self, request: Request) -> list[bytes]:
        """What the memories hold afterwards. Raises InterpreterFailedError."""
        requests, answers = self._child.stdin, self._child.stdout
        assert requests is not None
        assert answers is not None
        try:
            with self._turn:
                send(requests, request)
                answer = receive(answers)
        except (EOFError, BrokenPipeError):
            raise InterpreterFailedError(f"Triton's interpreter ended with exit code {self._child.wait()}") from None
        if isinstance(answer, str):
            raise InterpreterFailedError(answer)
        return answer

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


_processes: dict[int, _Process] = {}
"""This process' id → its interpreter; a forked process has none yet."""


def process() -> _Process:
    """This process' interpreter, started if need be."""
    own = _processes.get(os.getpid())
    if own is None or not own.is_alive:
        own = _processes[os.getpid()] = _Process()
        atexit.register(own.end)
    return own


def send(stream: IO[bytes], message: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Raises EOFError where the other side is gone."""
    return pickle.load(stream)

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ...ir.dims import Dim
from .source import TritonSource

if TYPE_CHECKING:
    import torch

FAULT_WORDS = 3


class InterpreterFailedError(RuntimeError):
    """The interpreter could not run a kernel; the message is what it said."""


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
    """A kernel, called like `fuzz.kernels.CompiledKernel`: contiguous CPU tensors, changed in place; packed weights as
    plain [N, K]. Raises IndexError where an entry that is looked up is out of range, InterpreterFailedError."""

    def __init__(self, emitted: TritonSource) -> None:
        self.emitted = emitted

    def __call__(self, buffers: Sequence[torch.Tensor], dims: Mapping[str, int]) -> None:
        import torch

        emitted = self.emitted
        fault = torch.zeros(FAULT_WORDS, dtype=torch.int64)
        tensors = [*buffers, *([fault] if emitted.lookups else [])]
        assert all(tensor.is_contiguous() for tensor in tensors)
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
        written = _process().run(
            Request(emitted.source, launches, tuple(arguments), tuple(m.numpy().tobytes() for m in memories))
        )
        for memory, now in zip(memories, written, strict=True):
            memory.copy_(torch.frombuffer(bytearray(now), dtype=torch.uint8) if now else memory)
        number, entry, extent = fault.tolist()
        if number:
            raise IndexError(f"index {entry} is out of range of {extent}")


class _Process:
    """The other process: `interpreter_process.py`."""

    def __init__(self) -> None:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", f"{__package__}.interpreter_process"]
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


def _process() -> _Process:
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

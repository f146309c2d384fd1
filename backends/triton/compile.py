"""Ahead of time: Triton source → cubins with their launch descriptions, for any target, with no GPU present.

Triton runs in worker processes only, several at once, and only for what the kernel cache does not have: where all is
cached, nothing imports it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from xdsl.dialects.builtin import ModuleOp

from ...ir import tile
from ...ir.dims import Dim
from ...runtime.cache import Cache, sha256
from ...runtime.errors import CompileError, MissingCompilerError
from ...runtime.launch import LAUNCH_VERSION, DeviceKernel, DevicePhase
from ..nvidia.sass import tools
from ..nvidia.target import GpuTarget
from .compiled import CompiledTriton, decode
from .source import TritonSource
from .worker import Answer, Request

OLDEST = (3, 6)
"""Triton's first release with this launch ABI; 3.7 has the same. A later change is caught by `checks.parameters`."""

CORES = os.cpu_count() or 1
_SECONDS = 300
_LINES = 20


@dataclass(frozen=True)
class Job:
    """A kernel to compile for a target. `multiples`: parameters that are multiples of 16 at every launch."""

    source: TritonSource
    target: GpuTarget
    multiples: frozenset[str] = field(default_factory=frozenset[str])


def multiples(module: ModuleOp, source: TritonSource) -> frozenset[str]:
    """The parameters of a kernel that are multiples of 16 at every launch in a tile module, whatever its symbols: sizes
    whose expressions say so, and pointers, of buffers that lie on 16 bytes."""
    launches = [op for op in module.walk() if isinstance(op, tile.LaunchOp) and op.kernel.string_value() == source.name]
    found = [multiples_of(source, [dim.data for dim in launch.dims]) for launch in launches]
    return frozenset.intersection(*found) if found else frozenset(p.name for p in source.parameters)


def multiples_of(source: TritonSource, dims: Sequence[Dim]) -> frozenset[str]:
    """The same at one launch, with these sizes."""
    sizes = [p.name for p in source.parameters if not p.type.startswith("*")]
    whole = {name for name, dim in zip(sizes, dims, strict=True) if _is_multiple(dim)}
    return frozenset(whole | {p.name for p in source.parameters if p.type.startswith("*")})


def _is_multiple(dim: Dim) -> bool:
    return all(coefficient % 16 == 0 for _, coefficient in dim.terms)


def build(
    jobs: Sequence[Job], cache: Cache | None = None, workers: Workers | None = None
) -> list[tuple[CompiledTriton, ...]]:
    """The phases of each job, in order. `workers`: to be used and left running; else new ones, if any are needed.

    Raises CompileError (of the first that fails) or MissingCompilerError.
    """
    if not jobs:
        return []
    home = cache or Cache()
    requests = [(i, r) for i, job in enumerate(jobs) for r in _requests(job)]
    with nullcontext(workers) if workers else Workers() as used, ThreadPoolExecutor(min(len(requests), CORES)) as pool:
        done = list(pool.map(lambda item: _one(item[1], home, used), requests))
    return [tuple(made for (i, _), made in zip(requests, done, strict=True) if i == n) for n in range(len(jobs))]


def device_kernel(source: TritonSource, phases: Sequence[CompiledTriton]) -> DeviceKernel:
    """What the runtime needs of a compiled kernel."""
    return DeviceKernel(tuple(DevicePhase(phase.cubin, phase.launch) for phase in phases), source.lookups)


def components(request: Request) -> dict[str, str]:
    """Everything that a cubin and its launch depend on, each under its name: the cache key's components."""
    return {
        "source": sha256(request.source),
        "entry": request.entry,
        "parameters": ", ".join(f"{name}: {type}" for name, type in request.parameters),
        "multiples": ", ".join(sorted(request.multiples)),
        "grid": request.grid,
        "options": f"num_warps={request.num_warps} num_stages={request.num_stages}",
        "target": request.target,
        "triton": triton_version(),
        "ptxas": _ptxas_version(tools() / ("ptxas-blackwell" if request.arch >= 100 else "ptxas")),
        "launch": str(LAUNCH_VERSION),
    }


@functools.cache
def triton_version() -> str:
    """Without importing it. Raises MissingCompilerError where it is not installed, or older than `OLDEST`."""
    where = str(tools())
    version = importlib.metadata.version("triton")
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise MissingCompilerError(
            f"Triton {version} is too old",
            where=where,
            why=f"kernels are emitted for {'.'.join(map(str, OLDEST))} and newer",
            next="pip install --upgrade 'warpweave[cuda]'",
        )
    return version


@functools.cache
def _ptxas_version(ptxas: Path) -> str:
    done = subprocess.run([str(ptxas), "--version"], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[-1]


def _requests(job: Job) -> list[Request]:
    source = job.source
    return [
        Request(
            path="",
            name=source.name,
            phase=phase,
            source=_code(source.source),
            entry=entry,
            parameters=tuple((p.name, p.type) for p in source.parameters),
            multiples=job.multiples,
            grid=grid,
            num_warps=source.num_warps,
            num_stages=source.num_stages,
            target=job.target.name,
            arch=job.target.arch,
        )
        for phase, (entry, grid) in enumerate(zip(source.entries, source.grids, strict=True))
    ]


def _code(source: str) -> str:
    """Without the comment at its head, which names modules of the model: the same kernel of another model is the same code."""
    return source.split("\n", 1)[1] if source.startswith("#") else source


def _one(request: Request, home: Cache, workers: Workers) -> CompiledTriton:
    def make(path: Path) -> None:
        workers.compile(msgspec.structs.replace(request, path=str(path)), home)

    path, _ = home.get_or_make(request.name, components(request), make)
    return decode(path.read_bytes())


class _Worker:
    """One worker process. `log`: what it writes beside its answers."""

    def __init__(self, folder: str):
        self.log = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        # Nothing in the environment may change what is compiled: the cache's key would not know.
        settings = {name: value for name, value in os.environ.items() if not name.startswith("TRITON_")}
        settings |= {"TRITON_CACHE_DIR": folder, "TRITON_DISABLE_LINE_INFO": "1"}  # no paths in the code
        settings |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", f"{__package__}.worker"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=settings, cwd=folder
        )

    def ask(self, request: Request) -> str:
        """What went wrong, or nothing."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        limit = threading.Timer(_SECONDS, self.process.kill)
        limit.start()
        try:
            stdin.write(msgspec.json.encode(request) + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            limit.cancel()
        if line:
            return msgspec.json.decode(line, type=Answer).error
        code = self.process.wait()
        self.log.seek(0)
        tail = self.log.read().decode(errors="replace").splitlines()[-_LINES:]
        return "\n".join([f"the compiler's process ended with {code} (limit: {_SECONDS} s)", *tail])

    def close(self) -> None:
        self.process.communicate()
        self.log.close()


class Workers:
    """A worker process a core at most, started when there is something to compile; ended on exit."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(CORES):
            self._idle.put(None)
        self._folder = tempfile.TemporaryDirectory(prefix="warpweave-triton-", ignore_cleanup_errors=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        while not self._idle.empty():
            if worker := self._idle.get():
                worker.close()
        self._folder.cleanup()

    def compile(self, request: Request, home: Cache) -> None:
        """`home`: where a source that is refused is kept. Raises CompileError."""
        worker = self._idle.get()
        try:
            worker = worker or _Worker(self._folder.name)
            error = worker.ask(request)
        finally:
            self._idle.put(worker if worker and worker.process.poll() is None else None)
        if error:
            raise CompileError(
                f"Kernel {request.name} did not compile for {request.target}",
                where=str(_keep(request, home.failed)),
                why=error,
                next="report this with the source file",
            )


def _keep(request: Request, failed: Path) -> Path:
    """Leaves the refused source behind for the report."""
    folder = failed / sha256(request.source)[:16]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / "kernel.py"
    kept.write_text(request.source)
    return kept

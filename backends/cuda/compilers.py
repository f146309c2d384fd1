"""CUDA C++ → cubin, with no GPU: NVRTC from NVIDIA's wheels, or nvcc where those are not installed."""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...runtime.errors import MissingCompilerError

NAME = "kernel.cu"  # of every source: code is reproducible
OPTIONS = ("-std=c++17",)
PTXAS_OPTIONS = ("-v", "--warn-on-spills")
_SECONDS = 300


class SourceRefusedError(Exception):
    """The compiler's words on a source that it does not accept."""


class Built(NamedTuple):
    """A cubin, and what the compiler said while it made it."""

    cubin: bytes
    log: str


class Compiler(Protocol):
    """`version` identifies what it generates."""

    @property
    def version(self) -> str: ...
    def compile(self, text: str, headers: Mapping[str, str], target: str) -> Built:
        """Raises SourceRefusedError."""
        ...


class Nvrtc:
    """The run-time compiler; headers are given to it as texts, and nothing is read from the disk."""

    def __init__(self) -> None:
        """Raises PackageNotFoundError where a wheel is missing, ImportError or RuntimeError where the library is not found."""
        versions = [importlib.metadata.version(name) for name in ("nvidia-cuda-nvrtc", "cuda-bindings")]
        self.version = f"nvrtc {versions[0]}"
        from cuda.bindings import nvrtc  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        nvrtc.nvrtcVersion()

    def compile(self, text: str, headers: Mapping[str, str], target: str) -> Built:
        from cuda.bindings import nvrtc  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

        def checked(result: tuple[Any, ...]) -> Any:
            status, *values = result
            if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
                raise SourceRefusedError(f"{nvrtc.nvrtcGetErrorString(status)[1].decode()}")
            return values[0] if values else None

        names = [name.encode() for name in headers]
        program = checked(
            nvrtc.nvrtcCreateProgram(
                text.encode(), NAME.encode(), len(names), [t.encode() for t in headers.values()], names
            )
        )
        options = [f"--gpu-architecture={target}", *OPTIONS, *(f"--ptxas-options={option}" for option in PTXAS_OPTIONS)]
        status, *_ = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        log = bytearray(checked(nvrtc.nvrtcGetProgramLogSize(program)))
        checked(nvrtc.nvrtcGetProgramLog(program, log))
        said = log.decode(errors="replace").rstrip("\0")
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise SourceRefusedError(said)
        cubin = bytearray(checked(nvrtc.nvrtcGetCUBINSize(program)))
        checked(nvrtc.nvrtcGetCUBIN(program, cubin))
        checked(nvrtc.nvrtcDestroyProgram(program))
        return Built(bytes(cubin), said)


class Nvcc:
    """The compiler of a CUDA toolkit."""

    def __init__(self, path: str) -> None:
        self.path = path
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=60)
        self.version = done.stdout.splitlines()[-1]

    def compile(self, text: str, headers: Mapping[str, str], target: str) -> Built:
        with tempfile.TemporaryDirectory(prefix="warpweave-nvcc-") as folder:
            for name, content in {**headers, NAME: text}.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            command = [self.path, f"-arch={target}", *OPTIONS, "-Xptxas", ",".join(PTXAS_OPTIONS), "-I", ".", "-cubin"]
            done = subprocess.run(
                [*command, NAME, "-o", "kernel.cubin"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
            if done.returncode:
                raise SourceRefusedError(done.stdout + done.stderr)
            return Built(Path(folder, "kernel.cubin").read_bytes(), done.stdout + done.stderr)


@functools.cache
def find_compiler() -> Compiler:
    """NVRTC, else nvcc. Raises MissingCompilerError."""
    try:
        return Nvrtc()
    except (ImportError, RuntimeError) as missing:  # a wheel that is not there is an ImportError too
        nvcc = shutil.which("nvcc")
        if nvcc:
            return Nvcc(nvcc)
        raise MissingCompilerError(
            "No compiler of CUDA C++ found",
            where="sys.path and PATH",
            why=f"{_said(missing)}, and there is no nvcc",
            next="pip install 'warpweave[cuda]'",
        ) from missing


def _said(missing: Exception) -> str:
    if isinstance(missing, importlib.metadata.PackageNotFoundError):
        return f"the wheel {missing.name} is not installed"
    said, _, _ = str(missing).partition("\n")
    return f"the library of nvidia-cuda-nvrtc was not found ({said})"

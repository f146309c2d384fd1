"""The system's C++ compiler: kernel sources in, verified shared objects out, through the cache."""

from __future__ import annotations

import functools
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from .artifact import ABI_VERSION
from .cache import Cache, Lookup, sha256
from .cpu import ISA_FLAGS
from .errors import CompileError, MissingCompilerError

logger = logging.getLogger("warpweave.runtime.toolchain")

_CANDIDATES = ("g++", "clang++", "c++")
_FLAGS = ("-std=c++17", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
_SECONDS = 600
_ERROR_LINES = 12


class Compiler(NamedTuple):
    """A compiler as an argument list, and the first line of its `--version`."""

    argv: tuple[str, ...]
    version: str


class Source(msgspec.Struct, frozen=True):
    """One C++ file for one instruction set; `headers` (file name → text) are on its include path."""

    name: str
    text: str
    isa: str
    headers: Mapping[str, str] = {}


class Object(NamedTuple):
    """A compiled source: the shared object's path and how the cache was found."""

    path: Path
    lookup: Lookup


def find_compiler() -> Compiler:
    """CXX if set, else g++, clang++ or c++. Raises MissingCompilerError."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _find(stated: str, path: str) -> Compiler:
    candidates = [tuple(shlex.split(stated))] if stated.strip() else [(name,) for name in _CANDIDATES]
    for argv in candidates:
        program = shutil.which(argv[0], path=path)
        if not program:
            continue
        command = (program, *argv[1:])
        try:
            done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            logger.debug("%s --version failed: %s", program, error)
            continue
        return Compiler(command, (done.stdout.splitlines() or ["unknown"])[0])
    tried = stated if stated.strip() else ", ".join(_CANDIDATES)
    raise MissingCompilerError(
        "No C++ compiler found",
        where=f"CXX={stated}" if stated.strip() else "PATH",
        why=f"tried {tried}",
        next="install g++ (Debian, Ubuntu: apt-get install g++), or set CXX to a compiler",
    )


def components(source: Source, compiler: Compiler) -> dict[str, str]:
    """Everything that the object depends on, each under its name: the cache key's components."""
    return {
        "source": sha256(source.text),
        **{f"header {name}": sha256(text) for name, text in sorted(source.headers.items())},
        "isa": source.isa,
        "flags": " ".join(_flags(source.isa)),
        "compiler": " ".join(compiler.argv),
        "compiler version": compiler.version,
        "machine": platform.machine(),
        "abi": str(ABI_VERSION),
    }


def build(sources: Sequence[Source], cache: Cache | None = None) -> list[Object]:
    """Compiles what the cache does not have, in parallel; one object per source, in order.

    Raises CompileError (the first by order) or MissingCompilerError.
    """
    if not sources:
        return []
    home = cache or Cache()
    compiler = find_compiler()

    def one(source: Source) -> Object:
        maker = functools.partial(_compile, source, compiler, home.failed)
        return Object(*home.get_or_make(source.name, components(source, compiler), maker))

    with ThreadPoolExecutor(max_workers=min(len(sources), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(one, source) for source in sources]
    return [future.result() for future in futures]


def _flags(isa: str) -> tuple[str, ...]:
    return (*_FLAGS, *(ISA_FLAGS[isa] if platform.machine() in ("x86_64", "AMD64") else ISA_FLAGS["portable"]))


def _compile(source: Source, compiler: Compiler, failed: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="warpweave-build-") as folder:
        main = Path(folder, "kernel.cpp")  # the same name for all: objects are reproducible
        main.write_text(source.text)
        for name, text in source.headers.items():
            header = Path(folder, name)
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text(text)
        command = [*compiler.argv, *_flags(source.isa), "-I", ".", "-o", str(target), main.name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode == 0:
        return
    kept = _keep(source, failed)
    lines = done.stderr.splitlines()
    errors = [line for line in lines if "error" in line] or lines
    raise CompileError(
        f"Kernel {source.name} did not compile",
        where=str(kept),
        why="\n         ".join(errors[:_ERROR_LINES]) or f"{compiler.argv[0]} exited with {done.returncode}",
        next=f"report this with the source file; the command was: {shlex.join(command)}",
    )


def _keep(source: Source, failed: Path) -> Path:
    """Leaves the refused source and its headers behind for the report."""
    folder = failed / sha256(source.text)[:16]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in source.headers.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    kept = folder / "kernel.cpp"
    kept.write_text(source.text)
    return kept

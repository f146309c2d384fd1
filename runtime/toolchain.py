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
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import msgspec

from . import processes
from .artifact import ABI_VERSION
from .cache import Cache, Lookup, sha256
from .cpu import ISA_FLAGS
from .errors import CacheRefusedError, CompileError, MissingCompilerError, SettingError

logger = logging.getLogger("warpweave.runtime.toolchain")

_CANDIDATES = ("g++", "clang++", "c++")
_FLAGS = ("-std=c++17", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
_SECONDS = 600
_VERSION_SECONDS = 60
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
    """CXX if set, else g++, clang++ or c++. Raises MissingCompilerError, SettingError where CXX is no command line."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _find(stated: str, path: str) -> Compiler:
    candidates = [_words(stated)] if stated.strip() else [(name,) for name in _CANDIDATES]
    for argv in candidates:
        program = shutil.which(argv[0], path=path)
        if not program:
            continue
        command = (program, *argv[1:])
        try:
            done = processes.run([*command, "--version"], _VERSION_SECONDS)
            done.check_returncode()
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


def _words(stated: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(stated))
    except ValueError as error:
        raise SettingError(
            "CXX is no command line", where=f"CXX={stated}", why=str(error), next="close the quotes, or unset CXX"
        ) from error


def components(source: Source, compiler: Compiler | None) -> dict[str, str]:
    """Everything that the object depends on, each under its name: the cache key's components. Without a compiler, the others."""
    by = {"compiler": " ".join(compiler.argv), "compiler version": compiler.version} if compiler else {}
    return {
        "source": sha256(source.text),
        **{f"header {name}": sha256(text) for name, text in sorted(source.headers.items())},
        "isa": source.isa,
        "flags": " ".join(_flags(source.isa)),
        **by,
        "machine": platform.machine(),
        "abi": str(ABI_VERSION),
    }


def build(sources: Sequence[Source], cache: Cache | None = None) -> list[Object]:
    """Compiles what the cache does not have, in parallel; one object per source, in order. Without a compiler, what the cache
    has will do, whichever made it.

    Raises CompileError (the first by order), MissingCompilerError or SettingError.
    """
    if not sources:
        return []
    home = cache or Cache()
    try:
        compiler = find_compiler()
    except MissingCompilerError:
        found = [home.find(source.name, components(source, None)) for source in sources]
        if None in found:
            raise
        return [Object(*known) for known in found if known]

    def one(source: Source) -> Object:
        maker = functools.partial(_compile, source, compiler, home)
        return Object(*home.get_or_make(source.name, components(source, compiler), maker))

    with ThreadPoolExecutor(max_workers=min(len(sources), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(one, source) for source in sources]
        try:
            wait(futures)
        except BaseException:  # Ctrl-C: the pool waits for its threads, and they for compilers
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end_all()
            raise
    return [future.result() for future in futures]


def _flags(isa: str) -> tuple[str, ...]:
    return (*_FLAGS, *(ISA_FLAGS[isa] if platform.machine() in ("x86_64", "AMD64") else ISA_FLAGS["portable"]))


def _compile(source: Source, compiler: Compiler, home: Cache, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="warpweave-build-") as folder:
        main = Path(folder, "kernel.cpp")  # the same name for all: objects are reproducible
        main.write_text(source.text)
        for name, text in source.headers.items():
            header = Path(folder, name)
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text(text)
        made = Path(folder, "kernel.so")  # not `target` at once: a disk without space is not the compiler's fault
        command = [*compiler.argv, *_flags(source.isa), "-I", ".", "-o", made.name, main.name]
        try:
            done = processes.run(command, _SECONDS, Path(folder))
        except subprocess.TimeoutExpired as error:
            raise CompileError(
                f"Kernel {source.name} did not compile", where=_kept(source, home),
                why=f"{compiler.argv[0]} had not ended after {_SECONDS} s: it was killed",
                next=f"try it by hand: {shlex.join(command)}; or set CXX to another compiler",
            ) from error  # fmt: skip
        if done.returncode == 0:
            shutil.copyfile(made, target)
            return
    lines = done.stderr.splitlines()
    errors = [line for line in lines if "error" in line] or lines
    full = next((line for line in lines if "No space left" in line or "File too large" in line), None)
    raise CompileError(
        f"Kernel {source.name} did not compile",
        where=tempfile.gettempdir() if full else _kept(source, home),
        why=full or "\n         ".join(errors[:_ERROR_LINES]) or f"{compiler.argv[0]} exited with {done.returncode}",
        next="make room there, or set TMPDIR to a directory with free space" if full else
        f"report this with the source file; the command was: {shlex.join(command)}",
    )  # fmt: skip


def _kept(source: Source, home: Cache) -> str:
    """Where the refused source lies now, for the report."""
    try:
        return str(_keep(source, home.failed))
    except (OSError, CacheRefusedError) as error:
        return f"nowhere: it could not be kept ({str(error).splitlines()[0]})"


def _keep(source: Source, failed: Path) -> Path:
    """Leaves the refused source and its headers behind for the report."""
    folder = failed / sha256(source.text)[:16]
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in source.headers.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    kept = folder / "kernel.cpp"
    kept.write_text(source.text)
    return kept

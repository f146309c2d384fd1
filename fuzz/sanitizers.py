"""The environment of a Python process whose kernels and runner are built with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from ..runtime.toolchain import find_compiler

FLAGS = "-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"
"""A function that reads foreign memory or does what C++ leaves undefined ends the process, with a report on stderr."""


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with the sanitizers; kernels lie in `folder`. Raises MissingCompilerError."""
    argv = find_compiler().argv
    libraries = [_library(argv, name) for name in ("libasan.so", "libstdc++.so")]
    return os.environ | {
        "CXX": f"{shlex.join(argv)} {FLAGS}",
        "LD_PRELOAD": " ".join(libraries),  # Python itself is built without them
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "WARPWEAVE_CACHE_DIR": str(folder),
    }


def _library(argv: tuple[str, ...], name: str) -> str:
    found = subprocess.run([*argv, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return str(Path(found.stdout.strip()).resolve())

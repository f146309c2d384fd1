"""C++ that uses the support headers of the CPU backend: compiled for each instruction set, called with tensors."""

from __future__ import annotations

import ctypes
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from warpweave.runtime.cpu import ISA_FLAGS, ISAS

ROOT = Path(__file__).parents[1]
COMPILE = (
    "g++", "-std=c++17", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-Wall", "-Wextra", "-Werror",
    "-Wno-psabi",  # vectors wider than the machine's stay inside a source
    f"-I{ROOT / 'backends' / 'cpu' / 'include'}",
)  # fmt: skip
AMX = (
    "-DWW_ISA_AMX=1", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512bf16", "-mavx512vnni", "-mamx-tile",
    "-mamx-bf16", "-mamx-int8", "-mfma", "-mf16c",
)  # fmt: skip
"""Whatever a run for another instruction set has put in the table."""
EVERY_ISA = list(ISAS)
VECTOR_ISAS = [isa for isa in ISAS if isa not in ("amx", "avx512_bf16")]  # the others have their vectors of AVX-512
C_TYPE = {torch.float32: "float", torch.bfloat16: "ww::bf16", torch.float16: "ww::f16"}
_FOLDER = TemporaryDirectory(prefix="cpu-headers-")


def emulating(isa: str) -> tuple[str, ...]:
    """What a source that uses tiles defines where the instruction set has none."""
    return () if isa == "amx" else ("WW_EMULATE_AMX",)


@cache
def build(source: str, isa: str, defines: tuple[str, ...] = ()) -> ctypes.CDLL:
    """A shared library of C++ source for an instruction set."""
    path = Path(_FOLDER.name) / f"k{build.cache_info().misses}.cpp"
    path.write_text(source)
    library = path.with_suffix(".so")
    flags = [*ISA_FLAGS[isa], *(f"-D{define}" for define in defines)]
    subprocess.run([*COMPILE, "-shared", *flags, str(path), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def amx_assembly(source: str, folder: Path) -> str:
    """What a source is for AMX. Raises CalledProcessError where a compiler or an assembler refuses it."""
    path = folder / "kernel.cpp"
    path.write_text(source)
    command = [*COMPILE, *AMX, str(path)]
    subprocess.run([*command, "-c", "-o", str(path.with_suffix(".o"))], check=True)
    return subprocess.run([*command, "-S", "-o", "-"], check=True, capture_output=True, text=True).stdout


def pointer(t: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def call(function: Any, *args: torch.Tensor | int) -> None:
    function(*(pointer(a) if isinstance(a, torch.Tensor) else ctypes.c_int64(a) for a in args))


def aligned_bytes(n: int) -> torch.Tensor:
    raw = torch.full((n + 64,), 0xFF, dtype=torch.uint8)  # NaN everywhere: nothing may be read before it is written
    return raw[-raw.data_ptr() % 64 :][:n]

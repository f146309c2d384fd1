"""What a cubin says of itself, by the tools in Triton's wheel: `cuobjdump` for resources, `nvdisasm` for instructions.

Imports no Triton: its folder is found, not loaded. Needs no GPU.
"""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from collections import Counter
from importlib.machinery import PathFinder
from pathlib import Path

from ...runtime.errors import MissingCompilerError
from .resources import Resources

_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)")
_PARAMETER = re.compile(r"Ordinal : 0x(\w+)\s+Offset  : 0x(\w+)\s+Size    : 0x(\w+)")
# Triton asks for exactly so many threads, a launch bound for at most so many; kernels have one of them.
_THREADS = re.compile(r"EIATTR_(?:REQNTID|MAX_THREADS)\s+Format:\s+\w+\s+Value:\s+0x(\w+) 0x(\w+) 0x(\w+)")
_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)", re.MULTILINE)


@functools.cache
def tools() -> Path:
    """The folder of ptxas, cuobjdump and nvdisasm. Raises MissingCompilerError where Triton is not installed."""
    found = PathFinder.find_spec("triton")  # not what is imported under that name, which may be another folder
    folder = Path(found.origin).parent / "backends" / "nvidia" / "bin" if found and found.origin else None
    if folder is None or not (folder / "ptxas").exists():
        raise MissingCompilerError(
            "Triton is not installed",
            where=str(folder or "sys.path"),
            why="kernels for NVIDIA GPUs are compiled or checked by it, and by the tools in its wheel",
            next="pip install 'warpweave[cuda]'",
        )
    return folder


def inspect(cubin: bytes) -> Resources:
    """Of a cubin with one kernel. Raises ValueError where a tool's text is not understood."""
    with tempfile.TemporaryDirectory(prefix="warpweave-sass-") as folder:
        path = Path(folder, "kernel.cubin")
        path.write_bytes(cubin)
        usage = _run("cuobjdump", "--dump-resource-usage", str(path))
        elf = _run("cuobjdump", "-elf", str(path))
        code = _run("nvdisasm", "-c", "-ndf", str(path))
    registers, stack, local = _only(_USAGE.findall(usage), "resource usage")
    x, y, z = _only(_THREADS.findall(elf), "threads a block")
    return Resources(
        registers=int(registers),
        stack=int(stack),
        local=int(local),
        threads=int(x, 16) * int(y, 16) * int(z, 16),
        offsets=parameters(elf),
        opcodes=opcodes(code),
    )


def parameters(elf: str) -> tuple[tuple[int, int], ...]:
    """(byte offset, size) of each parameter, in order, from `cuobjdump -elf`."""
    found = {int(n, 16): (int(offset, 16), int(size, 16)) for n, offset, size in _PARAMETER.findall(elf)}
    return tuple(found[n] for n in sorted(found))


def opcodes(code: str) -> dict[str, int]:
    """How often each instruction occurs in what `nvdisasm` printed, without predicates and modifiers."""
    return dict(sorted(Counter(_INSTRUCTION.findall(code)).items()))


def _run(tool: str, *args: str) -> str:
    return subprocess.run([str(tools() / tool), *args], capture_output=True, text=True, check=True, timeout=120).stdout


def _only(found: list[tuple[str, str, str]], what: str) -> tuple[str, str, str]:
    if len(found) != 1:
        raise ValueError(f"{what}: {len(found)} kernels in a cubin that should hold one")
    return found[0]

"""What a measurement needs to be understood elsewhere: the processor, its vector extensions, versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

INTERESTING_FLAGS = (
    *("avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"),
)
PACKAGES = ("torch", "transformers", "xdsl", "triton", "onnxruntime", "openvino", "llama_cpp_python")


def describe() -> dict[str, object]:
    """The machine and the software on it, ready for JSON. Unknown facts are None."""
    facts = _cpuinfo()
    present = set((facts.get("flags") or "").split())
    return {
        "cpu": facts.get("model name"),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in INTERESTING_FLAGS if flag in present],
        "l3": facts.get("cache size"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "compiler": _first_line("g++", "--version"),
        "commit": _first_line("git", "rev-parse", "HEAD"),
        "modified": bool(_first_line("git", "status", "--porcelain", "--untracked-files=no")),
    }


def _cpuinfo() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines() if Path("/proc/cpuinfo").exists() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _first_line(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0] if done.stdout else None

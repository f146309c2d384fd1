"""Other runtimes as systems: ONNX Runtime and OpenVINO on the exported model, llama.cpp on the same weights as GGUF.

All are optional: what is missing, or cannot run a model, is a `SkippedError` with its reason.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from torch import nn

from ..models import Call
from . import exported, llamacpp
from .skipped import Function, SkippedError

__all__ = ["NEEDS", "RUNTIMES", "SkippedError", "available", "missing", "prepared"]

NEEDS = {
    "onnxruntime": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
    "llama.cpp": ("llama_cpp", "gguf"),
}
"""The packages of each runtime."""
RUNTIMES: dict[str, Callable[[nn.Module, Call, str, int], Function]] = {
    "onnxruntime": exported.onnxruntime,
    "openvino": exported.openvino,
    "llama.cpp": llamacpp.llama_cpp,
}
"""Runtime → its function for (model, call, dtype, threads)."""


def missing(system: str) -> list[str]:
    """The packages that the runtime needs and that are not installed."""
    return [package for package in NEEDS[system] if importlib.util.find_spec(package) is None]


def available() -> list[str]:
    """The runtimes whose packages are installed."""
    return [system for system in RUNTIMES if not missing(system)]


def prepared(system: str, model: nn.Module, call: Call, dtype: str, threads: int) -> Function:
    """The runtime's function of the call's arguments, which gives the tensor that is compared. It has run once.

    Raises SkippedError, whatever went wrong.
    """
    if missing(system):
        raise SkippedError(f"not installed: {', '.join(missing(system))}")
    try:
        function = RUNTIMES[system](model, call, dtype, threads)
        function(**call.kwargs)
    except SkippedError:
        raise
    except Exception as error:
        raise SkippedError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return function

"""warpweave: a compiler and an IR for fused LLM operator pipelines.

    model = torch.compile(model, backend="warpweave")   # the backend is found by its entry point; no import is needed
    print(warpweave.reports()[0]["kernels_per_layer"])

Names are resolved when they are first used: importing this package imports neither torch nor xdsl nor triton.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .compiler import compile
    from .report import reports
    from .runtime.bundle import load_bundle as load
    from .runtime.program import synchronize
    from .weave import load_weave

__version__ = "0.1.0"
__all__ = ["__version__", "compile", "load", "load_weave", "reports", "synchronize"]

_HOME = {
    "compile": ("compiler", "compile"),
    "reports": ("report", "reports"),
    "load": ("runtime.bundle", "load_bundle"),
    "load_weave": ("weave", "load_weave"),
    "synchronize": ("runtime.program", "synchronize"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOME[name]
    value = getattr(import_module(f".{module}", __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

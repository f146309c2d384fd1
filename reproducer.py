"""Files that show again what went wrong with a graph, in `reproducers/` of the cache directory.

A graph that became a module is IR text that `warpweave repro` compiles again; one that could not be imported is a Python
file: the graph, inputs of the same shapes, the traceback.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import OptionError, Options
from .report import UnsupportedError
from .runtime.errors import (
    CacheRefusedError,
    CudaError,
    ForeignKernelError,
    MissingCompilerError,
    MissingPackageError,
    SettingError,
)

if TYPE_CHECKING:
    from torch.fx import GraphModule
    from xdsl.dialects.builtin import ModuleOp

EXPECTED = (
    OptionError, UnsupportedError, MissingCompilerError, MissingPackageError, CacheRefusedError, CudaError, ForeignKernelError,
    SettingError,
)  # fmt: skip
"""Errors that are no fault of the compiler."""

_TEMPLATE = '''"""{name}: {error}

{trace}"""

import torch
from torch import device, inf, nan  # noqa: F401

{imports}


class Graph(torch.nn.Module):
    def __init__(self):
        super().__init__()
{constants}

{code}


def inputs():
    return [
{inputs}
    ]


if __name__ == "__main__":
    with torch.no_grad():
        torch.compile(Graph(), backend="warpweave")(*inputs())
'''


def folder() -> Path:
    """Where reproducers are written."""
    from .runtime.cache import folder as cache_folder

    return cache_folder("reproducers")


@contextmanager
def reproducible(module: Callable[[], ModuleOp], options: Options, name: str) -> Generator[None]:
    """An error of the compiler in here writes a reproducer, which `reproducer_of` gives. `module` makes its input anew."""
    try:
        yield
    except EXPECTED:
        raise
    except Exception as error:
        with suppress(Exception):  # the error that is reported is the compiler's
            error.__dict__["reproducer"] = _write_module(module(), options, name, error)
        raise


def reproducer_of(error: BaseException) -> Path | None:
    """The file that `reproducible` wrote for an error."""
    return error.__dict__.get("reproducer")


def _write_module(module: ModuleOp, options: Options, name: str, error: Exception) -> Path:
    from .ir.text import to_text
    from .workbench.reproducers import COMPILE, Reproducer, describe

    return Reproducer(to_text(module), COMPILE, describe(error), asdict(options)).write(folder(), name)


def write_reproducer(gm: GraphModule, inputs: Sequence[Any], name: str, error: Exception) -> Path | None:
    """Writes a graph that could not be imported; None where that fails (the program goes on)."""
    try:
        text = reproducer(gm, inputs, name, error)
        path = folder() / f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:10]}.py"
        path.write_text(text)
    except Exception:
        return None
    return path


def reproducer(gm: GraphModule, inputs: Sequence[Any], name: str, error: Exception) -> str:
    """The text of the file."""
    trace = "".join(traceback.format_exception(error)).replace("\\", "/").replace('"""', "'''")
    namespaces = sorted({str(n.target).split(".")[0] for n in gm.graph.nodes if n.op == "call_function"})
    imports = "import transformers  # registers operators" if "transformers" in namespaces else ""
    constants = [
        f"        self.register_buffer({key!r}, {_tensor(value)})"
        for key, value in gm.named_buffers()
        if "." not in key
    ]
    return _TEMPLATE.format(
        name=name,
        error=f"{type(error).__name__}: {error}".splitlines()[0].replace("\\", "/").replace('"""', "'''"),
        trace=trace,
        imports=imports,
        constants="\n".join(constants) or "        pass",
        code="\n".join("    " + line if line else "" for line in gm.code.strip().splitlines()),
        inputs="\n".join(f"        {_input(value)}," for value in inputs),
    )


def _input(value: Any) -> str:
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
        return repr(value.node.hint)
    return repr(value) if isinstance(value, int | float | bool | None) else "None"


def _tensor(value: Any) -> str:
    """A tensor of the same shape, dtype and strides: random numbers, or zeros for integers (they may be indices)."""
    import torch

    shape = tuple(_input_number(d) for d in value.shape)
    strides = tuple(_input_number(d) for d in value.stride())
    made = f"torch.empty_strided({shape}, {strides}, dtype={value.dtype})"
    return f"{made}.normal_()" if value.dtype in (torch.float32, torch.float64) else f"{made}.zero_()"


def _input_number(value: Any) -> int:
    node = getattr(value, "node", None)
    return int(value) if node is None else int(node.hint)

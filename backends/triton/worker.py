"""The process in which Triton compiles, so that the caller's never imports it and may interpret kernels itself.

`python -m warpweave.backends.triton.worker`: a request a line on stdin, the answer a line on stdout (what went wrong, or
nothing) once the file that the request names holds the encoded `CompiledTriton`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from ...runtime.launch import LaunchDescription, LaunchParameter, Scratch
from ..nvidia.sass import inspect
from .compiled import CompiledTriton, encode

SIZES = {"i32": 4, "i64": 8}
POINTER = 8
SCRATCH = ("global_scratch", "profile_scratch")
"""Two pointers that Triton appends to the parameters of every kernel."""

# A product of f32 operands without a stated precision is IEEE's, and no tensor core's.
_DOT = re.compile(r"tt\.dot .*?(, inputPrecision = \w+)? : tensor<[0-9x]+x(\w+)>")
_ANGLE = re.compile(r"= math\.(?:sin|cos) |__nv_(?:sin|cos)f")


class Request(msgspec.Struct, frozen=True):
    """One phase of a kernel to compile. `parameters`: (name, Triton type) in order; `multiples`: those divisible by 16."""

    path: str
    name: str
    phase: int
    source: str
    entry: str
    parameters: tuple[tuple[str, str], ...]
    multiples: frozenset[str]
    grid: str
    num_warps: int
    num_stages: int
    target: str
    arch: int


class Answer(msgspec.Struct, frozen=True):
    """`error`: why nothing was written; empty where something was."""

    error: str = ""


def compiled(request: Request) -> CompiledTriton:
    """Compiles. Raises what Triton raises, and ValueError where function and parameters do not agree."""
    import triton
    import triton.runtime.cache
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    # Triton's own cache is empty and goes with this process. Its key hashes all of Triton: 0.4 GB, more than a kernel takes.
    triton.runtime.cache.triton_key = lambda: triton.__version__
    function: Any = getattr(_module(request.source), request.entry)
    names = [name for name, _ in request.parameters]
    if list(function.arg_names) != names:
        raise ValueError(f"{request.entry} takes {function.arg_names}, its description says {names}")
    attributes = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if name in request.multiples}
    source = ASTSource(function, dict(request.parameters), {}, attributes)
    options = {"num_warps": request.num_warps, "num_stages": request.num_stages}
    kernel: Any = triton.compile(source, target=GPUTarget("cuda", request.arch, 32), options=options)
    about = kernel.metadata
    return CompiledTriton(
        name=request.name,
        phase=request.phase,
        cubin=kernel.asm["cubin"],
        launch=LaunchDescription(
            entry=about.name,
            target=request.target,
            grid=request.grid,
            num_warps=about.num_warps,  # not the request's: warp specialisation adds warps
            shared=about.shared,
            parameters=layout(request.parameters, request.multiples),
            global_scratch=Scratch(about.global_scratch_size, about.global_scratch_align),
            profile_scratch=Scratch(about.profile_scratch_size, about.profile_scratch_align),
            cluster=(about.num_ctas, 1, 1),
            cooperative=about.launch_cooperative_grid,
            programmatic=about.launch_pdl,
        ),
        resources=msgspec.structs.replace(
            inspect(kernel.asm["cubin"]),
            products=products(kernel.asm["ttir"]),
            angles=len(_ANGLE.findall(kernel.asm["ttir"])),
            tensor_columns=about.tmem_size,
            boxes=kernel.asm["ttir"].count("tt.descriptor_load "),
        ),
    )


def layout(parameters: tuple[tuple[str, str], ...], multiples: frozenset[str]) -> tuple[LaunchParameter, ...]:
    """Where each parameter lies: in order, each aligned to its size, then the scratch pointers.

    Raises ValueError for a type that is neither a pointer nor a size.
    """
    placed: list[LaunchParameter] = []
    end = 0
    for name, type in (*parameters, *((name, "scratch") for name in SCRATCH)):
        kind: Any = "pointer" if type.startswith("*") else type
        if kind not in ("pointer", "scratch", *SIZES):
            raise ValueError(f"parameter {name}: {type} is neither a pointer nor one of {', '.join(SIZES)}")
        size = SIZES.get(kind, POINTER)
        offset = -(-end // size) * size
        placed.append(LaunchParameter(name, kind, offset, size, 16 if name in multiples else 1))
        end = offset + size
    return tuple(placed)


def products(ttir: str) -> int:
    """The matrix products in Triton's own IR that tensor cores can do."""
    return sum(bool(precision) or element not in ("f32", "f64") for precision, element in _DOT.findall(ttir))


def _module(source: str) -> Any:
    """`source` as a module. Triton reads a function's text from its file."""
    folder = Path(os.environ["TRITON_CACHE_DIR"])
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="kernel_", suffix=".py", delete=False) as file:
        file.write(source)
    spec = importlib.util.spec_from_file_location(Path(file.name).stem, file.name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever Triton and its tools print is no answer
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        try:
            Path(request.path).write_bytes(encode(compiled(request)))
            answer = Answer()
        except Exception as error:
            answer = Answer(f"{type(error).__name__}: {error}")
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()

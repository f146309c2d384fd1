"""Ahead of time: CUDA C++ → a cubin with its launch description and what it uses, through the kernel cache, with no GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from ...runtime.artifact import ALIGNMENT
from ...runtime.cache import Cache, sha256
from ...runtime.errors import CompileError
from ...runtime.launch import LAUNCH_VERSION, LaunchDescription, LaunchParameter, TensorMap
from ..nvidia.resources import Resources
from ..nvidia.sass import inspect
from ..nvidia.target import WARP
from .compilers import NAME, OPTIONS, PTXAS_OPTIONS, Compiler, SourceRefusedError, find_compiler
from .source import (
    CudaLaunch,
    CudaSource,
    MapParameter,
    NumberParameter,
    Parameter,
    PointerParameter,
    SizeParameter,
    headers,
)

_LINES = 20
_REMARK = re.compile(r"\(C7\d\d\d\)|\bwarning\b", re.IGNORECASE)  # ptxas calls C7510, serialised wgmma, an `info`
_KINDS = {MapParameter: "tensor_map", PointerParameter: "pointer", NumberParameter: "f32"}


class CompiledCuda(msgspec.Struct, frozen=True):
    """One kernel for one target. `text`: its source, which the checks read for what the code should hold."""

    text: str
    cubin: bytes
    launch: LaunchDescription
    resources: Resources


def build(
    sources: Sequence[CudaSource], cache: Cache | None = None, compiler: Compiler | None = None
) -> list[CompiledCuda]:
    """Compiles what the cache does not have, in parallel. Raises CompileError (the first by order) or MissingCompilerError."""
    home = cache or Cache()
    chosen = compiler or find_compiler()

    def one(source: CudaSource) -> CompiledCuda:
        def make(path: Path) -> None:
            path.write_bytes(msgspec.msgpack.encode(_compile(source, chosen, home), order="sorted"))

        path, _ = home.get_or_make(source.launch.entry, components(source, chosen), make)
        return msgspec.msgpack.decode(path.read_bytes(), type=CompiledCuda)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(one, sources))


def components(source: CudaSource, compiler: Compiler) -> dict[str, str]:
    """Everything that the cubin and its launch depend on, each under its name: the cache key's components."""
    return {
        "source": sha256(source.text),
        **{f"header {name}": sha256(text) for name, text in device_headers().items()},
        "launch": sha256(msgspec.json.encode(source.launch)),
        "options": " ".join((*OPTIONS, *PTXAS_OPTIONS)),
        "compiler": compiler.version,
        "launch version": str(LAUNCH_VERSION),
    }


def device_headers() -> dict[str, str]:
    """What a device's compiler reads of the headers."""
    return {name: text for name, text in headers().items() if not name.startswith("twin/")}


def _compile(source: CudaSource, compiler: Compiler, home: Cache) -> CompiledCuda:
    launch = source.launch
    try:
        built = compiler.compile(source.text, device_headers(), launch.target)
    except SourceRefusedError as refusal:
        folder = home.failed / sha256(source.text)[:16]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / NAME).write_text(source.text)
        lines = str(refusal).splitlines()
        errors = [line for line in lines if "error" in line] or lines
        raise CompileError(
            f"Kernel {launch.entry} did not compile for {launch.target}",
            where=str(folder / NAME),
            why="\n         ".join(errors[:_LINES]),
            next="report this with the source file",
        ) from refusal
    found = inspect(built.cubin)
    # The compiler's log names times, so that only what it remarks on is kept: the same source gives the same bytes.
    remarks = tuple(line.strip() for line in built.log.splitlines() if _REMARK.search(line))
    return CompiledCuda(
        source.text, built.cubin, _described(source, found), msgspec.structs.replace(found, warnings=remarks)
    )


def _described(source: CudaSource, found: Resources) -> LaunchDescription:
    launch = source.launch
    if len(found.offsets) != len(launch.parameters):
        raise CompileError(
            f"Kernel {launch.entry} takes {len(found.offsets)} parameters",
            where=launch.entry,
            why=f"its launch description has {len(launch.parameters)}",
            next="make them agree, in order",
        )
    return LaunchDescription(
        entry=launch.entry,
        target=launch.target,
        grid=launch.grid,
        num_warps=launch.threads // WARP,
        shared=launch.shared,
        parameters=tuple(
            _parameter(launch, parameter, offset, size)
            for parameter, (offset, size) in zip(launch.parameters, found.offsets, strict=True)
        ),
    )


def _parameter(launch: CudaLaunch, parameter: Parameter, offset: int, size: int) -> LaunchParameter:
    kind = ("i64" if parameter.wide else "i32") if isinstance(parameter, SizeParameter) else _KINDS[type(parameter)]
    multiple = getattr(parameter, "multiple", 1)
    placed = LaunchParameter(parameter.label, kind, offset, size, multiple)  # pyright: ignore[reportArgumentType]
    if not isinstance(parameter, MapParameter):
        return placed
    return msgspec.structs.replace(placed, multiple=ALIGNMENT, map=tensor_map(launch, parameter))


def tensor_map(launch: CudaLaunch, parameter: MapParameter) -> TensorMap:
    """The map as the runtime makes it."""
    number = [buffer.name for buffer in launch.buffers].index(parameter.buffer)
    buffer = launch.buffers[number]
    sizes = parameter.sizes or buffer.shape or ()
    strides = parameter.strides or tuple("*".join(("1", *sizes[d + 1 :])) for d in range(len(sizes)))
    return TensorMap(number, buffer.dtype, parameter.box, parameter.swizzle, sizes, strides, parameter.offset)

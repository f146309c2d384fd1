"""Bundles: a program with its weights, kernels, IR and reports in one file, loaded without PyTorch or the compiler.

Members: `program.json`, `constants.safetensors`, `weights.safetensors`, `kernels/NAME.cpp`, `include/…`,
`objects/ISA/NAME.so`, `objects/ww_run.so` (of a program for a GPU `objects/sm_90/NAME.kernel`), `ir/…`, `ledger.json`,
`report.json`; see `archive.py` for the container.
"""

from __future__ import annotations

import functools
import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import archive
from .archive import Manifest, Reader
from .arrays import host
from .artifact import ABI_VERSION, ArgSpec, Kernel, ProgramDescription, decode, encode
from .cache import Cache, sha256
from .cpu import ISAS, best_isa, supports
from .cuda.code import kernels_in, member
from .device import Device
from .errors import BundleError, BundleIncompatibleError, CompileError, MissingCompilerError
from .host_arrays import numpy_dtype
from .host_device import HostDevice
from .native_code import load_kernels, load_runner, runner_source
from .program import Program
from .safetensors import dump
from .safetensors import load as load_arrays
from .toolchain import Source, build

logger = logging.getLogger("warpweave.runtime.bundle")

RUNNER = "objects/ww_run.so"


def save_bundle(
    path: Path,
    description: ProgramDescription,
    *,
    constants: Sequence[Any] = (),
    weights: Mapping[int, Any] | None = None,
    isas: Sequence[str] = (),
    ir: Mapping[str, str] | None = None,
    ledger: object = None,
    report: object = None,
    producers: Mapping[str, str] | None = None,
    objects: Mapping[str, bytes] | None = None,
    cache: Cache | None = None,
) -> None:
    """Writes a bundle; the same inputs give the same bytes.

    `constants` are the arrays that the description lists; `weights` (argument number → array) may hold every weight:
    only those which a step or an output reads are stored. Kernels are compiled for their own instruction set and for
    each of `isas`; the others are compiled where the bundle is loaded, from their sources. `objects`: the machine code of a
    GPU's kernels, by member, for which nothing is compiled. Raises BundleError for a program
    whose kernels are interpreted.
    """
    made = dict(objects or {})
    interpreted = next((k for k in description.kernels if k.isa not in ISAS and member(k) not in made), None)
    if interpreted is not None:
        raise BundleError(
            "This program cannot be saved", where=f"program {description.name}, kernel {interpreted.name}",
            why=f"its {interpreted.isa} source is interpreted here, and it holds no machine code",
            next="compile it without interpret=True",
        )  # fmt: skip
    lean, kept = _without_unread_weights(description, weights or {})
    members: dict[str, bytes] = {
        "program.json": encode(_without_sources(lean)),
        "constants.safetensors": dump(
            {str(i): (spec.dtype, _host(array, spec.dtype)) for i, (spec, array) in
             enumerate(zip(lean.constants, constants, strict=True))}
        ),
        "weights.safetensors": dump(
            {str(i): (lean.args[i].dtype, _host(array, lean.args[i].dtype)) for i, array in kept.items()}
        ),
    }  # fmt: skip
    members |= {f"kernels/{kernel.entry}.cpp": kernel.source.encode() for kernel in lean.kernels}
    members |= {f"include/{name}": text.encode() for name, text in lean.headers.items()}
    members |= {f"ir/{name}": text.encode() for name, text in (ir or {}).items()}
    for name, value in (("ledger.json", ledger), ("report.json", report)):
        if value is not None:
            members[name] = msgspec.json.format(msgspec.json.encode(value, order="sorted"))
    wanted = [(k, isa) for k in lean.kernels for isa in dict.fromkeys((k.isa, *isas))]
    members |= made or _built(lean, wanted, cache)
    manifest = Manifest(
        schema=archive.SCHEMA,
        name=lean.name,
        abi=ABI_VERSION,
        machine=platform.machine(),
        isas=tuple(sorted({isa for _, isa in wanted})),
        producers=dict(producers or {}),
        symbols={symbol.name: (symbol.low, symbol.high) for symbol in lean.symbols},
        files={},
    )
    archive.write(path, manifest, members)


def _built(
    description: ProgramDescription, wanted: Sequence[tuple[Kernel, str]], cache: Cache | None
) -> dict[str, bytes]:
    """The CPU's kernels, each for an instruction set, and what runs them."""
    built = build([*(_source(kernel, isa, description) for kernel, isa in wanted), runner_source()], cache)
    names = [*(f"objects/{isa}/{kernel.entry}.so" for kernel, isa in wanted), RUNNER]
    return {name: made.path.read_bytes() for name, made in zip(names, built, strict=True)}


def read_manifest(path: Path) -> Manifest:
    """What a bundle says about itself. Executes nothing. Raises BundleError."""
    with Reader(path) as reader:
        return reader.manifest


def verify_bundle(path: Path) -> Manifest:
    """Reads every member and checks its hash. Executes nothing. Raises BundleError."""
    with Reader(path) as reader:
        for name in reader.manifest.files:
            reader.read(name)
        return reader.manifest


def read_description(path: Path) -> ProgramDescription:
    """The description with the kernels' sources. Executes nothing. Raises BundleError."""
    with Reader(path) as reader:
        return _description(reader)


def read_text(path: Path, name: str) -> str:
    """A text member such as `report.json` or `ir/tile.mlir`. Raises BundleError."""
    with Reader(path) as reader:
        return reader.read(name).decode()


def load_bundle(path: Path | str, cache: Cache | None = None) -> Program:
    """The program of a bundle, with its weights: called with the other arguments only. One that was compiled for a GPU is
    loaded on PyTorch's current one.

    Machine code comes from the bundle where it suits this CPU, else from the sources and the compiler here. Raises
    BundleError, and BundleIncompatibleError where neither will do.
    """
    path = Path(path)
    with Reader(path) as reader:
        description = _description(reader)
        constants = load_arrays(memoryview(reader.read("constants.safetensors")), f"{path}: constants")
        weights = load_arrays(memoryview(reader.read("weights.safetensors")), f"{path}: weights")
        missing = [i for i in range(len(description.constants)) if str(i) not in constants]
        missing += [i for i in _weight_numbers(description) if str(i) not in weights]
        if missing:
            raise reader.fault("arrays are missing", f"numbers {missing[:5]}")
        home = cache or Cache()
        on_cpu = all(kernel.isa in ISAS for kernel in description.kernels)
        return Program(
            description,
            _on_cpu(reader, description, home) if on_cpu else _on_gpu(reader, description),
            constants=[constants[str(i)] for i in range(len(description.constants))],
            weights={i: weights[str(i)] for i in _weight_numbers(description)},
        )


def _on_cpu(reader: Reader, description: ProgramDescription, cache: Cache) -> HostDevice:
    runner = load_runner(_unpack(reader, RUNNER, "ww_run", cache) if _same_machine(reader.manifest) else None)
    kernels = load_kernels(description.kernels, _objects(reader, description, cache))
    return HostDevice(description, kernels, run=runner)


def _on_gpu(reader: Reader, description: ProgramDescription) -> Device:
    """PyTorch's current GPU. Raises MissingPackageError, CudaError."""
    from .cuda.device import CudaDevice
    from .cuda.driver import driver_of

    try:
        kernels = kernels_in(description, reader.read)
    except msgspec.DecodeError as error:
        raise reader.fault("a kernel cannot be read", str(error)) from error
    return CudaDevice(description, kernels, driver_of("cuda"))


def _objects(reader: Reader, description: ProgramDescription, cache: Cache) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    to_build: list[Source] = []
    for kernel in description.kernels:
        isa = kernel.isa if supports(kernel.isa) else best_isa()
        member = f"objects/{isa}/{kernel.entry}.so"
        if _same_machine(reader.manifest) and member in reader:
            paths[kernel.name] = _unpack(reader, member, kernel.name, cache)
        else:
            to_build.append(_source(kernel, isa, description))
    if not to_build:
        return paths
    logger.info("%d kernels of %s are compiled for this CPU (%s)", len(to_build), reader.path, to_build[0].isa)
    try:
        built = build(to_build, cache)
    except (MissingCompilerError, CompileError) as error:
        raise BundleIncompatibleError(
            f"The bundle has no code for this CPU ({platform.machine()}, {best_isa()})",
            where=str(reader.path),
            why=f"it holds {', '.join(reader.manifest.isas)} for {reader.manifest.machine}, and its sources could not "
            f"be compiled here: {error.what}: {error.why}",
            next="make the bundle for this instruction set; if a compiler is missing, install g++",
        ) from error
    return paths | {source.name: made.path for source, made in zip(to_build, built, strict=True)}


def _unpack(reader: Reader, member: str, name: str, cache: Cache) -> Path:
    """The member as a file in the cache, from where it can be loaded."""
    data = reader.read(member)
    return cache.get_or_make(name, {"object": sha256(data)}, functools.partial(_write, data))[0]


def _write(data: bytes, target: Path) -> None:
    target.write_bytes(data)


def _same_machine(manifest: Manifest) -> bool:
    return manifest.machine == platform.machine() and manifest.abi == ABI_VERSION


def _description(reader: Reader) -> ProgramDescription:
    try:
        lean = decode(reader.read("program.json"))
    except msgspec.DecodeError as error:
        raise reader.fault("its program cannot be read", str(error)) from error
    kernels = tuple(
        msgspec.structs.replace(kernel, source=reader.read(f"kernels/{kernel.entry}.cpp").decode())
        for kernel in lean.kernels
    )
    headers = {name: reader.read(f"include/{name}").decode() for name in lean.headers}
    return msgspec.structs.replace(lean, kernels=kernels, headers=headers)


def _without_sources(description: ProgramDescription) -> ProgramDescription:
    return msgspec.structs.replace(
        description,
        kernels=tuple(msgspec.structs.replace(kernel, source="") for kernel in description.kernels),
        headers=dict.fromkeys(description.headers, ""),
    )


def _without_unread_weights(
    description: ProgramDescription, weights: Mapping[int, Any]
) -> tuple[ProgramDescription, dict[int, Any]]:
    """Weights that only constants were made of become ignored arguments."""
    read = {slot.index for slot in description.slots if slot.source == "arg"}
    args = tuple(
        ArgSpec(arg.name, "ignored", role="weight") if arg.role == "weight" and i not in read else arg
        for i, arg in enumerate(description.args)
    )
    lean = msgspec.structs.replace(description, args=args)
    return lean, {i: weights[i] for i in _weight_numbers(lean)}


def _weight_numbers(description: ProgramDescription) -> list[int]:
    return [i for i, arg in enumerate(description.args) if arg.role == "weight" and arg.kind == "tensor"]


def _host(array: Any, dtype: str) -> Any:
    """`array` as a numpy array of that dtype; tensors need not be contiguous."""
    found = host().adopt(array.detach().cpu() if hasattr(array, "detach") else array)
    return found.view(numpy_dtype(dtype))


def _source(kernel: Kernel, isa: str, description: ProgramDescription) -> Source:
    return Source(kernel.name, kernel.source, isa, description.headers)

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
from typing import Any, NamedTuple

import msgspec

from . import archive, machine_code
from .archive import Contents, Manifest, Reader
from .arrays import host
from .artifact import ABI_VERSION, ArgSpec, Kernel, ProgramDescription, aten_calls, decode, encode
from .aten import AtenStep, torch_module
from .cache import Cache, sha256
from .checks import check
from .cpu import ISAS, best_isa, supports
from .cuda.code import kernels_in, member
from .device import Device
from .errors import BundleError, BundleIncompatibleError, CompileError, DescriptionError, MissingCompilerError
from .host_arrays import numpy_dtype
from .host_device import HostDevice
from .native_code import load_kernels, load_runner, runner_source
from .program import Program
from .safetensors import dump
from .safetensors import load as load_arrays
from .sizes import SizePlan
from .toolchain import Source, build, find_compiler

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
    """Checks all that `load_bundle` does. Executes nothing. Raises BundleError."""
    return _verified(path).contents.manifest


def read_description(path: Path) -> ProgramDescription:
    """The description with the kernels' sources. Executes nothing. Raises BundleError."""
    with Reader(path) as reader:
        return _description(reader.contents())


def read_text(path: Path, name: str) -> str:
    """A text member such as `report.json` or `ir/tile.mlir`. Raises BundleError."""
    with Reader(path) as reader:
        return reader.contents().text(name)


def load_bundle(path: Path | str, cache: Cache | None = None) -> Program:
    """The program of a bundle, with its weights: called with the other arguments only. One that was compiled for a GPU is
    loaded on PyTorch's current one.

    Machine code comes from the bundle where it suits this CPU, else from the sources and the compiler here; none is mapped
    before every part of the bundle was checked. Raises BundleError, and BundleIncompatibleError where neither will do.
    """
    found = _verified(Path(path))
    contents, description = found.contents, found.description
    on_cpu = all(kernel.isa in ISAS for kernel in description.kernels)
    device = _on_cpu(contents, description, cache or Cache()) if on_cpu else _on_gpu(contents, description)
    return Program(description, device, constants=found.constants, weights=found.weights, plan=found.plan)


class _Verified(NamedTuple):
    contents: Contents
    description: ProgramDescription
    plan: SizePlan
    constants: list[Any]
    weights: dict[int, Any]


def _verified(path: Path) -> _Verified:
    """Everything that can be known to be sound without running any of it. Raises BundleError."""
    with Reader(path) as reader:
        contents = reader.contents()
    description = _description(contents)
    try:
        check(description)
        plan = SizePlan(description)
        if not description.symbols:
            plan.sizes((), 1)
        if calls := aten_calls(description):
            torch_module()
            for call in calls:
                AtenStep(call)
    except DescriptionError as error:
        raise contents.fault("its program is inconsistent", f"{error.what}: {error.where}: {error.why}") from error
    _check_documents(contents, description)
    constants, weights = _arrays(contents, "constants"), _arrays(contents, "weights")
    for i, spec in enumerate(description.constants):
        _check_array(contents, f"constant {i}", constants.get(str(i)), spec.dtype, spec.shape)
    numbers = _weight_numbers(description)
    for i in numbers:
        spec = description.args[i]
        _check_array(contents, f"weight {spec.name}", weights.get(str(i)), spec.dtype, _fixed(spec.shape))
    held = [constants[str(i)] for i in range(len(description.constants))]
    return _Verified(contents, description, plan, held, {i: weights[str(i)] for i in numbers})


def _check_documents(contents: Contents, description: ProgramDescription) -> None:
    """What no call reads, and users do; and that the manifest, which they see first, is of this program."""
    manifest = contents.manifest
    symbols = {symbol.name: (symbol.low, symbol.high) for symbol in description.symbols}
    if (manifest.name, manifest.symbols) != (description.name, symbols):
        raise contents.fault("manifest and program disagree", f"{manifest.name}, {manifest.symbols}: {symbols}"[:200])
    for name in ("ledger.json", "report.json"):
        try:
            if name in contents:
                msgspec.json.decode(contents.read(name))
        except archive.JSON_FAULTS as error:
            raise contents.fault("a part is no JSON", f"{name}: {error}") from error
    for name in contents.names("ir/"):
        contents.text(name)
    for name in contents.names("objects/") if _same_machine(manifest) else ():
        if name.endswith(".so") and (why := machine_code.why_not(contents.read(name))):
            raise contents.fault("machine code is damaged", f"{name}: {why}")


def _arrays(contents: Contents, name: str) -> dict[str, Any]:
    return load_arrays(memoryview(contents.read(f"{name}.safetensors")), f"{contents.path}: {name}")


def _check_array(contents: Contents, what: str, array: Any, dtype: str, shape: Sequence[int | None]) -> None:
    """None in `shape`: a size that is a symbol."""
    if array is None:
        raise contents.fault("arrays are missing", what)
    fits = array.ndim == len(shape) and all(n in (None, have) for n, have in zip(shape, array.shape, strict=True))
    if array.dtype != numpy_dtype(dtype) or not fits:
        raise contents.fault(
            "an array is not as described", f"{what}: {array.dtype} {list(array.shape)}, not {dtype} {list(shape)}"
        )


def _fixed(shape: Sequence[str]) -> list[int | None]:
    return [int(size) if size.isdecimal() else None for size in shape]


def _on_cpu(contents: Contents, description: ProgramDescription, cache: Cache) -> HostDevice:
    objects, isas = _objects(contents, description, cache)
    runner = load_runner(_unpack(contents, RUNNER, "ww_run", cache) if _same_machine(contents.manifest) else None)
    return HostDevice(description, load_kernels(description.kernels, objects, isas), run=runner)


def _on_gpu(contents: Contents, description: ProgramDescription) -> Device:
    """PyTorch's current GPU. Raises MissingPackageError, CudaError."""
    from .cuda.device import CudaDevice
    from .cuda.driver import driver_of

    try:
        kernels = kernels_in(description, contents.read)
    except archive.JSON_FAULTS as error:
        raise contents.fault("a kernel cannot be read", str(error)) from error
    return CudaDevice(description, kernels, driver_of("cuda"))


def _objects(
    contents: Contents, description: ProgramDescription, cache: Cache
) -> tuple[dict[str, Path], dict[str, str]]:
    """The object of each kernel and the instruction set of its code, by the kernel's name."""
    paths: dict[str, Path] = {}
    isas = {kernel.name: kernel.isa if supports(kernel.isa) else best_isa() for kernel in description.kernels}
    to_build: list[Source] = []
    for kernel in description.kernels:
        isa = isas[kernel.name]
        member = f"objects/{isa}/{kernel.entry}.so"
        if _same_machine(contents.manifest) and member in contents:
            paths[kernel.name] = _unpack(contents, member, kernel.name, cache)
        else:
            to_build.append(_source(kernel, isa, description))
    if not to_build:
        return paths, isas
    logger.info("%d kernels of %s are compiled for this CPU (%s)", len(to_build), contents.path, to_build[0].isa)
    try:
        find_compiler()  # whatever an earlier load has left in the cache: the answer does not depend on it
        built = build(to_build, cache)
    except (MissingCompilerError, CompileError) as error:
        raise BundleIncompatibleError(
            f"The bundle has no code for this CPU ({platform.machine()}, {best_isa()})",
            where=str(contents.path),
            why=f"it holds {', '.join(contents.manifest.isas)} for {contents.manifest.machine}, and its sources could not "
            f"be compiled here: {error.what}: {error.why}",
            next="make the bundle for this instruction set; if a compiler is missing, install g++",
        ) from error
    return paths | {source.name: made.path for source, made in zip(to_build, built, strict=True)}, isas


def _unpack(contents: Contents, member: str, name: str, cache: Cache) -> Path:
    """The member as a file in the cache, from where it can be loaded."""
    data = contents.read(member)
    return cache.get_or_make(name, {"object": sha256(data)}, functools.partial(_write, data))[0]


def _write(data: bytes, target: Path) -> None:
    target.write_bytes(data)


def _same_machine(manifest: Manifest) -> bool:
    return manifest.machine == platform.machine() and manifest.abi == ABI_VERSION


def _description(contents: Contents) -> ProgramDescription:
    try:
        lean = decode(contents.read("program.json"))
    except archive.JSON_FAULTS as error:
        raise contents.fault("its program cannot be read", str(error)) from error
    kernels = tuple(
        msgspec.structs.replace(kernel, source=contents.text(f"kernels/{kernel.entry}.cpp")) for kernel in lean.kernels
    )
    headers = {name: contents.text(f"include/{name}") for name in lean.headers}
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

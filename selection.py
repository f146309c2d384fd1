"""Which backend compiles a program: by its device, unless the options say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .backends.contract import Backend, Precision
from .options import OptionError, Options
from .runtime.cpu import best_isa

if TYPE_CHECKING:
    from .backends.cuda.forms import Specialiser
    from .backends.nvidia.target import GpuTarget
    from .ir.aref.limits import Target


def backend_for(options: Options, device: str) -> Backend:
    """The backend for a program whose tensors are on `device` (`cpu`, `cuda:0` …), or for the target that is asked for.

    Raises OptionError where the options ask for one that cannot run there, MissingPackageError, CudaError.
    """
    if options.target is not None:
        return BACKENDS[options.backend](options, "")
    kind = device.partition(":")[0]
    name = _NATURAL.get(kind, "") if options.backend == "auto" else options.backend
    runs_on = "cpu" if options.interpret else _RUNS_ON.get(name, "")
    if kind != runs_on:
        raise _refused(options, device, runs_on)
    return BACKENDS[name](options, device)


def _cpu(options: Options, device: str) -> Backend:
    from .backends.cpu.backend import CpuBackend
    from .backends.cpu.target import CpuTarget

    return CpuBackend(CpuTarget.of(options.isa or best_isa()), options.pack_weights == "auto", _precision("cpu"))


def _cuda(options: Options, device: str) -> Backend:
    from .backends.cuda.backend import CudaBackend, EmulatedBackend
    from .backends.nvidia.target import H100

    if options.interpret:
        return EmulatedBackend(H100, _precision("cpu"), specialiser=_specialiser(_ROLES[H100.name]))
    target, on = _gpu(options, device)
    roles = _ROLES.get(target.name)
    specialiser = _specialiser(roles) if roles else None
    return CudaBackend(target, _precision("cuda"), on, options.autotune, specialiser=specialiser)


def _specialiser(target: Target) -> Specialiser:
    from .backends.cuda.forms import Specialiser
    from .passes import pipeline
    from .passes.warps.shapes import TARGETS

    return Specialiser(target, TARGETS[target], pipeline.with_roles)


def _triton(options: Options, device: str) -> Backend:
    from .backends.nvidia.target import H100
    from .backends.triton.backend import CudaBackend, InterpretedBackend

    if options.interpret:
        return InterpretedBackend(H100, _precision("cpu"))
    target, on = _gpu(options, device)
    return CudaBackend(target, _precision("cuda"), on, options.autotune)


def _gpu(options: Options, device: str) -> tuple[GpuTarget, str]:
    """The GPU that is compiled for, and the device that it is here; none where it is compiled for ahead of time."""
    from .backends.nvidia.target import target_at, target_of
    from .runtime.cuda.driver import driver_of

    if options.target is not None:
        return target_of(options.target), ""
    gpu = driver_of(device)
    return target_at(gpu.architecture, gpu.name), device


BACKENDS: dict[str, Callable[[Options, str], Backend]] = {"cpu": _cpu, "triton": _triton, "cuda": _cuda}
_RUNS_ON = {"cpu": "cpu", "triton": "cuda", "cuda": "cuda"}
"""Backend → the kind of device that its kernels run on."""
_ROLES: dict[str, Target] = {"sm_80": "sm_80", "sm_90": "sm_90a"}
"""Architecture → that which its code of warp roles is for."""
_NATURAL = {"cpu": "cpu", "cuda": "triton"}
"""Kind of device → the backend that `auto` is there. CUDA C++ has never run on a GPU: it is asked for by name."""


def _refused(options: Options, device: str, runs_on: str) -> OptionError:
    if not runs_on:
        return OptionError(
            f"warpweave: tensors on {device}\n  why:   kernels are for {' and '.join(_NATURAL)}\n"
            "  next:  leave this model to another backend of torch.compile"
        )
    chosen = f"backend={options.backend!r}" + (", interpret=True" if options.interpret else "")
    hint = " or interpret=True, which runs them on the CPU" if runs_on == "cuda" else ""
    return OptionError(
        f"warpweave: {chosen} for tensors on {device}\n  why:   its kernels run on {runs_on}\n"
        f"  next:  move model and inputs to {runs_on!r}, or give backend='auto'{hint}"
    )


def _precision(device: str) -> Precision:
    """What PyTorch's user allows for fp32 products on that kind of device."""
    import torch

    try:
        return torch.get_float32_matmul_precision()  # pyright: ignore[reportReturnType]
    except RuntimeError:  # PyTorch's answer where a backend has a setting of its own
        library: Any = torch.backends.cuda if device == "cuda" else torch.backends.mkldnn
        own = library.matmul.fp32_precision
        return {"bf16": "medium", "tf32": "high"}.get(own, "highest")  # pyright: ignore[reportReturnType]

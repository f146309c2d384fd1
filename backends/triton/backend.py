"""Triton's side of the backend contract."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir import tile
from ...ir.ledger import Ledger
from ...runtime.artifact import Kernel, ProgramDescription
from ...runtime.cuda.ahead import AheadDevice
from ...runtime.cuda.device import CudaDevice
from ...runtime.cuda.driver import driver_of
from ...runtime.errors import CompileError
from ..contract import Emitted, Form, Precision, Shapes
from ..nvidia.checks import UNLAUNCHABLE, refusals
from ..nvidia.target import GpuTarget
from .boxes import launched, sixteens
from .choices import Choices, choose
from .compile import Job, build, device_kernel, multiples
from .compiled import CompiledTriton
from .emit import emit
from .interpret import InterpretedDevice, InterpretedKernel
from .shapes import SMALL
from .source import Choice, TritonSource
from .tuning import Tuner

if TYPE_CHECKING:
    import torch


@dataclass
class TritonBackend:
    """Kernels for one GPU. Weights are read as they lie, [N, K]."""

    target: GpuTarget
    precision: Precision = "highest"

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    def packed_type(self, shape: Sequence[int], dtype: str, layout: str) -> tuple[tuple[int, ...], str]:
        return tuple(shape), dtype

    def pack(self, weight: torch.Tensor, layout: str) -> torch.Tensor:
        return weight.contiguous()

    def sources(self, module: ModuleOp, chosen: Mapping[str, Choice]) -> list[TritonSource]:
        """Of each kernel, in order. `chosen`: warps and stages by kernel."""
        kernels = [op for op in module.ops if isinstance(op, tile.KernelOp)]
        return [
            emit(
                op, self.target, chosen.get(op.sym_name.data), precision=self.precision,
                multiples=sixteens(op, launched(op)),
            )
            for op in kernels
        ]  # fmt: skip

    def emitted(self, source: TritonSource, code: Any) -> Emitted:
        return Emitted(Kernel(source.name, source.source, source.entries[0], self.target.name), code=code)


@dataclass
class CudaBackend(TritonBackend):
    """Compiled for the GPU `device` (`cuda:0`); with none, ahead of time. `choices`: what was chosen for the program."""

    device: str = ""
    autotune: bool = False
    choices: Choices = field(default_factory=Choices, init=False)

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> Shapes:
        """Of what the cost model ranks, the first that has sound code; with `autotune` the fastest of the first few."""
        tuner = Tuner(driver_of(self.device)) if self.autotune else None
        self.choices = choose(module, ops, form, self.target, self.precision, ledger, tuner)
        return self.choices.shapes_of

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        """The ledger gets a row for each static check that refuses code, where there was no better. Raises CompileError for
        code that cannot be launched, MissingCompilerError."""
        sources = self.sources(module, self.choices.launches)
        built = build([Job(source, self.target, multiples(module, source)) for source in sources])
        for phase in itertools.chain(*built):
            self._check(phase, ledger)
        pairs = zip(sources, built, strict=True)
        return [self.emitted(source, device_kernel(source, phases)) for source, phases in pairs]

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> CudaDevice | AheadDevice:
        """Raises MissingPackageError, CudaError."""
        kernels = [each.code for each in emitted]
        if not self.device:
            return AheadDevice(description, kernels)
        return CudaDevice(description, kernels, driver_of(self.device))

    def _check(self, phase: CompiledTriton, ledger: Ledger) -> None:
        for check, refusal in refusals(phase, self.target).items():
            ledger.refuse("triton-checks", f"{phase.name} on {self.target.device}: {check}", refusal)
            if check in UNLAUNCHABLE:
                raise CompileError(
                    f"Kernel {phase.name} cannot be launched", where=f"check {check}, {self.target.device}",
                    why=refusal.reason, next=f"report this; what would help: {refusal.would_change}",
                )  # fmt: skip


class InterpretedBackend(TritonBackend):
    """The same kernels in Triton's interpreter, on the CPU."""

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> Shapes:
        """Small ones for all: what is chosen for its speed is not looked for here."""
        return SMALL

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        return [self.emitted(source, source) for source in self.sources(module, {})]

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> InterpretedDevice:
        return InterpretedDevice(description, [InterpretedKernel(each.code) for each in emitted], self.target.sms)

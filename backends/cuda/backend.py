"""The CUDA C++ side of the backend contract: kernels of warp roles where there are such, Triton's for everything else.

Every kernel has Triton's form too, from the same tiles: it is launched where a tensor map cannot be made, because a stride or
an address is no multiple of 16 bytes, or a tensor is empty. That shows only at the launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir.ledger import Ledger, Refusal
from ...ir.tile_shapes import TileShapes
from ...runtime.artifact import Kernel, ProgramDescription
from ...runtime.launch import DeviceKernel, DevicePhase
from ..contract import Emitted, Form, Shapes
from ..triton.backend import CudaBackend as TritonCudaBackend
from ..triton.backend import InterpretedBackend
from ..triton.interpret import InterpretedDevice, InterpretedKernel
from ..triton.shapes import SMALL
from ..triton.source import Choice, TritonSource
from .choices import RULE, CudaChoices, Made, choose
from .emulated import EmulatedLaunches, compile_twins
from .forms import Printed, Specialiser, printed

OTHERWISE = Choice(num_warps=8, num_stages=2)
"""Of the Triton form of a kernel of warp roles, whose tiles are large."""


@dataclass
class CudaBackend(TritonCudaBackend):
    """Compiled for the GPU `device` (`cuda:0`); with none, ahead of time. `specialiser`: None for a GPU without warp roles."""

    specialiser: Specialiser | None = field(kw_only=True)
    specialised: CudaChoices = field(default_factory=CudaChoices, init=False)

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> Shapes:
        """Of what the cost model ranks, the first that has sound code of warp roles; else what the Triton backend chooses."""
        if self.specialiser is not None:
            self.specialised = choose(module, ops, form, self.target, self.specialiser, ledger)
        else:
            why = Refusal(f"there are no warp roles for {self.target.name}", "a100, h100 or h200 as the target")
            ledger.refuse(RULE, f"all kernels on {self.target.device}", why)
        chosen = self.specialised.shapes
        super().shapes(module, [op for op in ops if op not in chosen], form, ledger)
        self.choices.launches.update(dict.fromkeys(self.specialised.kernels, OTHERWISE))
        return lambda op: chosen[op] if op in chosen else self.choices.shapes_of(op)

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        known = self.specialised.kernels
        return [
            _compiled(e, known[e.kernel.name]) if e.kernel.name in known else e for e in super().emit(module, ledger)
        ]


def _compiled(triton: Emitted, made: Made) -> Emitted:
    """A kernel's code with that of warp roles first, and Triton's for launches that have no tensor maps."""
    otherwise: DeviceKernel = triton.code
    phases = tuple(DevicePhase(each.cubin, each.launch) for each in made.compiled)
    return Emitted(
        _described(triton.kernel, made.printed), code=DeviceKernel(phases, otherwise.lookups, otherwise.phases)
    )


def _described(kernel: Kernel, made: Printed) -> Kernel:
    first = made.sources[0].launch
    return Kernel(kernel.name, made.text, first.entry, first.target)


@dataclass
class EmulatedBackend(InterpretedBackend):
    """The same on the CPU: kernels of warp roles in the emulator, Triton's in its interpreter. `made`: the former, by name."""

    specialiser: Specialiser = field(kw_only=True)
    made: dict[str, Printed] = field(default_factory=dict[str, Printed], init=False)

    def __post_init__(self) -> None:
        small = replace(self.specialiser.shapes, gemm_rows=64, gemm_columns=64, attention_rows=64)
        self.specialiser = replace(self.specialiser, shapes=small)

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> Shapes:
        """The smallest tiles for all: what is chosen for its speed is not looked for here."""
        chosen: dict[Operation, TileShapes] = {}
        for op in ops:
            formed = form(op, self.specialiser.shapes)
            if formed is None:
                continue
            name = formed.kernel.sym_name.data
            made = self.made.get(name) or printed(formed.kernel, self.specialiser)
            if isinstance(made, Refusal):
                ledger.refuse(RULE, name, Refusal(f"{made.reason}: the Triton backend has it", made.would_change))
                continue
            ledger.take(RULE, name, made.reason)
            self.made[name] = made
            chosen[op] = self.specialiser.shapes
        return lambda op: chosen.get(op, SMALL)

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        return [self._emulated(each) for each in super().emit(module, ledger)]

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> InterpretedDevice:
        """Raises CompileError, MissingCompilerError."""
        compile_twins([source for made in self.made.values() for source in made.sources])
        return InterpretedDevice(description, [self._host_kernel(each) for each in emitted], self.target.sms)

    def _emulated(self, triton: Emitted) -> Emitted:
        made = self.made.get(triton.kernel.name)
        return replace(triton, kernel=_described(triton.kernel, made)) if made else triton

    def _host_kernel(self, emitted: Emitted) -> InterpretedKernel | EmulatedLaunches:
        source: TritonSource = emitted.code
        made, interpreted = self.made.get(emitted.kernel.name), InterpretedKernel(source)
        return EmulatedLaunches(made.sources, source.lookups, interpreted) if made else interpreted

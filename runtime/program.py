"""`Program`: a compiled graph that can be called.

A call binds the symbols from its arguments, evaluates all sizes (remembered per symbol values), fills one table with
the address of every slot, and runs the steps: a call of the device for each run of kernels, a PyTorch call for each
operator that was not compiled.
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import arrays as backends
from .arrays import LAID_WRONG, Arrays
from .artifact import AtenCall, NativeStep, ProgramDescription, launches
from .aten import AtenStep, torch_module
from .cache import Cache
from .call import Call
from .checks import check
from .constants import ComputeConstants, Constants, Packed, check_constants, fixed, stored_weight
from .device import Device, Fault
from .errors import ArgumentError, IndexRangeError
from .host_device import load_host
from .sizes import SizePlan, Sizes
from .slot_table import SlotTable
from .workspace import Workspaces

_asynchronous: weakref.WeakSet[Program] = weakref.WeakSet()
"""Programs whose calls return before their launches have run."""

NEXT = {**LAID_WRONG, "memory": "pass a tensor that has memory: this one was freed, or only stands for another"}


class Program:
    """Called with one sequence of arguments, in the description's order; gives the list of outputs.

    With PyTorch tensors among the arguments the outputs are tensors, otherwise numpy arrays; anything with `__dlpack__`
    is taken. With `tensors`, a program that takes no arrays gives tensors too. Safe to call from several threads.
    `compute_constants(args)` gives the arrays that the description lists as constants; it runs when weights are new or have
    changed. `sources`: the numbers of the arguments that it reads (all weights, if not given); `frozen`: the promise that these
    never change. A program loaded from a bundle has `constants` and
    `weights` (argument number → array) instead, and is called without its weights.

    Raises DescriptionError at construction, ArgumentError when a call's arguments do not fit, IndexRangeError when a
    token id or a position among them is out of range, ForeignKernelError when the kernels cannot run here.
    """

    _boxed_call = True  # AOTAutograd: call me with one list

    def __init__(
        self,
        description: ProgramDescription,
        device: Device,
        *,
        compute_constants: ComputeConstants | None = None,
        sources: Sequence[int] | None = None,
        frozen: bool = False,
        constants: Sequence[Any] | None = None,
        weights: Mapping[int, Any] | None = None,
        tensors: bool = False,
        plan: SizePlan | None = None,
    ) -> None:
        check(description)
        self.description = description
        self.lookups = device.lookups
        self._device = device
        self._plan = plan or SizePlan(description)
        self._table = SlotTable(description)
        self._workspaces = Workspaces(*self._table.size, device)
        self._bound: Mapping[int, Any] | None = weights
        self._bound_arrays: dict[type[Any], dict[int, Any]] = {}
        self._passed = [i for i, arg in enumerate(description.args) if weights is None or arg.role != "weight"]
        # Tensors whose addresses are asked for at every call, weights first.
        self._asked = [*([] if weights is not None else self._table.weights), *self._table.inputs]
        self._pick = operator.itemgetter(*self._asked) if len(self._asked) > 1 else self._pick_few
        self._alone = [torch_module().empty(0)] if tensors and not self._asked else None
        self._written = [i for i in description.mutations if i in self._passed]
        self._read = sum(i not in description.mutations for i in self._asked)
        # Their strides must be as described: a copy would not do for weights, nor for what is written.
        self._exact = {*self._table.weights, *description.mutations}
        read = set(self._table.weights if sources is None else sources)
        places = [place for place, i in enumerate(self._table.weights) if i in read]
        self._constants = Constants(description.constants, compute_constants or _none, places, frozen=frozen)
        self._unfixed: list[int] = []  # weights held here with sizes that are symbols
        self._stored = None if constants is None else self._store(constants, weights or {})
        self._steps = self._prepare_steps()
        self._has_aten = any(isinstance(step, AtenStep) for step in self._steps)
        if not device.keeps_memory:
            _asynchronous.add(self)

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        if fault := self._device.admit():
            raise self._out_of_range(fault)
        arrays = self._device.arrays(self._alone or args)
        given = self._complete(args, arrays)
        tensors, addresses = self._addresses(given, arrays)
        workers = self._device.workers()
        sizes = self._plan.sizes(self._bind(given), workers)
        passed: dict[int, Any] = {}
        for i in self._table.inputs:
            self._fit(i, given, passed, addresses, sizes, arrays)
        for i in self._unfixed:
            self._fit(i, given, passed, addresses, sizes, arrays)
        packed = self._stored or self._pack(given, tensors, addresses, sizes, arrays)
        outputs = [arrays.empty(*sizes.layout(slot)[:2], dtype) for slot, dtype in self._table.buffers]
        workspace = self._workspaces.take()
        workspace.reserve(sizes.arena_bytes, workers * self._device.scratch_bytes)
        inputs = addresses[len(addresses) - len(self._table.inputs) :]
        self._table.fill(workspace, sizes, packed, inputs, list(map(arrays.writable_address, outputs)))
        call = Call(self.description, self._table, given, passed, arrays, sizes, workspace, packed, outputs, workers)
        if self._has_aten:
            with torch_module().no_grad():
                self._run_steps(call)
        else:
            self._run_steps(call)
        results = [call.result(output) for output in self.description.outputs]
        self._workspaces.give(workspace)
        self._mark_written(given, passed, arrays)
        return results

    def constants_of(self, args: Sequence[Any]) -> list[Any]:
        """The constants for the weights among `args`, as a call would use them; other arguments may be None."""
        if self._stored:
            return self._stored.arrays
        weights = [args[i] for i in self._table.weights]
        arrays = self._device.arrays(weights)
        weights = [arrays.adopt(weight) for weight in weights]
        return self._constants.get(args, weights, tuple(arrays.addresses(weights)), arrays, lambda: None).arrays

    @property
    def objects(self) -> Mapping[str, bytes]:
        """Machine code that a bundle takes as it is, by member."""
        return self._device.objects

    def placed(self, args: Sequence[Any]) -> list[Any]:
        """Arguments with the numpy arrays among them in the memory of the program's device."""
        return [self._device.store([arg])[0][0] if isinstance(arg, np.ndarray) else arg for arg in args]

    def settle(self) -> None:
        """Waits until the launches of all calls so far have run. Raises IndexRangeError for one that looked up a row that
        there is not: on a GPU the call itself has returned before."""
        if fault := self._device.settle():
            raise self._out_of_range(fault)

    def arena_bytes(self, **symbols: int) -> int:
        """Bytes of the arena for these symbol values and this device's workers."""
        values = tuple(symbols[symbol.name] for symbol in self.description.symbols)
        return self._plan.sizes(values, self._device.workers()).arena_bytes

    # -- construction

    def _prepare_steps(self) -> list[tuple[int, int] | AtenStep]:
        steps: list[tuple[int, int] | AtenStep] = []
        first = 0
        for step in self.description.steps:
            match step:
                case AtenCall():
                    steps.append(AtenStep(step))
                case NativeStep(launches=run):
                    steps.append((first, len(run)))
                    first += len(run)
        return steps

    def _store(self, constants: Sequence[Any], weights: Mapping[int, Any]) -> Packed:
        check_constants(self.description.constants, constants, backends.host())
        given = {i: stored_weight(self.description.args[i], weights.get(i)) for i in self._table.weights}
        self._unfixed = [i for i in given if fixed(self.description.args[i]) is None]
        placed, addresses = self._device.store([*constants, *given.values()])
        self._bound = dict(zip(self._table.weights, placed[len(constants) :], strict=True))
        return Packed(placed[: len(constants)], addresses, None)

    # -- one call

    def _complete(self, args: Sequence[Any], arrays: Arrays) -> list[Any]:
        """All arguments as arrays of the library in use, bound weights included."""
        if len(args) != len(self._passed):
            raise ArgumentError(
                f"{len(args)} arguments", where=f"program {self.description.name}",
                why=f"it takes {len(self._passed)}: {', '.join(self.description.args[i].name for i in self._passed)}",
                next="pass them in this order",
            )  # fmt: skip
        if self._bound is None:
            given = list(args)
        else:
            given = [None] * len(self.description.args)
            for i, value in zip(self._passed, args, strict=True):
                given[i] = value
            for i, value in self._weights_in(arrays).items():
                given[i] = value
        return given

    def _weights_in(self, arrays: Arrays) -> Mapping[int, Any]:
        known = self._bound_arrays.get(arrays.array_type)
        if known is None:
            known = {i: arrays.adopt(value) for i, value in (self._bound or {}).items()}
            self._bound_arrays[arrays.array_type] = known
        return known

    def _pick_few(self, given: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(given[i] for i in self._asked)

    def _addresses(self, given: list[Any], arrays: Arrays) -> tuple[tuple[Any, ...], list[int]]:
        """The tensors that were passed, weights first, and their addresses; foreign arrays are adopted."""
        tensors = self._pick(given)
        try:
            return tensors, self._addresses_of(tensors, arrays)
        except (TypeError, AttributeError, RuntimeError):
            for i in self._asked:
                given[i] = arrays.adopt(given[i])
        for i in self._asked:
            self._check_memory(i, given, arrays)
        tensors = self._pick(given)
        return tensors, self._addresses_of(tensors, arrays)

    def _addresses_of(self, tensors: Sequence[Any], arrays: Arrays) -> list[int]:
        """What is written first: taking hold of it may move it."""
        written = list(map(arrays.writable_address, tensors[self._read :]))
        return [*arrays.addresses(tensors[: self._read]), *written]

    def _check_memory(self, i: int, given: Sequence[Any], arrays: Arrays) -> None:
        try:
            arrays.address(given[i])
        except RuntimeError as error:
            raise self._no_strided(i, given[i], error) from error

    def _no_strided(self, i: int, value: Any, error: RuntimeError) -> ArgumentError:
        """A tensor that is no memory with strides: sparse, nested, or one of functorch's."""
        return ArgumentError(
            f"Argument {self.description.args[i].name}: a {type(value).__name__} without strides in memory",
            where=f"program {self.description.name}, argument {i}", why=str(error),
            next="pass a dense tensor; under vmap and grad, use torch.compile",
        )  # fmt: skip

    def _bind(self, given: Sequence[Any]) -> tuple[int, ...]:
        try:
            return tuple(
                [
                    operator.index(given[s.arg]) if s.dim is None else given[s.arg].shape[s.dim]
                    for s in self.description.symbols
                ]
            )
        except (IndexError, TypeError, RuntimeError) as error:
            raise ArgumentError(
                "An argument has too few dimensions, or is no int", where=f"program {self.description.name}",
                why=str(error), next="pass arguments of the described kinds",
            ) from error  # fmt: skip

    def _fit(
        self, i: int, given: list[Any], passed: dict[int, Any], addresses: list[int], sizes: Sizes, arrays: Arrays
    ) -> None:
        """Checks tensor argument `i`; copies it, and puts it among the `passed`, if only the way it lies does not fit and
        nothing is written to it; if it is lazily negated, it is written back."""
        spec = self.description.args[i]
        shape, strides, _ = sizes.argument(i)
        try:
            wrong = arrays.mismatch(given[i], shape, strides, spec.dtype)
        except RuntimeError as error:
            raise self._no_strided(i, given[i], error) from error
        if wrong is None:
            return
        if wrong in LAID_WRONG and (i not in self._exact or (wrong == "lazy negation" and i in self._table.inputs)):
            passed[i] = given[i]
            given[i] = arrays.relaid(given[i], strides, spec.dtype)
            addresses[self._asked.index(i)] = arrays.address(given[i])
            return
        raise ArgumentError(
            f"Argument {spec.name}: its {wrong} does not fit",
            where=f"program {self.description.name}, argument {i}",
            why=f"expected {spec.dtype} {list(shape)}, strides {list(strides)}; got {given[i].dtype} "
            f"{list(given[i].shape)}",
            next=NEXT.get(wrong, "convert it"),
        )

    def _pack(
        self, given: list[Any], tensors: Sequence[Any], addresses: list[int], sizes: Sizes, arrays: Arrays
    ) -> Packed:
        weights = self._table.weights

        def admit() -> None:
            for i in weights:
                self._fit(i, given, {}, addresses, sizes, arrays)

        count = len(weights)
        return self._constants.get(given, tensors[:count], tuple(addresses[:count]), arrays, admit)

    def _run_steps(self, call: Call) -> None:
        for step in self._steps:
            if isinstance(step, AtenStep):
                step.run(call)
            elif fault := self._device.run(*step, call):
                raise self._out_of_range(fault)

    def _out_of_range(self, fault: Fault) -> IndexRangeError:
        """What a launch reported. The call's workspace is not used again."""
        d = self.description
        launch, slot = launches(d)[fault.launch], d.slots[fault.slot]
        source = f"argument {d.args[slot.index].name}" if slot.source == "arg" else "an index that the model computes"
        return IndexRangeError(
            f"index {fault.entry} is out of range", where=f"program {d.name}, kernel {d.kernels[launch.kernel].name}",
            why=f"{source} is looked up in {fault.extent} rows",
            next="pass token ids below the vocabulary's size, positions below the cache's length",
        )  # fmt: skip

    def _mark_written(self, given: Sequence[Any], passed: Mapping[int, Any], arrays: Arrays) -> None:
        """Autograd must know of tensors that kernels have written; copies of such tensors are written back."""
        if not self._written or arrays is backends.host():
            return
        if copies := [i for i in self._written if i in passed]:
            with arrays.no_grad():
                for i in copies:
                    passed[i].copy_(given[i])
        sys.modules["torch"].autograd.graph.increment_version([given[i] for i in self._written if i not in passed])


def synchronize() -> None:
    """Waits until all launches of all programs have run. Raises IndexRangeError for a look-up of a row that there is not."""
    for program in list(_asynchronous):
        program.settle()


def _none(_: Sequence[Any]) -> Sequence[Any]:
    return ()


def build_program(
    description: ProgramDescription, compute_constants: ComputeConstants | None = None, cache: Cache | None = None
) -> Program:
    """The program on the CPU. Raises DescriptionError, CompileError or MissingCompilerError."""
    return Program(description, load_host(description, cache), compute_constants=compute_constants)

"""Ways to write to a model's weights between two calls of it, and checks that a compiled model follows each.

Each writer takes a weight and the values it is to have.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

ROWS, WIDTH, HIDDEN = 5, 40, 56

Writer = Callable[[nn.Parameter, torch.Tensor], object]


class Model(nn.Module):
    """A packed weight, biases, a norm that is folded into the next weight, a table that is tied to the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(HIDDEN, WIDTH)
        self.up = nn.Linear(WIDTH, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)
        self.down = nn.Linear(HIDDEN, WIDTH)
        self.head = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.head.weight = self.table.weight
        with torch.no_grad():
            self.table.weight.mul_(0.2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table(tokens)
        return self.head(x + self.down(self.norm(torch.nn.functional.silu(self.up(x)))))


def tokens() -> torch.Tensor:
    return torch.arange(ROWS) * 7 % HIDDEN


def new_values(weight: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)) * 0.2


def agrees(compiled: Callable[..., torch.Tensor], model: nn.Module, *inputs: torch.Tensor) -> None:
    """Results, and gradients where they are recorded."""
    inputs = inputs or (tokens(),)
    got, wanted = compiled(*inputs), model(*inputs)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    if wanted.requires_grad:
        weights = [p for p in model.parameters() if p.requires_grad]
        pairs = zip(*(torch.autograd.grad(y.square().sum(), weights) for y in (got, wanted)), strict=True)
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


# ---- writers ----------------------------------------------------------------------------------------------------


def _no_grad(write: Writer) -> Writer:
    def writer(weight: nn.Parameter, values: torch.Tensor) -> None:
        with torch.no_grad():
            write(weight, values)

    return writer


def _in_inference_mode(weight: nn.Parameter, values: torch.Tensor) -> None:
    with torch.inference_mode():
        weight.copy_(values)


def _through_an_address(weight: nn.Parameter, values: torch.Tensor) -> None:
    ctypes.memmove(weight.data_ptr(), values.data_ptr(), values.nbytes)


def _through_the_storage(weight: nn.Parameter, values: torch.Tensor) -> None:
    begin = weight.storage_offset() * 4
    weight.untyped_storage()[begin : begin + values.nbytes].copy_(values.untyped_storage())


def _one_element(weight: nn.Parameter, values: torch.Tensor) -> None:
    weight.data.view(-1)[3] = values.view(-1)[3] + 1


def _numpy(weight: nn.Parameter, values: torch.Tensor) -> None:
    weight.detach().numpy()[...] = values.numpy()


def _dlpack(weight: nn.Parameter, values: torch.Tensor) -> None:
    np.from_dlpack(_Writable(weight.detach()))[...] = values.numpy()


class _Writable:
    """A tensor whose memory numpy is given as an array's that may be written."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.__dlpack__ = tensor.__dlpack__
        self.__dlpack_device__ = tensor.__dlpack_device__


def _vector(weight: nn.Parameter, values: torch.Tensor) -> None:
    nn.utils.vector_to_parameters(values.flatten(), [weight])


def _flat(weight: nn.Parameter, values: torch.Tensor) -> None:
    """One memory for several parameters, written as a whole afterwards."""
    flat = torch.cat([torch.ones(24), weight.detach().flatten()])
    weight.data = flat[24:].view_as(weight)
    flat[24:] = values.flatten()


def _swapped(weight: nn.Parameter, values: torch.Tensor) -> None:
    torch.utils.swap_tensors(weight, nn.Parameter(values))


def _clipped(weight: nn.Parameter, values: torch.Tensor) -> None:
    weight.data.clamp_(-0.05, 0.05)


def _fused(weight: nn.Parameter, values: torch.Tensor) -> None:
    weight.grad = weight.detach() - values
    torch.optim.SGD([weight], lr=1.0, fused=True).step()
    weight.grad = None


WRITERS: dict[str, Writer] = {
    "data +=": lambda w, v: w.data.add_(v),
    "data.copy_": lambda w, v: w.data.copy_(v),
    "data.mul_": lambda w, v: w.data.mul_(0.5),
    "data = new": lambda w, v: setattr(w, "data", v.clone()),
    "detach().copy_": lambda w, v: w.detach().copy_(v),
    "a view's": lambda w, v: w.detach().view(-1)[1:].copy_(v.view(-1)[1:]),
    "set_": _no_grad(lambda w, v: w.set_(v.clone())),
    "no_grad copy_": _no_grad(lambda w, v: w.copy_(v)),
    "foreach": _no_grad(lambda w, v: torch._foreach_mul_([w], 0.5)),
    "init": lambda w, v: nn.init.normal_(w, std=0.1),
    "out=": lambda w, v: torch.mul(v, 0.5, out=w.data),
    "inference mode": _in_inference_mode,
    "fused optimiser": _fused,
    "clipping": _clipped,
    "one element": _one_element,
    "swap_tensors": _swapped,
    "vector_to_parameters": _vector,
    "a flat parameter": _flat,
    "untyped_storage": _through_the_storage,
    "data_ptr": _through_an_address,
    "numpy": _numpy,
    "dlpack": _dlpack,
}


def follows_every_writer(compiled: nn.Module, model: nn.Module, weights: Sequence[str]) -> None:
    """`weights`: names of the model's parameters, each of which each writer writes to."""
    agrees(compiled, model)
    for seed, (name, write) in enumerate(WRITERS.items()):
        for weight in weights:
            parameter = model.get_parameter(weight)
            write(parameter, new_values(parameter, seed))
            try:
                agrees(compiled, model)
            except AssertionError as error:
                raise AssertionError(f"{weight} written by {name}: {error}") from error


# ---- what mutants are hunted with ---------------------------------------------------------------------------------


@contextlib.contextmanager
def compiled(model: nn.Module | None = None, **options: object) -> Iterator[tuple[nn.Module, nn.Module]]:
    """The model, and itself compiled; called without gradients."""
    torch._dynamo.reset()
    model = model or Model()
    with torch.no_grad():
        yield torch.compile(model, backend="warpweave", dynamic=False, options=options or None), model
    torch._dynamo.reset()


def wide() -> tuple[nn.Linear, torch.Tensor]:
    """A weight of which a call looks at a tenth."""
    return nn.Linear(640, 256), torch.randn(3, 640)


def write_without_a_version() -> None:
    model, x = wide()
    with compiled(model) as (call, _):
        for _ in range(3):
            agrees(call, model, x)
            model.weight.data[77, 5] += 1
            agrees(call, model, x)


def two_programs_of_one_weight() -> None:
    """The first arms the weight again; the second has not seen the write yet."""
    with compiled() as (call, model):
        others = tokens()[:3]
        for _ in range(2):
            agrees(call, model)
            agrees(call, model, others)
        model.up.weight.data.mul_(0.5)
        agrees(call, model)
        agrees(call, model, others)


def two_weights_in_one_storage() -> None:
    with compiled() as (call, model):
        flat = new_values(torch.empty(2, WIDTH * HIDDEN), 1)
        model.up.weight.data = flat[0].view(HIDDEN, WIDTH)
        model.down.weight.data = flat[1].view(WIDTH, HIDDEN)
        for _ in range(2):
            agrees(call, model)
        flat[1].mul_(0.5)
        agrees(call, model)


def write_through_old_foreign_memory() -> None:
    """PyTorch is told of nothing."""
    model = Model()
    array = model.up.weight.detach().numpy()
    with compiled(model) as (call, _):
        for _ in range(2):
            agrees(call, model)
        array *= 0.5
        agrees(call, model)


def few_elements_of_foreign_memory() -> None:
    """Within a round: 64 KiB a call."""
    model, x = wide()
    array = model.weight.detach().numpy()
    calls = -(-model.weight.nbytes // (1 << 16)) + 1
    with compiled(model) as (call, _):
        for row in (0, 77, 255):
            agrees(call, model, x)
            array[row, 5] += 1
            for _ in range(calls):
                call(x)
            agrees(call, model, x)


def weights_that_cannot_be_armed() -> None:
    """Memory of numpy's: a version is counted, or the content is another one."""
    model, x = wide()
    model.weight.data = torch.from_numpy(model.weight.detach().numpy().copy())
    with compiled(model) as (call, _):
        for _ in range(3):
            agrees(call, model, x)
            model.weight[77, 5] += 1
            agrees(call, model, x)
            model.weight.data.mul_(0.5)
            agrees(call, model, x)


def statistics_that_a_program_updates() -> None:
    """One program writes what another has folded."""
    model = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6))
    x = torch.randn(16, 8)
    with compiled(model) as (call, _):
        for _ in range(2):
            agrees(call, model.eval(), x)
            model.train()
            theirs = copy.deepcopy(model)
            torch.testing.assert_close(call(x), theirs(x), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(model[1].running_var, theirs[1].running_var)
        agrees(call, model.eval(), x)


def elements_that_a_program_writes() -> None:
    model, x = wide()
    chosen = torch.zeros_like(model.weight, dtype=torch.bool)
    chosen[77, 5] = True

    def write(weight: torch.Tensor) -> None:
        weight.copy_(torch.where(chosen, weight + 1, weight))

    with compiled(model) as (call, _):
        compiled_write = torch.compile(write, backend="warpweave", dynamic=False)
        for _ in range(3):
            agrees(call, model, x)
            compiled_write(model.weight.detach())
            agrees(call, model, x)

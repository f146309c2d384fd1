"""Stories: a model is compiled once, then called between events, each of which writes its weights in another way.

The same module, not compiled, says what is right at every moment: it reads the same weights.
"""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..compare import differences
from .check import Found
from .models import MODELS, convolved

Write = Callable[[nn.Module, int], None]


# ---- what writes weights --------------------------------------------------------------------------------------------


def _each(write: Callable[[torch.Tensor, torch.Tensor], object]) -> Write:
    """`write(parameter, noise)` on every parameter, without gradients."""

    def apply(model: nn.Module, seed: int) -> None:
        source = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                write(parameter, torch.randn(parameter.shape, generator=source).to(parameter.dtype) * 0.3)

    return apply


def _numpy(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    parameter.detach().numpy()[...] += noise.numpy()


def _dlpack(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    torch.from_dlpack(parameter.detach()).add_(noise)


def _set_data(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    parameter.data = parameter.data + noise


def _inference(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    with torch.inference_mode():
        parameter.add_(noise)


def _storage(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    parameter.untyped_storage().copy_((parameter.detach() + noise).untyped_storage())


def _as_strided(parameter: torch.Tensor, noise: torch.Tensor) -> None:
    flat = parameter.detach().as_strided((parameter.numel(),), (1,))
    flat.add_(noise.flatten())


def _foreach(model: nn.Module, seed: int) -> None:
    with torch.no_grad():
        torch._foreach_mul_(list(model.parameters()), 0.75)  # pyright: ignore[reportPrivateImportUsage]


def _foreach_of_data(model: nn.Module, seed: int) -> None:
    torch._foreach_add_([p.data for p in model.parameters()], 0.125)  # pyright: ignore[reportPrivateImportUsage]


def _flat(model: nn.Module, seed: int) -> None:
    """Every parameter becomes a view of one tensor, and that is written."""
    parameters = list(model.parameters())
    flat = torch.cat([p.detach().flatten() for p in parameters])
    at = 0
    for p in parameters:
        p.data = flat[at : at + p.numel()].view_as(p)
        at += p.numel()
    flat.mul_(0.8)


def _loaded(assign: bool) -> Write:
    def apply(model: nn.Module, seed: int) -> None:
        other = copy.deepcopy(model)
        WRITERS["data.add_"](other, seed)
        model.load_state_dict(other.state_dict(), assign=assign)

    return apply


def _replaced(model: nn.Module, seed: int) -> None:
    """New Parameter objects in the places of the old ones."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach() * 1.25))


def _vector(model: nn.Module, seed: int) -> None:
    vector = nn.utils.parameters_to_vector(model.parameters()).detach() * 0.9
    nn.utils.vector_to_parameters(vector, model.parameters())


def _shared(model: nn.Module, seed: int) -> None:
    model.share_memory()
    WRITERS["numpy"](model, seed)


def _averaged(model: nn.Module, seed: int) -> None:
    """An exponential moving average, copied back."""
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    average.update_parameters(model)
    WRITERS["data.add_"](model, seed)
    average.update_parameters(model)
    for mine, theirs in zip(model.parameters(), average.module.parameters(), strict=True):
        mine.data.copy_(theirs.data)


def _buffers(model: nn.Module, seed: int) -> None:
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.data.mul_(1.5)


def _swapped(model: nn.Module, seed: int) -> None:
    for p in model.parameters():
        other = nn.Parameter(p.detach() * 0.7)
        p.data, other.data = other.data, p.data


def _initialised(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for p in model.parameters():
        (nn.init.xavier_uniform_ if p.dim() > 1 else nn.init.normal_)(p)


WRITERS: dict[str, Write] = {
    "add_": _each(lambda p, noise: p.add_(noise)),
    "copy_": _each(lambda p, noise: p.copy_(noise)),
    "data.add_": _each(lambda p, noise: p.data.add_(noise)),
    "data.copy_": _each(lambda p, noise: p.data.copy_(noise)),
    "data[...]": _each(lambda p, noise: p.data.__setitem__(..., noise)),
    "data view": _each(lambda p, noise: p.data.view(-1).add_(noise.flatten())),
    "detach": _each(lambda p, noise: p.detach().add_(noise)),
    "set data": _each(_set_data),
    "set_": _each(lambda p, noise: p.data.set_(p.data + noise)),  # pyright: ignore[reportArgumentType]
    "numpy": _each(_numpy),
    "dlpack": _each(_dlpack),
    "inference mode": _each(_inference),
    "storage": _each(_storage),
    "as_strided": _each(_as_strided),
    "one row": _each(lambda p, noise: p.data[0].add_(3)),
    "foreach": _foreach,
    "foreach of data": _foreach_of_data,
    "flat": _flat,
    "load_state_dict": _loaded(assign=False),
    "load_state_dict(assign)": _loaded(assign=True),
    "replaced": _replaced,
    "vector_to_parameters": _vector,
    "shared memory": _shared,
    "moving average": _averaged,
    "buffers": _buffers,
    "swapped": _swapped,
    "init": _initialised,
}
"""Ways to write weights between two calls. Each writes all of them, or a whole row."""

OPTIMISERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.1),
    "SGD foreach": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, foreach=True),
    "SGD fused": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, fused=True),
    "Adam": lambda p: torch.optim.Adam(p, 0.05, foreach=False),
    "Adam fused": lambda p: torch.optim.Adam(p, 0.05, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, 0.05),
    "AdamW fused": lambda p: torch.optim.AdamW(p, 0.05, fused=True),
    "AdamW foreach": lambda p: torch.optim.AdamW(p, 0.05, foreach=True, amsgrad=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, 0.05),
    "Adagrad fused": lambda p: torch.optim.Adagrad(p, 0.05, fused=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, 0.05, momentum=0.5),
    "Adadelta": lambda p: torch.optim.Adadelta(p, 1.0),
    "Adamax": lambda p: torch.optim.Adamax(p, 0.05),
    "NAdam": lambda p: torch.optim.NAdam(p, 0.05),
    "RAdam": lambda p: torch.optim.RAdam(p, 0.05),
    "ASGD": lambda p: torch.optim.ASGD(p, 0.05),
    "Rprop": lambda p: torch.optim.Rprop(p, 0.05),
    "LBFGS": lambda p: torch.optim.LBFGS(p, 0.05, max_iter=2),
}


@dataclass(frozen=True)
class Story:
    """`kind`: how the model is called; `events` are names of writers or, in training, of optimisers."""

    model: int
    kind: str
    events: tuple[str, ...]
    seed: int
    dtype: str = "float32"


KINDS = ("no_grad", "inference_mode", "training", "dynamic")


def draw_story(seed: str) -> Story:
    """The story of a seed."""
    source = random.Random(seed)
    kind = source.choice(KINDS)
    names = [*WRITERS, *(OPTIMISERS if kind == "training" else ())]
    dtype = source.choice(("float32", "float32", "bfloat16"))
    events = tuple(source.choice(names) for _ in range(8))
    return Story(source.randrange(len(MODELS)), kind, events, source.randrange(1000), dtype)


def check_story(story: Story, backend: str | Callable[..., Any] = "warpweave") -> Found | None:
    """What goes wrong first: the event before it, and how."""
    torch._dynamo.reset()
    torch.manual_seed(story.seed)
    model = MODELS[story.model]().to(getattr(torch, story.dtype))
    training = story.kind == "training"
    model.train(training).requires_grad_(training)
    compiled = torch.compile(model, backend=backend, dynamic=True if story.kind == "dynamic" else None)
    for number, event in enumerate(("nothing", *story.events)):
        try:
            _write(model, event, story.seed + number, compiled)
        except (RuntimeError, ValueError, TypeError):
            continue  # PyTorch refuses this writer for these weights
        for call in range(2):
            x = _input(story, 2 * number + call)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ours = _called(story, model, compiled, x)
            except Exception as error:
                return Found(f"weights: exception after {event}", f"{type(error).__name__}: {error}")
            eager = _called(story, model, model, x)
            twin = copy.deepcopy(model).double()
            wrong = differences(ours, eager, _called(story, twin, twin, x.double()))
            if wrong:
                return Found(
                    f"weights: {event} in {story.kind}", f"call {call} after event {number}, {event}: {wrong[0]}"
                )
    return None


def _write(model: nn.Module, event: str, seed: int, compiled: Callable[..., torch.Tensor]) -> None:
    if event in WRITERS:
        WRITERS[event](model, seed)
    if event in OPTIMISERS:
        _steps(model, OPTIMISERS[event](list(model.parameters())), seed, compiled)


def _steps(
    model: nn.Module, optimiser: torch.optim.Optimizer, seed: int, compiled: Callable[..., torch.Tensor]
) -> None:
    """Three steps of training with the compiled model."""
    x = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(seed)).to(next(model.parameters()).dtype)

    def loss() -> float:
        optimiser.zero_grad()
        found = compiled(x).float().square().mean()
        found.backward()
        return float(found)

    for _ in range(3):
        optimiser.step(loss)


def _input(story: Story, number: int) -> torch.Tensor:
    length = 5 if MODELS[story.model] is convolved else (5, 5, 7, 9)[number % 4] if story.kind == "dynamic" else 5
    source = torch.Generator().manual_seed(1000 + number)
    return torch.randn(2, length, 24, generator=source).to(getattr(torch, story.dtype))


def _called(story: Story, model: nn.Module, call: Callable[..., torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    """The result, and the gradients of the weights in training. Buffers are put back as they were."""
    kept = [b.clone() for b in model.buffers()]
    try:
        return list(_results(story, model, call, x))
    finally:
        for buffer, before in zip(model.buffers(), kept, strict=True):
            buffer.data.copy_(before)


def _results(
    story: Story, model: nn.Module, call: Callable[..., torch.Tensor], x: torch.Tensor
) -> Iterator[torch.Tensor]:
    if story.kind == "training":
        result = call(x)
        parameters = [p for p in model.parameters() if p.requires_grad]
        yield result.detach()
        yield from torch.autograd.grad(result.sum(), parameters, allow_unused=True)
        return
    with torch.inference_mode() if story.kind == "inference_mode" else torch.no_grad():
        yield call(x).clone()

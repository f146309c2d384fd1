"""Tensors whose memory does not hold what they are: lazily negated and zero tensors are resolved, others are refused.

The negation was not seen, what was written to such an argument came out negated; a tensor without memory (a zero tensor, one
that was freed, a FakeTensor, a wrapper) ended the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.two_tensor import TwoTensor

import warpweave
from eager import same
from warpweave.runtime.errors import ArgumentError

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 + 1


class Plain(torch.Tensor):
    pass


def imaginary() -> torch.Tensor:
    """Negated, at an odd place, with strides of 2."""
    return torch.arange(12.0).view(3, 4).to(torch.complex64).mul(1j).conj().imag


READ: dict[str, Callable[[], torch.Tensor]] = {
    "negated": lambda: torch._neg_view(torch.arange(12.0).view(3, 4)),
    "imaginary part": imaginary,
    "real part": lambda: torch.arange(12.0).view(3, 4).to(torch.complex64).conj().real,
    "zeros": lambda: torch._efficientzerotensor((3, 4)),  # pyright: ignore[reportPrivateUsage]
    "subclass": lambda: torch.arange(12.0).view(3, 4).as_subclass(Plain),
}


def freed() -> torch.Tensor:
    x = torch.ones(3, 5)[:, 1:]
    x.untyped_storage().resize_(0)
    return x


REFUSED: dict[str, Callable[[], torch.Tensor]] = {
    "freed": freed,
    "fake": lambda: FakeTensorMode().from_tensor(torch.ones(3, 4)),
    "wrapper": lambda: TwoTensor(torch.ones(3, 4), torch.ones(3, 4)),
    "functional": lambda: torch._to_functional_tensor(torch.ones(3, 4)),
    "sparse": lambda: torch.ones(3, 4).to_sparse(),
    "mkldnn": lambda: torch.ones(3, 4).to_mkldnn(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3, 4), 0.1, 0, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(4)] * 3),
    "meta": lambda: torch.ones(3, 4, device="meta"),
    "complex": lambda: torch.ones(3, 4, dtype=torch.complex64),
}


@pytest.fixture(scope="module")
def program() -> Any:
    with torch.no_grad():
        return warpweave.compile(Doubled(), (torch.ones(3, 4),))


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_read_as_they_are(make: Callable[[], torch.Tensor], program: Any) -> None:
    with torch.no_grad():
        torch.testing.assert_close(program(make()), Doubled()(make().as_subclass(torch.Tensor)), rtol=0, atol=0)


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_refused(make: Callable[[], torch.Tensor], program: Any) -> None:
    with pytest.raises(ArgumentError, match="Argument x"):
        program(make())


def test_functorch_sees_through_torch_compile_only(program: Any) -> None:
    x = torch.randn(2, 3, 4)
    with pytest.raises(ArgumentError, match=r"use torch\.compile"):
        torch.vmap(program)(x)
    torch.testing.assert_close(torch.vmap(torch.compile(Doubled(), backend="warpweave"))(x), x * 2 + 1)


def test_compiled_and_written() -> None:
    def counted(x: torch.Tensor, y: torch.Tensor) -> Any:
        y.add_(x)
        return y[1:], x[1:], y * 2, x

    for dynamic in (False, True):
        torch._dynamo.reset()
        compiled = torch.compile(counted, backend="warpweave", dynamic=dynamic)
        for x in (READ["negated"], imaginary):
            for y in (READ["negated"], imaginary):
                ours, theirs = (x(), y()), (x(), y())
                with torch.no_grad():
                    same((compiled(*ours), ours), (counted(*theirs), theirs))
    zeros = READ["zeros"]
    with torch.no_grad():
        torch.testing.assert_close(
            torch.compile(lambda x: (x + 1, x[1:] * 2), backend="warpweave")(zeros()), (zeros() + 1, zeros()[1:] * 2)
        )

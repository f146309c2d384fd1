"""What `torch.export` demands of sizes is checked in each call, of the compiled program and of its bundle.

Nothing was: a slice of the last five of three rows read before the tensor, a reshape of nine elements by four lost one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import Dim, export

import warpweave
from warpweave.runtime.errors import ArgumentError

pytestmark = pytest.mark.filterwarnings("ignore:`isinstance")


class Model(torch.nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        return self.function(x, y)


def views(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Needs 4 | N, 6 <= N, M <= N; the returned view is memory of the argument."""
    return x[-5:] * 2, x.reshape(4, -1) + 1, x[5] + 1, x[: y.shape[0]] + y, x[-3:]


def plain(x: torch.Tensor, y: torch.Tensor) -> Any:
    return (x + 1, y + 1)


CASES = [
    (views, Dim.DYNAMIC, Dim.DYNAMIC, [(8, 5), (12, 12), (16, 1)], [(6, 5), (4, 3), (9, 3), (8, 9), (0, 0)]),
    (plain, Dim("N", min=5, max=64), Dim("M", min=2), [(5, 1), (64, 0)], [(4, 5), (65, 5)]),
]


@pytest.mark.parametrize(("function", "n", "m", "fit", "break_"), CASES)
def test_promises_are_checked(
    function: Any, n: Any, m: Any, fit: list[tuple[int, int]], break_: list[tuple[int, int]], tmp_path: Path
) -> None:
    model = Model(function)
    with torch.no_grad():
        compiled = warpweave.compile(
            export(model, (torch.ones(8, 3), torch.ones(6, 3)), dynamic_shapes=({0: n}, {0: m}))
        )
    compiled.save(tmp_path / "model.ww")
    bundle = warpweave.load(tmp_path / "model.ww")
    for run in (compiled, lambda x, y: [torch.as_tensor(r) for r in bundle([x, y])]):
        for sizes in fit:
            x, y = (torch.randn(size, 3) for size in sizes)
            torch.testing.assert_close(list(run(x, y)), list(model(x, y)))
        for sizes in break_:
            with pytest.raises(ArgumentError, match=r"cannot run with .*\n.*\n.*(it needs|divides by zero)"):
                run(*(torch.randn(size, 3) for size in sizes))


def test_what_a_call_needs_is_said() -> None:
    with torch.no_grad():
        compiled = warpweave.compile(
            export(Model(plain), (torch.ones(8, 3), torch.ones(6, 3)), dynamic_shapes=({0: Dim("N", min=5)}, None))
        )
    with pytest.raises(ArgumentError, match=r"B = 4(.|\n)*it needs 5 <= B"):
        compiled(torch.ones(4, 3), torch.ones(6, 3))


def test_ints_beyond_64_bits_are_refused(fresh_dynamo: None) -> None:
    compiled = torch.compile(lambda x, n: x * n, backend="warpweave")
    x = torch.ones(2)
    for n in (2, 3, -(2**40)):
        torch.testing.assert_close(compiled(x, n), x * n)

"""Index arithmetic that is known at compile time is done there."""

import pytest
import torch

from traced import assert_same, ops_of, randn, traced
from warpweave.passes import canonicalise, fold_indices

PASSES = (canonicalise.run, fold_indices.run, canonicalise.run)
B, S = 2, 6


def rows():
    return torch.arange(S)


FOLDED = {
    "window": (lambda x: x[torch.arange(B)[:, None], (rows() + 1)[None]], {"slice"}),
    "spread": (lambda x: x[torch.arange(B)[:, None, None], rows()[None, None]], {"slice", "reshape"}),
    "one row": (lambda x: x[:, torch.full((1,), -1)], {"slice"}),
    "every other": (lambda x: x[:, torch.arange(3) * 2], {"slice"}),
    "never": (lambda x: x + (rows() + 7 == rows()[:1] + 7 + rows()), {"constant", "pointwise<add>"}),
    "positions": (
        lambda x: x + torch.arange(20)[None].expand(B, -1)[torch.arange(B)[:, None], rows() + 2][:, :1],
        None,
    ),
    "rows of a table": (
        lambda x: torch.gather(x[None], 1, torch.arange(2)[None, :, None].expand(1, 2, 8)),
        {"embedding", "iota"},
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_folded(name):
    function, wanted = FOLDED[name]
    module, args = traced(function, randn(B, 8 if name not in ("never", "positions") else S))
    assert_same(module, args, *PASSES)
    assert "aten" not in ops_of(module) or wanted is None
    if wanted is not None:
        assert set(ops_of(module)) - {"cast"} <= wanted | {"reshape", "broadcast"}


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: x[torch.arange(B)[:, None], i],
        lambda x, i: x[torch.arange(B)[:, None], torch.arange(S).flip(0)[None]],
        lambda x, i: x[torch.arange(B)[:, None] * 0 + 1, torch.arange(B)[:, None]],
        lambda x, i: (x > 0).cumsum(-1),
        lambda x, i: x[torch.arange(2), torch.arange(2)],
    ],
    ids=["given", "backwards", "one row", "sum of others", "diagonal"],
)
def test_not_folded(function):
    module, args = traced(function, randn(B, 8), torch.tensor([[3, 1], [0, 2]]))
    assert_same(module, args, *PASSES)

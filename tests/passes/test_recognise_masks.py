"""Masks that are conditions on positions become attributes; others are read unrepeated."""

import math

import pytest
import torch
from torch.nn import functional as F

from traced import assert_same, function_of, only, ops_of, randn, traced
from warpweave.ir import flow
from warpweave.ir.types import shape_of
from warpweave.passes import canonicalise, fold_indices, recognise_attention, recognise_masks

PASSES = (
    canonicalise.run,
    fold_indices.run,
    canonicalise.run,
    recognise_attention.run,
    recognise_masks.run,
    canonicalise.run,
)
B, S, H, D = 2, 6, 2, 8
LOWEST = torch.finfo(torch.float32).min


def both(a, b):
    return torch.bitwise_and(a, b)


def low(condition):
    return torch.where(condition, 0.0, -math.inf)


def attend(mask, length=S, queries=S, extra=()):
    """(module after the passes, its attention) where `mask(rows, columns, *extra)` is the mask of an attention."""

    def function(q, k, v, *extra):
        rows, columns = torch.arange(queries)[:, None], torch.arange(length)[None]
        return F.scaled_dot_product_attention(q, k, v, mask(rows, columns, *extra))

    k, v = (randn(B, H, length, D, seed=s) for s in (1, 2))
    module, args = traced(function, randn(B, H, queries, D), k, v, *extra)
    assert_same(module, args, *PASSES)
    return module, only(module, flow.AttentionOp)


def says(op):
    """(causal, offset, window) of an attention."""
    window = op.window.data if op.window is not None else None
    return op.causal is not None, str(op.offset.data) if op.offset is not None else None, window


@pytest.mark.parametrize(
    ("mask", "length", "wanted"),
    [
        (lambda q, k: k <= q, S, (True, "0", None)),
        (lambda q, k: q >= k, S, (True, "0", None)),
        (lambda q, k: k < q + 1, S, (True, "0", None)),
        (lambda q, k: k <= q + 3, S + 3, (True, "3", None)),
        (lambda q, k: q + 3 - k >= 0, S + 3, (True, "3", None)),
        (lambda q, k: both(k <= q, k > q - 2), S, (True, "0", 2)),
        (lambda q, k: both(both(k > q - 2, k <= q), torch.ones((), dtype=torch.bool)), S, (True, "0", 2)),
        (lambda q, k: both(k <= q + 4, k >= q + 2), S + 4, (True, "4", 3)),
        (lambda q, k: (k <= q)[None, None].expand(B, H, S, S), S, (True, "0", None)),
        (lambda q, k: torch.where(k <= q, 0.0, LOWEST), S, (True, "0", None)),
        (lambda q, k: low(both(k <= q, k > q - 3))[None].expand(B, S, S)[:, None], S, (True, "0", 3)),
        (lambda q, k: (k <= q + S), S, (False, None, None)),
        (lambda q, k: both(k <= q, k > q - S), S, (True, "0", None)),
    ],
)  # fmt: skip
def test_conditions_on_positions_are_attributes(mask, length, wanted):
    module, op = attend(mask, length)
    assert says(op) == wanted
    assert op.mask is None
    assert not ops_of(module).keys() & {"iota", "pointwise<le>", "pointwise<and>", "broadcast"}


def test_packed_sequences_that_are_not_packed():
    """`transformers` looks for packed sequences in position ids; with plain ones there are none."""

    def mask(q, k):
        positions = torch.arange(S)[None].expand(B, -1)
        longer = torch.cat((positions[:, :1] - 1, positions), -1)
        segment = (longer[:, 1 : S + 1] - longer[:, :S] != 1).cumsum(-1)
        batch = torch.arange(B)[:, None, None, None]
        return both(k <= q, segment[batch, q] == segment[batch, k])

    module, op = attend(mask)
    assert says(op) == (True, "0", None)
    assert set(ops_of(module)) == {"transpose", "attention"}


@pytest.mark.parametrize("queries", [S, 1])
def test_padding_stays_as_a_small_mask(queries):
    def mask(q, k, padding):
        batch = torch.arange(B)[:, None, None, None]
        return both(k <= q + 2, padding[batch, k]).expand(B, 1, queries, 8)

    padding = torch.arange(8)[None] >= torch.tensor([[0], [3]])
    padding[:, 0] = True
    module, op = attend(mask, 8, queries, (padding,))
    assert says(op)[:2] == (True, "2")
    assert [d.value for d in shape_of(op.mask)] == [B, 1, 1, 8]
    assert "aten" not in ops_of(module)


def test_one_query_at_a_known_place():
    _, op = attend(lambda q, k: k <= q + 4, 8, 1)
    assert says(op) == (True, "4", None)


@pytest.mark.parametrize("queries", [3, 1])
@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (lambda q, k, held: k <= q + held, (True, "0", None)),
        (lambda q, k, held: k < held + q, (True, "-1", None)),
        (lambda q, k, held: both(k <= q + held, k > q + held - 4), (True, "0", 4)),
        (lambda q, k, held: (k - held <= q)[None, None].expand(B, H, -1, -1), (True, "0", None)),
    ],
)
def test_how_many_tokens_a_cache_holds_is_the_start(mask, wanted, queries):
    module, op = attend(mask, 10, queries, (torch.tensor(5),))
    assert says(op) == wanted
    assert op.mask is None
    assert op.start is function_of(module).body.block.args[3]


def test_bounds_that_count_from_different_numbers_stay_a_mask():
    _, op = attend(lambda q, k, a, b: both(k <= q + a, k > q + b), 10, 3, (torch.tensor(5), torch.tensor(2)))
    assert says(op) == (False, None, None)
    assert op.mask is not None


@pytest.mark.parametrize(
    ("mask", "extra", "shape"),
    [
        (lambda q, k, p: torch.where(k <= q + p, 0.0, LOWEST), torch.tensor(2), [1, 1, S, S]),
        (lambda q, k, p: torch.where(p[:, None, None], 0.0, LOWEST).expand(B, 1, S, S), randn(B, S) > -1, [B, 1, 1, S]),
        (lambda q, k, p: torch.where(k <= q - 1, 0.0, LOWEST) + p, torch.tensor(0.5), [1, 1, S, S]),
        (lambda q, k, p: torch.where(both(k <= q, p > 0), 0.0, LOWEST), torch.tensor(1.0), [1, 1, S, S]),
        (lambda q, k, p: torch.bitwise_or(k <= q, p > k), torch.tensor(2), [1, 1, S, S]),
        (lambda q, k, p: k * 2 <= q + p, torch.tensor(2), [1, 1, S, S]),
    ],
    ids=["unknown offset", "float padding", "sum", "float with padding", "or", "every other key"],
)
def test_other_masks_stay_and_are_not_repeated(mask, extra, shape):
    _, op = attend(mask, extra=(extra,))
    assert says(op) == (False, None, None)
    assert [d.value for d in shape_of(op.mask)] == shape


def test_a_float_mask_under_which_a_query_sees_nothing_stays():
    """Softmax over equal very low numbers is uniform, where an attention that sees nothing gives 0."""
    _, op = attend(lambda q, k: torch.where(k <= q - 1, 0.0, LOWEST))
    assert op.mask is not None

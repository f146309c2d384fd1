"""Rows that nobody reads are not computed."""

import torch
from torch.nn import functional as F

from traced import assert_same, only, randn, traced
from warpweave.ir import flow
from warpweave.passes import canonicalise, narrow_rows

B, S, K, N = 2, 5, 16, 24
W, G = randn(N, K, seed=1), randn(K, seed=2)


def narrowed(function, *args):
    """(the shape of the linear after the pass, the pass's decisions); the numbers stay."""
    module, values = traced(function, *args)
    ledger = assert_same(module, values, canonicalise.run, narrow_rows.run, canonicalise.run)
    shape = [d.value for d in only(module, flow.LinearOp).shape]
    return shape, [row for row in ledger.rows if row.rule == "narrow-rows"]


def head(x, w, g):
    return F.linear(F.rms_norm(x, (K,), g, 1e-5).to(torch.bfloat16).float() * 2 + x, w)


def test_logits_of_the_last_position():
    shape, decisions = narrowed(lambda x, w, g: head(x, w, g)[:, -1], randn(B, S, K), W, G)
    assert shape == [B, 1, N]
    assert decisions[0].reason == f"of rows [{B}, {S}], [{B}, 1] are wanted"
    assert decisions[0].bytes_saved == str(4 * B * (S - 1) * N)
    assert {row.outcome for row in decisions} == {"taken"}


def test_every_other_position_of_one_sequence():
    shape, _ = narrowed(lambda x, w, g: head(x, w, g)[1:, ::2], randn(B, S, K), W, G)
    assert shape == [1, 3, N]


def test_rows_that_others_read_are_computed():
    def both(x, w, g):
        logits = head(x, w, g)
        return logits[:, -1], logits.mean(1)

    shape, decisions = narrowed(both, randn(B, S, K), W, G)
    assert shape == [B, S, N]
    assert [(row.outcome, row.reason) for row in decisions] == [("refused", "all rows are used")]


def test_a_slice_of_columns_stays():
    shape, decisions = narrowed(lambda x, w, g: head(x, w, g)[..., 3:], randn(B, S, K), W, G)
    assert shape == [B, S, N]
    assert decisions == []


def test_an_operand_that_is_broadcast_over_rows_stays():
    def function(x, w, p):
        return (F.linear(x, w) + p)[:, 2:4]

    shape, decisions = narrowed(function, randn(B, S, K), W, randn(S, 1, seed=3))
    assert shape == [B, S, N]
    assert decisions == []

"""A key that a boolean mask hides counts nothing, whatever it holds: what lies behind the end of a cache is no number of anybody's.

Eager adds -inf to the score of such a key, which makes NaN of an infinite one (docs/numerics.md).
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), 3e38])
def test_a_hidden_key_counts_nothing(value: float) -> None:
    q, k, v = (torch.randn(2, 4, 13, 16) for _ in range(3))
    mask = torch.ones(13, 13, dtype=torch.bool).tril()
    clean = k.clone()
    k[:, :, 9:] = value
    clean[:, :, 9:] = 0
    ours = torch.compile(F.scaled_dot_product_attention, backend="warpweave")(q, k, v, mask)
    seen = [x[:, :, :9] for x in (ours, F.scaled_dot_product_attention(q, clean, v, mask))]
    truth = F.scaled_dot_product_attention(q.double(), clean.double(), v.double(), mask)[:, :, :9]
    assert_close_to_float64(*seen, truth, what=f"{value} in hidden keys")

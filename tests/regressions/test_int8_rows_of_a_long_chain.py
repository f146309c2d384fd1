"""The rows of an int8 product come from a chain of ops each of which reads the one before twice.

The search for the reshape at its beginning went down both ways at each op: 2^40 of them here.
"""

from __future__ import annotations

import torch

from traced import ops_of, traced
from warpweave.ir.ledger import Ledger
from warpweave.passes import unflatten_linears


def _powers(x, weight):
    rows = x.reshape(-1, x.shape[-1])
    for _ in range(40):
        rows = rows * rows
    return torch._int_mm(rows.to(torch.int8), weight.t()).reshape(*x.shape[:-1], -1)


def test_each_op_is_looked_at_once() -> None:
    weight = torch.ones(16, 8, dtype=torch.int8)
    module, _ = traced(_powers, torch.ones(2, 3, 8), weight, weights=(1,))
    ledger = Ledger()
    unflatten_linears.run(module, ledger)
    assert [row.outcome for row in ledger.rows] == ["taken"]
    assert ops_of(module)["linear"] == 1

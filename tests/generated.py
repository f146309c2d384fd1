"""Large flow modules made of random steps from a seed."""

from __future__ import annotations

import random

from xdsl.dialects.builtin import ModuleOp

from flow_models import SIZES, Function
from warpweave.ir import flow


def flow_chain(ops: int, seed: int = 0) -> ModuleOp:
    """About `ops` linears, activations, sums, norms and softmaxes, each of one of the last six values."""
    f, chance = Function("main"), random.Random(seed)
    values, weights = [f.arg("x", ["B", "S", 64], sizes=SIZES)], [f.weight("w", 64, 64) for _ in range(4)]
    steps = [
        lambda x: f.linear(x, chance.choice(weights)),
        lambda x: f.pw("silu", x),
        lambda x: f.pw("add", x, chance.choice(values[-6:])),
        lambda x: f(flow.RMSNormOp(x, None, 1e-6)),
        lambda x: f(flow.SoftmaxOp(x, 2)),
    ]
    for _ in range(ops):
        values.append(chance.choice(steps)(chance.choice(values[-6:])))
    return ModuleOp([f.finish(*values[-3:])])

"""Python functions on tensors → flow modules, and the one check that every flow pass must pass: the same numbers."""

from __future__ import annotations

from collections import Counter

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from warpweave.frontend.importer import import_graph
from warpweave.ir import flow, reference
from warpweave.ir.ledger import Ledger
from warpweave.ir.verify import verify_level
from xdsl.dialects import func


def traced(function, *args, weights=()):
    """(the module of `function`, its arguments). `weights` are the positions of arguments that are weights."""
    with torch.no_grad():
        graph = make_fx(function, tracing_mode="fake", pre_dispatch=True)(*args)
    roles = ["weight" if i in weights else "input" for i in range(len(args))]
    return import_graph(graph, [f"a{i}" for i in range(len(args))], roles), list(args)


def randn(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def function_of(module, name="main"):
    return next(op for op in module.ops if isinstance(op, func.FuncOp) and op.sym_name.data == name)


def ops_of(module, name="main"):
    """How often each op stands in a function: `rms_norm`, `pointwise<add>`."""
    names = []
    for op in function_of(module, name).body.block.ops:
        if isinstance(op, flow.PointwiseOp):
            names.append(f"pointwise<{op.kind.data}>")
        elif not isinstance(op, func.ReturnOp):
            names.append(op.name.split(".")[1])
    return Counter(names)


def only(module, kind, name="main"):
    """The one op of a class in a function."""
    (found,) = [op for op in function_of(module, name).body.block.ops if isinstance(op, kind)]
    return found


def assert_same(module, args, *passes, bound=1e-13):
    """Run the passes; the float64 results stay within `bound` of what they were. Gives the ledger."""
    wanted = reference.run(module, args, float64=True)
    ledger = Ledger()
    for apply in passes:
        apply(module, ledger)
        verify_level(module, "flow")
    for ours, want in zip(reference.run(module, args, float64=True), wanted, strict=True):
        assert ours.shape == want.shape
        assert ours.dtype == want.dtype
        assert torch.equal(ours.isfinite(), want.isfinite())
        kept = want.isfinite() if want.is_floating_point() else torch.ones_like(want, dtype=torch.bool)
        error = (ours[kept].double() - want[kept].double()).abs().max() if kept.any() else 0.0
        scale = want[kept].double().abs().max().clamp_min(1e-30) if kept.any() else 1.0
        assert error <= bound * scale, f"{float(error / scale):.2e} away"
    return ledger


def refusals(ledger, rule):
    return [row.reason for row in ledger.rows if row.rule == rule and row.outcome == "refused"]

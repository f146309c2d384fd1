"""Python functions on tensors → flow modules, and the one check that every flow pass must pass: the same numbers."""

from __future__ import annotations

from collections import Counter

import torch
from torch._functorch.aot_autograd import make_boxed_func
from torch.fx.experimental.proxy_tensor import make_fx
from xdsl.dialects import func

from warpweave.frontend.capture import capture
from warpweave.frontend.importer import import_graph
from warpweave.ir import flow, reference
from warpweave.ir.ledger import Ledger
from warpweave.ir.types import tensor_type
from warpweave.ir.verify import verify_level


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


def captured(model, **inputs):
    """The modules that torch.compile gives for a call of `model`; their arguments are not kept."""
    modules = []

    def compile_graph(graph, example_inputs, kind, placeholders):
        modules.append(import_graph(graph, [p.name for p in placeholders], [p.role for p in placeholders]))
        return make_boxed_func(graph.forward)

    torch._dynamo.reset()
    with torch.no_grad():
        torch.compile(model, backend=lambda graph, examples: capture(graph, examples, compile_graph))(**inputs)
    return modules


def arguments_of(module, ids=8, seed=0, **symbols):
    """Random arguments for @main: floats, ints below `ids`, booleans that are mostly true."""
    generator = torch.Generator().manual_seed(seed)
    values = []
    for arg in function_of(module).body.block.args:
        type_ = tensor_type(arg)
        shape = [d.evaluate(symbols) for d in type_.shape]
        dtype = reference.TORCH_DTYPES[type_.dtype]
        if dtype == torch.bool:
            values.append(torch.rand(shape, generator=generator) > 0.2)
        elif dtype.is_floating_point:
            values.append((torch.randn(shape, generator=generator, dtype=torch.float64) * 0.3).to(dtype))
        else:
            values.append(torch.randint(0, ids, shape, generator=generator).to(dtype))
    return values

"""Small transformer layers as flow modules: what the importer and the recognising passes give for real models."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, IntAttr, ModuleOp
from xdsl.ir import Block, Region, SSAValue

from warpweave.ir import flow
from warpweave.ir.locations import location
from warpweave.ir.signature import argument_attributes
from warpweave.ir.types import TensorType, shape_of

TORCH = {"f64": torch.float64, "f32": torch.float32, "bf16": torch.bfloat16, "i64": torch.int64, "i1": torch.bool}


class Function:
    """A function under construction, and random tensors for its arguments."""

    def __init__(self, name: str, dtype: str = "f32", seed: int = 0):
        self.name, self.dtype = name, dtype
        self.block = Block()
        self.roles: list[str] = []
        self.args: list[torch.Tensor] = []
        self.generator = torch.Generator().manual_seed(seed)
        self.path = ""

    def arg(
        self,
        hint: str,
        shape: list,
        role: str = "input",
        dtype: str | None = None,
        sizes: dict[str, int] | None = None,
        scale: float = 1.0,
        value=None,
    ) -> SSAValue:
        type_ = TensorType.of(shape, dtype or self.dtype)
        arg = self.block.insert_arg(type_, len(self.block.args))
        arg.name_hint = hint
        self.roles.append(role)
        if value is None:
            concrete = [d.evaluate(sizes or {}) for d in type_.shape]
            value = torch.randn(concrete, generator=self.generator, dtype=torch.float64) * scale
        self.args.append(value.to(TORCH[type_.dtype]))
        return arg

    def weight(self, hint: str, *shape: int) -> SSAValue:
        return self.arg(hint, list(shape), "weight", scale=1 / math.sqrt(shape[-1]) if len(shape) > 1 else 1.0)

    def __call__(self, op: flow.FlowOp) -> SSAValue:
        op.location = location(self.path)
        self.block.add_op(op)
        return op.result

    def at(self, path: str) -> Function:
        self.path = path
        return self

    # shorthands

    def pw(self, kind: str, *inputs: SSAValue, dtype: str | None = None) -> SSAValue:
        op = flow.PointwiseOp(kind, list(inputs))
        if dtype is not None:
            op = flow.PointwiseOp(kind, list(inputs), op.type.with_element(dtype))
        return self(op)

    def number(self, value: float, dtype: str | None = None) -> SSAValue:
        return self(flow.ConstantOp(value, TensorType.of([], dtype or self.dtype)))

    def linear(self, x: SSAValue, w: SSAValue, b: SSAValue | None = None) -> SSAValue:
        return self(flow.LinearOp(x, w, b))

    def rms(self, x: SSAValue, g: SSAValue, unit_offset: bool = False) -> SSAValue:
        return self(flow.RMSNormOp(x, g, 1e-6, unit_offset))

    def ln(self, x: SSAValue, g: SSAValue, b: SSAValue) -> SSAValue:
        return self(flow.LayerNormOp(x, g, b, 1e-5))

    def reshape(self, x: SSAValue, *shape) -> SSAValue:
        return self(flow.ReshapeOp(x, list(shape)))

    def transpose(self, x: SSAValue, *order: int) -> SSAValue:
        return self(flow.TransposeOp(x, list(order)))

    def columns(self, x: SSAValue, start: int, size: int) -> SSAValue:
        shape = shape_of(x)
        return self(flow.SliceOp(x, [*(0 for _ in shape[:-1]), start], [*shape[:-1], size]))

    def finish(self, *results: SSAValue) -> func.FuncOp:
        self.block.add_op(func.ReturnOp(*results))
        attrs = ArrayAttr([argument_attributes(r) for r in self.roles])
        return func.FuncOp(
            self.name,
            ([a.type for a in self.block.args], [v.type for v in results]),
            Region(self.block),
            arg_attrs=attrs,
        )


def kernels(module: ModuleOp, name: str = "main") -> list[str]:
    """The names of the kernels and other executed ops of a function, in order; views and constant ops left out."""
    from warpweave.ir.verify import constant_ops

    function = next(f for f in module.ops if isinstance(f, func.FuncOp) and f.sym_name.data == name)
    constants = constant_ops(function)
    return [
        op.name
        for op in function.body.block.ops
        if op not in constants and not isinstance(op, (*flow.VIEWS, func.ReturnOp))
    ]


Build = Callable[..., tuple[ModuleOp, list[torch.Tensor]]]
SIZES = {"B": 2, "S": 5}


def gqa(
    f: Function, x: SSAValue, weights, rope, heads=4, kv=2, d=16, norms=None, cache=None, bias=None, **attention
) -> tuple[SSAValue, list[SSAValue]]:
    """Projections of x (already normed), heads, QK-norm, rope, cache append, attention; gives [B, S, heads·d] and the caches."""
    shapes = [heads, kv, kv]
    parts = [
        f.reshape(f.linear(x, w, bias and bias[i]), "B", "S", n, d)
        for i, (w, n) in enumerate(zip(weights, shapes, strict=True))
    ]
    if norms is not None:
        parts[:2] = [f.rms(p, g) for p, g in zip(parts, norms, strict=False)]
    if rope is not None:
        parts[:2] = [f(flow.RopeOp(p, *rope, "half")) for p in parts[:2]]
    caches: list[SSAValue] = []
    if cache is not None:
        *buffers, positions = cache
        caches = [
            f(flow.KVAppendOp(b, f.transpose(p, 0, 2, 1, 3), positions, 2))
            for b, p in zip(buffers, parts[1:], strict=True)
        ]
        parts[1:] = [f.transpose(c, 0, 2, 1, 3) for c in caches]
    out = f(flow.AttentionOp(*parts, 1 / math.sqrt(d), causal=cache is None, **attention))
    return f.reshape(out, "B", "S", heads * d), caches


def rope_args(f: Function, d: int = 16) -> tuple[SSAValue, SSAValue]:
    angles = torch.randn(1, SIZES["S"], d // 2, generator=f.generator)
    angles = torch.cat([angles, angles], -1)
    return f.arg("cos", [1, "S", d], value=angles.cos()), f.arg("sin", [1, "S", d], value=angles.sin())


def llama(
    dtype: str = "f32", qk_norm: bool = False, cached: bool = False, packed: bool = False, post_norms: bool = False
) -> tuple[ModuleOp, list[torch.Tensor]]:
    """One layer, then the final norm and the LM head."""
    N, H, KV, d, M, V, L = 64, 4, 2, 16, 96, 50, 9
    f = Function("main", dtype)
    x = f.arg("x", ["B", "S", N], sizes=SIZES)
    rope = rope_args(f)
    g1, g2, g3 = (f.weight(n, N) for n in ("g1", "g2", "g3"))
    p1, p2 = (f.weight(n, N) for n in ("p1", "p2")) if post_norms else (None, None)
    qkv = [f.weight("wq", H * d, N), f.weight("wk", KV * d, N), f.weight("wv", KV * d, N)]
    wo, wd, head = f.weight("wo", N, H * d), f.weight("wd", N, M), f.weight("head", V, N)
    norms = [f.weight("gq", d), f.weight("gk", d)] if qk_norm else None
    cache = None
    if cached:
        cache = [f.arg(n, ["B", KV, L, d], "cache", sizes=SIZES) for n in ("k", "v")]
        cache.append(f.arg("pos", ["S"], dtype="i64", value=torch.arange(SIZES["S"]) + 3))
    f.at("layers.0.input_layernorm")
    h = f.rms(x, g1, post_norms)
    f.at("layers.0.self_attn")
    extra = {"softcap": 5.0} if post_norms else {}
    a, caches = gqa(f, h, qkv, rope, H, KV, d, norms, cache, **extra)
    o = f.linear(a, wo)
    x = f.pw("add", x, f.rms(o, p1, True) if post_norms else o)
    h = f.at("layers.0.post_attention_layernorm").rms(x, g2, post_norms)
    f.at("layers.0.mlp")
    if packed:
        gu = f.linear(h, f.weight("wgu", 2 * M, N))
        gate, up = f.columns(gu, 0, M), f.columns(gu, M, M)
    else:
        gate, up = f.linear(h, f.weight("wg", M, N)), f.linear(h, f.weight("wu", M, N))
    down = f.linear(f.pw("mul", f.pw("silu", gate), up), wd)
    x = f.pw("add", x, f.rms(down, p2, True) if post_norms else down)
    logits = f.at("lm_head").linear(f.rms(x, g3, post_norms), head)
    main = f.finish(logits, *caches)
    if cached:
        cache_index = next(i for i, r in enumerate(f.roles) if r == "cache")
        main.attributes["weave.mutations"] = ArrayAttr(
            [ArrayAttr([IntAttr(1 + i), IntAttr(cache_index + i)]) for i in range(2)]
        )
    return ModuleOp([main]), f.args


def llama_stack(dtype: str = "f32", layers: int = 3) -> tuple[ModuleOp, list[torch.Tensor]]:
    """A layer function called several times between an embedding and a head."""
    N, H, KV, d, M, V = 64, 4, 2, 16, 96, 50
    layer = Function("layer", dtype)
    x = layer.arg("x", ["B", "S", N], sizes=SIZES)
    rope = rope_args(layer)
    names = {
        "g1": [N],
        "wq": [H * d, N],
        "wk": [KV * d, N],
        "wv": [KV * d, N],
        "wo": [N, H * d],
        "g2": [N],
        "wg": [M, N],
        "wu": [M, N],
        "wd": [N, M],
    }
    w = {name: layer.weight(name, *shape) for name, shape in names.items()}
    a, _ = gqa(layer, layer.rms(x, w["g1"]), [w["wq"], w["wk"], w["wv"]], rope, H, KV, d)
    x1 = layer.pw("add", x, layer.linear(a, w["wo"]))
    h = layer.rms(x1, w["g2"])
    m = layer.pw("mul", layer.pw("silu", layer.linear(h, w["wg"])), layer.linear(h, w["wu"]))
    callee = layer.finish(layer.pw("add", x1, layer.linear(m, w["wd"])))
    callee.arg_attrs = None

    f = Function("main", dtype, seed=1)
    ids = f.arg(
        "ids", ["B", "S"], dtype="i64", value=torch.randint(0, V, (SIZES["B"], SIZES["S"]), generator=f.generator)
    )
    rope = rope_args(f)
    table, g3, head = f.weight("table", V, N), f.weight("g3", N), f.weight("head", V, N)
    x = f(flow.EmbeddingOp(ids, table))
    for i in range(layers):
        weights = [f.weight(f"{name}_{i}", *shape) for name, shape in names.items()]
        call = func.CallOp("layer", [x, *rope, *weights], [x.type])
        f.block.add_op(call)
        x = call.results[0]
    main = f.finish(f.linear(f.rms(x, g3), head))
    return ModuleOp([main, callee]), f.args


def gpt2(dtype: str = "f32") -> tuple[ModuleOp, list[torch.Tensor]]:
    """LayerNorm with bias, packed c_attn, tanh-GELU spelled out; then the final norm and the tied head."""
    N, H, d, M, V = 64, 4, 16, 256, 50
    f = Function("main", dtype)
    x = f.arg("x", ["B", "S", N], sizes=SIZES)
    vectors = [f.weight(n, N) for n in ("g1", "b1", "g2", "b2", "g3", "b3")]
    w = {
        n: f.weight(n, *s)
        for n, s in {
            "wa": [3 * N, N],
            "ba": [3 * N],
            "wo": [N, N],
            "bo": [N],
            "wf": [M, N],
            "bf": [M],
            "wp": [N, M],
            "bp": [N],
            "head": [V, N],
        }.items()
    }
    qkv = f.linear(f.ln(x, *vectors[:2]), w["wa"], w["ba"])
    q, k, v = (f.reshape(f.columns(qkv, i * N, N), "B", "S", H, d) for i in range(3))
    a = f.reshape(f(flow.AttentionOp(q, k, v, 1 / math.sqrt(d), causal=True)), "B", "S", N)
    x = f.pw("add", f.linear(a, w["wo"], w["bo"]), x)
    h = f.linear(f.ln(x, *vectors[2:4]), w["wf"], w["bf"])
    cube = f.pw("mul", f.pw("mul", f.pw("mul", h, h), h), f.number(0.044715))
    inner = f.pw("tanh", f.pw("mul", f.pw("add", h, cube), f.number(math.sqrt(2 / math.pi))))
    m = f.pw("mul", f.pw("mul", h, f.number(0.5)), f.pw("add", inner, f.number(1.0)))
    x = f.pw("add", x, f.linear(m, w["wp"], w["bp"]))
    return ModuleOp([f.finish(f.linear(f.ln(x, *vectors[4:]), w["head"]))]), f.args


def bert(dtype: str = "f32") -> tuple[ModuleOp, list[torch.Tensor]]:
    """A post-LayerNorm layer."""
    N, H, d, M = 64, 4, 16, 128
    f = Function("main", dtype)
    x = f.arg("x", ["B", "S", N], sizes=SIZES)
    mask = f.arg("mask", ["B", 1, 1, "S"], value=torch.zeros(2, 1, 1, 5))
    vectors = [f.weight(n, N) for n in ("g1", "b1", "g2", "b2")]
    w = {
        n: f.weight(n, *s)
        for n, s in {
            "wq": [N, N],
            "bq": [N],
            "wk": [N, N],
            "bk": [N],
            "wv": [N, N],
            "bv": [N],
            "wo": [N, N],
            "bo": [N],
            "wf": [M, N],
            "bf": [M],
            "wp": [N, M],
            "bp": [N],
        }.items()
    }
    a, _ = gqa(f, x, [w["wq"], w["wk"], w["wv"]], None, H, H, d, bias=[w["bq"], w["bk"], w["bv"]], mask=mask)
    x = f.ln(f.pw("add", f.linear(a, w["wo"], w["bo"]), x), *vectors[:2])
    m = f.pw("gelu", f.linear(x, w["wf"], w["bf"]))
    x = f.ln(f.pw("add", f.linear(m, w["wp"], w["bp"]), x), *vectors[2:])
    return ModuleOp([f.finish(x)]), f.args


MODELS: dict[str, Build] = {
    "llama": llama,
    "llama_cached": lambda dtype="f32": llama(dtype, cached=True),
    "qwen3": lambda dtype="f32": llama(dtype, qk_norm=True),
    "phi3": lambda dtype="f32": llama(dtype, packed=True),
    "gemma2": lambda dtype="f32": llama(dtype, post_norms=True),
    "llama_stack": llama_stack,
    "gpt2": gpt2,
    "bert": bert,
}


def assert_same_numbers(module: ModuleOp, args: list[torch.Tensor], passes, ledger=None) -> None:
    """The passes, run one after the other in place, change nothing in float64; the module verifies after each."""
    from warpweave.ir.ledger import Ledger
    from warpweave.ir.reference import run

    ledger = ledger if ledger is not None else Ledger()
    module.verify()
    wanted = run(module, args, float64=True)
    for apply in passes:
        apply(module, ledger)
        module.verify()
        for got, want in zip(run(module, args, float64=True), wanted, strict=True):
            assert torch.allclose(got, want, rtol=1e-11, atol=1e-11), (
                f"{apply.__module__}: off by {(got - want).abs().max():.2e}"
            )

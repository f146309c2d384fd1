"""What operators and expressions compute, against float64, by calling compiled programs."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from numerics import assert_close_to_float64, distance
from warpweave import load_weave
from warpweave.frontend.weave.errors import Source
from warpweave.frontend.weave.expressions import OPERATORS
from warpweave.frontend.weave.functions import FUNCTIONS
from warpweave.frontend.weave.lower import lower
from warpweave.frontend.weave.parse import parse
from warpweave.ir.pointwise import POINTWISE, torch_reference
from warpweave.ir.reference import run
from warpweave.ir.text import to_text

B, S, L = 2, 5, 7


def reference(text: str, *args: Tensor) -> Tensor:
    """The first result of a program by the reference semantics, in float64."""
    module = lower(parse(text), Source("<text>", text))
    return run(module, [a.double() if a.is_floating_point() else a for a in args], float64=True)[0]


def flow(text: str) -> str:
    return to_text(lower(parse(text), Source("<text>", text)))


# ---- attention -------------------------------------------------------------------------------------------------

ATTENTION = (
    "block f(q: f32[B, S, H=4, d=16], k: f32[B, L, G=2, d], v: f32[B, L, G, d], slope: f32[H], valid: i1[B, L], "
    "bias: f32[B, 1, S, L]) -> f32[B, S, H, d] {{\n  return attention(q, k, v, {})\n}}\n"
)
QUERY, KEY = torch.arange(S)[:, None], torch.arange(L)[None]


def exact_attention(q: Tensor, k: Tensor, v: Tensor, score, seen: Tensor) -> Tensor:
    q, k, v = (t.double().transpose(1, 2) for t in (q, k, v))
    k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    scores = score(q @ k.transpose(-1, -2) / 4).masked_fill(~seen, -math.inf)
    return (scores.softmax(-1).nan_to_num(0.0) @ v).transpose(1, 2)


CASES = {
    "causal=true": (lambda s, e: s, lambda e: KEY <= QUERY),
    "mask=key <= query": (lambda s, e: s, lambda e: KEY <= QUERY),
    "mask=key <= query && query - key < 3, score=softcap(s, 2)": (
        lambda s, e: 2 * torch.tanh(s / 2), lambda e: (KEY <= QUERY) & (QUERY - KEY < 3)),
    "mask=valid[batch, key]": (lambda s, e: s, lambda e: e["valid"][:, None, None, :]),
    "mask=valid[batch, key] && key <= query": (
        lambda s, e: s, lambda e: e["valid"][:, None, None, :] & (KEY <= QUERY)),
    "score=s + slope[head] * (key - query) as f32, causal=true": (
        lambda s, e: s + e["slope"][:, None, None] * (KEY - QUERY), lambda e: KEY <= QUERY),
    "score=softcap(s, 2) + slope[head], mask=key <= query": (
        lambda s, e: 2 * torch.tanh(s / 2) + e["slope"][:, None, None], lambda e: KEY <= QUERY),
    "score=s * sigmoid(s) - slope[head], mask=key <= query": (
        lambda s, e: s * torch.sigmoid(s) - e["slope"][:, None, None], lambda e: KEY <= QUERY),
    "score=where(key > query + 1, -1.5 * s, s)": (
        lambda s, e: torch.where(KEY > QUERY + 1, -1.5 * s, s), lambda e: KEY >= 0),
    "score=s ** 2, mask=key > query + 4, causal=false": (lambda s, e: s**2, lambda e: KEY > QUERY + 4),
    "mask=bias": (lambda s, e: s + e["bias"], lambda e: KEY >= 0),
    "mask=bias, score=s - slope[head]": (lambda s, e: s + e["bias"] - e["slope"][:, None, None], lambda e: KEY >= 0),
    "scale=0.5": (lambda s, e: 2 * s, lambda e: KEY >= 0),
}  # fmt: skip


@pytest.mark.parametrize("arguments", CASES)
def test_attention(arguments: str):
    torch.manual_seed(0)
    text = ATTENTION.format(arguments)
    e = {
        "q": torch.randn(B, S, 4, 16), "k": torch.randn(B, L, 2, 16), "v": torch.randn(B, L, 2, 16),
        "slope": torch.rand(4), "valid": torch.rand(B, L) < 0.7, "bias": torch.randn(B, 1, S, L),
    }  # fmt: skip
    score, seen = CASES[arguments]
    wide = {n: t.double() if t.is_floating_point() else t for n, t in e.items()}
    exact = exact_attention(e["q"], e["k"], e["v"], lambda s: score(s, wide), seen(e))
    assert distance(reference(text, *e.values()), exact) < 1e-12


@pytest.mark.parametrize(
    ("arguments", "said", "not_said"),
    [
        ("score=softcap(s, 2)", "softcap = 2.0", "flow.matmul"),
        ("causal=true", "causal", "flow.iota"),
        ("score=s - slope[head]", "flow.attention", "flow.matmul"),
        ("score=s * s", "flow.matmul", "flow.attention"),
    ],
)
def test_what_the_operator_can_say_is_said_by_it(arguments: str, said: str, not_said: str):
    text = flow(ATTENTION.format(arguments))
    assert said in text
    assert not_said not in text


@pytest.mark.parametrize(
    "arguments",
    ["score=softcap(s, 2) + slope[head], mask=key <= query", "score=s * sigmoid(s) - slope[head], mask=key <= query"],
)
def test_compiled_attention(arguments: str):
    torch.manual_seed(0)
    text = ATTENTION.format(arguments)
    args = [
        torch.randn(B, S, 4, 16), torch.randn(B, L, 2, 16), torch.randn(B, L, 2, 16), torch.rand(4),
        torch.rand(B, L) < 0.7, torch.randn(B, 1, S, L),
    ]  # fmt: skip
    program = load_weave(text, {"strict": True})
    assert distance(program(*args), reference(text, *args)) < 1e-6


@pytest.mark.parametrize("mask", ["", ", mask=key > query", ", causal=true, mask=bias"])
def test_sinks_spelled_out_are_those_of_the_operator(mask: str):
    """`1 * s` is no score that the operator can say."""
    torch.manual_seed(0)
    args = [
        torch.randn(B, S, 4, 16), torch.randn(B, L, 2, 16), torch.randn(B, L, 2, 16), torch.rand(4),
        torch.rand(B, L) < 0.7, torch.randn(B, 1, S, L),
    ]  # fmt: skip
    whole, spelled = (ATTENTION.format(f"score={score}, sinks=slope{mask}") for score in ("s", "1 * s"))
    assert ("flow.attention" in flow(whole), "flow.attention" in flow(spelled)) == (True, False)
    assert distance(reference(spelled, *args), reference(whole, *args)) < 1e-12


def test_masks_on_positions_cost_nothing():
    program = load_weave(ATTENTION.format("mask=key <= query && query - key < 3"))
    assert [k["kind"] for k in program.report["kernels"]] == ["attention"]
    taken = [r["reason"] for r in program.report["ledger"] if r["rule"] == "recognise-mask"]
    assert taken == ["causal, offset 0, window 3"]


# ---- pointwise functions and operators -------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pointwise_function(name: str):
    torch.manual_seed(0)
    kind = POINTWISE[FUNCTIONS[name]]
    x, y = torch.rand(3, 4) + 0.5, torch.rand(4) + 0.5
    given = {1: "x", 2: "x, y", 3: "x > y, x, y"}[kind.arity]
    operands = {1: [x], 2: [x, y], 3: [x > y, x, y]}[kind.arity]
    if name == "xor":
        given, operands = "x > 1, y > 1", [x > 1, y > 1]
    result = "i1" if kind.result == "bool" else "f32"
    text = f"block f(x: f32[B, N], y: f32[N]) -> {result}[B, N] {{\n  return {name}({given})\n}}\n"
    exact = torch_reference(FUNCTIONS[name])(*(o.double() if o.is_floating_point() else o for o in operands))
    assert distance(reference(text, x, y), exact) < 1e-12


X = torch.Generator().manual_seed(0)
NORMAL = {
    "x": torch.randn(2, 3, 6, generator=X), "w": torch.randn(4, 6, generator=X), "b": torch.randn(4, generator=X),
    "g": torch.rand(6, generator=X), "ids": torch.tensor([[3, 0], [1, 1]]), "cos": torch.rand(1, 3, 6, generator=X),
}  # fmt: skip
DECLARED = "x: f32[B, S, D=6], w: f32[N=4, D], b: f32[N], g: f32[D], ids: i64[T, U], cos: f32[1, S, D]"


def _turned(x: Tensor, cos: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat([-high, low], -1) * cos


OPERATOR_CASES = {
    "linear(x, w, b)": ("B, S, N", lambda e: F.linear(e["x"], e["w"], e["b"])),
    "matmul(x, transpose(w, [1, 0]))": ("B, S, N", lambda e: e["x"] @ e["w"].T),
    "embedding(ids, w)": ("T, U, D", lambda e: e["w"][e["ids"]]),
    "rms_norm(x, g, unit_offset=true)": ("B, S, D", lambda e: F.rms_norm(e["x"], (6,), 1 + e["g"], 1e-6)),
    "layer_norm(x, g, g, eps=1e-3)": ("B, S, D", lambda e: F.layer_norm(e["x"], (6,), e["g"], e["g"], 1e-3)),
    "softmax(x, axis=1)": ("B, S, D", lambda e: e["x"].softmax(1)),
    "sum(x)": ("B, S, 1", lambda e: e["x"].sum(-1, keepdim=True)),
    "mean(x, axis=0)": ("1, S, D", lambda e: e["x"].mean(0, keepdim=True)),
    "amax(x)": ("B, S, 1", lambda e: e["x"].amax(-1, keepdim=True)),
    "amin(x, -2)": ("B, 1, D", lambda e: e["x"].amin(-2, keepdim=True)),
    "reshape(rope(reshape(x, [B, S, 1, D]), cos, cos), [B, S, D])": ("B, S, D", lambda e: _turned(e["x"], e["cos"])),
    "kv_append(x, slice(x, 1, 0, 2), iota(2) + 1)": (
        "B, S, D", lambda e: torch.cat([e["x"][:, :1], e["x"][:, :2]], 1)),
    "transpose(x, [2, 0, 1])": ("D, B, S", lambda e: e["x"].permute(2, 0, 1)),
    "broadcast(reshape(g, [1, D]), [S, D])": ("S, D", lambda e: e["g"].expand(3, 6)),
    "slice(x, axis=2, start=1, size=3, step=2)": ("B, S, 3", lambda e: e["x"][:, :, 1:6:2]),
    "concat([x, x], axis=1)": ("B, 2 * S, D", lambda e: torch.cat([e["x"], e["x"]], 1)),
    "iota(S) as f32 * 2 / S": ("S", lambda e: torch.arange(3).double() * 2 / 3),
    "x * sqrt(D) + 2 ** 3 // 3": ("B, S, D", lambda e: e["x"] * math.sqrt(6) + 2),
    "where(!(x > 0) || x > 1, -x, inf)": ("B, S, D", lambda e: torch.where((e["x"] <= 0) | (e["x"] > 1), -e["x"], math.inf)),
    "softcap(x, 3)": ("B, S, D", lambda e: 3 * torch.tanh(e["x"] / 3)),
}  # fmt: skip


@pytest.mark.parametrize("expression", OPERATOR_CASES)
def test_operator(expression: str):
    dims, exact = OPERATOR_CASES[expression]
    text = f"block f({DECLARED}) -> f32[{dims}] {{\n  return {expression}\n}}\n"
    wide = {n: t.double() if t.is_floating_point() else t for n, t in NORMAL.items()}
    result = reference(text, *NORMAL.values())
    assert list(result.shape) == list(exact(wide).shape)
    assert distance(result, exact(wide).double()) < 1e-12


def test_every_operator_is_tested():
    assert {n for n in OPERATORS if not any(f"{n}(" in e for e in OPERATOR_CASES)} == {"attention", "experts"}


# ---- experts ---------------------------------------------------------------------------------------------------

EXPERTS = """block f(x: f32[B, S, D=8], scores: f32[B, S, E=5], gate: weight f32[E, F=12, D], up: weight f32[E, F, D],
  down: weight f32[E, D, F]) -> f32[B, S, D] {{
  return experts(x, scores, gate, up, down, {})
}}
"""


@pytest.mark.parametrize(("top_k", "softmax", "normalised"), [(1, False, False), (2, True, True), (5, True, False)])
def test_experts(top_k: int, softmax: bool, normalised: bool):
    """Every expert for every row, weighed with what the row's choices get."""
    flags = "".join(f", {n}=true" for n, given in (("softmax", softmax), ("normalised", normalised)) if given)
    program = load_weave(EXPERTS.format(f"{top_k}{flags}"), {"strict": True})
    for batch, length in ((2, 7), (1, 1)):
        torch.manual_seed(length)
        x, scores = torch.randn(batch, length, 8), torch.randn(batch, length, 5)
        gate, up, down = torch.randn(5, 12, 8), torch.randn(5, 12, 8), torch.randn(5, 8, 12)

        def exact(dtype: torch.dtype, *given: Tensor) -> Tensor:
            x, scores, gate, up, down = (t.to(dtype) for t in given)
            shares = scores.softmax(-1) if softmax else scores
            values, chosen = shares.topk(top_k)
            values = values / values.sum(-1, keepdim=True) if normalised else values
            weights = torch.zeros_like(shares).scatter(-1, chosen, values)
            inner = F.silu(torch.einsum("bsd,efd->bsef", x, gate)) * torch.einsum("bsd,efd->bsef", x, up)
            return torch.einsum("bsef,edf,bse->bsd", inner, down, weights)

        given = (x, scores, gate, up, down)
        assert_close_to_float64(program(*given), exact(torch.float32, *given), exact(torch.float64, *given))


# ---- einsum statements -----------------------------------------------------------------------------------------

EINSUMS = {
    "C[i, j] = A[i, k] * B[k, j]": ("I, J", "ik,kj->ij"),
    "C[j, i] = A[i, k] * B[k, j]": ("J, I", "ik,kj->ji"),
    "C[i] = A[i, k]": ("I", "ik->i"),
    "C[i, j] = A[i, k] * B[l, j]": ("I, J", "ik,lj->ij"),
    "C[i, k, j] = A[i, k] * B[k, j]": ("I, K, J", "ik,kj->ikj"),
    "C[i, j] = A[i, k] * B[k, j] * E[j, l] * E[j, l]": ("I, J", "ik,kj,jl,jl->ij"),
    "C[i, l] = A[i, k] * B[k, j] * E[j, l]": ("I, L", "ik,kj,jl->il"),
    "C[k, i] = 2 * A[i, k] / 4": ("K, I", None),
    "C[i, j] max= A[i, k] - B[k, j]": ("I, J", None),
    "C[i] mean= A[i, k] * k": ("I", None),
    "C[i] = exp(A[i, k]) * where(k <= i, 1, 0) / A[i, k]": ("I", None),
}
OTHERS = {
    "C[k, i] = 2 * A[i, k] / 4": lambda a, b, e: a.T / 2,
    "C[i, j] max= A[i, k] - B[k, j]": lambda a, b, e: (a[:, :, None] - b[None]).amax(1),
    "C[i] mean= A[i, k] * k": lambda a, b, e: (a * torch.arange(a.shape[1])).mean(1),
    "C[i] = exp(A[i, k]) * where(k <= i, 1, 0) / A[i, k]": lambda a, b, e: (a.exp() / a).tril().sum(1),
}


@pytest.mark.parametrize("weight", ["", "weight "])
@pytest.mark.parametrize("statement", EINSUMS)
def test_einsum(statement: str, weight: str):
    torch.manual_seed(0)
    dims, equation = EINSUMS[statement]
    text = (
        f"block f(A: f32[I, K=4], B: {weight}f32[K, J=5], E: f32[J, L]) -> f32[{dims}] "
        f"{{\n  {statement}\n  return C\n}}\n"
    )
    a, b, e = torch.rand(3, 4) + 0.5, torch.randn(4, 5), torch.randn(5, 2)
    if statement == "C[i] mean= A[i, k] * k":
        text = text.replace("* k\n", "* k as f32\n")
    wide = [t.double() for t in (a, b, e)]
    operands = [wide[" ABE".index(n) - 1] for n in statement.split("=")[1] if n in "ABE"]
    exact = torch.einsum(equation, *operands) if equation else OTHERS[statement](*wide)
    assert distance(reference(text, a, b, e), exact) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_einsum_of_heads(dtype: torch.dtype):
    """A product over two indices at once with a weight, and one with a batch; at two sizes."""
    name = {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype]
    text = f"""block f(O: {name}[B, H=3, S, E=8], W: weight {name}[D=16, H, E]) -> ({name}[B, S, D], {name}[B, H, S, S]) {{
  Y[b, s, d] = O[b, h, s, e] * W[d, h, e]
  G[b, h, s, t] = O[b, h, s, e] * O[b, h, t, e]
  return Y, G
}}
"""
    text = text.replace(
        "G[b, h, s, t] = O[b, h, s, e] * O[b, h, t, e]", "G[b, h, s, t] = O[b, h, s, e] * O[b, h, t, e]"
    )
    program = load_weave(text, {"strict": True})
    for batch, length in ((2, 5), (1, 17)):
        torch.manual_seed(length)
        o, w = torch.randn(batch, 3, length, 8, dtype=dtype), (torch.randn(16, 3, 8) / 5).to(dtype)
        ours = program(o, w)
        for i, equation in enumerate(("bhse,dhe->bsd", "bhse,bhte->bhst")):
            operands = (o, w) if i == 0 else (o, o)
            eager, exact = (torch.einsum(equation, *(t.to(k) for t in operands)) for k in (dtype, torch.float64))
            assert_close_to_float64(ours[i], eager, exact, what=equation)

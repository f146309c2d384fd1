"""Every rule of the table: a small function, captured, imported and run by the reference, against eager."""

import pytest
import torch
import torch.nn.functional as F

from imported_backend import compiled

torch.manual_seed(0)
X = torch.randn(3, 5, 8)
Y = torch.randn(3, 5, 8)
ROW = torch.randn(8)
BF = torch.randn(3, 5, 8).bfloat16()
INT = torch.randint(-9, 9, (3, 5, 8))
INT8 = torch.randint(-128, 128, (24, 16), dtype=torch.int8)
MASK = torch.randn(3, 5, 8) > 0
W = torch.randn(6, 8)
BIAS = torch.randn(6)
Q = torch.randn(2, 4, 5, 16)
K = torch.randn(2, 4, 7, 16)
KV = torch.randn(2, 2, 7, 16)
IMAGE = torch.randn(2, 3, 8, 12)
IDS = torch.randint(0, 6, (2, 5))

POINTWISE = {
    "add": (lambda x, y: x + y, X, ROW),
    "add_alpha": (lambda x, y: torch.add(x, y, alpha=0.5), X, Y),
    "add_scalar": (lambda x: x + 2.5, BF),
    "add_bf16_f32": (lambda x, y: x + y, BF, X),
    "add_int_bf16": (lambda x, y: x + y, INT, BF),
    "add_bool": (lambda x, y: x + y, MASK, MASK),
    "sub_rsub": (lambda x, y: 1 - (x - y), X, Y),
    "mul_zero_dim": (lambda x, s: x * s, BF, torch.tensor(1.7)),
    "mul_double_zero_dim": (lambda x, s: x * s, X, torch.tensor(1.7, dtype=torch.float64)),
    "div": (lambda x, y: x / y, X, Y),
    "div_int": (lambda x: x / 3, INT),
    "div_floor": (lambda x: torch.div(x, 3, rounding_mode="floor"), INT),
    "floor_divide": (lambda x: x // 4, INT),
    "remainder": (lambda x: x % 4, INT),
    "pow": (lambda x: x**2 + x**3 + x.abs() ** 0.5 + (x.abs() + 1) ** -0.5, X),
    "pow_base": (lambda x: 2.0**x, X),
    "pow_int": (lambda x: x**2, INT),
    "float_unary": (lambda x: x.exp() + x.sin() + x.cos() + x.tanh() + x.erf() + x.sigmoid() + x.floor() + x.ceil(), X),
    "rounding": (lambda x: (x * 3).round() + (x * 5).trunc() + (x > 0).long().float().div(2).round(), X),
    "rounding_of_integers": (lambda x: x.floor() + x.ceil() * x.round() - x.trunc(), INT),
    "rounding_bf16": (lambda x: (x * 3).round() * (x * 5).trunc(), BF),
    "log_sqrt": (lambda x: (x.abs() + 1).log() + x.abs().sqrt() + (x.abs() + 1).rsqrt() + (x + 9).reciprocal(), X),
    "sign_neg": (lambda x: x.sign() - x.neg(), X),
    "activations": (lambda x: F.relu(x) + F.silu(x) + F.gelu(x) + F.gelu(x, approximate="tanh"), X),
    "activations_bf16": (lambda x: F.silu(x) * F.gelu(x), BF),
    "rare_activations": (lambda x: F.softplus(x) + F.hardswish(x) + F.hardsigmoid(x) + F.leaky_relu(x, 0.1), X),
    "mish_glu": (lambda x: F.glu(F.mish(x), -1), X),
    "softplus_int_cast": (lambda x: x.float().tanh(), INT),
    "sigmoid_of_int": (lambda x: torch.sigmoid(x), INT),
    "comparisons": (lambda x, y: (x < y) | (x > 0.5) & (y <= 0.1) ^ (x >= y), X, Y),
    "comparisons_mixed": (lambda x, y: (x < y).float() + (x == 2), INT, X),
    "comparisons_bf16": (lambda x: x > 0.1, BF),
    "logical": (lambda x, y: torch.logical_and(x, y) | torch.logical_not(x) | torch.logical_xor(x, y), INT, MASK),
    "not": (lambda m: ~m, MASK),
    "where": (lambda m, x: torch.where(m, x, -1.0), MASK, BF),
    "where_promotes": (lambda m, x, y: torch.where(m, x, y), MASK, BF, X),
    "masked_fill": (lambda x, m: x.masked_fill(m, float("-inf")), X, MASK),
    "clamp": (lambda x: x.clamp(-0.5, 0.5) + x.clamp_min(0.1) + x.clamp(max=0.3), X),
    "maximum": (lambda x, y: torch.maximum(x, y) - torch.minimum(x, y), X, Y),
    "isnan": (lambda x: torch.isnan(x / x.floor().clamp(0, 0)) | torch.isinf(1 / (x * 0)), X),
    "addcmul": (lambda x, y: torch.addcmul(x, x, y, value=0.3), X, Y),
    "float64": (lambda x: (x.double() * 1.1).exp(), X),
    "bitwise_int": (lambda x: (x & 6) | 1, INT),
}
VIEWS = {
    "reshape": (lambda x: x.view(15, 8).reshape(-1, 4) + 1, X),
    "transpose": (lambda x: x.transpose(1, 2).permute(2, 0, 1).contiguous() + 1, X),
    "t": (lambda x: x[0].t() + 1, X),
    "squeeze": (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1).squeeze() + 1, X),
    "flatten": (lambda x: x.flatten(1).unflatten(1, (5, 8)) + 1, X),
    "expand": (lambda x: x[:, :1].expand(-1, 5, -1) + 1, X),
    "slice": (lambda x: x[1:, ::2, -3:] + x[:2, 1:4, 2:5], X),
    "slice_beyond": (lambda x: x[:, 2:99] + 1, X),
    "select": (lambda x: x[:, -1] + x[:, 0] + x.select(1, 2), X),
    "split": (lambda x: sum(p.sum(-1) for p in x.split(3, -1)), X),
    "chunk": (lambda x: torch.cat([p + 1 for p in x.chunk(3, 1)], 1), X),
    "split_sizes": (lambda x: [p * 2 for p in x.split([1, 4, 3], 2)], X),
    "unbind": (lambda x: torch.stack([p * 2 for p in x.unbind(1)], -1), X),
    "cat": (lambda x, y: torch.cat([x, y, x[:, :1]], 1), X, Y),
    "cat_promotes": (lambda x, y: torch.cat([x, y], -1), BF, X),
    "repeat": (lambda x: x.repeat(2, 1, 3) + 1, X),
    "repeat_new_dims": (lambda x: x[0].repeat(2, 1, 2) + 1, X),
    "repeat_interleave": (lambda x: x.repeat_interleave(3, 1) + 1, X),
    "roll": (lambda x: x.roll(-2, 1) + x.roll(1, 2), X),
    "pad": (lambda x: F.pad(x, (1, 2, 0, 3), value=7.0) + F.pad(x, (3, 0, -1, 4)) + F.pad(x, (1, 2, 4, -1)), X),
    "cast": (lambda x: x.to(torch.bfloat16).to(torch.float32).half().float(), X),
    "cast_int": (lambda x: (x * 5).to(torch.int64) + (x > 0).long(), X),
    "type_as": (lambda x, y: x.type_as(y) + 1, X, BF),
    "dropout_eval": (lambda x: F.dropout(x, 0.5, training=False) + 1, X),
    "movedim": (lambda x: x.movedim(0, -1) + 1, X),
    "narrow": (lambda x: x.narrow(1, 1, 3) + 1, X),
}
CREATION = {
    "arange": (lambda x: x + torch.arange(8) + torch.arange(2, 10) * torch.arange(0, 16, 2), X),
    "arange_float": (lambda x: x + torch.arange(0, 1, 0.125), X),
    "full": (lambda x: x + torch.full((8,), -2.5) + torch.zeros(8) + torch.ones_like(x) + x.new_ones(8), X),
    "minus_infinity": (lambda x: torch.full_like(x, float("-inf")).maximum(x), X),
    "int_min": (lambda x: torch.full_like(x, torch.iinfo(torch.int64).min).maximum(x), INT),
    "tril": (lambda x: x.tril() + x.triu(1), X),
    "constant_tensor": (lambda x: x + torch.tensor(3.0), X),
}
REDUCTIONS = {
    "sum": (lambda x: x.sum(-1) + x.sum((1, 2), keepdim=True)[0] + x.sum(), X),
    "sum_int": (lambda x: x.sum(1), INT),
    "sum_bool": (lambda m: m.sum(1), MASK),
    "sum_dtype": (lambda x: x.sum(-1, dtype=torch.float32), BF),
    "mean": (lambda x: x.mean(-1, keepdim=True) + x.mean(), X),
    "mean_dtype": (lambda x: x.mean(1, dtype=torch.float32), INT),
    "amax": (lambda x: x.amax(-1) + x.amin(1).amax(), X),
    "max": (lambda x: x.max() + x.min() + x.max(1).values.sum(), X),
    "any": (lambda m: m.any(-1) ^ m.all(1).any(), MASK),
    "var": (lambda x: x.var(-1, correction=0), X),
    "softmax": (lambda x: x.softmax(-1) + x.softmax(1), X),
    "softmax_dtype": (lambda x: F.softmax(x, -1, dtype=torch.float32), BF),
    "log_softmax": (lambda x: F.log_softmax(x, -1), X),
    "layer_norm": (lambda x, w: F.layer_norm(x, (8,), w, w), X, ROW),
    "layer_norm_plain": (lambda x: F.layer_norm(x, (8,)), BF),
    "rms_norm": (lambda x, w: F.rms_norm(x, (8,), w) + F.rms_norm(x, (8,), eps=0.1), X, ROW),
    "rms_norm_bf16": (lambda x: F.rms_norm(x, (8,)), BF),
}
CONTRACTIONS = {
    "linear": (F.linear, X, W, BIAS),
    "linear_no_bias": (lambda x, w: F.linear(x, w), X, W),
    "linear_bf16": (lambda x, w, b: F.linear(x, w, b), BF, W.bfloat16(), BIAS.bfloat16()),
    "infinite_argument": (lambda x: torch.nan_to_num(x, posinf=float("inf")), X),
    "linear_vector": (lambda x, w: F.linear(x[0, 0], w), X, W),
    "addmm": (lambda x, w, b: torch.addmm(b, x[0], w.t()), X, W, BIAS),
    "addmm_scaled": (lambda x, w, b: torch.addmm(b, x[0], w.t(), beta=0.5, alpha=2), X, W, BIAS),
    "baddbmm": (lambda x, y: torch.baddbmm(x @ y.mT, x, y.mT, beta=0, alpha=0.25), X, Y),
    "mm": (lambda x, w: torch.mm(x[0], w.t()), X, W),
    "bmm": (lambda x, y: torch.bmm(x, y.transpose(1, 2)), X, Y),
    "matmul": (lambda q, k: q @ k.transpose(2, 3), Q, K),
    "matmul_broadcast": (lambda q, w: q @ w, Q, torch.randn(16, 3)),
    "matmul_vectors": (lambda x, r: x @ r + r @ r, X, ROW),
    "matmul_vector_left": (lambda x, r: r[:5] @ x, X, ROW),
    "einsum": (lambda q, k: torch.einsum("bhqd,bhkd->bqhk", q, k), Q, K),
    "sdpa": (lambda q, k: F.scaled_dot_product_attention(q, k, k), Q, K),
    "sdpa_causal": (lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True, scale=0.3), Q, K),
    "sdpa_gqa": (lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True), Q, KV),
    "sdpa_mask": (lambda q, k: F.scaled_dot_product_attention(q, k, k, torch.ones(5, 7).tril(2).bool()), Q, K),
    "sdpa_bias": (lambda q, k, m: F.scaled_dot_product_attention(q, k, k, m), Q, K, torch.randn(1, 4, 5, 7)),
    "embedding": (F.embedding, IDS, W),
    "patches": (lambda x, w, b: F.conv2d(x, w, b, stride=4), IMAGE, torch.randn(6, 3, 4, 4), BIAS),
    "patches_1d": (lambda x, w: F.conv1d(x.flatten(2), w, stride=4), IMAGE, torch.randn(6, 3, 4)),
}
WRITES = {
    "index_copy": (lambda x, y: (x * 2).index_copy(1, torch.arange(2) + 1, y[:, :2]), X, Y),
    "index_put": (lambda x, y: _put(x + 0, y), X, Y),
    "splice": (lambda x, y: x.slice_scatter(y[:, :2], 1, 1, 3), X, Y),
    "assign_select": (lambda x: (x.clone()[:, 2].fill_(5.0), x.clone())[1], X),
    "setitem": (lambda x, y: _set(x.clone(), y), X, Y),
    "put_last": (lambda x, y: _put_last(x + 0, y), X, Y),
}
COMPLEX = {
    "rotary": (
        lambda x, a: torch.view_as_real(_complex(x) * torch.polar(torch.ones_like(a), a)).flatten(-2),
        X,
        X[..., :4],
    ),
    "complex_views": (lambda x: torch.view_as_real(_complex(x).transpose(0, 1)[:, 1:, None].conj() * 2 + 0), X),
    "complex_abs": (lambda x: torch.cat([_complex(x), _complex(x)], 1).abs() + _complex(x).real.mean(), X),
}
CASES = {**COMPLEX, **POINTWISE, **VIEWS, **CREATION, **REDUCTIONS, **CONTRACTIONS, **WRITES}

LEFT_TO_PYTORCH = {
    "div_trunc": (lambda x: torch.div(x, 3, rounding_mode="trunc"), {"aten.div.Tensor_mode"}, INT),
    "cumsum": (lambda x: x.cumsum(1) + 1, {"aten.cumsum.default"}, X),
    "topk": (lambda x: torch.topk(x, 2), {"aten.topk.default"}, X),
    "sort": (lambda x: torch.sort(x, descending=True)[1] + 1, {"aten.sort.stable", "aten.sort.default"}, X),
    "argmax": (lambda x: x.argmax(-1) + 1, {"aten.argmax.default"}, X),
    "max_position": (lambda x: x.max(1), {"aten.max.dim"}, X),
    "int_matmul": (lambda x: x[0] @ x[0].t(), {"aten.mm.default", "aten.matmul.default"}, INT),
    "int8_product_of_inputs": (lambda x, y: torch._int_mm(x, y).float(), {"aten._int_mm.default"}, INT8, INT8.t()),
    "conv_overlapping": (lambda x, w: F.conv2d(x, w, padding=1), {"aten.convolution.default"}, IMAGE, IMAGE[:, :, :3, :3]),
    "gather": (lambda x, i: x.gather(1, i), {"aten.gather.default"}, X, INT[:, :2].abs() % 5),
    "index_pairs": (lambda x, i: x[i, i], {"aten.index.Tensor"}, X, IDS % 3),
}  # fmt: skip


def _complex(x):
    return torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))


def _set(x, y):
    x[:, 1:3] = y[:, :2] * 2
    return x


def _put(x, y):
    x[:, torch.tensor([4, -5])] = y[:, 1:3]
    return x


def _put_last(x, y):
    x[:, torch.tensor([-1])] = y[:, :1]
    return x


def flat(value):
    return [value] if isinstance(value, torch.Tensor) else list(value)


def check(function, inputs, **options):
    run, backend = compiled(function, **options)
    with torch.no_grad():
        for got, wanted in zip(flat(run(*inputs)), flat(function(*inputs)), strict=True):
            assert got.dtype == wanted.dtype
            rounding = {torch.bfloat16: 2e-2, torch.float16: 2e-3}.get(got.dtype, 2e-5)
            torch.testing.assert_close(got, wanted, rtol=rounding, atol=rounding, equal_nan=True)
    return backend


@pytest.mark.parametrize("name", CASES)
def test_operator(name):
    function, *inputs = CASES[name]
    backend = check(function, inputs)
    assert backend.fallbacks() == {}


@pytest.mark.parametrize("name", LEFT_TO_PYTORCH)
def test_left_to_pytorch_with_a_reason(name):
    function, targets, *inputs = LEFT_TO_PYTORCH[name]
    backend = check(function, inputs)
    assert backend.fallbacks().keys() & targets
    assert all(reasons and all(reasons) for reasons in backend.fallbacks().values())


SYMBOLIC = ("slice_beyond", "select", "cat", "repeat", "split", "full", "mean", "softmax", "patches", "matmul", "sdpa")


@pytest.mark.parametrize("name", SYMBOLIC)
def test_operator_with_a_symbolic_batch(name):
    """One graph for every size of the first dim."""
    function, *inputs = CASES[name]
    run, backend = compiled(function)
    for size in (2, 5):
        resized = [
            torch.randn(size, *x.shape[1:]) if x.shape[0] == inputs[0].shape[0] and x.dim() > 2 else x for x in inputs
        ]
        for x, original in zip(resized, inputs, strict=True):
            if x is not original:
                torch._dynamo.mark_dynamic(x, 0)
        with torch.no_grad():
            for got, wanted in zip(flat(run(*resized)), flat(function(*resized)), strict=True):
                torch.testing.assert_close(got, wanted, rtol=2e-5, atol=2e-5)
    assert len(backend.modules) == 1
    assert backend.fallbacks() == {}

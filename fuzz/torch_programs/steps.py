"""The steps of generated programs, one row each: a name, the text, and what it promises of floats.

A text has holes, which `draw.py` fills; `HOLES` there says what with. What PyTorch refuses is not taken, so a row may ask
for more than its holes make sure of. A text without `v =` (a write) stands as it is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """`exactly`: where the mathematical result is a number of the dtype, it is what comes out, in every bit. A step whose
    result jumps takes operands from the holes for exact values (`e`, `x`) only."""

    name: str
    text: str
    exactly: bool = False
    group: str = ""

    @property
    def writes(self) -> bool:
        """Whether it stands for itself and gives no value."""
        return self.text.startswith("!")


def _rows(group: str, exactly: bool, *texts: str) -> list[Step]:
    """One a text; the name is what the text calls, or the text."""
    return [Step(f"{group}: {text.lstrip('!')}", text, exactly, group) for text in texts]


EXACT_POINTWISE = _rows(
    "pointwise", True,
    "{t} + {y}", "{t} - {y}", "{t} * {y}", "{y} - {t}", "{t} / {y}", "{y} / {t}", "-{t}", "abs({t})",
    "torch.add({t}, {y}, alpha={k})", "torch.maximum({t}, {Y})", "torch.minimum({t}, {Y})", "torch.fmax({f}, {Y})",
    "torch.relu({t})", "F.relu6({t})", "torch.clamp({t}, {low}, {high})", "torch.clamp({t}, min={Y})",
    "torch.clamp_max({t}, {s})", "torch.square({t})", "torch.sqrt({f})", "torch.reciprocal({f})",
    "torch.where({b}, {t}, {y})", "torch.where({b}, {s}, {t})", "{t}.masked_fill({b}, {s})",
    "torch.where({x} > {s}, {t}, 0)", "torch.addcmul({f}, {Y}, {Y2}, value={s})", "torch.lerp({f}, {Y}, 0.5)",
    "torch.hypot({f}, {Y})", "torch.copysign({f}, {y})", "torch.nan_to_num({t})",
    "torch.nan_to_num({f}, nan=1.0, posinf=2.0)", "F.leaky_relu({f}, 0.25)", "F.hardtanh({f}, -1, 1)",
    "F.threshold({t}, 0, 7)", "torch.positive({t})", "torch.ldexp({f}, {Y})", "{f}.clone()", "F.softshrink({f}, 0.25)",
    "torch.dist({f}, {f2})",
)  # fmt: skip
JUMPING = _rows(
    "jumping", True,
    "{x} > {y}", "{x} >= {y}", "{x} < {y}", "{x} <= {y}", "{x} == {y}", "{x} != {y}", "torch.sign({x})",
    "torch.floor({x})", "torch.ceil({e})", "torch.round({e})", "torch.trunc({e})", "torch.frac({e})", "{x} // {X}",
    "{x} % {X}", "torch.fmod({x}, {X})", "torch.remainder({x}, {s})", "torch.div({x}, {X}, rounding_mode='trunc')",
    "torch.div({x}, {X}, rounding_mode='floor')", "torch.floor_divide({x}, {s})", "{x}.to({dtype})", "{x}.bool()",
    "{x}.long()", "{x}.int()", "torch.heaviside({x}, {X})", "torch.signbit({x})", "torch.logical_not({x})",
    "torch.logical_and({x}, {X})", "torch.logical_or({x}, {X})", "torch.logical_xor({x}, {X})",
    "torch.isclose({e}, {X})", "F.hardshrink({e}, 0.5)", "torch.argmax({x}, {d})",
    "torch.argmin({x}, {d}, keepdim=True)", "torch.sort({x}, dim={d}, stable=True)[0]",
    "torch.sort({x}, dim={d}, stable=True, descending=True)[1]", "torch.argsort({x}, dim={d}, stable=True)",
    "torch.topk({x}, {k}, {d})[0]", "torch.max({x}, {d})[0]", "torch.min({x}, {d})[0]",
    "torch.count_nonzero({x}, {d})", "torch.any({x}, {d})", "torch.all({x}, {d}, keepdim=True)", "torch.any({x})",
    "torch.all({x})", "torch.isin({x}, {X})", "torch.searchsorted(torch.sort({e})[0], {e})",
    "torch.bucketize({e}, {e}.flatten().sort()[0])", "torch.median({x}, {d})[0]", "torch.cummax({x}, {d})[0]",
    "torch.mode({i}, {d})[0]", "{x}.type_as({t})", "{x}.to({t})", "{x}.to(torch.int32).to({dtype})",
)  # fmt: skip
INTEGERS = _rows(
    "integers", True,
    "{i} + {Y}", "{i} * {Y}", "{i} ** {k}", "torch.pow({i}, {i2}.abs())", "{s} ** {i}", "{i} << {k}", "{i} >> {k}",
    "{i} & {i2}", "{i} | {i2}", "{i} ^ {i2}", "~{i}", "{i} & {k}", "{b} & {b2}", "{b} | {b2}", "{b} ^ {b2}", "~{b}",
    "{b} * {y}", "{b} + {b2}", "torch.bitwise_left_shift({i}, {k})", "torch.gcd({i}, {i2})", "{i}.abs()", "-{i}",
    "{i} // {i2}", "{i} % {i2}", "{i} % {k}", "{i} // {k}", "torch.fmod({i}, {i2})", "{i} // -1", "{i} % -1",
    "{i}.to({idtype})", "{i}.to({idtype}) * {k}", "{i}.sum({d})", "{i}.prod({d})", "{i}.cumsum({d})",
    "{i}.cumprod({d})", "{i}.sum(dtype={idtype})", "{b}.sum({d})", "{b}.cumsum({d})", "{i}.amax({d})",
    "torch.bitwise_and({i}, {b})", "torch.bitwise_not({i})", "{i}.sum({d}, dtype=torch.float32)",
    "{i}.float().mean({d})", "{k} - {i}", "{i}.square()", "{i}.clamp({k}, 100)", "torch.where({i} > {k}, {i}, {i2})",
    "F.one_hot({i}.long().abs() % 5, 5)", "{b}.to({dtype})", "torch.einsum('...i,...i->...', {i}, {i2})",
    "{i} @ {i2}.transpose(-1, -2)", "(-{i}).to(torch.uint8)", "{i}.diff(dim={d})",
)  # fmt: skip
SMOOTH = _rows(
    "smooth", False,
    "torch.exp({f})", "torch.exp2({f})", "torch.expm1({f})", "torch.log(abs({f}) + 0.5)", "torch.log({f})",
    "torch.log2({f}.abs())", "torch.log10({f}.abs())", "torch.log1p({f}.abs())", "torch.sin({f})", "torch.cos({f})",
    "torch.tan({f})", "torch.asin({f})", "torch.acos({f} / 8)", "torch.atan({f})", "torch.atan2({f}, {Y})",
    "torch.sinh({f})", "torch.cosh({f})", "torch.tanh({f})", "torch.asinh({f})", "torch.acosh({f}.abs() + 1)",
    "torch.atanh({f} / 8)", "torch.sigmoid({f})", "torch.rsqrt({f}.abs() + 0.25)", "torch.rsqrt({f})",
    "torch.erf({f})", "torch.erfc({f})", "torch.lgamma({f}.abs() + 1)", "torch.digamma({f}.abs() + 1)",
    "torch.sinc({f})", "torch.logit({f}, eps=0.1)", "F.silu({f})", "F.gelu({f})", "F.gelu({f}, approximate='tanh')",
    "F.softplus({f})", "F.softplus({f}, beta=2, threshold=5)", "F.mish({f})", "F.hardswish({f})", "F.hardsigmoid({f})",
    "F.elu({f})", "F.elu({f}, 0.5)", "F.selu({f})", "F.celu({f}, 2.0)", "F.logsigmoid({f})", "F.softsign({f})",
    "F.tanhshrink({f})", "F.glu({f}, {d})", "{f} ** {s}", "{f}.abs() ** {Y}", "{s} ** {f}",
    "torch.logaddexp({f}, {Y})", "torch.xlogy({f}.abs(), {Y}.abs())", "torch.exp({i})", "torch.sqrt({i})",
    "torch.sigmoid({i})", "torch.tanh({b})", "{f}.to({fdtype})", "{f}.to({fdtype}).to({fdtype2})",
    "torch.special.i0({f})", "{f} * n", "torch.lerp({f}, {Y}, {Y2})", "torch.addcdiv({f}, {Y}, {Y2}.abs() + 1)",
    "F.relu({f}) ** 2", "{f} * torch.sigmoid({f} * 1.702)",
    "0.5 * {f} * (1 + torch.tanh(0.79788456 * ({f} + 0.044715 * {f} ** 3)))", "torch.deg2rad({f})",
    "torch.float_power({f}.abs(), 1.5)", "{f} * torch.ones((), dtype={fdtype})", "{f} + torch.arange({f}.shape[-1])",
    "torch.exp({f} - {f}.amax({d}, keepdim=True))",
)  # fmt: skip
VIEWS = _rows(
    "views", True,
    "{t}[{k}]", "{t}[-1]", "{t}[1:]", "{t}[:-1]", "{t}[::2]", "{t}[..., 1:]", "{t}[..., ::2]", "{t}[..., -{k}:]",
    "{t}[:, {k}:]", "{t}[:{k}]", "{t}[n:]", "{t}[-n:]", "{t}[:, n]", "{t}[:, -n:]", "{t}[..., :n]", "{t}[None]",
    "{t}[..., None]", "{t}[:, None]", "{t}.select({d}, {k})", "{t}.select({d}, -1)", "{t}.narrow({d}, {k}, {k2})",
    "{t}.narrow({d}, {k}, {t}.shape[{d}] - {k})", "{t}.chunk(2, {d})[0]", "{t}.chunk(2, {d})[-1]",
    "{t}.chunk(3, {d})[-1]", "{t}.split({k}, {d})[-1]", "{t}.split({k}, {d})[0]", "torch.tensor_split({t}, 3, {d})[1]",
    "{t}.unbind({d})[{k}]", "{t}.unbind({d})[-1]", "{t}.transpose({d}, {d2})", "{t}.permute({order})", "{t}.t()",
    "{t}.mT", "{t}.movedim({d}, {d2})", "{t}.flatten()", "{t}.flatten(0, 1)", "{t}.reshape(-1)", "{t}.view(-1)",
    "{t}.reshape({t}.shape[0], -1)", "{t}.reshape(-1, {k})", "{t}.view({t}.shape[0], -1)",
    "{t}.unflatten({d}, (-1, {k}))", "{t}.unsqueeze({d})", "{t}.squeeze()", "{t}.squeeze({d})",
    "{t}.expand({k}, *{t}.shape)", "{t}.unsqueeze(0).expand(n, *{t}.shape)", "{t}[:1].expand({t}.shape)",
    "{t}.expand_as({Y})", "{t}.broadcast_to({k}, *{t}.shape)", "{t}.as_strided(({k}, {k2}), (1, 1))",
    "{t}.as_strided(({k}, {k2}), ({k2}, 1), {k})", "{t}.unfold({d}, {k}, 1)", "{t}.diagonal()",
    "{t}.diagonal({k}, 0, -1)", "{t}.view_as({t})", "{t}.detach()", "{t}.swapaxes({d}, {d2})", "torch.atleast_2d({t})",
    "{t}.ravel()", "{t}.adjoint()", "{t}[0, ...]", "{t}.T", "{t}.view(torch.int32)", "{t}.view(torch.int16)",
    "{t}.new_ones({k}).expand(2, {k})", "{t}.contiguous()", "{t}.to({t}.dtype)",
)  # fmt: skip
COPIES = _rows(
    "copies", True,
    "torch.roll({t}, {k}, {d})", "torch.roll({t}, n, 0)", "torch.roll({t}, -{k})", "torch.roll({t}, (1, 7), (0, -1))",
    "torch.flip({t}, ({d},))", "torch.flip({t}, (0, -1))", "torch.fliplr({t})", "torch.rot90({t}, {k})",
    "torch.cat([{t}, {t2}], {d})", "torch.cat([{t}, {t}[:0], {t}], 0)", "torch.stack([{t}, {t}], {d})",
    "torch.stack([{t}, {t2}])", "{t}.repeat({k}, *(1,) * {t}.dim())", "{t}.repeat_interleave({k}, {d})",
    "torch.tile({t}, (2,))", "F.pad({t}, (1, 2))", "F.pad({t}, (-1, 1), value={s})",
    "F.pad({t}, (1, 1), mode='reflect')", "F.pad({t}, (0, 1, 2, 0), value={s})", "torch.tril({t})",
    "torch.triu({t}, {k})", "torch.diag_embed({t})", "torch.zeros_like({t})", "torch.ones_like({t})",
    "torch.full_like({t}, {s})", "{t}.new_zeros({t}.shape)", "torch.full({t}.shape, {s}, dtype={dtype})",
    "torch.zeros({t}.shape[0], n)", "torch.arange(n) + {t}[..., :1]", "torch.arange({t}.shape[0])",
    "torch.arange(0, {k}, 0.5)", "torch.linspace(0, 1, {k})", "torch.eye({k}, dtype={dtype})",
    "torch.meshgrid({t}.flatten(), {t}.flatten(), indexing='ij')[1]", "torch.ones(n, n).tril().bool()",
    "torch.tensor({s})", "torch.tensor([{k}, {k2}])", "{t}.clone()", "{t}.t().contiguous()",
    "torch.broadcast_tensors({t}, {Y})[1]", "torch.cartesian_prod({t}.flatten(), {t}.flatten())",
    "torch.block_diag({t}, {t})", "torch.kron({x}, {X})", "torch.hstack([{t}, {t}])", "torch.vander({i}.flatten(), 3)",
    "{t}.new_full(({k},), {s})", "torch.zeros({k})", "torch.ones(()) * {t}",
)  # fmt: skip
INDEXED = _rows(
    "indexed", True,
    "{t}[{index}]", "{t}[:, {index}]", "{t}[{index}, {index2}]", "{t}[..., {index}]", "{t}.index_select({d}, {index})",
    "torch.gather({t}, {d}, {like_index})", "torch.take_along_dim({t}, {like_index}, {d})", "torch.take({t}, {index})",
    "{t}.scatter({d}, {like_index}, {s})", "{x}.scatter_add({d}, {like_index}, {x})",
    "{i}.scatter_reduce({d}, {like_index}, {i}, 'amax')", "{t}.index_add(0, {index}, {t}[{index}])",
    "{t}.index_copy(0, {distinct}, {t}[{distinct}] + 1)", "{t}.index_fill({d}, {distinct}, {s})",
    "F.embedding({index}, {matrix})", "F.embedding({index}, {matrix}, padding_idx=0)",
    "{t}.index_put(({index},), {t}[{index}], accumulate=False)", "{t}.masked_scatter({b}, {t})", "{t}[[0, -1]]",
    "{t}[..., [0]]", "{t}[torch.arange({t}.shape[0]), 0]", "torch.select_scatter({t}, {t}.select({d}, 0), {d}, -1)",
    "torch.slice_scatter({t}, {t}[:1], 0, 0, 1)", "torch.diagonal_scatter({t}, {t}.diagonal())",
)  # fmt: skip
REDUCTIONS = [
    *_rows(
        "reductions", False,
        "{f}.sum({d})", "{f}.sum()", "{f}.sum({d}, keepdim=True)", "{f}.sum((0, -1))", "{f}.mean({d})", "{f}.mean()",
        "{f}.mean(-1, keepdim=True)", "{f}.prod({d})", "{f}.var({d})", "{f}.var({d}, correction=0)",
        "{f}.std({d}, keepdim=True)", "torch.var_mean({f}, {d})[0]", "{f}.norm(dim={d})", "{f}.norm()",
        "torch.linalg.vector_norm({f}, 1, {d})", "torch.linalg.vector_norm({f}, 3)", "torch.logsumexp({f}, {d})",
        "{f}.cumsum({d})", "{f}.cumprod({d})", "torch.softmax({f}, {d})", "torch.log_softmax({f}, {d})",
        "torch.softmax({f}, {d}, dtype=torch.float32)", "torch.log_softmax({f}, {d}, dtype=torch.float64)",
        "F.softmin({f}, {d})", "{f}.sum({d}, dtype=torch.float64)", "{f}.mean({d}, dtype=torch.float32)",
        "{f}.nansum({d})", "{f}.nanmean({d})", "F.layer_norm({f}, {last})", "F.layer_norm({f}, {last}, eps=1e-3)",
        "F.layer_norm({f}, {last}, {row}, {row2})", "F.rms_norm({f}, {last})", "F.rms_norm({f}, {last}, {row})",
        "F.rms_norm({f}, {last}, eps=1e-6)", "{f} * torch.rsqrt({f}.square().mean(-1, keepdim=True) + 1e-6)",
        "({f} - {f}.mean(-1, keepdim=True)) / torch.sqrt({f}.var(-1, keepdim=True) + 1e-5)",
        "F.normalize({f}, dim={d})", "F.group_norm({f}, 1)", "F.mse_loss({f}, {Y})", "F.l1_loss({f}, {Y})",
        "F.smooth_l1_loss({f}, {Y})", "F.kl_div({f}, {f}.abs(), reduction='sum')",
        "F.cosine_similarity({f}, {f2}, {d})", "torch.linalg.norm({f})", "torch.logcumsumexp({f}, {d})",
        "torch.trapezoid({f})", "F.cross_entropy({matrix}, torch.arange(7) % 5)", "torch.cdist({matrix}, {matrix2})",
        "torch.cov({matrix})", "torch.renorm({f}, 2, 0, 1)",
    ),
    *_rows(
        "reductions", True,
        "{t}.amax({d})", "{t}.amin({d}, keepdim=True)", "{t}.max()", "{t}.min()", "torch.aminmax({t})[0]",
        "{t}.amax((0, -1))",
    ),
]  # fmt: skip
CONTRACTIONS = _rows(
    "contractions", False,
    "F.linear({f}, {weight})", "F.linear({f}, {weight}, {bias})", "F.gelu(F.linear({f}, {weight}, {bias}))",
    "F.linear({f}, {weight}) + {s}", "torch.relu({f} @ {weight}.t())", "{f} @ {f2}", "torch.matmul({f}, {f}.mT)",
    "{f}.mT @ {f}", "torch.bmm({f}, {f}.mT)", "torch.einsum('...ij,...kj->...ik', {f}, {f2})",
    "torch.einsum('bi,bj->bij', {f}, {f})", "torch.addmm(mat1={matrix}, mat2={weight}.t(), input={bias})",
    "torch.addmm(mat1={matrix}, mat2={weight}.t(), input={bias}, beta=0.5, alpha=2)", "torch.mv({matrix}, {row})",
    "torch.dot({f}.flatten(), {f}.flatten())", "torch.outer({f}.flatten(), {f2}.flatten())", "torch.inner({f}, {f2})",
    "torch.tensordot({f}, {f2}, 1)", "torch.baddbmm({f}, {f}, {f}.mT)", "F.linear({f}, {weight}).chunk(2, -1)[1]",
    "F.silu(F.linear({f}, {weight})) * F.linear({f}, {weight2})", "torch.softmax({f} @ {f}.mT, -1) @ {f}",
    "F.linear(F.rms_norm({f}, {last}, {row}), {weight})", "F.linear(F.layer_norm({f}, {last}), {weight}, {bias})",
    "F.bilinear({f}, {f}, {weight}[None])", "F.linear({f}, {weight}[1:])",
    "F.linear({f}[..., :1].expand({f}.shape), {weight})", "F.linear({f}, {weight}) @ {f}",
    "F.conv1d({image}, {kernel})", "F.conv1d({image}, {kernel}, padding=1, stride=2)",
    "F.conv2d({image2d}, {kernel2d}, padding=1)", "F.conv_transpose1d({image}, {kernel}.transpose(0, 1))",
    "F.max_pool1d({image}, 2)", "F.avg_pool1d({image}, 2)", "F.avg_pool2d({image2d}, 2)",
    "F.interpolate({image}, scale_factor=2)", "F.adaptive_avg_pool1d({image}, 2)", "F.unfold({image2d}, 2)",
    "F.pixel_shuffle({image2d}[:, :1].expand(-1, 4, -1, -1), 2)", "F.batch_norm({image}, None, None, training=True)",
    "F.scaled_dot_product_attention({q}, {q2}, {q3})",
    "F.scaled_dot_product_attention({q}, {q2}, {q3}, is_causal=True)",
    "F.scaled_dot_product_attention({q}, {q2}, {q3}, attn_mask={mask})",
    "F.scaled_dot_product_attention({q}, {q2}, {q3}, attn_mask={fmask}, scale=0.5)",
    "torch.softmax(({q} @ {q2}.mT).masked_fill(~{mask}, float('-inf')), -1) @ {q3}",
    "torch.softmax(({q} @ {q2}.mT).masked_fill(~{mask}, -1e4), -1) @ {q3}",
    "torch.softmax({q} @ {q2}.mT * 0.25 + {fmask}, -1, dtype=torch.float32).to({q}.dtype) @ {q3}",
    "torch.softmax(torch.where({mask}, {q} @ {q2}.mT, -6e4), -1) @ {q3}",
)  # fmt: skip
WRITES = [
    *_rows(
        "writes", True,
        "!{t}.add_({y})", "!{t}.mul_({y})", "!{t}.sub_({y})", "!{t}.neg_()", "!{t}.zero_()", "!{t}.fill_({s})",
        "!{t}.copy_({Y})", "!{t}.relu_()", "!{t}.clamp_({low}, {high})", "!{t}.masked_fill_({b}, {s})",
        "!{t}[0] = {s}", "!{t}[0] = {t}[-1]", "!{t}[1:] = {t}[:-1].clone()", "!{t}[..., 0] = {y}",
        "!{t}[..., -1:].add_({s})", "!{t}[::2].mul_({s})", "!{t}[n:] = {s}", "!{t}[:n].copy_({t}[:n] + 1)",
        "!{t}.t().add_({s})", "!{t}.view(-1)[{k}:] = {s}", "!{t}.flatten()[:1].fill_({s})",
        "!{t}.select({d}, {k}).copy_({y})", "!{t}.unbind({d})[-1].zero_()", "!{t}.chunk(2, {d})[0].add_({s})",
        "!{t}.split({k}, {d})[-1].fill_({s})", "!{t}[{b}] = {s}", "!{t}[{index}] = {s}",
        "!{t}.index_fill_({d}, {distinct}, {s})", "!{t}.scatter_({d}, {like_index}, {s})",
        "!{t}.index_copy_(0, {distinct}, {t}[{distinct}] + 1)", "!{i}.bitwise_and_({k})", "!{b}.logical_not_()",
        "!{t}.copy_({t}.flip(0))", "!{t}.diagonal().fill_({s})", "!{t}.narrow({d}, {k}, 1).neg_()", "!{t}.div_({s})",
        "!{f}.sqrt_()", "!{t}.swapaxes(0, -1)[0].mul_({s})", "!{t} += {y}", "!{t}[1:] += {t}[:-1]",
        "!{t}.index_add_(0, {distinct}, {t}[{distinct}])", "!{v}.squeeze_()", "!{v}.unsqueeze_(0)", "!{v}.t_()",
        "!torch.add({t}, {y}, out={t2})",
    ),
    *_rows(
        "writes", False,
        "!{f}.exp_()", "!{f}.sigmoid_()", "!{f}[0] = torch.tanh({f}[-1])", "!{f}.tanh_()", "!{f}.pow_(2)",
        "!{f}[..., 1:].sin_()", "!{f}.addcmul_({Y}, {Y2})", "!{f}.copy_({f}.softmax(-1))", "!{f}.sub_({f}.mean())",
        "!{f}.lerp_({Y}, 0.25)",
    ),
]  # fmt: skip

STEPS = (*EXACT_POINTWISE, *JUMPING, *INTEGERS, *SMOOTH, *VIEWS, *COPIES, *INDEXED, *REDUCTIONS, *CONTRACTIONS, *WRITES)

"""Work that is read off a kernel's text, and a real profile: its launches are those of the program."""

import pytest
import torch

from warpweave import reports
from warpweave.bench import kernels, models
from warpweave.bench.ceilings import Ceilings

MACHINE = Ceilings(1, fp32_gflops=100.0, bf16_gflops=400.0, read_gbps=10.0)


def t(*shape, dtype="f32"):
    return f"!flow.tensor<[{', '.join(map(str, shape))}], {dtype}>"


def test_a_gemm_counts_every_weight():
    text = (
        f"%y = fused.gemm %a : {t(2, 7, 8)} weights %w, %v : {t(16, 8)}, {t(4, 8)} sides %s : {t(16)} {{\n"
        f"^bb0(%acc : {t(2, 7, 16)}, %other : {t(2, 7, 4)}, %side : {t(16)}):\n"
        f'  %sum = flow.pointwise<"add"> %acc, %side : ({t(2, 7, 16)}, {t(16)}) -> {t(2, 7, 16)}\n'
        f"  fused.yield %sum, %other : {t(2, 7, 16)}, {t(2, 7, 4)}\n}} -> {t(2, 7, 16)}, {t(2, 7, 4)}"
    )
    found = kernels.work_of("gemm", text)
    assert found.flops == 2 * 14 * 8 * (16 + 4)
    assert found.bytes == 4 * (14 * 8 + 20 * 8 + 16 + 14 * 20)
    assert found.dtype == "f32"


def test_attention_counts_scores_and_sums():
    q, kv = t(2, 5, 6, 16, dtype="bf16"), t(2, 9, 3, 16, dtype="bf16")
    text = f"%o = fused.attention %q, %k, %v : {q}, {kv}, {kv} start %s : {t(dtype='i64')} {{scale = 2.5e-01 : f64}} -> {q}"
    found = kernels.work_of("attention", text)
    assert found == kernels.Work(2 * 2 * 2 * 5 * 6 * 9 * 16, 2 * (2 * 960 + 2 * 864) + 8, "bf16")


def test_a_product_of_two_activations():
    text = f"%y = fused.matmul %a, %b : ({t(3, 5, 8)}, {t(3, 8, 4)}) -> {t(3, 5, 4)}"
    assert kernels.work_of("matmul", text).flops == 2 * 3 * 5 * 8 * 4


def test_caches_and_tables_count_in_part():
    cache, new = t(1, 4, 576, 16), t(1, 4, 2, 16)
    append = f"  %c = flow.kv_append %cache, %new, %p {{axis}} : ({cache}, {new}, {t(2, dtype='i64')}) -> {cache}"
    text = f"%c = fused.map %cache, %n : {cache}, {new} {{\n{append}\n  fused.yield %c : {cache}\n}} -> {cache}"
    assert kernels.work_of("map", text).bytes == 4 * (128 + 128)
    table, ids, out = t(50, 8), t(1, 7, dtype="i64"), t(1, 7, 8)
    lookup = f"  %e = flow.embedding %ids, %table : ({ids}, {table}) -> {out}"
    text = f"%e = fused.map %ids, %table : {ids}, {table} {{\n{lookup}\n  fused.yield %e : {out}\n}} -> {out}"
    assert kernels.work_of("map", text) == kernels.Work(0, 56 + 4 * (56 + 56), "i64")


def test_a_symbolic_size_is_refused():
    with pytest.raises(ValueError, match="S"):
        kernels.types(t("S", 4))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"ms": 1.0, "flops": 5e7, "bytes": 1e6, "dtype": "f32"}, (50, 1, "flops", 0.5)),
        ({"ms": 1.0, "flops": 1e8, "bytes": 5e6, "dtype": "bf16"}, (100, 5, "bytes", 0.5)),
    ],
)
def test_the_nearer_ceiling_counts(row, expected):
    assert tuple(kernels.rates(row, MACHINE).values()) == expected


def test_a_profile_has_every_launch_and_leaves_the_program_as_it_was():
    torch._dynamo.reset()
    with torch.no_grad():
        model = models.llama(layers=2)
        call = models.prefill(model, 7)
        compiled = torch.compile(model, backend="warpweave", dynamic=False)
        before = models.result(compiled(**call.kwargs))
        rows = kernels.profile(lambda: compiled(**call.kwargs), MACHINE, repeats=2)
        after = models.result(compiled(**call.kwargs))
    launched = [kernel["name"] for kernel in reports()[-1]["kernels"]]
    assert {row["name"]: row["calls"] for row in rows} == {name: launched.count(name) for name in launched}
    assert all(row["ms"] > 0 and row["bytes"] > 0 and row["fraction"] > 0 for row in rows)
    layer = 2 * 1024 * 1024 + 2 * 1024 * 256 + 3 * 1024 * 2816
    products = 2 * (2 * 7 * layer + 1024 * 8192)
    assert sum(row["flops"] for row in rows) == products + 2 * 2 * 2 * 7 * 7 * 1024
    assert torch.equal(before, after)

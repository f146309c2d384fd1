"""The backend's contract: facts of the target, what a source promises, what is refused."""

import subprocess

import pytest
from xdsl.dialects.builtin import ModuleOp

from tile_samples import SAMPLES, index, kernel, load, loop, matrix, parallel, store
from warpweave.backends.cpu.backend import CpuBackend, emit, headers
from warpweave.backends.cpu.expressions import Names, UnsupportedKernelError, literal, pointwise
from warpweave.backends.cpu.target import CpuTarget
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.ledger import Ledger
from warpweave.runtime.cpu import ISA_FLAGS
from warpweave.runtime.toolchain import Source, build, find_compiler


def test_facts_of_this_machine():
    target = CpuTarget.of("avx2")
    assert (target.isa, target.vector_bytes) == ("avx2", 32)
    assert target.l1 in (0, *range(8 << 10, 257 << 10))
    assert target.l2 >= target.l1
    with pytest.raises(KeyError):
        CpuTarget.of("sse9")


def test_a_source_names_its_entry_and_scratch():
    made = emit(SAMPLES["gemm_gelu"]("bf16").kernel, CpuTarget.of("avx2"))
    assert (made.name, made.entry, made.packed_layout) == ("gemm_gelu", "gemm_gelu", "panel")
    assert "void gemm_gelu(void* const* bufs, const int64_t* dims" in made.source
    assert "ww::gemm<70, 70>(" in made.source
    assert "const int64_t gemm_gelu_scratch_bytes = ww::gemm_scratch_bytes(70, 70, 64);" in made.source


def test_bf16_products_take_exact_factors_and_rounded_weights():
    """Queries go in as they lie, their scale comes after; the ledger says what is rounded."""
    kernel, ledger = SAMPLES["attention"]("bf16").kernel, Ledger()
    plain, rounded = (emit(kernel, CpuTarget.of(isa)) for isa in ("avx512", "avx512_bf16"))
    assert "ww::dot_nt_bf16<32>(" in rounded.source
    assert "ww::dot_nn_bf16<64>(" in rounded.source
    assert (plain.rounds_weights, rounded.rounds_weights) == (False, True)
    scale = next(line for line in plain.source.splitlines() if " mul = (" in line).split("* ")[1]
    assert f"const float mul = (x * {scale}" in plain.source
    assert f"(x * {scale}" not in rounded.source
    assert rounded.source.count(f"* {scale}") == 1
    assert not emit(SAMPLES["attention"]("f32").kernel, CpuTarget.of("avx512_bf16")).rounds_weights
    CpuBackend(CpuTarget.of("avx512_bf16")).emit(ModuleOp([kernel.clone()]), ledger)
    assert [row.bound for row in ledger.rows if row.rule == "bf16-products"] == ["2^-9 of each weight"]


def test_emission_is_deterministic():
    first, second = (emit(SAMPLES["qkv"]("bf16").kernel, CpuTarget.of("avx512")).source for _ in range(2))
    assert first == second


def test_projections_of_one_input_are_segments_of_one_call():
    source = emit(SAMPLES["qkv"]("f32").kernel, CpuTarget.of("portable")).source
    assert source.count("ww::gemm<64, 64>(") == 1
    assert source.count("ww::segment<64>(") == 3


def test_attention_reads_keys_and_values_in_place():
    source = emit(SAMPLES["attention"]("bf16").kernel, CpuTarget.of("portable")).source
    assert source.count("ww::dot_nt<32>(") == 1
    assert source.count("ww::dot_nn<64>(") == 1
    assert "ww::copy" not in source


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_sources_compile_without_warnings(isa, tmp_path):
    for name, text in headers().items():
        (tmp_path / name).write_text(text)
    for name in ("attention", "masks"):
        (tmp_path / "kernel.cpp").write_text(emit(SAMPLES[name]("bf16").kernel, CpuTarget.of(isa)).source)
        flags = ["-std=c++17", "-O1", "-fopenmp-simd", "-Wall", "-Wextra", "-Werror", *ISA_FLAGS[isa]]
        done = subprocess.run(
            [*find_compiler().argv, *flags, "-fsyntax-only", "kernel.cpp"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_an_element_type_without_a_cpu_form_is_refused():
    def body(x, y):
        parallel(
            "M", 64, (4, 64), lambda _b, r, c: store(load(x, r, c, matrix("M", 64), (4, 64)), y, r, c, matrix("M", 64))
        )

    made = kernel("narrow", "map", "M", ["f8E4M3FN", "f32"], [1], body)
    with pytest.raises(UnsupportedKernelError, match="no element type f8E4M3FN"):
        emit(made, CpuTarget.of("portable"))


def test_a_loop_that_exchanges_tiles_is_refused_where_it_has_products():
    def body(a, y):
        def one(_b, r, c):
            zero = tile.FillOp(0.0, tile.tile_type(8, 8)).result
            x = load(a, r, index(0), matrix(Dim.of(8), 8), (8, 8))

            def swap(_i, p, q):
                return [q, tile.DotOp(x, x, p, False).result]

            first, _ = loop(0, index(8), 8, [zero, zero], swap)
            store(first, y, r, c, matrix(Dim.of(8), 8))

        parallel(8, 8, (8, 8), one)

    with pytest.raises(UnsupportedKernelError, match="exchanges"):
        emit(kernel("swap", "map", "", ["f32", "f32"], [1], body), CpuTarget.of("portable"))


def test_names_are_fresh_and_no_keywords():
    names = Names()
    assert [names.fresh(n) for n in ("x", "x", "x2", "float", "1a", "a b", "")] == [
        "x",
        "x2",
        "x2_2",
        "float2",
        "v1a",
        "a_b",
        "v",
    ]


def test_literals_keep_their_value_and_type():
    assert literal(0, "float") == "0.0f"
    assert literal(float("-inf"), "double") == "-__builtin_inf()"
    assert literal(1e300, "float") == "__builtin_inff()"
    assert literal(True, "bool") == "true"


def test_mixed_operands_meet_in_the_wider_type():
    assert pointwise("add", [("a", "int64_t"), ("b", "float")], "f32") == "(float(a) + b)"
    assert pointwise("where", [("m", "bool"), ("a", "int64_t"), ("b", "float")], "f32") == "(m ? float(a) : b)"
    assert pointwise("not", [("a", "int64_t")], "i64") == "(~a)"
    assert pointwise("relu", [("a", "float")], "bf16") == "ww::to_f32(ww::from_f32<ww::bf16>(ww::max(float(0), a)))"


def test_the_headers_are_complete():
    source = '#include "ww_tile.h"\nextern "C" float f(const float* p) { return ww::row_max<40>(p); }\n'
    assert build([Source("headers", source, "portable", headers())])[0].path.exists()


@pytest.mark.parametrize(("packs", "layout", "reasons"), [(True, "quads", []), (False, "rows", ["int8-products"])])
def test_int8_weights_that_are_not_packed_are_slow_and_the_ledger_says_so(packs, layout, reasons):
    kernel, ledger = SAMPLES["gemm_int8"]("f32").kernel, Ledger()
    (emitted,) = CpuBackend(CpuTarget.of("avx2"), pack_weights=packs).emit(ModuleOp([kernel.clone()]), ledger)
    assert emitted.layout == layout
    assert [row.rule for row in ledger.rows if row.outcome == "refused"] == reasons

"""Ahead-of-time compilation: what is described, what the cache keys, and what a failure says. No GPU, no Triton in here."""

import dataclasses
import pickle
import subprocess
import sys

import msgspec
import pytest

from interpreted import needs_triton
from triton_samples import HEADER, SOURCES, compiled, formed, gemm, job
from warpweave.backends.nvidia import sass
from warpweave.backends.nvidia.target import A100, H100
from warpweave.backends.triton import compile as module
from warpweave.backends.triton.compile import Job, build, components, multiples
from warpweave.backends.triton.compiled import decode, encode
from warpweave.backends.triton.source import Parameter, TritonSource
from warpweave.backends.triton.worker import layout, products
from warpweave.ir import tile
from warpweave.runtime.cache import Cache
from warpweave.runtime.errors import CompileError, MissingCompilerError
from warpweave.runtime.launch import LaunchParameter, Scratch


@needs_triton
def test_a_launch_is_described(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # of this process: workers compile all the same
    sums, quotients = compiled()["softmax", "sm_90"]
    assert [(k.name, k.phase, k.launch.entry, k.launch.grid) for k in (sums, quotients)] == [
        ("softmax", 0, "softmax_sums", "d0"),
        ("softmax", 1, "softmax_divide", "d0"),
    ]
    assert sums.launch.parameters == (
        LaunchParameter("in0", "pointer", 0, 8, 16),
        LaunchParameter("out1", "pointer", 8, 8, 16),
        LaunchParameter("w2", "pointer", 16, 8, 16),
        LaunchParameter("d0", "i32", 24, 4),
        LaunchParameter("d1", "i64", 32, 8, 16),
        LaunchParameter("global_scratch", "scratch", 40, 8),
        LaunchParameter("profile_scratch", "scratch", 48, 8),
    )
    assert (sums.launch.target, sums.launch.num_warps, sums.resources.threads) == ("sm_90", 4, 128)
    assert (sums.launch.global_scratch, sums.launch.cluster, sums.launch.cooperative) == (Scratch(), (1, 1, 1), False)
    assert sums.cubin[:4] == b"\x7fELF"
    assert decode(encode(sums)) == sums


@needs_triton
def test_pipelining_takes_shared_memory():
    # three stages of two 64x64 tiles of bf16; cp.async computes on one of its stages
    shared = {target: compiled()["gemm", target][0].launch.shared for target in ("sm_80", "sm_90")}
    assert shared == {"sm_80": 2 * 2 * 64 * 64 * 2, "sm_90": 3 * 2 * 64 * 64 * 2}


@needs_triton
def test_what_is_cached_is_compiled_by_nobody(monkeypatch, tmp_path):
    jobs = [Job(gemm(16, 16, 16), H100)]
    first = build(jobs, Cache(tmp_path))
    monkeypatch.setattr(module, "_Worker", None)
    assert build(jobs, Cache(tmp_path)) == first
    assert build([]) == []


@needs_triton
def test_reading_the_cache_loads_neither_triton_nor_torch(tmp_path):
    jobs = [Job(gemm(16, 16, 16), H100)]
    wanted = build(jobs, Cache(tmp_path))
    code = """import pickle, sys
from warpweave.backends.triton.compile import build
from warpweave.runtime.cache import Cache
print(len(build(pickle.load(sys.stdin.buffer), Cache(__import__("pathlib").Path(sys.argv[1])))[0][0].cubin))
print({"torch", "triton"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], input=pickle.dumps(jobs), capture_output=True, check=True
    )
    assert done.stdout.decode().splitlines() == [str(len(wanted[0][0].cubin)), "set()"]


@needs_triton
def test_code_does_not_depend_on_where_it_was_made(tmp_path):
    one, two = (build([Job(gemm(16, 16, 16), H100)], Cache(tmp_path / name)) for name in ("a", "b"))
    assert one == two


@needs_triton
def test_every_component_changes_the_key():
    request = module._requests(job("gemm", "sm_90"))[0]
    base = components(request)

    def changed(**fields):
        others = components(msgspec.structs.replace(request, **fields))
        return {name for name, value in others.items() if value != base[name]}

    assert changed(source="x") == {"source"}
    assert changed(entry="x") == {"entry"}
    assert changed(parameters=()) == {"parameters"}
    assert changed(multiples=frozenset()) == {"multiples"}
    assert changed(grid="2*d0") == {"grid"}
    assert changed(num_warps=8) == changed(num_stages=4) == {"options"}
    assert changed(target="sm_80", arch=80) == {"target"}
    assert changed(target="sm_100", arch=100) <= {"target", "ptxas"}
    assert {"triton", "ptxas", "launch"} <= set(base)
    assert base["triton"] == module.triton_version()


@needs_triton
def test_a_kernel_that_does_not_compile_says_why_and_is_kept(tmp_path):
    source = dataclasses.replace(SOURCES["gemm"], source=SOURCES["gemm"].source.replace("tl.zeros", "tl.zeroes"))
    with pytest.raises(CompileError) as caught:
        build([Job(source, A100)], Cache(tmp_path))
    assert caught.value.what == "Kernel gemm_bias did not compile for sm_80"
    assert "zeroes" in caught.value.why
    kept = tmp_path / "failed"
    assert [path.read_text() for path in kept.rglob("kernel.py")] == [source.source]


@needs_triton
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import os\nos._exit(3)\n", "the compiler's process ended with 3"),
        ("@triton.jit\ndef k(a, b):\n    pass\n", "k takes ['a', 'b'], its description says ['a']"),
        ("@triton.jit\ndef other(a):\n    pass\n", "has no attribute 'k'"),
    ],
)
def test_what_else_can_go_wrong(tmp_path, body, why):
    source = TritonSource("k", HEADER + body, ("k",), (Parameter("a", "*fp32"),), ("1",))
    with pytest.raises(CompileError) as caught:
        build([Job(source, A100)], Cache(tmp_path))
    assert why in caught.value.why


def test_without_triton(monkeypatch):
    monkeypatch.setattr(sass.PathFinder, "find_spec", lambda name: None)
    sass.tools.cache_clear()
    with pytest.raises(MissingCompilerError, match=r"Triton is not installed(.|\n)*pip install 'warpweave\[cuda\]'"):
        build([job("gemm", "sm_80")])
    sass.tools.cache_clear()


@needs_triton
@pytest.mark.parametrize(
    ("version", "refused"), [("3.5.1", True), ("3.6.0", False), ("3.7.1", False), ("3.10.0", False)]
)
def test_releases_of_triton(monkeypatch, version, refused):
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: version)
    module.triton_version.cache_clear()
    if refused:
        with pytest.raises(MissingCompilerError, match=r"Triton 3\.5\.1 is too old"):
            module.triton_version()
    else:
        assert module.triton_version() == version
    module.triton_version.cache_clear()


def test_parameters_are_laid_out_as_c_does():
    placed = layout((("n", "i32"), ("p", "*bf16"), ("m", "i32"), ("k", "i64")), frozenset({"p"}))
    assert [(p.name, p.offset, p.size, p.multiple) for p in placed] == [
        ("n", 0, 4, 1), ("p", 8, 8, 16), ("m", 16, 4, 1), ("k", 24, 8, 1),
        ("global_scratch", 32, 8, 1), ("profile_scratch", 40, 8, 1),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"parameter s: fp32 is neither a pointer nor one of i32, i64"):
        layout((("s", "fp32"),), frozenset())


def test_products_that_tensor_cores_can_do():
    dot = "%3 = tt.dot %0, %1, %2{precision} : tensor<64x32x{a}> * tensor<32x64x{a}> -> tensor<64x64xf32>\n"
    assert products(dot.format(precision="", a="bf16") + dot.format(precision=", inputPrecision = tf32", a="f32")) == 2
    assert products(dot.format(precision="", a="f32") + dot.format(precision="", a="f64")) == 0


def test_sizes_that_are_multiples_of_16_at_every_launch():
    module = formed(
        """block f(q: bf16[B, S, 4, d=64], k: bf16[B, L, 4, d], v: bf16[B, L, 4, d]) -> bf16[B, S, 4, d] {
  return attention(q, k, v)
}
"""
    )
    (launch,) = (op for op in module.walk() if isinstance(op, tile.LaunchOp))
    dims = [str(dim.data) for dim in launch.dims]
    sizes = tuple(Parameter(f"d{i}", "i32") for i in range(len(dims)))
    source = TritonSource(launch.kernel.string_value(), "", (), (Parameter("in0", "*bf16"), *sizes), ())
    found = {name: dims[int(name[1:])] for name in multiples(module, source) if name != "in0"}
    assert set(found.values()) == {"256", "256*S", "256*L", "64"}
    assert {"B", "S", "L", "4"} == {dim for i, dim in enumerate(dims) if f"d{i}" not in found}
    assert "in0" in multiples(module, source)

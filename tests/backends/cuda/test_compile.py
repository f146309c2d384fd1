"""Ahead-of-time compilation of CUDA C++: what is described, what the cache keys, what a failure says. No GPU."""

import shutil
from pathlib import Path

import msgspec
import pytest

from cuda_compiled import compiled, needs_nvrtc
from emulated import SAMPLES, edited
from warpweave.backends.cuda import compile as module
from warpweave.backends.cuda import compilers
from warpweave.backends.cuda.compile import build, components
from warpweave.backends.cuda.compilers import Nvcc, Nvrtc
from warpweave.backends.cuda.source import read_source
from warpweave.runtime.cache import Cache
from warpweave.runtime.errors import ArgumentError, CompileError, MissingCompilerError
from warpweave.runtime.launch import LaunchParameter, TensorMap

GEMM = SAMPLES["gemm_bias_gelu"].source
SMALL = msgspec.structs.replace(
    GEMM,
    text='#include "ww_cuda.h"\nextern "C" WW_KERNEL(64, 1) small(float* out, int n) {\n'
    "  if (ww::thread_index() < n) ww::store_global(out + ww::thread_index(), ww::gelu(float(n)));\n}\n",
    launch=msgspec.json.decode(
        b'{"entry": "small", "target": "sm_80", "threads": 64, "shared": 0, "grid": "1", "sizes": ["n"],'
        b'"buffers": [{"name": "out", "dtype": "float32", "shape": ["n"], "written": true}],'
        b'"parameters": [{"kind": "pointer", "buffer": "out"}, {"kind": "size", "name": "n"}]}',
        type=type(GEMM.launch),
    ),
)


@needs_nvrtc
def test_a_launch_is_described():
    launch = compiled()["gemm_bias_gelu"].launch
    assert (launch.entry, launch.target, launch.num_warps, launch.shared) == ("gemm_bias_gelu", "sm_90a", 12, 163904)
    a = TensorMap(0, "bfloat16", (128, 64), 128, ("M", "K"), ("1*K", "1"), "0")
    b = TensorMap(1, "bfloat16", (128, 64), 128, ("N", "K"), ("1*K", "1"), "0")
    out = TensorMap(3, "bfloat16", (64, 64), 128, ("M", "N"), ("1*N", "1"), "0")
    assert launch.parameters == (
        LaunchParameter("a", "tensor_map", 48, 128, 64, a),
        LaunchParameter("b", "tensor_map", 176, 128, 64, b),
        LaunchParameter("out", "tensor_map", 304, 128, 64, out),
        LaunchParameter("bias", "pointer", 432, 8),
        LaunchParameter("M", "i32", 440, 4),
        LaunchParameter("N", "i32", 444, 4),
        LaunchParameter("K", "i32", 448, 4),
    )


@needs_nvrtc
def test_the_same_source_gives_the_same_bytes(tmp_path):
    first, second = (build([SMALL], Cache(tmp_path / name)) for name in "ab")
    assert first == second
    assert first[0].cubin[:4] == b"\x7fELF"


@needs_nvrtc
def test_what_is_cached_is_compiled_by_nobody(tmp_path, monkeypatch):
    first = build([SMALL], Cache(tmp_path))
    monkeypatch.setattr(module, "_compile", None)
    assert build([SMALL], Cache(tmp_path)) == first


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")
@needs_nvrtc
def test_nvcc_takes_the_same_source(tmp_path):
    (ours,) = build([SMALL], Cache(tmp_path))
    (theirs,) = build([SMALL], Cache(tmp_path), Nvcc(shutil.which("nvcc")))
    assert theirs.launch == ours.launch
    assert theirs.resources.registers == ours.resources.registers


@needs_nvrtc
def test_a_header_is_part_of_the_key(monkeypatch):
    before = components(SMALL, Nvrtc())
    texts = module.device_headers()
    monkeypatch.setattr(module, "device_headers", lambda: {**texts, "device/tma.h": "// another"})
    after = components(SMALL, Nvrtc())
    assert {name for name in before if before[name] != after[name]} == {"header device/tma.h"}
    assert not any(name.startswith("header twin/") for name in before)


@needs_nvrtc
def test_a_refused_source_says_why_and_is_kept(tmp_path):
    wrong = msgspec.structs.replace(SMALL, text=SMALL.text.replace("ww::gelu", "ww::gellu"))
    with pytest.raises(CompileError, match="Kernel small did not compile for sm_80") as raised:
        build([wrong], Cache(tmp_path))
    assert 'has no member "gellu"' in raised.value.why
    assert "gellu" in Path(raised.value.where).read_text()


@needs_nvrtc
def test_a_launch_with_too_few_parameters_is_refused(tmp_path):
    launch = msgspec.structs.replace(SMALL.launch, parameters=SMALL.launch.parameters[:1])
    with pytest.raises(CompileError, match="takes 2 parameters"):
        build([msgspec.structs.replace(SMALL, launch=launch)], Cache(tmp_path))


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch):
    def missing(name):
        raise compilers.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(compilers.importlib.metadata, "version", missing)
    monkeypatch.setattr(compilers.shutil, "which", lambda _: None)
    with pytest.raises(MissingCompilerError, match=r"pip install 'warpweave\[cuda\]'"):
        compilers.find_compiler.__wrapped__()


def test_a_source_without_a_description_is_refused(tmp_path):
    (tmp_path / "k.cu").write_text("")
    with pytest.raises(ArgumentError, match=r"k\.cu is no kernel with a launch description"):
        read_source(tmp_path / "k.cu")
    (tmp_path / "k.json").write_text('{"entry": "k", "warps": 4}')
    with pytest.raises(ArgumentError, match="unknown field `warps`"):
        read_source(tmp_path / "k.cu")
    described = msgspec.json.encode(msgspec.structs.replace(GEMM.launch, threads=100))
    (tmp_path / "k.json").write_bytes(described)
    with pytest.raises(ArgumentError, match="multiple of 32"):
        read_source(tmp_path / "k.cu")


def test_edits_are_found_or_refused():
    with pytest.raises(LookupError):
        edited("gemm_bias_gelu", ("no such text", ""))


@needs_nvrtc
def test_without_nvrtcs_library(monkeypatch):
    """Its wheel is installed, and what it holds is not found."""
    from cuda.bindings import nvrtc

    def nothing() -> None:
        raise RuntimeError("Failure finding libnvrtc.so\nattempted: everywhere")

    monkeypatch.setattr(nvrtc, "nvrtcVersion", nothing)
    monkeypatch.setattr(compilers.shutil, "which", lambda name: None)
    with pytest.raises(
        MissingCompilerError, match=r"was not found \(Failure finding libnvrtc.so\), and there is no nvcc"
    ):
        compilers.find_compiler.__wrapped__()

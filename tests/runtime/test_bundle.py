"""Bundles: the same numbers after loading, the same bytes when saved twice, nothing accepted that was tampered with."""

import os
import stat
import subprocess
import sys
import textwrap
import zipfile

import msgspec
import numpy as np
import pytest
import torch

from runtime_samples import SCALE, doubled, flat, kernel, scaled_by_packed
from warpweave.runtime import bundle as bundle_module
from warpweave.runtime.artifact import ArgSpec, Constant, Launch, NativeStep, Output, ProgramDescription, Symbol
from warpweave.runtime.bundle import (
    load_bundle,
    read_description,
    read_manifest,
    read_text,
    save_bundle,
    verify_bundle,
)
from warpweave.runtime.errors import BundleError, BundleIncompatibleError
from warpweave.runtime.program import build_program
from warpweave.runtime.safetensors import dump, load

W = torch.tensor([1.0, 2.0, 3.0, 4.0])


def save(path, **more):
    save_bundle(
        path,
        scaled_by_packed(),
        constants=[W * 2],
        weights={1: W},
        ir={"tile.mlir": "builtin.module {}"},
        ledger=[{"rule": "none"}],
        report={"kernels": 2, "name": "scaled"},
        producers={"warpweave": "0"},
        **more,
    )
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("bundle") / "scaled.weave")


def test_same_numbers(saved):
    program = load_bundle(saved)
    for size in (1, 5, 130):
        x = torch.randn(size, 4)
        assert torch.equal(program([x])[0], build_program(scaled_by_packed(), doubled)([x, W])[0])
        out = program([x.numpy()])[0]
        assert isinstance(out, np.ndarray)
        np.testing.assert_array_equal(out, (x * (W * 2) + 1 + 1).numpy())


def test_what_a_bundle_says(saved):
    manifest = verify_bundle(saved)
    assert manifest == read_manifest(saved)
    assert (manifest.name, manifest.isas, manifest.symbols) == ("scaled", ("portable",), {"S": (0, 100000)})
    assert read_description(saved).kernels == scaled_by_packed().kernels
    assert read_text(saved, "ir/tile.mlir") == "builtin.module {}"
    assert msgspec.json.decode(read_text(saved, "report.json")) == {"kernels": 2, "name": "scaled"}


def test_the_same_bytes(saved, tmp_path):
    assert save(tmp_path / "again.weave").read_bytes() == saved.read_bytes()


def test_weights_that_steps_read_are_stored(tmp_path):
    """Weights and constants in bfloat16 and float32; a weight read by a kernel, one that only a constant is made of."""
    d = ProgramDescription(
        name="weights",
        args=(
            ArgSpec("a", "tensor", "float32", ("4",), ("1",), role="weight"),
            ArgSpec("x", "tensor", "float32", ("n",), ("1",)),
            ArgSpec("b", "tensor", "bfloat16", ("4",), ("1",), role="weight"),
            ArgSpec("c", "tensor", "bfloat16", ("3",), ("1",), role="weight"),
        ),
        symbols=(Symbol("n", 1, 0),),
        constants=(Constant("b32", "float32", (4,)), Constant("b16", "bfloat16", (4,))),
        slots=(
            flat("arg", 1, "n"),
            flat("arg", 0, "4"),
            flat("output", 0, "n"),
            flat("constant", 1, "4", "bfloat16"),
            flat("arg", 3, "3", "bfloat16"),
        ),
        steps=(NativeStep((Launch(0, (0, 1, 2), ("n", "4")),)),),
        outputs=(Output("tensor", slot=2), Output("tensor", slot=3), Output("tensor", slot=4)),
        kernels=(kernel("scale", SCALE),),
    )
    b, c = torch.randn(4).bfloat16(), torch.randn(6).bfloat16()[::2]
    path = tmp_path / "w.weave"
    save_bundle(path, d, constants=[b.float(), b], weights={0: torch.nn.Parameter(W), 2: b, 3: c})
    assert [arg.kind for arg in read_description(path).args] == ["tensor", "tensor", "ignored", "tensor"]
    program = load_bundle(path)
    out, constant, weight = program([torch.ones(8)])
    assert torch.equal(out, W.repeat(2))
    assert torch.equal(constant, b)
    assert torch.equal(weight, c)
    out, constant, weight = program([np.ones(8, np.float32)])
    np.testing.assert_array_equal(out, W.repeat(2).numpy())
    np.testing.assert_array_equal(weight.astype(np.float32), c.float().numpy())


def test_loads_without_torch_or_a_compiler(saved, tmp_path):
    script = textwrap.dedent("""
        import sys, numpy as np
        from warpweave.runtime.bundle import load_bundle
        program = load_bundle(sys.argv[1])
        x = np.arange(8, dtype=np.float32).reshape(2, 4)
        out = program([x])[0]
        assert (out == x * np.arange(2, 10, 2) + 2).all(), out
        assert not {"torch", "xdsl", "triton"} & set(sys.modules)
    """)
    environment = os.environ | {"WARPWEAVE_CACHE_DIR": str(tmp_path), "PATH": "/nowhere", "CXX": ""}
    done = subprocess.run([sys.executable, "-c", script, str(saved)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def rewritten(saved, path, change):
    """A copy of the bundle with `change(members)` applied, members being {name: (ZipInfo, bytes)}."""
    with zipfile.ZipFile(saved) as source:
        members = [(info, source.read(info)) for info in source.infolist()]
    with zipfile.ZipFile(path, "w") as target:
        for info, data in change(members):
            target.writestr(info, data)
    return path


def plus(name, data=b"x", **fields):
    def change(members):
        info = zipfile.ZipInfo(name)
        for field, value in fields.items():
            setattr(info, field, value)
        return [*members, (info, data)]

    return change


def altered(prefix, edit):
    return lambda members: [(i, edit(d) if i.filename.startswith(prefix) else d) for i, d in members]


LINK = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (plus("../evil"), "name is not allowed"),
        (plus("/etc/evil"), "name is not allowed"),
        (plus("a/../../evil"), "name is not allowed"),
        (plus("a\\b"), "name is not allowed"),
        (plus("ir/x\n"), "name is not allowed"),
        (plus("link", b"/etc/passwd", external_attr=LINK), "no regular file"),
        (plus("extra"), "disagree"),
        (plus("program.json", b"{}"), "occurs twice"),
        (plus("zeros", b"\0" * 100000, compress_type=zipfile.ZIP_DEFLATED), "compressed"),
        (altered("objects/portable/", lambda d: d[:-1] + b"?"), "was altered"),
        (altered("objects/ww_run", lambda d: d[:-1] + b"?"), "was altered"),
        (altered("kernels/scale", lambda d: d + b"\n"), "was altered"),
        (altered("program.json", lambda d: d.replace(b"S*16", b"S*17")), "was altered"),
        (altered("constants", lambda d: d[:-1] + b"?"), "was altered"),
        (altered("weights", lambda d: d + b"?"), "was altered"),
        (altered("manifest.json", lambda d: b"{"), "manifest cannot be read"),
        (altered("manifest.json", lambda d: d.replace(b'"files"', b'"filez"')), "manifest cannot be read"),
        (lambda members: [m for m in members if m[0].filename != "manifest.json"], "no bundle"),
        (lambda members: [m for m in members if m[0].filename != "program.json"], "disagree"),
        (lambda members: members + [(zipfile.ZipInfo(f"n{i}"), b"") for i in range(20001)], "too many"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_tampering(saved, tmp_path, change, word):
    path = rewritten(saved, tmp_path / "bad.weave", change)
    with pytest.raises(BundleError, match=word):
        load_bundle(path)


def test_sizes_that_lie(saved, tmp_path):
    data = bytearray(saved.read_bytes())
    place = data.rfind(b"PK\x01\x02")  # the last entry of the directory: its sizes
    for field in (20, 24):
        data[place + field : place + field + 4] = (2**31).to_bytes(4, "little")
    path = tmp_path / "large.weave"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="larger than the file"):
        read_manifest(path)


@pytest.mark.parametrize("keep", [0, 10, 1000, -30])
def test_truncated(saved, tmp_path, keep):
    path = tmp_path / "short.weave"
    path.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(BundleError):
        load_bundle(path)


def test_every_altered_byte_is_noticed_or_harmless(saved, tmp_path):
    """No flipped bit gives other numbers, or another kind of error."""
    data, x = saved.read_bytes(), torch.ones(1, 4)
    expected = load_bundle(saved)([x])[0]
    for place in range(0, len(data), max(1, len(data) // 150)):
        path = tmp_path / "flipped.weave"
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        try:
            verify_bundle(path)
            assert torch.equal(load_bundle(path)([x])[0], expected)
        except BundleError:
            pass


def test_missing_file(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        load_bundle(tmp_path / "none.weave")


def test_another_schema(saved, tmp_path):
    path = rewritten(
        saved, tmp_path / "new.weave", altered("manifest", lambda d: d.replace(b'"schema": 1', b'"schema": 9'))
    )
    with pytest.raises(BundleIncompatibleError, match="schema version 9"):
        load_bundle(path)


def unsupported(isa):
    return isa == "portable"


def test_code_for_another_cpu_is_compiled_here(tmp_path, monkeypatch):
    d = scaled_by_packed()
    d = msgspec.structs.replace(
        d, kernels=tuple(msgspec.structs.replace(k, isa="avx512") for k in d.kernels)
    )  # fmt: skip
    path = tmp_path / "wide.weave"
    save_bundle(path, d, constants=[W * 2], weights={1: W})
    assert read_manifest(path).isas == ("avx512",)
    monkeypatch.setattr(bundle_module, "supports", unsupported)
    monkeypatch.setattr(bundle_module, "best_isa", lambda: "portable")
    x = torch.randn(3, 4)
    assert torch.equal(load_bundle(path)([x])[0], x * (W * 2) + 1 + 1)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BundleIncompatibleError, match=r"it holds avx512 .*No C\+\+ compiler found"):
        load_bundle(path)


def test_code_for_several_cpus(tmp_path, monkeypatch):
    path = tmp_path / "both.weave"
    save(path, isas=["avx2"])
    assert read_manifest(path).isas == ("avx2", "portable")
    with zipfile.ZipFile(path) as archive:
        assert "objects/avx2/turn.so" in archive.namelist()


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d[:4],
        lambda d: (1 << 40).to_bytes(8, "little") + d[8:],
        lambda d: d[:8] + b"[" + d[9:],
        lambda d: d.replace(b'"F32"', b'"F99"'),
        lambda d: d.replace(b"[2,3]", b"[2,9]"),
        lambda d: d.replace(b"[2,3]", b"[-2,-3]"),
        lambda d: d[:-1],
    ],
)
def test_damaged_safetensors(edit):
    data = dump({"a": ("float32", np.arange(6, dtype=np.float32).reshape(2, 3))})
    assert load(memoryview(data), "here")["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(BundleError, match="Arrays cannot be read"):
        load(memoryview(edit(data)), "here")


def test_safetensors_is_the_real_format():
    numpy_safetensors = pytest.importorskip("safetensors.torch")
    data = dump({"b": ("bfloat16", torch.ones(3, dtype=torch.bfloat16).view(torch.uint16).numpy()),
                 "a": ("int64", np.arange(4)), "none": ("float32", np.zeros((0, 3), np.float32))})  # fmt: skip
    found = numpy_safetensors.load(data)
    assert torch.equal(found["b"], torch.ones(3, dtype=torch.bfloat16))
    assert found["a"].tolist() == [0, 1, 2, 3]
    assert found["none"].shape == (0, 3)
    assert load(memoryview(data), "")["none"].shape == (0, 3)

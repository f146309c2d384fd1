"""Machine code of a bundle is mapped when all of it is known to be sound, and what it is given lies inside its buffers.

Each case is a bundle whose hashes fit: what was wrong was trusted.
"""

import json
import shutil
from contextlib import suppress

import numpy as np
import pytest
import torch

import warpweave
from bundle_parts import RUNNER, W, program, resealed, small, that_marks
from mutants.edits import edited
from warpweave.compiler import compile as compile_model
from warpweave.fuzz.bundle_edits import TEXTS, members_of, packed
from warpweave.runtime.bundle import load_bundle, verify_bundle
from warpweave.runtime.cache import Cache
from warpweave.runtime.errors import BundleError, ProgramError
from warpweave.runtime.safetensors import dump


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return small(tmp_path_factory.mktemp("bundle") / "small.weave")


@pytest.fixture(scope="module")
def marking(saved, tmp_path_factory):
    """(a bundle whose runner makes a file when it is mapped, that file)."""
    return marked(saved, tmp_path_factory.mktemp("marking"))


def marked(saved, folder):
    mark = folder / "mark"
    code = that_marks(mark, folder)
    return resealed(saved, folder / "marking.weave", lambda m: m.update({RUNNER: code})), mark


def arrays(**given):
    return dump({name: (str(array.dtype), array) for name, array in given.items()})


F32 = np.float32
WRONG = {
    "ledger": lambda m: m.update({"ledger.json": b"{"}),
    "report": lambda m: m.update({"report.json": b"\xff"}),
    "deep report": lambda m: m.update({"report.json": b"[" * 200_000}),
    "ir": lambda m: m.update({"ir/tile.mlir": b"\xff\xfe"}),
    "source": lambda m: m.update({"kernels/scale.cpp": b"\xff\xfe"}),
    "no source": lambda m: m.pop("kernels/scale.cpp"),
    "kernel": lambda m: m.update({"objects/portable/scale.so": m["objects/portable/scale.so"][:2000]}),
    "no ELF": lambda m: m.update({"objects/portable/scale.so": b"MZ" + bytes(5000)}),
    "constants": lambda m: m.update({"constants.safetensors": b"\1"}),
    "no constant": lambda m: m.update({"constants.safetensors": arrays()}),
    "shape of a constant": lambda m: m.update({"constants.safetensors": arrays(**{"0": np.ones(3, F32)})}),
    "type of a constant": lambda m: m.update({"constants.safetensors": arrays(**{"0": np.ones(4, np.int32)})}),
    "description": program(lambda d: d["slots"][0].update(index=99)),
    "expression": program(lambda d: d["chunks"][0].update(bytes="__import__('os')")),
    "deep expression": program(lambda d: d["chunks"][0].update(bytes="1" + "+1" * 4000)),
    "deep description": lambda m: m.update({"program.json": b'{"a":' * 100_000}),
    "other name": program(lambda d: d.update(name="other")),
    "operator": program(lambda d: d["steps"].append({"step": "aten", "target": "load_library.x"})),
    "number": program(lambda d: d["steps"].append(
        {"step": "aten", "target": "aten.abs.default", "args": [{"is": "float", "text": "x"}]})),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_mapped_of_a_bundle_with_one_wrong_part(marking, tmp_path, what):
    path, mark = marking
    wrong = resealed(path, tmp_path / "wrong.weave", WRONG[what])
    for read in (verify_bundle, load_bundle):
        with pytest.raises(BundleError):
            read(wrong)
    assert not mark.exists()


def test_nothing_is_mapped_of_a_bundle_with_one_wrong_hash(marking, tmp_path):
    path, mark = marking
    members = members_of(path.read_bytes())
    for name in [name for name in members if name not in ("manifest.json", RUNNER)]:
        wrong = tmp_path / "wrong.weave"
        wrong.write_bytes(packed({**members, name: members[name] + b" "}))
        with pytest.raises(BundleError, match="altered"):
            load_bundle(wrong)
    assert not mark.exists()


def test_a_sound_one_is_mapped(marking):
    """So the tests above can fail."""
    path, mark = marking
    load_bundle(path)
    assert mark.exists()
    mark.unlink()


def strided(path):
    """A program that reads weights which do not lie in rows."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.turned, self.every_second = (
                torch.nn.Parameter(w) for w in (torch.randn(8, 5).t(), torch.randn(5, 8)[:, ::2])
            )

        def forward(self, x):
            return x + self.turned, x[:, :4] * self.every_second

    model, x = Model().eval(), torch.randn(5, 8)
    with torch.no_grad():
        compile_model(model, (x,)).save(path)
        return model, x


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("strided") / "strided.weave"
    return path, *strided(path)


def test_weights_lie_as_they_did(weights):
    path, model, x = weights
    for ours, right in zip(warpweave.load(path)([x]), model(x), strict=True):
        assert torch.equal(ours, right)


@pytest.mark.parametrize(
    "array", [np.ones((5, 7), F32), np.ones((8, 5), F32), np.ones(40, F32), np.ones((5, 8), np.int32), np.ones((5, 8), np.float64)],
    ids=["short", "turned", "flat", "int32", "float64"],
)  # fmt: skip
def test_weights_are_what_is_described(weights, tmp_path, array):
    def change(members):
        sound = json.loads(members["program.json"])["args"]
        numbers = [i for i, arg in enumerate(sound) if arg.get("role") == "weight"]
        first = next(i for i in numbers if sound[i]["shape"] == ["5", "8"])
        given = {str(i): array if i == first else np.ones((5, 4), F32) for i in numbers}
        members["weights.safetensors"] = arrays(**given)

    with pytest.raises(BundleError, match="not as described"):
        load_bundle(resealed(weights[0], tmp_path / "wrong.weave", change))


OUTSIDE = {
    "offset": lambda d: d["slots"][0].update(offset="1"),
    "far offset": lambda d: d["slots"][0].update(offset="1000000000"),
    "before": lambda d: d["slots"][0].update(offset="-1"),
    "before by strides": lambda d: d["slots"][0].update(strides=["-1"]),
    "strides": lambda d: d["slots"][0].update(strides=["9"]),
    "size": lambda d: d["slots"][2].update(shape=["S*4+1"]),
    "type": lambda d: d["slots"][2].update(dtype="float64"),
    "negative": lambda d: d["slots"][2].update(shape=["-S"]),
    "chunk": lambda d: d["chunks"][0].update(bytes="S*15"),
    "no chunk": lambda d: d["chunks"][0].update(bytes="-1"),
    "huge chunk": lambda d: d["chunks"][0].update(bytes="S*4611686018427387903"),
    "no number": lambda d: d["chunks"][0].update(bytes="S*S*S*S*S*S*S*" + "99999999999*" * 40 + "9"),
    "division": lambda d: d["chunks"][0].update(bytes="S//(S-5)"),
    "constant": lambda d: d["slots"][1].update(shape=["5"]),
    "offset of a constant": lambda d: d["slots"][1].update(offset="4"),
    "argument": lambda d: d["args"][0].update(shape=["S", "3"]),
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_a_slot_outside_of_its_home(saved, tmp_path, what):
    wrong = resealed(saved, tmp_path / "wrong.weave", program(OUTSIDE[what]))
    with pytest.raises(ProgramError):
        load_bundle(wrong)([torch.ones(5, 4)])


def test_the_same_one_with_no_fault(saved):
    """Also of no rows, where views begin at the end of nothing."""
    for size in (0, 1, 5):
        x = torch.randn(size, 4)
        assert torch.equal(load_bundle(saved)([x])[0], x * (W * 2) + 2)


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """A compiled program with symbolic sizes: its kernels say how far they reach."""
    path = tmp_path_factory.mktemp("block") / "block.weave"
    rows = torch.export.Dim("S", min=2, max=64)
    model = torch.nn.Sequential(torch.nn.Linear(16, 24), torch.nn.GELU(), torch.nn.LayerNorm(24)).eval()
    x = torch.randn(8, 16)
    compile_model(torch.export.export(model, (x,), dynamic_shapes=({0: rows},))).save(path)
    return path, model


def test_kernels_say_how_far_they_reach(block):
    path, model = block
    loaded = load_bundle(path)
    assert all(kernel.extents and all(kernel.extents) for kernel in loaded.description.kernels)
    for size in (2, 3, 64):
        x = torch.randn(size, 16)
        torch.testing.assert_close(loaded([x])[0], model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dims", ["S + 1", "2*S", "S*1000000", "99"])
def test_a_kernel_that_is_told_another_size(block, tmp_path, dims):
    def change(description):
        symbol = description["symbols"][0]["name"]
        _first_launch(description)["dims"][0] = dims.replace("S", symbol)

    wrong = resealed(block[0], tmp_path / "wrong.weave", program(change))
    with pytest.raises(ProgramError, match="leave its buffer"):
        load_bundle(wrong)([torch.ones(5, 16)])


@pytest.mark.parametrize(
    "edit", [lambda a, d: a.pop(), lambda a, d: a.append(0), lambda a, d: d.append("1"), lambda a, d: d.clear()]
)  # fmt: skip
def test_a_kernel_that_is_told_too_little(block, tmp_path, edit):
    wrong = resealed(
        block[0], tmp_path / "wrong.weave", program(lambda d: edit(*map(_first_launch(d).get, ("args", "dims"))))
    )
    with pytest.raises(BundleError, match="inconsistent"):
        load_bundle(wrong)


def _first_launch(description):
    return next(step for step in description["steps"] if step["step"] == "native")["launches"][0]


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_in_place_of_a_size_is_more_than_refused(saved, tmp_path, text):
    wrong = resealed(saved, tmp_path / "wrong.weave", program(lambda d: d["chunks"][0].update(bytes=text)))
    with suppress(ProgramError):
        load_bundle(wrong)([torch.ones(5, 4)])


@pytest.mark.parametrize(
    ("target", "old", "new", "test"),
    [
        ("runtime.bundle:load_bundle", "found = _verified(Path(path))",
         "contents = Reader(Path(path)).contents(); _on_cpu(contents, _description(contents), cache or Cache())\n"
         "    found = _verified(Path(path))", "mapped"),
        ("runtime.bundle:_check_array", "or not fits", "", "weights"),
        ("runtime.constants:stored_weight", 'wrong == "strides"', "False", "strides"),
        ("runtime.bounds:Bounds.check", "if wrong.any():", "if False:", "slots"),
        ("runtime.bounds:Bounds.check", "if short.any():", "if False:", "kernels"),
    ],
)  # fmt: skip
def test_mutants(saved, weights, block, tmp_path, target, old, new, test):
    """Each of these checks is one that a test above needs."""
    marking = marked(saved, tmp_path)  # one that this process has not mapped yet

    def fails():
        match test:
            case "mapped":
                test_nothing_is_mapped_of_a_bundle_with_one_wrong_part(marking, tmp_path, "report")
            case "weights":
                test_weights_are_what_is_described(weights, tmp_path, np.ones((5, 7), F32))
            case "strides":
                test_weights_lie_as_they_did(weights)
            case "slots":
                test_a_slot_outside_of_its_home(saved, tmp_path, "offset")
            case "kernels":
                test_a_kernel_that_is_told_another_size(block, tmp_path, "S + 1")

    fails_not = pytest.raises((AssertionError, pytest.fail.Exception, ProgramError))
    with edited(target, old, new), fails_not:
        fails()
    if test != "mapped":
        fails()


def test_parts_are_named_within_the_cache(saved, tmp_path):
    """A kernel's name is a folder of the cache."""
    names = ["../../up", "/tmp/x", "x" * 300, "é", ""]
    for name in names:
        wrong = resealed(
            saved, tmp_path / "named.weave", program(lambda d, name=name: d["kernels"][0].update(name=name))
        )
        root = tmp_path / "cache"
        load_bundle(wrong, Cache(root))
        assert {path.name for path in tmp_path.iterdir()} <= {"named.weave", "cache"}
        shutil.rmtree(root)

"""What is the user's, or the system's, ends with its own exit code and words: never with a traceback, never as a bug of ours."""

import json
import os
import subprocess
import sys

import pytest
import torch

from mutants.edits import edited
from warpweave.cli import main
from warpweave.compiler import compile as compile_model

FACTORIES = """
import sys, torch

def linear():
    return torch.nn.Linear(8, 16), (torch.ones(3, 8),)

def meta():
    return torch.nn.Linear(8, 16, device="meta"), (torch.ones(3, 8, device="meta"),)

def meta_input():
    return torch.nn.Linear(8, 16), (torch.ones(3, 8, device="meta"),)

def raises():
    raise KeyError("no weights here")

def leaves():
    sys.exit(3)

def nothing():
    return None

class Broken(torch.nn.Module):
    def forward(self, x):
        raise ZeroDivisionError("in forward")

def broken():
    return Broken(), (torch.ones(2),)

class Wrong(torch.nn.Module):
    def forward(self, x):
        return x @ torch.ones(5, 5)

def wrong():
    return Wrong(), (torch.ones(2, 3),)

def not_a_model():
    return 3, (torch.ones(2),)
"""
SCALED = """block scaled(x: f32[B, 8], w: weight f32[16, 8]) -> f32[B, 16] {
  return linear(x, w)
}
"""
SIZE = "--size"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with models, a bundle with a symbolic size, and garbage of all kinds."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "m.py").write_text(FACTORIES)
    (folder / "syntax.py").write_text("def f(:\n")
    (folder / "exits.py").write_text("raise SystemExit(4)\n")
    rows = torch.export.Dim("S", min=2)
    exported = torch.export.export(torch.nn.Linear(4, 4), (torch.ones(3, 4),), dynamic_shapes=({0: rows},))
    compile_model(exported).save(folder / "good.bundle")
    symbol = json.loads(_member(folder / "good.bundle", "program.json"))["symbols"][0]["name"]
    (folder / "symbol").write_text(symbol)
    (folder / "empty.weave").write_text("")
    (folder / "binary.weave").write_bytes(bytes(range(256)) * 20)
    (folder / "nul.weave").write_text("block a\0() {}")
    (folder / "deep.weave").write_text("block a(x: f32[2]) -> f32[2] { return " + "(" * 3000 + "x" + ")" * 3000 + " }")
    for name in ("garbage.pt2", "garbage.bundle", "garbage.mlir", "garbage.safetensors", "repro.mlir"):
        (folder / name).write_bytes(b"\xff\xfe garbage {" * 9)
    (folder / "header.mlir").write_text('// pipeline: "x"\n// options: {\n// error: 3\n// versions: []\n')
    (folder / "folder").mkdir()
    (folder / "folder.pt2").mkdir()
    (folder / "folder.weave").mkdir()
    return folder


def _member(path, name):
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


@pytest.fixture
def run(home, monkeypatch, capfd):
    monkeypatch.chdir(home)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([argument.replace("SYMBOL", (home / "symbol").read_text()) for argument in arguments])
        _, err = capfd.readouterr()
        assert "Traceback" not in err
        return ended.value.code, err

    return run


LINES = [
    # (arguments, exit code, a word)
    ("compile m.py:linear -o none/x.bundle", 2, "no directory"),
    ("compile m.py:linear -o folder", 2, "folder"),
    ("compile m.py:linear -o /dev/full", 2, "no regular file"),
    ("compile m.py:raises -o x", 2, "m.py:14"),
    ("compile m.py:leaves -o x", 2, "SystemExit: 3"),
    ("compile m.py:nothing -o x", 2, "NoneType"),
    ("compile m.py:broken -o x", 2, "in forward"),
    ("compile m.py:wrong -o x", (1, 2), ""),
    ("compile m.py:not_a_model -o x", 2, "expected a torch.nn.Module"),
    ("compile m.py:meta -o x", 2, "meta"),
    ("compile m.py:meta_input -o x", (1, 2), "meta"),
    ("compile syntax.py:f -o x", 2, "SyntaxError"),
    ("compile exits.py:f -o x", 2, "SystemExit"),
    ("compile none.py:f -o x", 2, "no file"),
    ("compile folder:f -o x", 2, ""),
    ("compile m.py:linear -o x -O", 2, ""),
    ("compile m.py:linear -o x -O strict", 2, "KEY=VALUE"),
    ("compile m.py:linear -o x -O strict=--5", 2, "True or False"),
    ("compile m.py:linear -o x -O strict=²", 2, "True or False"),
    ("compile m.py:linear -o x -O isa=" + "9" * 5000, 2, "one of"),
    ("compile m.py:linear -o x -O isa=sse", 2, "one of"),
    ("compile m.py:linear -o x -O =", 2, "no option"),
    ("compile garbage.pt2 --trust-input -o x", 2, "no exported program"),
    ("compile folder.pt2 --trust-input -o x", 2, "no file"),
    ("compile none.pt2 --trust-input -o x", 2, "no file"),
    ("compile folder.weave -o x", 2, "no file"),
    ("compile empty.weave -o x", 1, "empty.weave"),
    ("compile binary.weave -o x", 2, "UTF-8"),
    ("compile nul.weave -o x", 1, "nul.weave"),
    ("compile m.py:linear -o x --weights garbage.safetensors", 2, ""),
    ("run garbage.bundle", 5, "no zip file"),
    ("run folder", 2, "expected"),
    ("run none.bundle", 2, "expected"),
    ("run " + "x" * 5000, 2, ""),
    ("run good.bundle --verify", 2, "--verify"),
    ("run good.bundle --repeat 0", 2, ""),
    ("run good.bundle --size SYMBOL=-1", 2, "expected"),
    ("run good.bundle --size SYMBOL=" + "9" * 5000, 2, "18 digits"),
    ("run good.bundle --size SYMBOL=999999999999999999", 2, "too large"),
    ("run good.bundle --size SYMBOL=4000000000", 2, "too large"),
    ("run good.bundle --size SYMBOL=²", 2, "expected"),
    ("run good.bundle --size none=3", 2, "expected"),
    ("run good.bundle --size", 2, ""),
    ("explain m.py:none", 2, "no factory"),
    ("explain binary.weave", 2, "UTF-8"),
    ("fmt binary.weave", 2, "UTF-8"),
    ("fmt folder.weave", 2, "no file"),
    ("opt garbage.mlir", 2, ""),
    ("opt folder", 2, "directory"),
    ("opt none.mlir", 2, "No such file"),
    ("opt -p none header.mlir", (1, 2), ""),
    ("opt --list -o folder", 2, "directory"),
    ("opt --list -o /dev/full", 2, "space"),
    ("opt --list -o none/x", 2, "No such file"),
    ("repro garbage.mlir", 2, ""),
    ("repro header.mlir", 2, ""),
    ("repro none.mlir", 2, ""),
    ("emulate garbage.mlir", (1, 2), ""),
    ("fuzz --minutes nan", 2, "larger than 0"),
    ("fuzz --programs -1", 2, "larger than 0"),
    ("fuzz --programs 1 --jobs 0", 2, ""),
    ("none", 2, "No such command"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "word"), LINES, ids=[line[:60] for line, *_ in LINES])
def test_exit_codes(run, line, code, word):
    found, err = run(*line.split())
    assert found in (code if isinstance(code, tuple) else (code,)), err
    assert word in err


def test_a_deep_program_is_refused_in_words(run):
    code, err = run("compile", "deep.weave", "-o", "x")
    assert (code, "deep.weave" in err) in ((1, True), (0, False)), err


def test_what_runs(run):
    assert run("run", "good.bundle", "--size", "SYMBOL=3")[0] == 0


@pytest.mark.parametrize(("variable", "value", "code", "word"), [
    ("WARPWEAVE_ISA", "sse9", 2, "WARPWEAVE_ISA"), ("CXX", "g++ '", 2, "CXX"), ("CXX", "/nowhere/g++", 1, "No C++ compiler"),
])  # fmt: skip
def test_settings(run, monkeypatch, tmp_path, variable, value, code, word):
    from warpweave.runtime.cpu import best_isa

    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv(variable, value)
    best_isa.cache_clear()
    try:
        found, err = run("compile", "m.py:linear", "-o", str(tmp_path / "x"))
    finally:
        best_isa.cache_clear()
    assert found == code
    assert word in err


def test_a_full_disk(run, monkeypatch, tmp_path):
    """The bundle is not there, nor is half of it."""
    import zipfile

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    code, err = run("compile", "m.py:linear", "-o", str(tmp_path / "x"))
    assert code == 2
    assert "No space left" in err
    assert not list(tmp_path.iterdir())


def test_no_file_for_a_bug_of_ours(run, monkeypatch):
    """Where the cache cannot be written, the traceback is what is to be reported."""
    monkeypatch.setattr(
        "warpweave.commands.failures.write_crash", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    monkeypatch.setattr("warpweave.commands.targets.as_json", lambda *_: 1 // 0)
    with pytest.raises(AssertionError, match="Traceback"):
        run("targets", "--json")


def command(*arguments, **more):
    return subprocess.Popen([sys.executable, "-m", "warpweave.cli", *arguments], stderr=subprocess.PIPE, **more)


def test_a_pipe_that_nobody_reads(home):
    process = command("cache", "path", stdout=subprocess.PIPE, cwd=home)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_interrupted(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("warpweave.commands.cache.say", interrupt)
    assert run("cache", "path")[0] == 130


def test_standard_output_is_full(home):
    with open("/dev/full", "w") as full:
        process = command("cache", "path", stdout=full, cwd=home)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert b"No space left" in err


def test_names_and_terminals_that_are_no_text(home):
    name = os.fsdecode(b"\xff\xfe.weave")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    process = command("run", name, env=environment, cwd=home)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert b"Traceback" not in err


def test_mutant(run):
    """A size that Python cannot read as a number."""
    with edited("commands.ir_files:sizes_of", "_NUMBER.fullmatch(value)", "value.isdigit()"):
        code, _ = run("run", "good.bundle", "--size", "SYMBOL=" + "9" * 5000)
    assert code == 70

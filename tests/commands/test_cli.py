"""The command line as people use it: exit codes, words on stderr, JSON on stdout."""

import json
import subprocess
import sys
from typing import NamedTuple

import pytest

from warpweave.cli import main
from warpweave.ir.text import parse

FACTORIES = """
import torch

def linear():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU()), (torch.ones(3, 8),)

def keywords():
    return torch.nn.Linear(8, 4), (), {"input": torch.ones(2, 8)}

def broken():
    raise RuntimeError("no weights here")

def nonsense():
    return 3
"""


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def warpweave(capfd):
    """Runs a command in this process: importing PyTorch anew for each would take most of the time."""

    def run(*arguments) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return Done(ended.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "factories.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_module_is_a_program():
    done = subprocess.run([sys.executable, "-m", "warpweave.cli", "explian"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean 'explain'?" in done.stderr


def test_help_names_every_command(warpweave):
    done = warpweave("--help")
    assert done.returncode == 0
    for name in ("compile", "run", "explain", "fmt", "opt", "targets", "doctor", "cache", "demo"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("factories", "expected module.py:factory"),
        ("factories.py:", "expected module.py:factory"),
        ("absent.py:linear", "no file absent.py"),
        ("factories.py:liner", "it has linear, keywords, broken, nonsense"),
        ("factories.py:broken", "raised RuntimeError: no weights here"),
        ("factories.py:nonsense", "returned int"),
        ("absent.pt2", "no file absent.pt2"),
    ],
)
def test_a_wrong_model_is_a_usage_error(warpweave, folder, model, words):
    done = warpweave("explain", model)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in done.stderr


def test_pt2_needs_trust(warpweave, folder):
    (folder / "model.pt2").write_bytes(b"not even a zip")
    done = warpweave("compile", "model.pt2", "-o", "out")
    assert done.returncode == 2
    assert "--trust-input" in done.stderr


def test_option_without_value(warpweave, folder):
    done = warpweave("explain", "factories.py:linear", "-O", "target")
    assert done.returncode == 2
    assert "expected KEY=VALUE" in done.stderr


def test_targets_as_json(warpweave):
    found = json.loads(warpweave("targets", "--json").stdout)
    assert [t["target"] for t in found if t["target"] == "cpu-portable" and t["runs_here"]]
    assert sum(t["chosen"] for t in found) == 1
    gpus = {t["target"]: t["flags"] for t in found if t["runs_here"] is None}
    assert gpus["triton-h200"] == ["backend=triton", "target=h200"]
    assert gpus["cuda-h200"] == ["backend=cuda", "target=h200"]
    assert "cuda-a100" not in gpus


def test_doctor_finds_the_compiler(warpweave):
    done = warpweave("doctor", "--json")
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert states["compiler"] == states["torch"] == states["torch.compile"] == "ok"


def test_doctor_without_a_compiler(warpweave, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = warpweave("doctor", "--json")
    (check,) = [c for c in json.loads(done.stdout) if c["name"] == "compiler"]
    assert done.returncode == 1
    assert check["state"] == "missing"
    assert "install g++" in check["next"]


def test_cache_path_and_clear(warpweave, tmp_path, monkeypatch):
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path / "kernels"))
    assert warpweave("cache", "path").stdout.strip() == str(tmp_path / "kernels")
    assert json.loads(warpweave("cache", "--json").stdout)["entries"] == []
    assert "0.0 MiB freed" in warpweave("cache", "clear").stdout


def test_explain_reports_and_ir(warpweave, folder):
    done = warpweave("explain", "factories.py:linear", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ops"] == report["supported"]
    assert len(report["kernels"]) == 1
    assert report["fallbacks"] == []
    shown = warpweave("explain", "factories.py:linear", "--ledger", "all").stdout
    assert "1 kernel, " in shown


@pytest.mark.parametrize(("level", "op"), [("flow", "flow.linear"), ("fused", "fused.gemm"), ("tile", "tile.dot")])
def test_explain_prints_ir_that_parses(warpweave, folder, level, op):
    done = warpweave("explain", "factories.py:linear", "--ir", level)
    assert done.returncode == 0, done.stderr
    assert op in {found.name for found in parse(done.stdout).walk()}


def test_compile_then_run(warpweave, folder):
    done = warpweave("compile", "factories.py:linear", "-o", "out.weavebundle")
    assert done.returncode == 0, done.stderr
    ran = warpweave("run", "out.weavebundle", "--json", "--repeat", "1")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["outputs"] == [{"shape": [3, 16], "dtype": "float32"}]


def test_an_altered_bundle_is_incompatible(warpweave, folder):
    (folder / "out.weavebundle").write_bytes(b"PK\x03\x04 but no more than that")
    done = warpweave("run", "out.weavebundle")
    assert (done.returncode, "Traceback" in done.stderr) == (5, False)


@pytest.mark.parametrize("factory", ["linear", "keywords"])
def test_run_verifies_against_float64(warpweave, folder, factory):
    done = warpweave("run", f"factories.py:{factory}", "--verify", "--json", "--repeat", "1")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["verified"]
    assert row["verdict"] == "within"
    assert row["ours"] < 1e-6


def test_an_unknown_compiler_option_is_corrected(warpweave, folder):
    done = warpweave("explain", "factories.py:linear", "-O", "strictt=true")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "strict" in done.stderr

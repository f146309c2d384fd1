"""The command line as people use it: exit codes, words on stderr, JSON on stdout."""

import json
import os
import subprocess
import sys

import pytest
from warpweave.ir.text import parse

FACTORIES = '''
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
'''


def warpweave(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "warpweave.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"NO_COLOR": "1"} | environment,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "factories.py").write_text(FACTORIES)
    return tmp_path


def test_help_names_every_command():
    done = warpweave("--help")
    assert done.returncode == 0
    for name in ("compile", "run", "explain", "opt", "targets", "doctor", "cache", "demo"):
        assert name in done.stdout


def test_unknown_command_is_corrected():
    done = warpweave("explian")
    assert done.returncode == 2
    assert "Did you mean 'explain'?" in done.stderr


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
def test_a_wrong_model_is_a_usage_error(folder, model, words):
    done = warpweave("explain", model, cwd=folder)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in done.stderr


def test_pt2_needs_trust(folder):
    (folder / "model.pt2").write_bytes(b"not even a zip")
    done = warpweave("compile", "model.pt2", "-o", "out", cwd=folder)
    assert done.returncode == 2
    assert "--trust-input" in done.stderr


def test_option_without_value(folder):
    done = warpweave("explain", "factories.py:linear", "-O", "target", cwd=folder)
    assert done.returncode == 2
    assert "expected KEY=VALUE" in done.stderr


def test_targets_as_json():
    found = json.loads(warpweave("targets", "--json").stdout)
    assert [t["target"] for t in found if t["target"] == "cpu-portable" and t["runs_here"]]
    assert sum(t["chosen"] for t in found) == 1


def test_doctor_finds_the_compiler():
    done = warpweave("doctor", "--json")
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert states["compiler"] == states["torch"] == states["torch.compile"] == "ok"


def test_doctor_without_a_compiler():
    done = warpweave("doctor", "--json", CXX="no-such-compiler")
    (check,) = [c for c in json.loads(done.stdout) if c["name"] == "compiler"]
    assert done.returncode == 1
    assert check["state"] == "missing"
    assert "install g++" in check["next"]


def test_cache_path_and_clear(tmp_path):
    place = str(tmp_path / "kernels")
    assert warpweave("cache", "path", WARPWEAVE_CACHE_DIR=place).stdout.strip() == place
    assert json.loads(warpweave("cache", "--json", WARPWEAVE_CACHE_DIR=place).stdout)["entries"] == []
    assert "0.0 MiB freed" in warpweave("cache", "clear", WARPWEAVE_CACHE_DIR=place).stdout


def test_explain_reports_and_ir(folder):
    done = warpweave("explain", "factories.py:linear", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ops"] == report["supported"]
    assert len(report["kernels"]) == 1
    assert report["fallbacks"] == []
    shown = warpweave("explain", "factories.py:linear", "--ledger", "all", cwd=folder).stdout
    assert "1 kernels" in shown


@pytest.mark.parametrize(("level", "op"), [("flow", "flow.linear"), ("fused", "fused.gemm"), ("tile", "tile.dot")])
def test_explain_prints_ir_that_parses(folder, level, op):
    done = warpweave("explain", "factories.py:linear", "--ir", level, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert op in {found.name for found in parse(done.stdout).walk()}


def test_compile_then_run(folder):
    done = warpweave("compile", "factories.py:linear", "-o", "out.weavebundle", cwd=folder)
    assert done.returncode == 0, done.stderr
    ran = warpweave("run", "out.weavebundle", "--json", "--repeat", "1", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["outputs"] == [{"shape": [3, 16], "dtype": "float32"}]


def test_an_altered_bundle_is_incompatible(folder):
    (folder / "out.weavebundle").write_bytes(b"PK\x03\x04 but no more than that")
    done = warpweave("run", "out.weavebundle", cwd=folder)
    assert (done.returncode, "Traceback" in done.stderr) == (5, False)


@pytest.mark.parametrize("factory", ["linear", "keywords"])
def test_run_verifies_against_float64(folder, factory):
    done = warpweave("run", f"factories.py:{factory}", "--verify", "--json", "--repeat", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["verified"]
    assert row["verdict"] == "within"
    assert row["ours"] < 1e-6


def test_an_unknown_compiler_option_is_corrected(folder):
    done = warpweave("explain", "factories.py:linear", "-O", "strictt=true", cwd=folder)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "strict" in done.stderr

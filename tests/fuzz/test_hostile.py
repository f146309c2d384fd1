"""Hostile calls: every program and every edit is drawn, a fault of either kind is found, the first calls are right."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from warpweave.fuzz import hostile
from warpweave.fuzz.sanitizers import FLAGS, environment

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_arguments_fit_before_they_are_edited() -> None:
    for name, program in hostile.PROGRAMS.items():
        arguments = program.arguments(random.Random(1))
        ours = hostile.ended(hostile.compiled(name), [x.clone() for x in arguments])
        assert not isinstance(ours, Exception)
        assert hostile.wrong(name, ours, arguments) is None


@pytest.mark.parametrize("name", hostile.EDITS)
def test_an_edit_changes_something(name: str) -> None:
    changed = False
    for seed in range(8):
        given = [torch.arange(12.0).reshape(3, 4), torch.arange(6.0).reshape(2, 3)]
        arguments = list(given)
        hostile.EDITS[name](arguments, random.Random(seed))
        same = len(arguments) == 2 and all(a is b for a, b in zip(arguments, given, strict=True))
        changed |= not same or any(x.requires_grad for x in given)
    assert changed


def test_an_answer_that_is_not_pytorchs_is_found() -> None:
    arguments = hostile.PROGRAMS["integers"].arguments(random.Random(1))
    ours = hostile.ended(hostile.model("integers"), arguments)
    assert not isinstance(ours, Exception)
    assert hostile.wrong("integers", ours, arguments) is None
    assert "not" in str(hostile.wrong("integers", [ours[0] + 1, *ours[1:]], arguments))
    assert "raises" in str(hostile.wrong("integers", ours, arguments[:1]))


def test_the_first_calls_end_well() -> None:
    outcome = hostile.made(hostile.Pack(0, 0), lambda note: None)
    assert outcome.findings == []
    assert min(outcome.answered, outcome.refused) > 2


def test_sanitizers_are_in_the_command_that_compiles(tmp_path: Path) -> None:
    given = environment(tmp_path)
    assert FLAGS in given["CXX"]
    assert all(Path(library).exists() for library in given["LD_PRELOAD"].split())


PLANTED = """
import ctypes
from warpweave.runtime.toolchain import Source, build
text = 'extern "C" int at(int i) { int* p = new int[4](); const int x = p[i]; delete[] p; return x; }'
at = ctypes.CDLL(str(build([Source("at", text, "portable")])[0].path)).at
at(3)
print("alive", flush=True)
at({index})
"""


@pytest.mark.parametrize(("index", "wrong"), [(0, ""), (4, "insufficient space")])
def test_sanitizers_see_what_is_wrong(tmp_path: Path, index: int, wrong: str) -> None:
    command = [sys.executable, "-c", PLANTED.replace("{index}", str(index))]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n"
    assert (done.returncode != 0) == bool(wrong)
    assert wrong in done.stderr

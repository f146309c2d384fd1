"""PyTorch's operator database: a slice of what we claim is right, faults and crashes are seen, a run goes on from its log."""

import json
import os
import signal

import pytest

from mutants.edits import edited
from warpweave.fuzz import opinfo, opinfo_run
from warpweave.fuzz.opinfo import Task, check, claimed, database, tasks

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

SLICE = 40
"""Tasks of one sample each, the same in every run: operators that the importer has a rule for."""


def test_a_slice_of_what_we_claim_is_right():
    drawn = tasks(claimed(), list(opinfo.DTYPES), seed=1, limit=1)
    wrong = [(task.name, what) for task in drawn[:SLICE] for _, what in check(task).wrong]
    assert wrong == []


def test_tasks_are_drawn_by_their_seed():
    assert tasks(["add"], ["float32", "bool"], 3) == tasks(["add"], ["float32", "bool"], 3)
    found = {(task.dtype, task.mode) for task in tasks(["add"], ["float32", "bool"], 3)}
    assert found == {("float32", "forward"), ("float32", "gradients"), ("bool", "forward")}


def test_claimed_operators_are_many():
    assert len(claimed()) > 100
    assert set(claimed()) <= set(database())


def test_a_wrong_rule_is_found_and_its_sample_named():
    with edited("frontend.aten_pointwise:leaky_relu", "x, scaled)", "scaled, x)"):
        outcome = check(Task("nn.functional.leaky_relu", "float32", "forward", limit=2))
    assert outcome.wrong
    assert all(what.startswith("distance") for _, what in outcome.wrong)
    assert outcome.samples["wrong"] == len({number for number, _ in outcome.wrong})


def dying(task, note):
    """Stands for `check` of a task with 20 samples, of which the eleventh kills the process."""
    outcome = opinfo.Outcome()
    for first in range(task.first, 20, task.batch):
        note((first, outcome))
        if first <= 10 < first + task.batch:
            os.kill(os.getpid(), signal.SIGSEGV)
        outcome.samples["compiled"] += min(task.batch, 20 - first)
    return outcome


def test_a_crash_is_one_sample_and_a_run_goes_on_from_its_log(monkeypatch, tmp_path):
    monkeypatch.setattr(opinfo_run, "check", dying)
    log, task = tmp_path / "log.jsonl", Task("add", "float32", "forward")
    ((_, outcome),) = opinfo_run.run([task], log, 1, None)
    assert outcome.wrong == [(10, "died: SIGSEGV")]
    assert dict(outcome.samples) == {"compiled": 19, "wrong": 1}
    assert opinfo_run.logged(log) == [(task, outcome)]
    assert json.loads(log.read_text())["task"]["op"] == "add"

"""Bugs planted into the samples: each one is found, by its kind, with a trace that names the ops."""

import pytest

import aref_samples
from aref_bugs import BUGS, planted
from warpweave.ir.protocol import check


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug):
    name, edits, kind = BUGS[bug]
    finding = check(planted(name, *edits)).finding
    assert finding is not None
    assert finding.kind == kind, str(finding)
    assert finding.trace


def test_a_finding_reads_as_a_run():
    name, edits, _ = BUGS["released one slot early"]
    assert str(check(planted(name, *edits)).finding).splitlines()[:1] == [
        "WAR: tile 0 of slot 0 of %ab can be written while it is read: "
        "math.0's wgmma (product of %ab[0].0 and %ab[0].1) and load's tma (copy to %ab[0].0 lands)"
    ]


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_nothing_is_found_in_the_samples(name):
    assert check(planted(name)).finding is None

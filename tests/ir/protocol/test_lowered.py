"""The lowered form: the samples pass, and what can go wrong with mbarriers is found, whatever the schedule."""

import random

import pytest

import aref_samples
from aref_bugs import BUGS, BUGS_LOWERED, LOWERED, first_loop, loop_of, lowered, lowered_text, planted, with_cp_async
from warpweave.ir.protocol import check
from warpweave.ir.protocol.check import cta_of, plans, run
from warpweave.ir.reference_aref import SCHEDULES
from warpweave.ir.text import parse
from warpweave.passes.warps import lower_arefs


@pytest.mark.parametrize("bug", BUGS_LOWERED)
def test_a_planted_bug_is_found(bug):
    edit, kind = BUGS_LOWERED[bug]
    finding = check(first_loop(edit(LOWERED))).finding
    assert finding is not None
    assert finding.kind == kind, str(finding)
    assert finding.trace


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_nothing_is_found_in_the_lowered_samples(name):
    verdict = check(first_loop(lowered(name)))
    assert verdict.finding is None
    assert verdict.events > 300


def verdicts(loop, seeds):
    """What each of many schedules says of the loop's first runs."""
    found = []
    for seed in range(seeds):
        name = list(SCHEDULES)[seed % len(SCHEDULES)]
        order = SCHEDULES[name](random.Random(seed))
        runs = (run(loop, cta_of(loop, lambda role: role.warpgroups), tiles, order) for tiles in plans(loop))
        found.append(next((finding for finding in runs if finding is not None), None))
    return found


@pytest.mark.parametrize("bug", [bug for bug in BUGS if BUGS[bug][0] == "gemm_bias_gelu"])
def test_every_schedule_sees_a_planted_bug(bug):
    name, edits, _ = BUGS[bug]
    assert None not in verdicts(planted(name, *edits), 10)


@pytest.mark.parametrize("bug", BUGS_LOWERED)
def test_every_schedule_sees_a_planted_bug_of_the_lowered_form(bug):
    assert None not in verdicts(first_loop(BUGS_LOWERED[bug][0](LOWERED)), 10)


def test_no_schedule_sees_anything_in_correct_programs():
    assert verdicts(first_loop(LOWERED), 20) == [None] * 20
    assert verdicts(planted("gemm_bias_gelu"), 20) == [None] * 20


@pytest.mark.parametrize("trips", [0, 1, 3, 4, 5, 9, 12])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_every_number_of_trips_and_slots_is_sound(depth, trips):
    text = aref_samples.text("gemm_bias_gelu").replace("depth = #builtin.int<4>", f"depth = #builtin.int<{depth}>")
    module = parse(text.replace("%c192 = arith.constant 192", f"%c192 = arith.constant {64 * trips}"))
    loop = loop_of(module)
    assert check(loop).finding is None
    lower_arefs.run(loop)
    assert check(loop).finding is None


def test_cp_async_is_sound_and_its_arrivals_matter():
    text = lowered_text(with_cp_async())
    assert check(first_loop(with_cp_async())).finding is None
    assert check(first_loop(text)).finding is None
    assert (
        check(first_loop(text.replace("arrivals = #builtin.int<128>", "arrivals = #builtin.int<96>", 1))).finding
        is not None
    )

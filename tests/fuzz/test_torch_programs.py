"""Drawn PyTorch programs: every step is drawn, a seed is a program, planted faults are found and made small, main is clean."""

import ast
import random

import pytest
import torch

from mutants.edits import edited
from warpweave.fuzz.torch_programs.campaign import Finding, Pack, judge, one, reduced
from warpweave.fuzz.torch_programs.check import check
from warpweave.fuzz.torch_programs.draw import Drawing, draw
from warpweave.fuzz.torch_programs.program import Line, Play, Program, UnfitError
from warpweave.fuzz.torch_programs.script import script
from warpweave.fuzz.torch_programs.shrink import shrunk, shrunk_story
from warpweave.fuzz.torch_programs.steps import STEPS
from warpweave.fuzz.torch_programs.weights import Story, check_story

SLICE = (0, 24, 48)
"""Packs of twelve programs of seed 1, among them a dynamic and a training one and a story."""

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def test_every_step_is_drawn():
    """Each in turn, tried three times on each of a few drawings."""
    missing = list(STEPS)
    for seed in range(20):
        drawing = Drawing(random.Random(seed), "static", grad=False, steps=STEPS)
        drawing.program(4, None)
        grown = drawing.base

        def taken(step, drawing=drawing, grown=grown):
            found = any(drawing.step(step) for _ in range(3))
            if found:
                drawing.base, drawing.play = grown, Play(grown)
            return found

        missing = [step for step in missing if not taken(step)]
        if not missing:
            return
    raise AssertionError(f"never drawn: {[step.name for step in missing]}")


def test_a_seed_is_a_program():
    a, b = (draw("3:7", "dynamic", grad=True) for _ in range(2))
    assert a == b
    assert ast.parse(a.source())
    assert Play(a).exactly == Play(b).exactly


def program(*lines, made=(("a0", "normal((B, S), torch.float32, 1 + call)"),), **more):
    named = [
        Line(f"v{i} = {text}", exactly=False) if not text.startswith("!") else Line(text[1:], False)
        for i, text in enumerate(lines)
    ]
    last = next(line.target for line in reversed(named) if line.target)
    return Program(made=made, args=tuple(n for n, _ in made), lines=tuple(named), returned=(last,), **more)


def test_values_that_are_rounded_do_not_jump():
    """A comparison of a value that float64 has otherwise would be a matter of luck."""
    with pytest.raises(UnfitError, match="v1 jumps"):
        Play(program("a0 * 0.1", "(v0 * 1e9).to(torch.int64)"))
    play = Play(program("torch.relu(a0)", "v0 > 0.5", "torch.exp(a0)"))
    assert (play.exactly["v0"], play.exactly["v2"]) == (False, False)  # lines that promise nothing


@pytest.mark.parametrize(
    ("target", "old", "new", "groups"),
    [
        ("frontend.aten_reductions:amax", '"max"', '"min"', ("reductions",)),
        ("frontend.aten_pointwise:masked_fill", "mask, value, x", "mask, x, value", ("pointwise",)),
    ],
)
def test_planted_faults_are_found(target, old, new, groups):
    """Drawn programs see a wrong compiler, and find nothing in the right one."""
    steps = [step for step in STEPS if step.group in groups]
    drawn = [draw(f"planted:{i}", "static", grad=False, steps=steps) for i in range(24)]
    with edited(target, old, new):
        wrong = [found for at in (0, 12) for found in check(drawn[at : at + 12]).values()]
    assert any(found.kind.startswith(("values", "bits", "distance", "NaN", "infinity")) for found in wrong)


def test_a_finding_is_made_small_and_is_a_script(tmp_path):
    fault = edited("frontend.aten_pointwise:leaky_relu", "x, scaled)", "scaled, x)")
    case = program("torch.relu(a0)", "v0 - 1", "F.leaky_relu(v1, 0.25)", "v2 * 2", "torch.tanh(v3)")
    with fault:
        found = judge(case)
        assert found is not None
        assert found.kind == "distance: result of float32"
        assert not found.theirs
        small = reduced(Finding(0, 0, found, case), lambda note: None)
    assert isinstance(small.case, Program)
    assert [line.text for line in small.case.lines][-1].endswith("F.leaky_relu(a0, 0.25)")
    assert judge(small.case) is None
    text = script(small)
    compile(text, "script", "exec")
    assert text.count("leaky_relu(a0, 0.25)") >= 1


def test_writers_are_seen_to_be_missed():
    """A compiler that takes the weights once, at the first call, is wrong after the first event; eager is right."""
    story = Story(0, "no_grad", ("add_", "numpy"), 0)
    assert check_story(story, "eager") is None
    found = check_story(story, _frozen)
    assert found is not None
    assert found.kind == "weights: add_ in no_grad"


def _frozen(gm, inputs):
    """A backend that copies all its inputs but the last when it compiles."""
    kept = [x.clone() if isinstance(x, torch.nn.Parameter) else None for x in inputs]
    return lambda *args: gm.forward(*(a if k is None else k for a, k in zip(args, kept, strict=True)))


def test_the_shrinker_shrinks():
    big = program(
        "torch.relu(a0)", "v0 + 1", "torch.exp(v1)", "v2 * 2", "!v3.add_(1)", "v3.sum(-1)",
        calls=({"B": 3, "S": 5, "n": 2, "p": 0.5}, {"B": 4, "S": 6, "n": 1, "p": 0.5}), mode="dynamic",
    )  # fmt: skip
    small = shrunk(big, lambda p: any("exp" in line.text for line in p.lines))
    assert [line.text for line in small.lines] == ["v2 = torch.exp(a0)"]
    assert (small.mode, len(small.calls), small.returned) == ("static", 1, ("v2",))


def test_stories_shrink_to_the_event():
    story = Story(0, "no_grad", ("add_", "numpy", "init", "flat"), 0)
    assert shrunk_story(story, lambda s: "numpy" in s.events).events == ("numpy",)


def test_the_first_programs_of_a_seed_are_right():
    """Static, dynamic and training programs; what `aot_eager` gets wrong too is PyTorch's own."""
    for first in SLICE:
        outcome = one(Pack(1, first), lambda note: None)
        assert [finding for finding in outcome.findings if not finding.found.theirs] == []
        assert outcome.programs == 12

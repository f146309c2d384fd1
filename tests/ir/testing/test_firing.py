"""A pass that never fires is found out, a wrong one is found around its operators; the documented test does both."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
from xdsl.ir import Operation

from warpweave.ir import flow
from warpweave.ir.ledger import Refusal
from warpweave.ir.testing import fires, oracles
from warpweave.ir.testing.oracles import Violation
from warpweave.ir.testing.recipes import OPERATORS_AROUND, RandomSource, flow_recipe
from warpweave.ir.testing.strategies import flow_programs

DOCUMENTED = Path(__file__).parents[3] / "docs" / "testing-a-pass.md"


def replaces(outer, inner, by=lambda below: below.inputs[0]):
    """A pass: outer(inner(x)) becomes x, or what `by` says of inner(x)."""

    def apply(module, ledger):
        for op in list(module.walk()):
            below = op.inputs[0].owner if isinstance(op, flow.PointwiseOp) and op.kind.data == outer else None
            if isinstance(below, flow.PointwiseOp) and below.kind.data == inner:
                op.result.replace_all_uses_with(by(below))
                ledger.take("replaces", "", "x")

    return apply


def never(module, ledger):
    ledger.refuse("never", "layers.0", Refusal("it is Monday"))
    ledger.take("never", "layers.1")


def drawn(count, around=()):
    return [flow_recipe(RandomSource(f"firing:{i}"), around).build() for i in range(count)]


def test_a_wrong_pass_is_found_around_its_operators_within_a_few_programs():
    wrong = replaces("abs", "neg")
    found = [number for number, module in enumerate(drawn(6, ("neg", "abs"))) if fails(module, wrong)]
    assert len(found) >= 2


def fails(module, apply):
    try:
        oracles.preserves_numbers(module, apply)
    except Violation:
        return True
    return False


def test_a_pass_that_never_fires_is_a_violation_that_says_why():
    def test():
        with fires(never) as apply:
            for module in drawn(3):
                oracles.preserves_numbers(module, apply)

    with pytest.raises(Violation) as found:
        test()
    text = str(found.value)
    assert text.startswith("fires: ")
    assert "never changed none of 3 programs" in text
    assert "ledger: 3 taken, 3 refused: 3 x 'it is Monday'" in text
    assert "around=('neg', 'abs')" in text


def test_another_failure_is_not_hidden():
    with pytest.raises(KeyError), fires(never):
        raise KeyError("mine")


def test_programs_are_counted():
    with fires(replaces("neg", "neg"), least=3) as apply:
        for module in drawn(4, ("neg", "neg")):
            oracles.preserves_numbers(module, apply)
    assert (apply.programs, apply.changed) == (4, 4)
    assert apply.taken >= 4


def written_test():
    """The test in the documentation, as a function."""
    (text,) = re.findall(r"```python\n(from hypothesis.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    namespace = {}
    exec(text, namespace)
    (test,) = (value for name, value in namespace.items() if name.startswith("test_"))
    return test


@pytest.mark.parametrize(
    ("apply", "says"),
    [
        (replaces("neg", "neg"), None),
        (replaces("neg", "abs"), "changed none of"),
        (replaces("neg", "neg", lambda below: below.result), "preserves_numbers"),
    ],
    ids=["right", "never fires", "wrong"],
)
def test_the_documented_test(apply, says, monkeypatch):
    passes = types.ModuleType("my_passes")
    passes.drop_double_neg = apply
    monkeypatch.setitem(sys.modules, "my_passes", passes)
    if says is None:
        written_test()()
    else:
        with pytest.raises(Violation, match=says):
            written_test()()


@pytest.mark.parametrize("name", sorted(OPERATORS_AROUND))
def test_what_a_program_is_drawn_around_is_in_it(name):
    module = flow_recipe(RandomSource(f"around:{name}"), name).build()
    oracles.verifies(module, "flow")
    names = {text for op in module.walk() for text in names_of(op)}
    assert name in names


def names_of(op):
    yield op.name.removeprefix("flow.")
    kind = op.properties.get("kind")
    if isinstance(op, flow.PointwiseOp):
        yield kind.data
    if isinstance(op, flow.ReduceOp):
        yield f"reduce_{kind.data}"
    if isinstance(op, flow.AtenOp):
        yield op.target.data.split(".")[1]
    if "weave.mutations" in op.attributes:
        yield "mutation"


def test_operators_follow_each_other_and_are_not_dead():
    for module in drawn(8, ("linear", "flow.gelu")):
        live = set()
        for op in reversed(list(module.walk())):
            if op.name == "func.return" or any(use.operation in live for r in op.results for use in r.uses):
                live.add(op)
        pairs = {(said(op), said(v.owner)) for op in live for v in op.operands if isinstance(v.owner, Operation)}
        assert {("gelu", "linear"), ("linear", "gelu")} & pairs


def said(op):
    return list(names_of(op))[-1]


def test_an_operator_that_is_not_known_is_named():
    with pytest.raises(ValueError, match=r"around 'sofmax'\. Did you mean 'softmax'\? Known: add, "):
        flow_programs(around=("sofmax", "abs"))

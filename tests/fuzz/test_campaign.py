"""Campaigns: deterministic, what fails is found and written small, the coverage adds up; the command says all that."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mutants.registry import MUTANTS
from warpweave.cli import main
from warpweave.commands.fuzz import command
from warpweave.fuzz.campaign import Found, Plan, check, kind_of, run
from warpweave.fuzz.coverage import Coverage
from warpweave.fuzz.found import distinct, write
from warpweave.ir.testing.oracles import Violation
from warpweave.workbench.reproducers import Reproducer

WRONG = next(m for m in MUTANTS if m.name == "transposes composed the wrong way round")


def test_a_campaign_is_its_seed():
    plan = Plan(5, ("layout", "tile"), programs=20, jobs=1)
    first, second = run(plan), run(replace(plan, jobs=2))
    assert first.programs == second.programs == 20
    assert first.found == second.found == []
    assert first.coverage == second.coverage
    assert sum(c for (op, _, _), c in first.coverage.ops.items() if op == "flow.transpose") > 0


def test_what_is_found_is_reduced_and_written(tmp_path):
    plan = Plan(0, ("layout",), jobs=1)
    with WRONG.applied():
        found = [result for i in range(60) if isinstance(result := check(plan, i), Found)]
        assert found
        case = distinct(found)[0]
        path = write(plan, case, tmp_path)
    text = path.read_text()
    assert f"// program {case.number} of seed 0, level layout\n// recipe: LayoutRecipe(" in text
    reproducer = Reproducer.of(text)
    assert reproducer.pipeline == "fuzz"
    assert kind_of(Violation(*reproducer.error.split(": ", 2)[1:])) == case.kind
    assert reproducer.module.count(" = flow.") <= 3


def test_kinds_leave_numbers_out():
    a = kind_of(Violation("agree", "after p: preserves_numbers: result 0 is off by 1.0e-01"))
    assert a == "Violation: agree: after p"


def test_coverage_counts_programs():
    coverage, plan = Coverage(), Plan(0, ("flow",), jobs=1)
    facts = check(plan, 0)
    assert not isinstance(facts, Found)
    coverage.add(facts)
    coverage.add(facts)
    assert set(coverage.ops.values()) == {2}
    document = coverage.as_dict()
    assert list(document) == ["ops", "decisions", "pairs"]
    assert {"rule", "outcome", "reason", "programs"} == set(document["decisions"][0])


def test_the_command():
    result = CliRunner().invoke(command, ["--programs", "8", "--level", "layout", "--jobs", "1", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["programs"] == 8
    assert document["found"] == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_gives_what_there_is(jobs):
    def progress(outcome):
        if outcome.programs >= 16:
            raise KeyboardInterrupt

    outcome = run(Plan(0, ("layout",), programs=10_000, jobs=jobs), progress)
    assert outcome.interrupted
    assert 16 <= outcome.programs < 100
    assert outcome.found == []


@pytest.mark.parametrize("backend", ["triton", "cuda"])
def test_backends_without_their_packages_are_refused_in_words(backend, capsys, monkeypatch):
    monkeypatch.setattr("warpweave.commands.fuzz.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        main(["fuzz", "--backend", backend])
    assert ended.value.code == 3
    assert f"--backend {backend}: Triton is not installed" in capsys.readouterr().err

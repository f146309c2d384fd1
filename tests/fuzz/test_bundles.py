"""A slice of `make fuzz-bundles`; and that it finds what there is."""

import random

from mutants.edits import edited
from warpweave.fuzz import bundles
from warpweave.fuzz.bundle_edits import altered, damaged


def test_a_slice():
    outcome = bundles.run(75, seed=3)
    assert outcome.found == []
    assert outcome.bundles == 75
    assert outcome.refused > 40


def test_mutations_are_their_seed(tmp_path):
    paths = bundles.samples(tmp_path)
    data = [path.read_bytes() for path in paths]
    for edit in (altered, damaged):
        assert edit(data[0], random.Random(5)) == edit(data[0], random.Random(5))
    path = tmp_path / "wrong.weave"
    with edited("runtime.bundle:_description", "archive.JSON_FAULTS", "()"):
        results = [bundles._one(data, [], 0, number, path) for number in range(60)]
    assert any(isinstance(result, bundles.Wrong) and result.what.startswith("load") for result in results)

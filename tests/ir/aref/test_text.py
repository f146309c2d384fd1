"""The samples survive text, and stand there as they print."""

import re

import pytest

import aref_samples
from warpweave.ir.text import parse, to_text


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_a_sample_survives_text(name):
    module = aref_samples.module(name)
    module.verify()
    printed = to_text(module)
    assert to_text(parse(printed)) == printed


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_a_sample_is_written_as_it_prints(name):
    def ops(text):
        return re.findall(r"(?<!#)\b(?:aref|tile|arith|scf)\.[a-z_]+(?=[ <])", re.sub(r"//.*", "", text))

    assert ops(to_text(aref_samples.module(name))) == ops(aref_samples.text(name))

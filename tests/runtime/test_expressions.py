"""Dim expressions: values as Python's, nothing but arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warpweave.runtime.errors import DescriptionError
from warpweave.runtime.expressions import Expressions

LEAVES = st.one_of(st.integers(0, 64).map(str), st.sampled_from(["B", "S"]))
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(["//", "%"]), st.integers(1, 9)).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        inner.map(lambda t: f"-{t}"),
    ),
    max_leaves=12,
)


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(0, 99), st.integers(0, 99))
def test_values_are_pythons(texts, b, s):
    found = Expressions(["B", "S"], texts)
    values = found.evaluate((b, s))
    for text in texts:
        assert values[found.position(text)] == eval(text, {"B": b, "S": s})


def test_equal_expressions_are_evaluated_once():
    found = Expressions(["S"], ["S*4", "S * 4", "(S*4)", "4*S"])
    assert found.count == 2
    assert found.position("S*4") == found.position("(S*4)")


@pytest.mark.parametrize(
    "text",
    ["T", "S.real", "S[0]", "f(S)", "S if S else 1", "lambda: S", "S**9", "S/2", "'a'", "1.5", "True", "max(S)",
     "__import__('os')", "max(S, key=S)", "max(*S)", "(S := 3)", "S +", "", "S < 1", "S; S", "~S", "S << 9",
     "\0", "(" * 999],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(DescriptionError, match="not allowed"):
        Expressions(["S"], [text])


@pytest.mark.parametrize("name", ["max", "lambda", "a b", "1a", ""])
def test_symbol_names_are_checked(name):
    with pytest.raises(DescriptionError):
        Expressions([name], ["1"])


def test_division_by_zero_names_the_symbols():
    with pytest.raises(DescriptionError, match="S=0"):
        Expressions(["S"], ["4 // S"]).evaluate((0,))

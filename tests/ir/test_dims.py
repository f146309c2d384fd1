"""Dims: polynomials in a canonical form that print as Python and evaluate as Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warpweave.ir.dims import Dim

SYMBOLS = {"B": 3, "S": 17, "L": 129}
LEAVES = st.one_of(st.integers(0, 70).map(str), st.sampled_from(sorted(SYMBOLS)))


def _combine(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(children, st.sampled_from(["+", "-", "*"]), children).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    division = st.tuples(children, st.sampled_from(["//", "%"]), st.integers(1, 9)).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    )
    function = st.tuples(st.sampled_from(["max", "min"]), children, children).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
    return st.one_of(binary, division, function)


EXPRESSIONS = st.recursive(LEAVES, _combine, max_leaves=8)


@given(EXPRESSIONS)
def test_parses_prints_and_evaluates_as_python(text: str) -> None:
    dim = Dim.of(text)
    expected = eval(text, {"max": max, "min": min}, dict(SYMBOLS))
    assert dim.evaluate(SYMBOLS) == expected
    assert eval(str(dim), {"max": max, "min": min}, dict(SYMBOLS)) == expected
    assert Dim.of(str(dim)) == dim


@given(EXPRESSIONS, EXPRESSIONS)
def test_equal_polynomials_are_equal_dims(a: str, b: str) -> None:
    x, y = Dim.of(a), Dim.of(b)
    assert x + y == y + x
    assert x * y == y * x
    assert (x + y) * 2 - x - x == y * 2
    assert hash(x * y) == hash(y * x)


@given(EXPRESSIONS, st.sampled_from(["B", "2*S", "B*L", "3"]))
def test_exact_division_undoes_multiplication(a: str, divisor: str) -> None:
    assert (Dim.of(a) * Dim.of(divisor)).exact_div(divisor) == Dim.of(a)


def test_inexact_division_stays_symbolic() -> None:
    assert Dim.of("S").exact_div(2) is None
    assert (Dim.of("S") // 2).evaluate({"S": 7}) == 3
    assert Dim.of("S + 63").ceil_div(64).evaluate({"S": 2}) == 2


def test_substitution_reaches_into_functions() -> None:
    assert Dim.of("max(S, 3)*B").substitute({"S": 10, "B": "T"}) == Dim.of("10*T")


@pytest.mark.parametrize("text", ["S +", "f(S)", "S ** 2", "1.5", "__import__('os')"])
def test_other_syntax_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a dimension"):
        Dim.of(text)

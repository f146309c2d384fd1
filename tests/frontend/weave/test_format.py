"""The formatter: what it prints parses to the same tree, a second time changes nothing, comments stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warpweave.frontend.weave import tree
from warpweave.frontend.weave.format import WIDTH, format_text, to_text
from warpweave.frontend.weave.parse import parse

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.weave"))

UNTIDY = """


# top


epilogue sq(v,s)=v*sigmoid((s * v))  # inline
epilogue twice( v )=2*v
# about the block
block   mlp(x: bf16[B,S,D=1024], # the input
  # scale of the norm
  norm: weight bf16[D], gate: weight bf16[F=2816, D,],
   up: weight bf16[F, D]) -> bf16[B, S, D] {   # body

  h = rms_norm(x, norm, eps=1e-6)   # hi
  # s
  S[b,h,m,n]: f32 = Q[b,h,m,d] * (K[b,h,n,d] as f32)


  M[b,h,m] running max= S[b,h,m,n]
  a = -x ** 2 + (b - # inner
     c)  # after a
  d = ((a - b) - (c - d)) * (e + f) - -g ** -2 / (h / i)
  long = first_operand_with_a_long_name * second_operand_with_a_long_name + (third_operand - fourth_operand) * fifth < 3
  return x + linear(silu(g) * (u), down), attention(first_argument, second_argument, mask=key <= query && query - key < 256)
  # end
}  # brace

# tail"""

TIDY = """\
# top

epilogue sq(v, s) = v * sigmoid(s * v)  # inline
epilogue twice(v) = 2 * v
# about the block
block mlp(  # the input
  x: bf16[B, S, D=1024],
  # scale of the norm
  norm: weight bf16[D],
  gate: weight bf16[F=2816, D],
  up: weight bf16[F, D],  # body
) -> bf16[B, S, D] {
  h = rms_norm(x, norm, eps=1e-6)  # hi
  # s
  S[b, h, m, n]: f32 = Q[b, h, m, d] * K[b, h, n, d] as f32

  M[b, h, m] running max= S[b, h, m, n]
  # inner
  a = -x ** 2 + (b - c)  # after a
  d = (a - b - (c - d)) * (e + f) - -g ** -2 / (h / i)
  long = (
    (
      first_operand_with_a_long_name * second_operand_with_a_long_name
      + (third_operand - fourth_operand) * fifth
    )
    < 3
  )
  return x + linear(silu(g) * u, down), attention(
    first_argument,
    second_argument,
    mask=key <= query && query - key < 256,
  )
  # end
}  # brace

# tail
"""


def test_layout():
    assert format_text(UNTIDY) == TIDY


@pytest.mark.parametrize("text", [UNTIDY, TIDY, *(p.read_text() for p in EXAMPLES)])
def test_formatting_keeps_the_tree_and_the_comments_and_is_idempotent(text: str):
    formatted = format_text(text)
    before, after = parse(text), parse(formatted)
    assert after == before
    assert sorted(c.text for c in after.comments) == sorted(c.text for c in before.comments)
    assert format_text(formatted) == formatted


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_laid_out(path: Path):
    assert format_text(path.read_text()) == path.read_text()


# ---- random programs -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["x", "y", "query", "weight", "cache", "running", "max", "a_name_that_is_rather_long_for_one"])
names = NAMES.map(tree.Name)
numbers = st.sampled_from(["0", "3", "1e-6", "2.5", "1024", "7."]).map(tree.Number)
leaves = names | numbers | st.builds(tree.Index, NAMES, st.lists(names, max_size=3).map(tuple))
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "&&", "||"]


def compound(inner):
    argument = st.builds(tree.Argument, st.just("") | NAMES, inner)
    return (
        st.builds(tree.Binary, st.sampled_from(OPERATORS), inner, inner)
        | st.builds(tree.Unary, st.sampled_from(["-", "!"]), inner)
        | st.builds(tree.Cast, inner, st.sampled_from(["f32", "bf16"]).map(tree.Name))
        | st.builds(tree.Call, NAMES, st.lists(argument, max_size=3).map(tuple))
        | st.builds(tree.ListOf, st.lists(inner, max_size=3).map(tuple))
    )


expressions = st.recursive(leaves, compound, max_leaves=12)
dims = st.builds(tree.DimSpec, expressions) | st.builds(tree.DimSpec, names, st.integers(0, 4096))
types = st.builds(tree.Type, st.sampled_from(["f32", "bf16"]).map(tree.Name), st.lists(dims, max_size=3).map(tuple))
statements = (
    st.builds(tree.Let, names, st.none() | types, expressions)
    | st.builds(
        tree.Einsum, names, st.lists(names, max_size=3).map(tuple), st.none() | names, st.just("sum"), st.just(False),
        expressions,
    )
    | st.builds(
        tree.Einsum, names, st.lists(names, max_size=3).map(tuple), st.none() | names,
        st.sampled_from(["max", "min", "mean"]), st.booleans(), expressions,
    )
    | st.builds(tree.Return, st.lists(expressions, min_size=1, max_size=2).map(tuple))
)  # fmt: skip
params = st.builds(tree.Param, names, st.sampled_from(["input", "weight", "cache"]), types)
blocks = st.builds(
    tree.Block, names, st.lists(params, max_size=4).map(tuple), st.lists(types, min_size=1, max_size=2).map(tuple),
    st.lists(statements, max_size=4).map(tuple),
)  # fmt: skip
epilogues = st.builds(tree.Epilogue, names, st.lists(names, max_size=3).map(tuple), expressions)
programs = st.builds(tree.Program, st.lists(epilogues | blocks, max_size=3).map(tuple))


@given(programs)
def test_print_then_parse_gives_the_program_and_print_the_text(program: tree.Program):
    text = to_text(program)
    assert parse(text) == program
    assert format_text(text) == text


@given(programs, st.data())
def test_comments_anywhere_stay(program: tree.Program, data: st.DataObject):
    lines = to_text(program).splitlines()
    for i in data.draw(st.sets(st.integers(0, max(0, len(lines) - 1)), max_size=4)):
        if i < len(lines):
            lines[i] += f"  # comment {i}"
    text = "\n".join(lines)
    formatted = format_text(text)
    assert parse(formatted) == program
    assert sorted(c.text for c in parse(formatted).comments) == sorted(c.text for c in parse(text).comments)
    assert format_text(formatted) == formatted


def test_lines_are_broken_at_the_width():
    call = "f(" + ", ".join(["argument"] * 12) + ")"
    text = format_text(f"block f(x: f32[B]) -> f32[B] {{\n  y = {call} * {call}\n  return y\n}}\n")
    assert max(map(len, text.splitlines())) <= WIDTH

"""Passes of cascades: as they are written, what forces them, and the fewest there can be."""

from __future__ import annotations

import pytest
import torch

from numerics import assert_close_to_float64
from warpweave import load_weave
from warpweave.frontend.weave.cascade import passes
from warpweave.frontend.weave.parse import parse

HEAD = """block attend(Q: f32[M, D=8], K: f32[N, D], V: f32[N, D]) -> f32[M, D] {
  S[m, n] = Q[m, d] * K[n, d]
"""
NAIVE = (
    HEAD
    + """  X[m] max= S[m, n]
  P[m, n] = exp(S[m, n] - X[m])
  L[m] = P[m, n]
  A[m, n] = P[m, n] / L[m]
  O[m, e] = A[m, n] * V[n, e]
  return O
}
"""
)
DEFERRED = (
    HEAD
    + """  X[m] max= S[m, n]
  P[m, n] = exp(S[m, n] - X[m])
  L[m] = P[m, n]
  U[m, e] = P[m, n] * V[n, e]
  O[m, e] = U[m, e] / L[m]
  return O
}
"""
)
ONLINE = DEFERRED.replace("max=", "running max=")
WITHIN = NAIVE.replace("  A[m, n] = P[m, n] / L[m]\n", "").replace("A[m, n] *", "P[m, n] / L[m] *")
VARIANCE = """block normalise(X: f32[M, N]) -> f32[M, N] {
  A[m] mean= X[m, n]
  C[m, n] = X[m, n] - A[m]
  V[m] mean= C[m, n] * C[m, n]
  Y[m, n] = C[m, n] / sqrt(V[m])
  return Y
}
"""
OTHER_WAY = """block normalise(P: f32[M, N]) -> f32[N] {
  L[m] = P[m, n]
  A[m, n] = P[m, n] / L[m]
  B[n] = A[m, n]
  return B
}
"""
RETURNED = NAIVE.replace("-> f32[M, D]", "-> (f32[M, D], f32[M, N])").replace("return O", "return O, A")
TWICE = ONLINE.replace("return O", "W[m] = tanh(S[m, n] - X[m])\n  return O + reshape(W, [M, 1])")
SQUARED = NAIVE.replace("running ", "").replace("max=", "running max=").replace("= P[m, n]\n", "= P[m, n] ** 2\n")


@pytest.mark.parametrize(
    ("program", "name", "rank", "written", "least"),
    [
        (NAIVE, "K", "n", 3, 1),
        (DEFERRED, "K", "n", 2, 1),
        (ONLINE, "K", "n", 1, 1),
        (NAIVE.replace("max=", "running max="), "K", "n", 2, 1),
        (WITHIN, "K", "n", 2, 1),
        (NAIVE, "V", "n", 1, 1),
        (NAIVE, "Q", "m", 1, 1),
        (NAIVE, "K", "d", 1, 1),
        (VARIANCE, "X", "n", 3, 3),
        (VARIANCE, "X", "m", 1, 1),
        (OTHER_WAY, "P", "n", 2, 2),  # the factor depends on what is summed: it cannot wait
        (OTHER_WAY, "P", "m", 1, 1),
        (RETURNED, "K", "n", 3, 3),  # the quotient itself is asked for
        (TWICE, "K", "n", 2, 2),  # the maximum is read where nothing corrects it
        (SQUARED, "K", "n", 3, 2),  # a square is no factor: the exponent cannot be corrected, the quotient can wait
    ],
)
def test_counts(program: str, name: str, rank: str, written: int, least: int):
    (row,) = [p for p in passes(parse(program)) if (p.input, p.rank) == (name, rank)]
    assert (row.passes, row.least) == (written, least)
    assert len(row.barriers) == written - 1
    assert bool(row.advice) == (least < written)


def test_what_is_said_of_the_naive_cascade():
    (row,) = [p for p in passes(parse(NAIVE)) if (p.input, p.rank) == ("K", "n")]
    assert str(row) == (
        "K[n]: 3 passes\n"
        "  pass 2 begins with P (line 4), which needs all of X (line 3)\n"
        "  pass 3 begins with A (line 6), which needs all of L (line 5)\n"
        "  1 is enough: declare `X` a `running max=` (what is summed is corrected as it grows), and apply `L` after "
        "the sums that read A (it is a factor, the same for all)"
    )


def test_inputs_and_ranks_are_listed_once_in_order():
    assert [(p.input, p.rank) for p in passes(parse(NAIVE))] == [
        ("Q", "m"), ("Q", "d"), ("K", "n"), ("K", "d"), ("V", "n"), ("V", "e"),
    ]  # fmt: skip
    assert passes(parse("block f(x: f32[B]) -> f32[B] {\n  return x\n}\n")) == []


def test_the_ledger_holds_the_counts():
    program = load_weave(NAIVE)
    rows = {r["where"]: r for r in program.report["ledger"] if r["rule"] == "count-passes"}
    assert rows["attend: V[n]"]["outcome"] == "taken"
    assert rows["attend: V[n]"]["reason"] == "1 pass"
    assert rows["attend: K[n]"]["outcome"] == "refused"
    assert rows["attend: K[n]"]["reason"].startswith("3 passes; pass 2 begins with P (line 4)")
    assert rows["attend: K[n]"]["would_change"].startswith("1 is enough: declare `X` a `running max=`")
    assert [p.passes for p in program.passes] == [1, 1, 3, 1, 1, 1]


@pytest.mark.parametrize("text", [NAIVE, ONLINE, WITHIN], ids=["naive", "online", "within"])
def test_all_ways_to_write_it_give_the_same_numbers(text: str):
    torch.manual_seed(0)
    q, k, v = torch.randn(5, 8), torch.randn(7, 8), torch.randn(7, 8)
    exact = (q.double() @ k.double().T).softmax(-1) @ v.double()
    assert_close_to_float64(load_weave(text)(q, k, v), (q @ k.T).softmax(-1) @ v, exact)

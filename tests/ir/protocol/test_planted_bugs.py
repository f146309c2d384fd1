"""Bugs planted into the samples: each one is found, by its kind, with a trace that names the ops."""

import pytest

import aref_samples
from warpweave.ir.protocol import check
from warpweave.ir.text import parse

GEMM, FLASH = "gemm_bias_gelu", "attention_causal"


def line(name, start, number=0):
    """The `number`-th line of a sample that begins so."""
    return [x for x in aref_samples.text(name).splitlines(keepends=True) if x.strip().startswith(start)][number]


def planted(name, *edits):
    text = aref_samples.text(name)
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    (loop,) = parse(text).body.block.first_op.body.ops
    return loop


def moved(name, start, after, number=0):
    """The line that begins with `start` moved behind the first that begins with `after`."""
    what, anchor = line(name, start, number), line(name, after)
    return (what, ""), (anchor, anchor + what)


EXIT = "aref.get_exit %ab"
BUGS = {
    "released before the product has read": (GEMM, [("aref.wait {pending = #builtin.int<1>} : () -> ()\n", "\n")], "WAR"),
    "released one slot early": (GEMM, [("{keep = #builtin.int<1>", "{keep = #builtin.int<0>")], "WAR"),
    "waits for one product too few": (GEMM, [("aref.wait {pending = #builtin.int<1>}", "aref.wait {pending = #builtin.int<2>}")], "WAR"),
    "the last slots are never released": (GEMM, [(line(GEMM, EXIT, 1), "")], "left over"),
    "no slot is ever released": (GEMM, [(line(GEMM, EXIT, 0), ""), (line(GEMM, EXIT, 1), "")], "deadlock"),
    "the reader takes one slot less": (GEMM, [("%flown = scf.for %k = %c0 to", "%flown = scf.for %k = %c64 to")], "left over"),
    "the producer fills one slot less": (GEMM, [("scf.for %k = %c0 to %c192 step %c64 {", "scf.for %k = %c64 to %c192 step %c64 {")], "deadlock"),
    "a product more in flight than slots": (
        GEMM,
        [("depth = #builtin.int<4>", "depth = #builtin.int<1>")],
        "deadlock",
    ),
    "full before the copies have landed": (GEMM, [('{completion = ["tma"]}', '{completion = ["cp_async"]}')], "unwritten"),
    "the epilogue's slot released while TMA reads it": (GEMM, [(line(GEMM, "aref.store_wait"), "")], "WAR"),
    "the epilogue's slot handed over before it is written": (
        GEMM,
        list(moved(GEMM, "aref.store %y", "aref.put_exit %out")),
        "RAW",
    ),
    "scores: V released while its product runs": (
        FLASH,
        list(moved(FLASH, "aref.get_exit %rv", "%adding = aref.mma")),
        "WAR",
    ),
    "scores: K released too early": (FLASH, list(moved(FLASH, "aref.get_exit %rk", "%issued = aref.mma")), "WAR"),
    "nobody primes the ping-pong": (FLASH, [(line(FLASH, "aref.barrier_arrive {id = #builtin.int<1>"), "")], "deadlock"),
    "a sync of the ping-pong is left out": (FLASH, [(line(FLASH, "aref.barrier_sync {id = #builtin.int<1>", 3), "")], "deadlock"),
    "queries are never released": (FLASH, [(line(FLASH, "aref.get_exit %rq"), "")], "deadlock"),
}  # fmt: skip


def found(bug):
    name, edits, _ = BUGS[bug]
    return check(planted(name, *edits)).finding


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug):
    finding = found(bug)
    assert finding is not None
    assert finding.kind == BUGS[bug][2]
    assert finding.trace


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_nothing_is_found_in_the_samples(name):
    assert check(planted(name)).finding is None

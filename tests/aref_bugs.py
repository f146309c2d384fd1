"""Bugs planted into the hand-written kernels, in both forms: the edits of the text, and the kind of finding that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import ModuleOp

import aref_samples
from warpweave.ir import tile
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.text import parse, to_text
from warpweave.passes.warps import lower_arefs

GEMM, FLASH = "gemm_bias_gelu", "attention_causal"


def loop_of(module: ModuleOp) -> tile.ParallelOp:
    """The only loop of the only kernel."""
    (kernel,) = module.body.block.ops
    assert isinstance(kernel, tile.KernelOp)
    (loop,) = kernel.body.ops
    assert isinstance(loop, tile.ParallelOp)
    return loop


def first_loop(text: str) -> tile.ParallelOp:
    return loop_of(parse(text))


def line(name: str, start: str, number: int = 0) -> str:
    """The `number`-th line of a sample that begins so."""
    return [x for x in aref_samples.text(name).splitlines(keepends=True) if x.strip().startswith(start)][number]


def resized(name: str, old: int, new: int) -> tuple[str, str]:
    """The edit that gives a property another number."""
    return f"{name} = #builtin.int<{old}>", f"{name} = #builtin.int<{new}>"


def with_cp_async() -> str:
    """The GEMM with a warpgroup that copies by cp.async."""
    text = aref_samples.text(GEMM).replace('completion = "tma"', 'completion = "cp_async"')
    text = text.replace('aref.put_exit %ab {completion = ["tma"]}', 'aref.put_exit %ab {completion = ["cp_async"]}')
    text = text.replace('kind = "producer", warps = #builtin.int<1>', 'kind = "producer", warps = #builtin.int<4>')
    return text.replace("registers = #builtin.int<232>", "registers = #builtin.int<208>")


def planted(name: str, *edits: tuple[str, str]) -> tile.ParallelOp:
    """The loop of a sample after edits of its text."""
    text = aref_samples.text(name)
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return first_loop(text)


def moved(name: str, start: str, after: str, number: int = 0) -> Sequence[tuple[str, str]]:
    """The line that begins with `start` moved behind the first that begins with `after`."""
    what, anchor = line(name, start, number), line(name, after)
    return (what, ""), (anchor, anchor + what)


EXIT = "aref.get_exit %ab"
ODD = line(FLASH, "aref.role @odd")
BUGS = {
    "released before the product has read": (
        GEMM,
        [("aref.wait {pending = #builtin.int<1>} : () -> ()\n", "\n")],
        "WAR",
    ),
    "released one slot early": (GEMM, [resized("keep", 1, 0)], "WAR"),
    "waits for one product too few": (GEMM, [resized("pending", 1, 2)], "WAR"),
    "the last slots are never released": (GEMM, [(line(GEMM, EXIT, 1), "")], "left over"),
    "no slot is ever released": (GEMM, [(line(GEMM, EXIT, 0), ""), (line(GEMM, EXIT, 1), "")], "deadlock"),
    "the reader takes one slot less": (
        GEMM,
        [("%flown = scf.for %k = %c0 to", "%flown = scf.for %k = %c64 to")],
        "left over",
    ),
    "the producer fills one slot less": (
        GEMM,
        [("scf.for %k = %c0 to %c192 step %c64 {", "scf.for %k = %c64 to %c192 step %c64 {")],
        "deadlock",
    ),
    "a product more in flight than slots": (
        GEMM,
        [resized("depth", 4, 1)],
        "deadlock",
    ),
    "full before the copies have landed": (GEMM, [('{completion = ["tma"]}', '{completion = ["cp_async"]}')], "RAW"),
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
    "nobody primes the ping-pong": (
        FLASH,
        [(line(FLASH, "aref.barrier_arrive {id = #builtin.int<1>"), "")],
        "deadlock",
    ),
    "a sync of the ping-pong is left out": (
        FLASH,
        [(line(FLASH, "aref.barrier_sync {id = #builtin.int<1>", 3), "")],
        "phases mixed",
    ),
    "the ping-pong is primed before the other side is done": (
        FLASH,
        [
            (line(FLASH, "aref.barrier_arrive {id = #builtin.int<1>"), ""),
            (ODD, ODD + line(FLASH, "aref.barrier_arrive {id = #builtin.int<1>")),
        ],
        "phases mixed",
    ),
    "queries are never released": (FLASH, [(line(FLASH, "aref.get_exit %rq"), "")], "deadlock"),
}


def lowered(name: str) -> str:
    """The text of a lowered sample."""
    return lowered_text(aref_samples.text(name))


def lowered_text(text: str) -> str:
    module = parse(text)
    lower_arefs.run(loop_of(module))
    verify_aref(module)
    return to_text(module)


LOWERED = lowered(GEMM)


Edit = Callable[[str], str]


def once(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return edit


def dropped(start: str, number: int = 0) -> Edit:
    """Without the `number`-th line that begins so."""

    def edit(text: str) -> str:
        lines = text.splitlines(keepends=True)
        del lines[[i for i, x in enumerate(lines) if x.strip().startswith(start)][number]]
        return "".join(lines)

    return edit


def wrapped(text: str) -> str:
    """The producer's counter goes back at the end of each tile, as if it were local."""
    counter = next(x for x in text.splitlines() if "aref.advance" in x).split()[1]
    end = "        }\n      }\n      aref.role @store"
    back = f"        }}\n        aref.advance {counter} {{by = #builtin.int<-3>}} : !aref.counter\n      }}\n      aref.role @store"
    return once(end, back)(text)


BUGS_LOWERED = {
    "a full barrier takes an arrival too many": (once(*resized("count = #builtin.int<4>, arrivals", 1, 2)), "deadlock"),
    "an empty barrier takes an arrival too few": (once(*resized("arrivals", 8, 4)), "phases mixed"),
    "an empty barrier takes an arrival too many": (once(*resized("arrivals", 8, 9)), "deadlock"),
    "too few bytes are expected": (once(*resized("bytes", 32768, 16384)), "RAW"),
    "too many bytes are expected": (once(*resized("bytes", 32768, 49152)), "deadlock"),
    "no bytes are expected": (once(*resized("bytes", 32768, 0)), "unwritten"),
    "the producer does not wait": (dropped("aref.barrier_wait"), "WAR"),
    "a reader does not wait": (dropped("aref.barrier_wait", 2), "unwritten"),
    "the epilogue does not wait": (dropped("aref.barrier_wait", 1), "unwritten"),
    "the producer waits for the other parity": (once("arith.subi %7, %parity :", "arith.addi %7, %parity :"), "WAR"),
    "no proxy fence": (dropped("aref.proxy_fence"), "no fence"),
    "the counter starts again with each tile": (wrapped, "deadlock"),
}

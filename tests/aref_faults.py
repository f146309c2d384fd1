"""The rules of the aref verifier, each broken once in the GEMM sample: the edits, and what is said (a regular expression)."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

import aref_samples
from aref_bugs import GEMM, line, resized
from warpweave.ir.text import parse

OUT = "!aref.ring<[vector<128x128xbf16>]>"
GET = line(GEMM, "%tile = aref.get_enter")
ROLE = line(GEMM, "aref.role @store").replace("@store", "@inner")
IDLE = "        %idle = arith.constant 1 : index\n"
COPY = line(GEMM, "aref.copy %sa")
PUT_EXIT = line(GEMM, "aref.put_exit %ab")
WAIT = line(GEMM, "aref.wait {pending")
FAULTS = {
    "a slot entered twice": (
        [(PUT_EXIT, ""), ("          aref.copy %sw", PUT_EXIT + "          aref.copy %sw")],
        r"`aref.copy` of role @load .*writes to a slot that is not being filled: between its aref.put_enter and ",
    ),
    "no put_exit": ([(PUT_EXIT, "")], "its aref.put_exit stands in another block: fill a slot in one block"),
    "put_exit twice": ([(PUT_EXIT, PUT_EXIT * 2)], "leaves a slot of %ab that was not entered"),
    "no get_exit at the end": (
        [(line(GEMM, "aref.get_exit %ab", 1), "")],
        r"`aref.role` of role @math .*ends a tile with 1 slots of %ab held: aref.get_exit that keeps 0",
    ),
    "keeps as many slots as there are": (
        [resized("depth", 4, 1)],
        "waits for a slot of %ab with all 1 held: keep fewer than its depth",
    ),
    "release before the wait": (
        [(WAIT, "")],
        r"releases a slot that a product still reads: aref.wait \{pending = 1\} comes first",
    ),
    "release before the bulk store has read": (
        [(line(GEMM, "aref.store_wait"), "")],
        "releases a slot that a bulk store still reads: aref.store_wait comes first",
    ),
    "accumulator of a running product": (
        [resized("%acc = aref.wait %flown {pending", 0, 1)],
        "gives a tile of a product that may still run: pending = 0 at most",
    ),
    "a slot read after its release": (
        [
            (line(GEMM, "aref.store_wait"), ""),
            (line(GEMM, "aref.bulk_store"), ""),
            (
                line(GEMM, "aref.get_exit %out"),
                line(GEMM, "aref.get_exit %out") + line(GEMM, "aref.bulk_store") + line(GEMM, "aref.store_wait"),
            ),
        ],
        "reads a slot that is not held: between its aref.get_enter and aref.get_exit only",
    ),
    "two producers": (
        [
            (
                GET,
                GET + f"        %other = aref.put_enter %out : ({OUT}) -> !aref.memory<vector<128x128xbf16>>\n"
                f'        aref.put_exit %out {{completion = ["none"]}} : {OUT}\n',
            )
        ],
        r"`aref.create` .*@store, @math fill it; slots are filled in the order of one role: one ring for each producer",
    ),
    "no reader": (
        [
            (GET, IDLE),
            (line(GEMM, "aref.bulk_store"), ""),
            (line(GEMM, "aref.store_wait"), ""),
            (line(GEMM, "aref.get_exit %out"), ""),
        ],
        "no role reads it: its producer waits forever for a free slot",
    ),
    "another completion": (
        [('{completion = ["tma"]}', '{completion = ["cp_async"]}')],
        "completion cp_async, but the slot is used by tma; the other side would go on too early or never: name what is used",
    ),
    "one completion too many": (
        [('{completion = ["tma"]}', '{completion = ["tma", "none"]}')],
        "completion none, tma, but the slot is used by tma",
    ),
    "a tile outside the roles": (
        [("      %c0 = arith", "      %shared = tile.fill {value = 0.0 : f64} : vector<1x1xf32>\n      %c0 = arith")],
        "`tile.fill` .*stands outside the roles; only indices, rings and roles do",
    ),
    "a role in a role": (
        [(GET, GET + ROLE + IDLE + "        }\n")],
        "stands inside a role: setmaxnreg must not be nested",
    ),
    "a loop of one role's own": (
        [
            ("        %zero = tile.fill", "        %own = arith.addi %c192, %c64 : index\n        %zero = tile.fill"),
            ("%flown = scf.for %k = %c0 to %c192", "%flown = scf.for %k = %c0 to %own"),
        ],
        "rings are used in a loop or branch that this role alone decides: compute its bounds before the roles",
    ),
    "no multiple of eight": (
        [resized("registers", 232, 230)],
        "230 registers; setmaxnreg takes a multiple of 8 from 24 to 256",
    ),
    "too many registers": (
        [resized("registers", 232, 256)],
        "the roles take 70656 registers of 65536; give some of them fewer",
    ),
    "too much shared memory": (
        [resized("depth", 4, 8)],
        r"rings take 295056 bytes of the 232448 of sm_90a \(%ab 262144, %out 32768\); fewer slots or smaller tiles",
    ),
    "too few warps for the rows": (
        [resized("warps", 8, 4)],
        "128 rows by 4 warps; wgmma takes 64 rows a warpgroup of 4 warps",
    ),
    "TMA by two warps": ([resized("warps", 1, 2)], "TMA copies by 2 warps; one warp issues them: a role of its own"),
    "columns that lie apart": (
        [("columns [192:1] + 0>, completion", "columns [192:2] + 0>, completion")],
        "TMA cannot move the tile: its columns do not lie side by side; load or store it in the role that has it",
    ),
    "a stride of no 16 bytes": (
        [("rows [d0:192] columns [192:1] + 0>, completion", "rows [d0:193] columns [192:1] + 0>, completion")],
        "TMA cannot move the tile: a stride or offset of 386 bytes is no multiple of 16",
    ),
}


def edited(name: str, edits: list[tuple[str, str]]) -> ModuleOp:
    """A sample after edits of its text."""
    text = aref_samples.text(name)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse(text)

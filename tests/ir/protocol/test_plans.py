"""Which runs the checker makes, and what guards and unknown trips do."""

from itertools import pairwise

import pytest

from aref_bugs import FLASH, GEMM, first_loop, planted
from warpweave.ir.protocol import check
from warpweave.ir.protocol.plans import plans, reduced, slots_to_tiles, tour
from warpweave.ir.protocol.shape import shape_of

RING = "!aref.ring<[vector<16x64xbf16>]>"
MEMORY = "!aref.memory<vector<16x64xbf16>>"
GUARDED = f"""
builtin.module {{
  tile.kernel @guarded attributes {{kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<1>]}} {{
  ^bb0(%x: !tile.buffer<bf16, "strided">, %y: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {{batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<16>, #builtin.int<64>]}} {{
    ^bb1(%batch: index, %row: index, %column: index):
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %size = tile.size {{dim = #flow.dim<d0>}} : index
      %guard = arith.cmpi slt, %row, %size : index
      %other = arith.cmpi sle, %row, %size : index
      %ring = aref.create {{depth = #builtin.int<2>, swizzle = [#builtin.int<128>]}} : {RING}
      aref.role @load attributes {{kind = "producer", warps = #builtin.int<1>, registers = #builtin.int<40>}} {{
        scf.if %guard {{
          scf.for %i = %c0 to %size step %c1 {{
            %in = aref.put_enter %ring : ({RING}) -> {MEMORY}
            aref.copy %in, %x, %row, %c0 : {MEMORY}, !tile.buffer<bf16, "strided">, index, index {{access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>, completion = "tma"}}
            aref.put_exit %ring {{completion = ["tma"]}} : {RING}
          }}
        }}
      }}
      aref.role @copy attributes {{kind = "epilogue", warps = #builtin.int<1>, registers = #builtin.int<40>}} {{
        scf.if %guard {{
          scf.for %i = %c0 to %size step %c1 {{
            %out = aref.get_enter %ring : ({RING}) -> {MEMORY}
            aref.bulk_store %out, %y, %row, %c0 : {MEMORY}, !tile.buffer<bf16, "strided">, index, index {{access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}}
            aref.store_wait {{pending = #builtin.int<0>}}
            aref.get_exit %ring {{keep = #builtin.int<0>, completion = ["tma"]}} : {RING}
          }}
        }}
      }}
    }}
  }}
}}
"""  # noqa: E501


def test_guards_go_both_ways_and_unknown_loops_run_0_to_beyond_twice_the_depth():
    runs = list(plans(first_loop(GUARDED)))
    tried = {tuple(run[0].values()) for run in runs[:-1]}
    assert tried == {(guard, trips) for guard in (0, 1) for trips in range(7)}
    assert all(len(run) >= 3 for run in runs)
    assert check(first_loop(GUARDED)).finding is None


def test_a_guard_on_one_side_only_is_found():
    wrong = GUARDED.replace("scf.if %guard", "scf.if %other", 1)
    finding = check(first_loop(wrong)).finding
    assert finding is not None
    assert finding.kind == "deadlock"


def test_constant_trips_run_as_they_are_or_equal_modulo_the_period():
    ((first, *_),) = plans(planted(GEMM))
    assert list(first.values()) == [3]
    assert [reduced(n, 4) for n in (0, 26, 27, 1000)] == [0, 26, 19, 24]
    assert all(reduced(n, d) % (2 * d) == n % (2 * d) for n in range(200) for d in (1, 2, 3, 4))


def test_a_tour_has_every_pair():
    tiles = tour([{}, {1: 1}, {2: 2}])  # type: ignore[dict-item]
    pairs = list(pairwise(tiles))
    assert all((a, b) in pairs for a in ({}, {1: 1}, {2: 2}) for b in ({}, {1: 1}, {2: 2}))


def test_tiles_end_in_every_way_within_a_window():
    for window in (4, 5, 7):
        tiles = slots_to_tiles(window)
        ends = [int(slot == size - 1) for size in tiles for slot in range(size)]
        words = {tuple(ends[i : i + window]) for i in range(len(ends) - window + 1)}
        assert len(words) == 2**window
        assert len(ends) <= 2**window + window


def test_loops_that_do_the_same_count_as_one():
    *equal, mixed = plans(planted(FLASH))
    assert sorted(sum(run[0].values()) for run in equal) == list(range(2 * 2 + 3))
    assert all(abs(a - b) <= 1 for a, b in (run[0].values() for run in equal))  # both take part
    assert [sum(tile.values()) + 1 for tile in mixed] == slots_to_tiles(2 + 2 + 1)


def test_loops_that_do_not_are_tried_in_all_combinations():
    other = planted(FLASH, ("scf.for %j = %full to %end", "scf.for %j = %full to %length"))  # of one role only
    assert len(list(plans(other))) > 40


@pytest.mark.parametrize("sample", [GEMM, FLASH])
def test_shapes_ignore_arithmetic_and_see_depths(sample):
    same = planted(sample, ("0.000000e+00", "1.000000e+00"))
    assert shape_of(same) == shape_of(planted(sample))
    other = planted(
        sample, ("swizzle = [#builtin.int<128>, #builtin.int<128>]", "swizzle = [#builtin.int<64>, #builtin.int<64>]")
    )
    assert shape_of(other) != shape_of(planted(sample))

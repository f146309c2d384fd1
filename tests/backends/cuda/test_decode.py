"""One query over a cache: parts of the keys, and their merge, in the emulator."""

import pytest

import emulated_pipelines as pipelines
from warpweave.backends.cuda.emulate import schedules
from warpweave.ir import tile
from warpweave.ir.aref.queries import roles_of

PROGRAMS = [name for name in pipelines.PROGRAMS if name.startswith("decode")]
CACHES = [
    {"L": 400, "position": 399},  # three parts, of 3, 3 and 1 blocks of keys
    {"L": 400, "position": 101},  # of 1, 1 and no block
    {"L": 400, "position": 10},  # of 1 block and none
    {"L": 449, "position": 255},  # of 2, 2 and none; the blocks are whole
    {"L": 90, "position": 70},  # one part
    {"L": 30, "position": 0},  # one key
]
"""As many as there are schedules: the cache's length is no multiple of a block, and more than what is filled."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_schedule(name):
    for seed, (schedule, cache) in enumerate(zip(schedules(), CACHES, strict=True)):
        sizes = {"B": 1 + seed % 2, "L": cache["L"], "num_threads": 5}
        count = pipelines.check(name, sizes, schedule=schedule, seed=seed, sms=1 + seed % 3, position=cache["position"])
        assert count == 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_roles(name):
    (kernel,) = pipelines.split(name).values()
    over_keys, merge = (op for op in kernel.body.ops if isinstance(op, tile.ParallelOp))
    assert [(role.sym_name.data, role.warps.data) for role in roles_of(over_keys)] == [("load", 1), ("math", 4)]
    assert [(role.sym_name.data, role.warps.data) for role in roles_of(merge)] == [("math", 4)]


def test_few_queries_of_a_group_that_fills_no_box_are_staged_by_the_warpgroup_that_multiplies():
    (kernel,) = pipelines.split("decode_groups3").values()
    queries = kernel.body.args[0]
    assert [use.operation.name for use in queries.uses] == ["tile.load"]
    (kernel,) = pipelines.split("decode_groups4").values()
    assert [use.operation.name for use in kernel.body.args[0].uses] == ["aref.copy"]

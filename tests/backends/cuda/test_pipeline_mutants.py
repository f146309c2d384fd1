"""Wrong printers and wrong lowerings: the verifier, the checker, the emulator or the numbers must say so."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import emulated_pipelines as pipelines
from mutants.edits import edited
from warpweave.backends.cpu.expressions import UnsupportedKernelError
from warpweave.ir.protocol.machine import ProtocolError
from warpweave.ir.verify import LevelError
from warpweave.runtime.errors import ArgumentError, CompileError

EMIT, LOWER = "backends.cuda.emit", "passes.warps.lower_arefs"
SIZES = {
    "gemm_relu_f16": {"M": 130},
    "gemm_residual_norm": {"B": 1, "S": 97},
    "gemm_qkv_rope_append": {"B": 2, "S": 35, "L": 90},
    "gemm_qkv_of_equal_tiles": {"B": 2, "S": 67, "L": 80},
    "attention_causal_64": {"B": 1, "S": 97, "L": 97},
    "attention_groups3": {"B": 1, "S": 50, "L": 101},
    "decode_groups4": {"B": 1, "L": 400, "num_threads": 5},
}


@dataclass(frozen=True)
class Mutant:
    """`target` with `old` replaced by `new`; `program` shows it."""

    name: str
    target: str
    old: str
    new: str
    program: str = "gemm_relu_f16"
    pipeline: str = pipelines.HOPPER


MUTANTS = [
    Mutant("second warpgroup multiplies the first one's rows", f"{EMIT}.roles.products:_rows_of_a", " + group * ", " + 0 * "),
    Mutant("no step along k", f"{EMIT}.roles.products:_along_k", "k * {held.item_bytes}", "0 * {held.item_bytes}"),
    Mutant("every lane arrives", f"{EMIT}.roles.barriers:arrive", "if (ww::elect_one()) ww::", "ww::"),
    Mutant("panels stored one upon another", f"{EMIT}.roles.copies:bulk_store", "panel * memory", "0 * memory",
           "gemm_residual_norm"),
    Mutant("panels of one column", f"{EMIT}.roles.copies:_coordinates", "str(panel * held.panel_columns)", '"0"',
           "gemm_residual_norm"),
    Mutant("sums begin with what registers hold", f"{EMIT}.roles.products:_accumulator", '"k > 0"', '"true"',
           "attention_causal_64"),
    Mutant("batches not split", f"{EMIT}.roles.copies:_split", "rest(position, size) if number else position", "position",
           "attention_causal_64"),
    Mutant("rings lie one upon another", f"{EMIT}.shared:SharedMemory._add_ring", "ring.depth * ring.slot_bytes",
           "ring.slot_bytes"),
    Mutant("one arrival too many awaited", f"{EMIT}.kernel:_Kernel._make_barriers", "{op.arrivals.data});",
           "{op.arrivals.data + 1});"),

    Mutant("warpgroups hold the same rows", f"{EMIT}.roles.state:RoleState.place_rows", "group * {WARPGROUP_ROWS} + ",
           "0 * {WARPGROUP_ROWS} + ", "gemm_residual_norm"),
    Mutant("box of all rows along one axis", f"{EMIT}.tensor_maps:tensor_map", "held.rows // math.prod(inner)", "held.rows",
           "attention_causal_64"),
    Mutant("columns of a mask four apart", f"{EMIT}.layouts:column_of", "8 * (i / 4)", "4 * (i / 4)", "attention_causal_64"),
    Mutant("rows of a mask four apart", f"{EMIT}.layouts:row_of", '"rows": "lane_row + 8', '"rows": "lane_row + 4',
           "attention_causal_64"),
    Mutant("sine and cosine change places", f"{EMIT}.tiles:Tiles._rope", "(op.input, op.cos, op.sin)", "(op.input, op.sin, op.cos)",
           "gemm_qkv_rope_append"),
    Mutant("columns of joined loops counted from elsewhere", "passes.warps.join_loops:_join",
           "arith.SubiOp(body.args[2], begin.result)", "arith.AddiOp(body.args[2], begin.result)", "gemm_qkv_of_equal_tiles"),
    Mutant("a joined loop takes the first tile of the next", "passes.warps.join_loops:_join", '"slt"', '"sle"',
           "gemm_qkv_of_equal_tiles"),
    Mutant("groups of columns reduced as one", f"{EMIT}.tiles:Tiles._reduce",
           "op.group.data if op.group is not None", "own.columns if True",
           "gemm_residual_norm"),
    Mutant("limit of columns from the tensor's start", f"{EMIT}.memory:_inside", "{size} - {start}", "{size} - 0",
           "gemm_residual_norm"),
    Mutant("positions not looked up", f"{EMIT}.memory:_rows", "if access.gather is not None", "if False", "gemm_qkv_rope_append"),
    Mutant("position of the entry behind", f"{EMIT}.context:Context._looked_up",
           "self.buffers[op.buffer], at", "self.buffers[op.buffer], str(1)",
           "decode_groups4"),
    Mutant("warpgroups stage the same queries", f"{EMIT}.roles.slots:_slot_call",
           'f"group * {WARPGROUP_ROWS}"', '"0"',
           "attention_groups3"),
    Mutant("one warpgroup comes in each turn", f"{EMIT}.roles.barriers:_only", "{own.data}", "0", "attention_causal_64"),
    Mutant("writer does not wait for an empty slot", f"{LOWER}:_put_enter",
           "at.value(arith.SubiOp(at.constant(1), parity))", "parity"),
    Mutant("half of the bytes expected", f"{LOWER}:_put_enter", "aref.ArriveOp(ring.full, stage, 1, bytes)",
           "aref.ArriveOp(ring.full, stage, 1, bytes // 2)"),
    Mutant("reader releases another slot", f"{LOWER}:_release",
           "arith.RemUIOp(count, depth.result)", "arith.RemUIOp(depth.result, depth.result)"),
    Mutant("one warp of a role that stores counted", f"{LOWER}:_arrivals", '"none": role.warps.data', '"none": 1'),
    Mutant("released at once, products in flight", "passes.warps.assign_stages:_keep_in_flight",
           'leave.properties["keep"] = IntAttr(PENDING)', 'leave.properties["keep"] = IntAttr(0)'),
]  # fmt: skip


def sm80(name: str, target: str, old: str, new: str, program: str = "gemm_relu_f16") -> Mutant:
    return Mutant(name, target, old, new, program, pipelines.AMPERE)


MUTANTS += [
    sm80("copies that nobody waits for", f"{EMIT}.roles.barriers:copy_arrive", "ww::copy_async_arrive(", "ww::mbarrier_arrive("),
    sm80("copies from the first rows", f"{EMIT}.memory:slot_source", 'sum_of([start, "r"])', '"r"'),
    sm80("copies from the first columns", f"{EMIT}.memory:slot_source", "+ column", ""),
    sm80("one row inside", f"{EMIT}.memory:_row_limit", "op.access.data.rows,", "op.access.data.rows[:0],", "gemm_residual_norm"),
    sm80("all warps multiply the first rows", f"{EMIT}.roles.warp_products:dot", "group * {WARPGROUP_ROWS}", "0",
         "attention_causal_64"),
    sm80("values multiplied as keys are", f"{EMIT}.roles.warp_products:dot", "op.transposed is not None", "True",
         "attention_causal_64"),
    sm80("the second 64 rows get the sums of the first", f"{EMIT}.roles.row_blocks:print_role", "({whole}, group)", "({whole}, 0)"),
    sm80("the second 64 rows are stored as the first", f"{EMIT}.roles.state:RoleState.place_rows",
         "self.role.warpgroups * self.blocks > 1", "self.role.warpgroups > 1"),
    sm80("arrivals of warps where threads arrive", f"{LOWER}:_arrivals", '"cp_async": role.threads', '"cp_async": role.warps.data'),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name.replace(" ", "-") for m in MUTANTS])
def test_is_caught(mutant):
    forget()
    try:
        with edited(mutant.target, mutant.old, mutant.new):
            assert is_caught(mutant.program, mutant.pipeline), f"nothing sees: {mutant.name}"
    finally:
        forget()


def is_caught(program: str, target: str) -> bool:
    """Whether the passes refuse the program, the checker or the emulator finds something, or numbers are wrong."""
    try:
        if not pipelines.split(program, target):
            return True
        for seed, schedule in enumerate(("random", "late", "early")):
            pipelines.check(program, SIZES[program], schedule=schedule, seed=seed, target=target)
    except (AssertionError, ArgumentError, CompileError, LevelError, ProtocolError, UnsupportedKernelError):
        return True
    return False


def forget() -> None:
    """What is kept of programs."""
    pipelines.split.cache_clear()
    pipelines.emulated.cache_clear()

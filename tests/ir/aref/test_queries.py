"""Where roles are placed."""

from aref_bugs import FLASH, GEMM, planted, resized
from warpweave.ir.aref.queries import first_warps, warps_of


def placed(loop):
    return {role.sym_name.data: first for role, first in first_warps(loop)}


def test_small_roles_share_a_warpgroup_and_others_begin_one():
    assert placed(planted(GEMM)) == {"load": 0, "store": 1, "math": 4}
    assert warps_of(planted(GEMM)) == 12
    assert placed(planted(FLASH)) == {"load": 0, "even": 4, "odd": 8}


def test_roles_of_other_registers_take_a_warpgroup_of_their_own():
    assert placed(planted(GEMM, resized("registers", 40, 24))) == {"load": 0, "store": 4, "math": 8}

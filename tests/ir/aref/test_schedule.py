"""Tiles are walked each once, and a kernel can compute which comes when."""

import pytest

from warpweave.ir.aref.schedule import tile_at, tile_order


@pytest.mark.parametrize("group", [1, 2, 3, 8])
@pytest.mark.parametrize(("batches", "rows", "columns"), [(1, 1, 1), (2, 5, 3), (1, 8, 1), (3, 2, 4), (1, 9, 7)])
def test_every_tile_once_and_by_number(batches, rows, columns, group):
    order = list(tile_order(batches, rows, columns, group))
    assert sorted(order) == [(b, r, c) for b in range(batches) for r in range(rows) for c in range(columns)]
    assert [tile_at(i, rows, columns, group) for i in range(len(order))] == order


def test_rows_of_a_group_are_walked_together():
    assert list(tile_order(1, 3, 2, 2)) == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (0, 2, 0), (0, 2, 1)]

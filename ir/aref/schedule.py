"""The order in which tiles are walked, and who does which."""

from __future__ import annotations

from collections.abc import Iterator


def tile_order(batches: int, rows: int, columns: int, group: int) -> Iterator[tuple[int, int, int]]:
    """(batch, row of tiles, column of tiles), each once: `group` rows at a time, column by column, then the next rows."""
    for batch in range(batches):
        for first in range(0, rows, group):
            for column in range(columns):
                for row in range(first, min(first + group, rows)):
                    yield batch, row, column


def tile_at(number: int, rows: int, columns: int, group: int) -> tuple[int, int, int]:
    """Entry `number` of `tile_order`, as a kernel computes it."""
    batch, inside = divmod(number, rows * columns)
    band, inside = divmod(inside, group * columns)
    tall = min(group, rows - band * group)
    return batch, band * group + inside % tall, inside // tall

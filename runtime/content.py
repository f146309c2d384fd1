"""What ranges of the CPU's memory hold, in few words, and whether they still hold it.

`Content.read` reads all of a range. `Watch` is cheap enough for every call: it looks at four lines of 64 bytes of each range, and
at the next share of all bytes, so that nothing is looked at later than ROUND calls after it was written.
"""

from __future__ import annotations

import ctypes
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import CompileError, MissingCompilerError, ProgramError
from .host_arrays import address as address_of
from .native_code import open_library
from .toolchain import Source, build

logger = logging.getLogger("warpweave.runtime.content")

CHUNK = 1 << 16
"""Bytes that have a digest of their own; a call looks at no fewer, where there are as many."""

ROUND = 1024
"""Calls in which every byte is looked at."""

_SOURCE = Path(__file__).with_name("native") / "ww_content.cpp"


class Content:
    """Digests of `bytes` bytes at `address`, which the caller keeps alive; none before the first `read`."""

    __slots__ = ("_digests", "_row", "bytes")

    def __init__(self, address: int, bytes: int) -> None:
        self.bytes = bytes
        self._digests = np.zeros(1 + -(-bytes // CHUNK), dtype=np.uint64)
        self._row = np.array([address, bytes, address_of(self._digests)], dtype=np.int64)

    @property
    def row(self) -> Any:
        """`struct WwRange` of ww_content.cpp."""
        return self._row

    def read(self) -> bool:
        """Reads all of it; whether anything is another than when it was read before."""
        return bool(self.bytes) and bool(_native().ww_read(address_of(self._row)))


class Watch:
    """Whether ranges, of which no digests are made here, hold what they held when they were read."""

    __slots__ = ("_arguments", "_contents", "_cursor", "_rows", "_same")

    def __init__(self, contents: Sequence[Content]) -> None:
        self._contents = [content for content in contents if content.bytes]
        self._rows = np.array([content.row for content in self._contents], dtype=np.int64)
        self._cursor = np.zeros(2, dtype=np.int64)
        total = sum(content.bytes for content in self._contents)
        share = min(total, max(CHUNK, -(-total // ROUND)))
        self._arguments = (address_of(self._rows), len(self._contents), address_of(self._cursor), share)
        self._same = _native().ww_same if self._contents else _nothing

    def same(self) -> bool:
        """Whether no difference is seen. What differs is at the next call looked at again."""
        return bool(self._same(*self._arguments))


@functools.cache
def readable() -> bool:
    """Whether memory can be looked at: not where the few lines of C++ for it are neither in the cache nor can be compiled."""
    try:
        _native()
    except (CompileError, MissingCompilerError, ProgramError) as error:
        logger.warning("writes to weights that PyTorch does not see are not found: %s", error)
        return False
    return True


@functools.cache
def _native() -> Any:
    library = open_library(build([Source("ww_content", _SOURCE.read_text(), "portable")])[0].path)
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.ww_read.argtypes, library.ww_read.restype = [pointer], count
    library.ww_same.argtypes, library.ww_same.restype = [pointer, count, pointer, count], count
    return library


def _nothing(*_: Any) -> bool:
    return True

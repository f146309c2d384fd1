"""Whether a shared object is whole: what the dynamic loader maps lies inside the file; the loader finds out by dying."""

from __future__ import annotations

import platform
import struct

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_IDENT = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian
_SHARED = 3
_LOAD, _DYNAMIC = 1, 2
_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243}


def why_not(data: bytes) -> str | None:
    """Why the bytes are no shared object for this machine, or None."""
    if len(data) < _HEADER.size or not data.startswith(_IDENT):
        return "it is no 64-bit ELF file"
    _, kind, machine, _, _, table, _, _, _, entry_bytes, count, *_ = _HEADER.unpack_from(data)
    if kind != _SHARED or machine != _MACHINES.get(platform.machine(), machine):
        return f"it is no shared object for {platform.machine()}"
    if entry_bytes != _SEGMENT.size or not count or table + count * entry_bytes > len(data):
        return "its table of segments is cut off"
    segments = [_SEGMENT.unpack_from(data, table + i * entry_bytes) for i in range(count)]
    for kind, _, offset, _, _, in_file, in_memory, _ in segments:
        if kind in (_LOAD, _DYNAMIC) and not (offset + in_file <= len(data) and in_file <= in_memory < 2**40):
            return f"bytes {offset} to {offset + in_file} of {len(data)} are to be mapped"
    kinds = {segment[0] for segment in segments}
    return None if {_LOAD, _DYNAMIC} <= kinds else "nothing in it is to be mapped"

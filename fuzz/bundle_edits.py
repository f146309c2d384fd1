"""Wrong bundles out of sound ones: bytes that were damaged, and parts that were altered under hashes that fit again."""

from __future__ import annotations

import json
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from ..runtime.cache import sha256

MANIFEST, PROGRAM = "manifest.json", "program.json"
NUMBERS = (-1, 0, 1, 2, 7, 63, 64, 2**15, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), 10**30, 1.5, 1e308)
TEXTS = (
    "", "-1", "0", "1", "S", "S*1000003", "2**40", "1099511627776", "9" * 5000, "1//0", "1%0", "-S", "S*S*S*S*S*S*S", "(" * 500,
    "-" * 4000 + "1", "1" + "+1" * 4000, "max(1, " * 100 + "1" + ")" * 100, "__import__('os').abort()", "x.__class__",
    "S if S else 1", "float64", "int8", "bool", "void", "arg", "constant", "weight", "ignored", "tensor", "native",
    "../../etc/passwd", "/dev/zero",
    "aten.from_file.default", "aten.abs.default", "aten.topk.default", "load_library.__call__", "a\0b", "\u0663", "é" * 300,
)  # fmt: skip


def members_of(data: bytes) -> dict[str, bytes]:
    """What is in a sound bundle."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed(members: Mapping[str, bytes], edit: Callable[[dict[str, Any]], None] | None = None) -> bytes:
    """A bundle of these members, whose manifest states their hashes; `edit` changes the manifest after that."""
    manifest = json.loads(members[MANIFEST])
    manifest["files"] = {name: sha256(data) for name, data in sorted(members.items()) if name != MANIFEST}
    if edit is not None:
        edit(manifest)
    return packed({**members, MANIFEST: json.dumps(manifest).encode()})


def packed(members: Mapping[str, bytes]) -> bytes:
    """The zip file of these members, in order."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return out.getvalue()


def damaged(data: bytes, source: random.Random) -> bytes:
    """The file with some bytes changed, cut out, doubled, or cut off; often where the zip format keeps its own."""
    directory = data.rfind(b"PK\x01\x02") if source.random() < 0.5 else 0
    place = source.randrange(max(directory, 0), len(data))
    length = source.choice((1, 1, 1, 2, 4, 16, 300))
    return source.choice((
        lambda: data[:place],
        lambda: data[:place] + bytes([data[place] ^ 1 << source.randrange(8)]) + data[place + 1 :],
        lambda: data[:place] + source.randbytes(length) + data[place + length :],
        lambda: data[:place] + b"\xff" * length + data[place + length :],
        lambda: data[:place] + b"\0" * length + data[place + length :],
        lambda: data[:place] + data[place + length :],
        lambda: data[:place] + data[place : place + length] + data[place:],
        lambda: _other_headers(data, source),
    ))()  # fmt: skip


def _other_headers(data: bytes, source: random.Random) -> bytes:
    """One field of one header of the zip format: method, flags, sizes, offsets, lengths of names."""
    starts = [i for mark in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for i in _places(data, mark)]
    place = source.choice(starts) + source.choice((4, 6, 8, 10, 16, 18, 20, 22, 24, 26, 28, 30, 34, 38, 42))
    value = source.choice((0, 1, 8, 9, 12, 14, 93, 99, 0x7FFF, 0x8000, 0xFFFF))
    return data[:place] + struct.pack("<H", value) + data[place + 2 :]


def _places(data: bytes, mark: bytes) -> list[int]:
    found, place = [], data.find(mark)
    while place >= 0:
        found.append(place)
        place = data.find(mark, place + 1)
    return found


def altered(data: bytes, source: random.Random) -> bytes:
    """One part of the bundle says something else, and the hashes are those of what it says. Machine code and kernels' sources
    stay as they are, but for a missing end: whoever alters them runs what he likes, and that is promised nowhere."""
    members = members_of(data)
    kind = source.choice(("program",) * 6 + ("arrays",) * 3 + ("manifest", "documents", "names", "objects"))
    if kind == "manifest":
        return sealed(members, lambda manifest: _edit_tree(manifest, source))
    if kind == "program":
        members[PROGRAM] = _edited(members[PROGRAM], source)
    elif kind == "arrays":
        name = source.choice(("weights.safetensors", "constants.safetensors"))
        members[name] = _other_arrays(members[name], source)
    elif kind == "documents":
        name = source.choice([n for n in members if n.startswith("ir/") or n in ("ledger.json", "report.json")])
        members[name] = source.choice(
            (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 6000, b'"\xed\xa0\x80"')
        )
    elif kind == "objects":
        name = source.choice([n for n in members if n.startswith("objects/")])
        cut = (len(members[name]) * source.randrange(100)) // 100
        members[name] = source.choice((b"", b"\x7fELF", members[name][:cut]))
    else:
        name = source.choice([n for n in members if n != MANIFEST])
        moved = source.choice(
            ("../x", "/tmp/x", "a//b", "a\\b", "x" * 70000, "\u202e.so", name.upper(), "a/./b", ".hidden")
        )
        members[moved[:60000]] = members.pop(name)
    return sealed(members)


def _edited(text: bytes, source: random.Random) -> bytes:
    if source.random() < 0.05:
        return source.choice(
            (b"[" * 100_000, b'{"a":' * 100_000, b"\xff" + text, text[: source.randrange(len(text))], b"null")
        )
    tree = json.loads(text)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        _edit_tree(tree, source)
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _edit_tree(tree: Any, source: random.Random) -> None:
    """One entry of a JSON document: another value, none, twice, or swapped with its neighbour."""
    nodes: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(entries):
            nodes.append((node, key))
            walk(value)

    walk(tree)
    if not nodes:
        return
    parent, key = source.choice(nodes)
    value, action = parent[key], source.random()
    if action < 0.1:
        del parent[key]
    elif action < 0.2 and isinstance(parent, list):
        parent.insert(key, value)
    elif action < 0.3 and isinstance(parent, list):
        parent[key], parent[-1] = parent[-1], parent[key]
    elif action < 0.35:
        parent[key] = source.choice((None, True, [], {}, [value], {"is": "slot", "slot": 0}))
    elif isinstance(value, int) and not isinstance(value, bool):
        parent[key] = source.choice((*NUMBERS, value + 1, value - 1, -value, value * 2))
    elif isinstance(value, str):
        parent[key] = source.choice((*TEXTS, f"{value}+1", f"({value})*2", value[:-1], value + value))
    else:
        parent[key] = source.choice((*NUMBERS, *TEXTS))


def _other_arrays(data: bytes, source: random.Random) -> bytes:
    """A safetensors file with another header, or another body."""
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    action = source.random()
    if action < 0.15:
        return (
            source.choice((0, 1, length - 1, length + 1, 2**40, 2**63, 2**64 - 1)).to_bytes(8, "little") + header + body
        )
    if action < 0.3:
        return data[: source.randrange(len(data))]
    tree = json.loads(header)
    if action < 0.5 and tree:
        name = source.choice(list(tree))
        tree[name] = {"dtype": "F32", "shape": [1 << source.randrange(64), 0], "data_offsets": [0, 0]}
    elif action < 0.6 and len(tree) > 1:
        first, second = source.sample(list(tree), 2)
        tree[first], tree[second] = tree[second], tree[first]
    else:
        _edit_tree(tree, source)
    text = json.dumps(tree).encode()
    return len(text).to_bytes(8, "little") + text + body

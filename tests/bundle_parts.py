"""Bundles in tests: a small one, and others made of its parts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

from runtime_samples import scaled_by_packed
from warpweave.fuzz.bundle_edits import PROGRAM, members_of, sealed
from warpweave.runtime.artifact import ProgramDescription
from warpweave.runtime.bundle import save_bundle

W = torch.tensor([1.0, 2.0, 3.0, 4.0])
RUNNER = "objects/ww_run.so"
Edit = Callable[[dict[str, bytes]], object]


def small(path: Path, description: ProgramDescription | None = None) -> Path:
    """`scaled_by_packed`, with documents of every kind."""
    save_bundle(
        path, description or scaled_by_packed(), constants=[W * 2], weights={1: W}, ir={"tile.mlir": "builtin.module {}"},
        ledger=[{"rule": "none"}], report={"kernels": 2},
    )  # fmt: skip
    return path


def resealed(path: Path, out: Path, edit: Edit) -> Path:
    """A bundle of other parts, under hashes that fit them."""
    members = members_of(path.read_bytes())
    edit(members)
    out.write_bytes(sealed(members))
    return out


def program(edit: Callable[[dict], object]) -> Edit:
    """An edit of the description."""

    def change(members: dict[str, bytes]) -> None:
        tree = json.loads(members[PROGRAM])
        edit(tree)
        members[PROGRAM] = json.dumps(tree).encode()

    return change


def that_marks(mark: Path, folder: Path) -> bytes:
    """A runner that makes a file the moment it is mapped."""
    source = folder / "marks.cpp"
    source.write_text(
        '#include <stdio.h>\n__attribute__((constructor)) static void mark() { fclose(fopen(MARK, "w")); }\n'
        'extern "C" void ww_run() {}\n'
    )
    library = folder / "marks.so"
    subprocess.run(["g++", "-shared", "-fPIC", f'-DMARK="{mark}"', "-o", str(library), str(source)], check=True)
    return library.read_bytes()

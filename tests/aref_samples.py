"""The hand-written kernels of tests/aref_kernels/, by name."""

from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from warpweave.ir import tile
from warpweave.ir.text import parse

FOLDER = Path(__file__).parent / "aref_kernels"
SAMPLES = sorted(path.stem for path in FOLDER.glob("*.mlir"))


def text(name: str) -> str:
    return (FOLDER / f"{name}.mlir").read_text()


def module(name: str) -> ModuleOp:
    return parse(text(name), f"{name}.mlir")


def kernel(name: str) -> tile.KernelOp:
    """The only kernel of a sample."""
    (found,) = module(name).body.block.ops
    assert isinstance(found, tile.KernelOp)
    return found

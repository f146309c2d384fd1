"""What the docs promise of the source: the page about operators names every place that knows of one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to-add-an-op.md").read_text()
FOLDERS = ("backends", "frontend", "ir", "passes", "planner", "runtime")


def files_that_say(word: str) -> list[str]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".h", ".md"))
    return [str(p.relative_to(ROOT)) for p in found if re.search(rf"\b{word}\b", p.read_text())]


def is_named(file: str) -> bool:
    """The file, its folder with a slash, or a pattern such as `frontend/aten_*.py`."""
    patterns = re.findall(r"[\w/.*]+/[\w/.*]*", PAGE)
    return any(Path(file).match(p) or (p.endswith("/") and file.startswith(p)) for p in patterns)


@pytest.mark.parametrize("word", ["softplus", "SoftmaxOp", "RopeOp", "EmbeddingOp"])
def test_every_place_that_knows_an_operator_is_named(word: str) -> None:
    files = files_that_say(word)
    assert len(files) > 4
    assert [file for file in files if not is_named(file)] == []

"""Programs that are refused, each with its whole message. `wrong_programs.txt` holds title, program and message."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from warpweave.cli import main
from warpweave.frontend.weave.errors import WeaveError
from warpweave.frontend.weave.lower import lower
from warpweave.frontend.weave.parse import parse
from warpweave.weave import read_source

MANY = 30


class Wrong(NamedTuple):
    """A program that must be refused."""

    title: str
    program: str
    message: str


def cases() -> list[Wrong]:
    blocks = (Path(__file__).parent / "wrong_programs.txt").read_text().split("=== ")[1:]
    split = [(block.partition("\n")[0], *block.partition("\n")[2].split("--- message\n")) for block in blocks]
    return [Wrong(title, program, message.strip("\n")) for title, program, message in split]


def test_there_are_many():
    assert len({case.message for case in cases()}) >= MANY


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_message(case: Wrong, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("program.weave").write_text(case.program)
    with pytest.raises(SystemExit) as ended:
        main(["explain", "program.weave"])
    assert capfd.readouterr().err == f"error: {case.message}\n"
    assert ended.value.code == 1


EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.weave"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_cut_short_or_garbled_is_refused_in_words(path: Path):
    """A program up to one of its characters, or without it, is a program or a WeaveError."""
    text = path.read_text()
    start = text.index("block") if "epilogue" not in text else text.index("epilogue")
    step = (len(text) - start) // MANY
    garbled = [text[:i] for i in range(start, len(text), step)]
    garbled += [text[:i] + text[i + 1 :] for i in range(start, len(text), step)]
    refusals = [text for program in garbled if (text := refusal(program + "\n"))]
    assert all(text.startswith("<text>:") and "^" in text for text in refusals)
    assert len(refusals) > len(garbled) // 2


def refusal(program: str) -> str:
    """Why a program is refused; empty where it is not."""
    source = read_source(program)
    try:
        lower(parse(source.text, source.name), source)
    except WeaveError as error:
        return str(error)
    return ""

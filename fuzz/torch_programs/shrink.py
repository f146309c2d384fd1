"""Makes a failing program small: fewer calls, lines, results, arguments; simpler operands; while it fails alike."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from .program import Play, Program, trimmed
from .weights import Story


def shrunk_story(story: Story, fails: Callable[[Story], bool], seconds: float = 60.0) -> Story:
    """The story with as few events as still fail."""
    end, i = time.monotonic() + seconds, 0
    while i < len(story.events) and time.monotonic() < end:
        smaller = replace(story, events=story.events[:i] + story.events[i + 1 :])
        if fails(smaller):
            story = smaller
        else:
            i += 1
    return story


def shrunk(program: Program, fails: Callable[[Program], bool], seconds: float = 60.0) -> Program:
    """The smallest program found in the time that `fails`; candidates that eager refuses are not asked about."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for candidate in _smaller(program):
            if time.monotonic() > end:
                break
            if candidate != program and _valid(candidate) and fails(candidate):
                program = candidate
                break
        else:
            break
    return program


def _valid(program: Program) -> bool:
    try:
        Play(program)
    except Exception:
        return False
    return bool(program.returned)


def _smaller(program: Program) -> Iterator[Program]:
    """Large steps first."""
    for kept in program.returned if len(program.returned) > 1 else ():
        yield trimmed(_live(replace(program, returned=(kept,))))
    for end in (len(program.lines) // 2, len(program.lines) - 1):
        names = [line.target for line in program.lines[:end] if line.target]
        if names:
            yield trimmed(_live(replace(program, lines=program.lines[:end], returned=(names[-1],))))
    for i, line in enumerate(program.lines):
        rest = program.lines[:i] + program.lines[i + 1 :]
        if line.target is None:
            yield trimmed(replace(program, lines=rest))
            continue
        for other in line.reads:
            yield trimmed(_renamed(replace(program, lines=rest), line.target, other))
    if len(program.calls) > 1:
        for i in range(len(program.calls)):
            yield replace(program, calls=program.calls[:i] + program.calls[i + 1 :])
    if program.mode != "static":
        yield replace(program, mode="static", calls=program.calls[:1])
    if program.grad:
        made = tuple((name, text.replace(".detach().requires_grad_()", "")) for name, text in program.made)
        yield replace(program, grad=False, made=made)
    for i, (name, text) in enumerate(program.made):
        for simpler in (
            re.sub(r"\)(\.|\[)(?!.*\)\.detach).*$", ")", text),
            text.replace("edge(", "small("),
            text.replace("extremes(", "ints("),
        ):
            yield replace(program, made=(*program.made[:i], (name, simpler), *program.made[i + 1 :]))


def _live(program: Program) -> Program:
    """Without lines whose values nobody reads."""
    needed, kept = set(program.returned), []
    for line in reversed(program.lines):
        if line.target is None or line.target in needed:
            kept.append(line)
            needed |= set(line.reads)
    return replace(program, lines=tuple(reversed(kept)))


def _renamed(program: Program, old: str, new: str) -> Program:
    name = re.compile(rf"\b{old}\b")
    lines = tuple(replace(line, text=name.sub(new, line.text)) for line in program.lines)
    returned = tuple(dict.fromkeys(new if r == old else r for r in program.returned))
    return replace(program, lines=lines, returned=returned)

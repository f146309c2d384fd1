"""A finding as a script that stands for itself: run it, and it says what is wrong; its exit code is 1 while it is."""

from __future__ import annotations

from pathlib import Path

from .campaign import Finding
from .program import Program

_PROGRAM = '''"""Program {number} of seed {seed}: {what}"""

import torch
from torch.nn import functional as F

from warpweave.fuzz.torch_programs.campaign import judge
from warpweave.fuzz.torch_programs.data import *
from warpweave.fuzz.torch_programs.program import Line, Program


{source}

CALLS = {calls}
compiled = torch.compile(f, backend="warpweave", dynamic={dynamic})
with torch.set_grad_enabled({grad}):
    for call, sizes in enumerate(CALLS):
        for name, function in (("eager", f), ("compiled", compiled)):
            try:
                print(name, function(*make(call, **sizes)))
            except Exception as error:
                print(name, type(error).__name__, error)

found = judge({case!r})
print(found)
raise SystemExit(found is not None)
'''
_STORY = '''"""Program {number} of seed {seed}: {what}"""

from warpweave.fuzz.torch_programs.campaign import judge
from warpweave.fuzz.torch_programs.weights import Story

found = judge({case!r})
print(found)
raise SystemExit(found is not None)
'''


def script(finding: Finding) -> str:
    """The text of the script."""
    case = finding.case
    head: dict[str, object] = {"number": finding.number, "seed": finding.seed, "case": finding.case}
    head["what"] = finding.found.what.replace("\\", "/").replace('"', "'")
    if not isinstance(case, Program):
        return _STORY.format(**head)
    dynamic = {"static": False, "dynamic": True}.get(case.mode)
    calls = [dict(call) for call in case.calls]
    return _PROGRAM.format(**head, source=case.source(), calls=calls, dynamic=dynamic, grad=case.grad)


def write(finding: Finding, folder: Path) -> Path:
    """Writes the script; its name has the seed and the program's number."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"torch_{finding.seed}_{finding.number}.py"
    path.write_text(script(finding))
    return path

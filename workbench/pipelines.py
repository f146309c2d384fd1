"""Pass pipelines as text: `canonicalise,fuse-gemm`, a pass's options in braces, or the name of a list of passes.

A pass's options are its keyword-only parameters: `def run(module, ledger, *, limit: int = 4)` is `name{limit=8}`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, get_args, get_origin

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from ..ir.ledger import Ledger
from ..ir.verify import Level, verify_level
from ..passes import pipeline

Step = tuple[str, pipeline.Pass]


class PipelineError(ValueError):
    """A text that is no pipeline, or names what there is not."""


def _verify(level: Level, module: ModuleOp, ledger: Ledger) -> None:
    verify_level(module, level)


PASSES: dict[str, pipeline.Pass] = {
    **pipeline.ALL,
    **pipeline.SPECIALISE,
    **{f"verify-{level}": partial(_verify, level) for level in get_args(Level)},
}
LISTS: dict[str, tuple[str, ...]] = {
    "recognise": tuple(pipeline.RECOGNISE),
    "flow-to-fused": (*pipeline.RECOGNISE, *pipeline.FUSE),
    "fused-to-tile": tuple(pipeline.FORM),
    "all": tuple(pipeline.ALL),
    "tile-to-aref": tuple(pipeline.SPECIALISE),
}


def parse(text: str, passes: Mapping[str, pipeline.Pass] = PASSES) -> list[Step]:
    """The passes that a text names, in order. Raises PipelineError, with what was meant perhaps."""
    try:
        specs = list(parse_pipeline(text)) if text.strip() else []
    except ArgSpecParseError as error:
        raise PipelineError(f"{text!r} is no pass pipeline: {error}") from None
    return [step for spec in specs for step in _steps(spec, passes)]


def _steps(spec: ArgSpec, passes: Mapping[str, pipeline.Pass]) -> list[Step]:
    if spec.name in LISTS and not spec.parameters:
        return [(name, passes[name]) for name in LISTS[spec.name]]
    if spec.name in LISTS:
        raise PipelineError(f"`{spec.name}` is a list of passes and takes no options.")
    if spec.name not in passes:
        near = get_close_matches(spec.name, [*passes, *LISTS], n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join([*LISTS, *passes])}."
        raise PipelineError(f"There is no pass `{spec.name}`. {hint}")
    options = _options(spec, passes[spec.name])
    return [(spec.name, partial(passes[spec.name], **options) if options else passes[spec.name])]


def _options(spec: ArgSpec, apply: pipeline.Pass) -> dict[str, Any]:
    """One value an option; several stay a tuple; a name alone is True. What a Literal does not hold is refused."""
    parameters = inspect.signature(apply, eval_str=True).parameters.values()
    known = {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY}
    given = spec.normalize_parameter_names().parameters
    for name in given.keys() - known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"It takes {', '.join(known) or 'none'}."
        raise PipelineError(f"Pass `{spec.name}` has no option `{name}`. {hint}")
    values = {name: True if not v else v[0] if len(v) == 1 else v for name, v in given.items()}
    for name, value in values.items():
        allowed = get_args(known[name]) if get_origin(known[name]) is Literal else (value,)
        if value not in allowed:
            raise PipelineError(
                f"Pass `{spec.name}` knows no {name} `{value}`; it knows {', '.join(map(str, allowed))}."
            )
    return values

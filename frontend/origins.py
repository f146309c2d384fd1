"""Where a graph node comes from: readable names of Dynamo sources, module paths and source lines."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from xdsl.dialects.builtin import LocationAttr, UnknownLoc

from ..ir.locations import location

# Names of the thing compiled: they say nothing in front of what they hold
_OWNERS = ("self", "model", "mod", "module", "fn", "args", "kwargs")
_ROOT = re.compile(r"^[LG]\['(\w+)'\]")
_ITEM = re.compile(r"(?:\._modules|\._parameters|\._buffers)?\[(?:'([^']*)'|(\d+))\]")
_NOISE = re.compile(r"\.(_orig_mod|__closure__\.\d+\.cell_contents|__self__|__wrapped__)(?=\.|$)")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_PACKAGES = re.compile(r"^.*/(?:site|dist)-packages/")


@lru_cache(maxsize=8192)
def readable(source: str) -> str:
    """A Dynamo source as a dotted path: `L['self']._modules['model']._parameters['w']` → `model.w`.

    The root is kept where nothing else is there (`L['input_ids']` → `input_ids`).
    """
    root = _ROOT.match(source)
    rest = _ITEM.sub(lambda m: "." + (m[1] or m[2]), source[root.end() :] if root else "." + source)
    rest = _NOISE.sub("", re.sub(r"\.(_modules|_parameters|_buffers)(?=\.)", "", rest)).strip(".")
    if root and root[1] not in _OWNERS:
        return f"{root[1]}.{rest}" if rest else root[1]
    return rest or (root[1] if root else source)


@lru_cache(maxsize=65536)
def _location(module: str, file: str, line: int) -> LocationAttr:
    return location(module, file, line) if module or file else UnknownLoc()


def module_path(meta: dict[str, Any]) -> str:
    """The innermost module that a node was traced in: `model.layers.3.mlp.down_proj`, or an empty text."""
    stack = meta.get("nn_module_stack") or meta.get("fwd_nn_module_stack")
    return readable(list(stack.values())[-1][0]) if stack else ""


def source_line(meta: dict[str, Any]) -> tuple[str, int]:
    """(file, line) of the innermost frame outside PyTorch, relative to site-packages; ("", 0) where unknown."""
    return _innermost_frame(meta.get("stack_trace") or "")


@lru_cache(maxsize=4096)
def _innermost_frame(trace: str) -> tuple[str, int]:
    for file, line in reversed(_FRAME.findall(trace)):
        short = _PACKAGES.sub("", file)
        if not short.startswith("torch/"):
            return short, int(line)
    return "", 0


def node_location(meta: dict[str, Any]) -> LocationAttr:
    return _location(module_path(meta), *source_line(meta))

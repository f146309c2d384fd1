"""Mutants are texts: a piece of a function's source replaced by another, for the time of a `with`.

The function's code object is swapped, so that every table and every import that holds the function sees the mutant.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def edited(target: str, old: str, new: str) -> Iterator[None]:
    """`package.module:Class.function` with `old`, which stands there once, replaced by `new`.

    Raises LookupError where the text is not there (any more): the mutant is to be written anew.
    """
    module_name, _, path = target.partition(":")
    function = importlib.import_module(f"warpweave.{module_name}")
    for name in path.split("."):
        function = getattr(function, name)
    function = inspect.unwrap(function)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise LookupError(f"{target} holds {old!r} {source.count(old)} times, a mutant needs it once")
    names = dict(function.__globals__)
    flags = __future__.annotations.compiler_flag
    tree = ast.parse(source.replace(old, new))
    for definition in tree.body:
        if isinstance(definition, ast.FunctionDef):
            definition.decorator_list.clear()  # they would enter the mutant into tables, and it would stay there
    exec(compile(tree, f"<mutant of {target}>", "exec", flags, dont_inherit=True), names)
    code, function.__code__ = function.__code__, names[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = code


def header(file: str, old: str, new: str):
    """A support header of the CPU backend with `old`, which stands there once, replaced by `new`."""
    text = importlib.import_module("warpweave.backends.cpu.backend").headers()[file]
    if text.count(old) != 1:
        raise LookupError(f"{file} holds {old!r} {text.count(old)} times, a mutant needs it once")
    return edited("backends.cpu.backend:headers", "path.read_text()", f"path.read_text().replace({old!r}, {new!r})")

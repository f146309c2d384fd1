"""The MODEL argument of the commands: `module.py:factory`, `package.module:factory`, an exported `.pt2`, or `.weave`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .failures import USAGE, Failure

if TYPE_CHECKING:
    from ..frontend.weave.errors import Source


_WHOLE = re.compile(r"-?[0-9]{1,18}")


class Model(NamedTuple):
    """A model with the inputs that it is traced with."""

    name: str
    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def load_model(text: str, *, trust_input: bool = False) -> Model | Source:
    """The model that MODEL names, or the text of a `.weave` program. Raises Failure with exit code 2 and a way out when
    it names none.
    """
    if text.endswith(".weave"):
        return weave_source(Path(text))
    if text.endswith(".pt2"):
        return _exported(Path(text), trust_input)
    source, separator, factory = text.rpartition(":")
    if not separator or not source or not factory.isidentifier():
        raise Failure(
            f"MODEL is {text!r}; expected module.py:factory, package.module:factory, file.pt2 or file.weave.\n"
            "  The factory takes nothing and returns (model, example_inputs) or (model, args, kwargs).",
            USAGE,
        )
    module = _import(source)
    if not callable(made := getattr(module, factory, None)):
        names = [n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        raise Failure(f"{source} has no factory {factory!r}; it has {', '.join(names) or 'no functions'}.", USAGE)
    try:
        return _unpack(text, made())
    except click.ClickException:
        raise
    except (Exception, SystemExit) as error:
        raise Failure(f"{text} raised {type(error).__name__}: {error}{_line_of(error, module)}", USAGE) from error


def weave_source(path: Path) -> Source:
    """The text of a `.weave` file. Raises Failure where there is none."""
    from ..frontend.weave.errors import Source

    if not path.is_file():
        raise Failure(f"no file {path}.", USAGE)
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is no UTF-8 text ({error.reason} at byte {error.start}).", USAGE) from error


def _unpack(name: str, made: Any) -> Model:
    if isinstance(made, tuple) and made and not hasattr(made[0], "state_dict"):
        raise Failure(f"{name} returned a {type(made[0]).__name__} as its model; expected a torch.nn.Module.", USAGE)
    match made:
        case (module, dict() as kwargs):
            return Model(name, module, (), kwargs)
        case (module, (list() | tuple()) as args):
            return Model(name, module, tuple(args), {})
        case (module, (list() | tuple()) as args, dict() as kwargs):
            return Model(name, module, tuple(args), kwargs)
        case (module, tensor) if hasattr(tensor, "__dlpack__"):
            return Model(name, module, (tensor,), {})
        case _:
            kind = type(made).__name__
            raise Failure(f"{name} returned {kind}; expected (model, inputs) or (model, args, kwargs).", USAGE)


def _import(source: str) -> ModuleType:
    if not source.endswith(".py"):
        try:
            return importlib.import_module(source)
        except ModuleNotFoundError as error:
            raise Failure(f"no module {source!r} ({error}); for a file, write {source}.py:factory.", USAGE) from error
        except (Exception, SystemExit) as error:
            raise Failure(f"module {source} raised {type(error).__name__}: {error}", USAGE) from error
    path = Path(source).resolve()
    if not path.is_file():
        raise Failure(f"no file {source}.", USAGE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Failure(f"{source} cannot be imported.", USAGE)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Failure(f"{source} raised {type(error).__name__}: {error}{_line_of(error, module)}", USAGE) from error
    return module


def _line_of(error: BaseException, module: ModuleType) -> str:
    """Where in the module's file it was raised, as a line of its own."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == module.__file__]
    return f"\n  where: {module.__file__}:{lines[-1]}" if lines else ""


def _exported(path: Path, trust_input: bool) -> Model:
    if not path.is_file():
        raise Failure(f"no file {path}.", USAGE)
    if not trust_input:
        raise Failure(
            f"{path} is read with pickle, which runs whatever code its author put in.\n"
            "  If you trust its origin, add --trust-input.",
            USAGE,
        )
    import torch

    try:
        program = torch.export.load(path)
    except Exception as error:
        raise Failure(f"{path} is no exported program: {type(error).__name__}: {str(error)[:300]}", USAGE) from error
    if program.example_inputs is None:
        raise Failure(f"{path} has no example inputs; export it again with them.", USAGE)
    args, kwargs = program.example_inputs
    return Model(str(path), program.module(), tuple(args), dict(kwargs))


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """MODEL, --trust-input, --strict and -O KEY=VALUE, as every command that compiles has them."""
    for decorate in (
        click.option("-O", "--option", "pairs", multiple=True, metavar="KEY=VALUE", help="An option of the compiler."),
        click.option("--strict", is_flag=True, help="Fail (exit code 3) if any operator would be left to PyTorch."),
        click.option("--trust-input", is_flag=True, help="Allow reading a .pt2 file, which can run code."),
        click.argument("model"),
    ):
        function = decorate(function)
    return function


def compiler_options(pairs: tuple[str, ...], strict: bool) -> dict[str, Any]:
    """The compiler's options: `KEY=VALUE` with the value read as a bool or an int where it is one."""
    options: dict[str, Any] = {"strict": True} if strict else {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise Failure(f"-O {pair}: expected KEY=VALUE.", USAGE)
        words = {"true": True, "false": False}
        options[key] = words.get(value.lower(), int(value) if _WHOLE.fullmatch(value) else value)
    return options

"""Runs a pipeline under instruments."""

from __future__ import annotations

import time
from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp

from ..ir.ledger import Ledger
from ..ir.verify import LevelError
from ..passes import pipeline
from .instruments import INSTRUMENTS, FaultError, Settings
from .pipelines import Step


def optimise(
    module: ModuleOp, steps: Sequence[Step], instruments: Sequence[str] = (), settings: Settings | None = None
) -> Ledger:
    """Runs the passes on the module, in place; after each, the named instruments in the order of their table.

    Raises FaultError where a pass raises or an instrument objects; LevelError from a `verify-…` step.
    """
    settings = settings or Settings()
    active = [make(settings) for name, make in INSTRUMENTS.items() if name in instruments]
    for instrument in active:
        instrument.start(module)
    ledger = Ledger()
    running = iter([name for name, _ in steps])
    current = next(running, "")
    mark = time.perf_counter()

    def after(name: str, module: ModuleOp) -> None:
        nonlocal mark, current
        seconds = time.perf_counter() - mark
        for instrument in active:
            instrument.after(name, module, seconds)
        current = next(running, "")
        mark = time.perf_counter()

    try:
        pipeline.run(steps, module, ledger, after)
    except (FaultError, LevelError, OSError):
        raise
    except Exception as error:
        raise FaultError("crash", current, f"fails: {type(error).__name__}: {error}") from error
    finally:
        for instrument in active:
            instrument.finish()
    return ledger

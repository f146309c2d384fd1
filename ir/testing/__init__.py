"""Testing kit for programs at any level: draw inputs, run the reference semantics, reduce what fails.

For passes of your own: `run(module, inputs)` before and after must agree. Imports nothing but torch and xdsl.
"""

from .firing import Watched, fires
from .inputs import Inputs, draw
from .reduce import reduce
from .run import NotRunnableError, Runner, run

__all__ = ["Inputs", "NotRunnableError", "Runner", "Watched", "draw", "fires", "reduce", "run"]

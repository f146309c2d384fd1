"""What an importer says when it cannot represent something."""

from __future__ import annotations


class Unsupported(Exception):  # noqa: N818 - a refusal, not a failure
    """One op, overload or argument that `flow` cannot say. The importer leaves that op to PyTorch, with this reason."""


class GraphUnsupportedError(Exception):
    """A graph that cannot be imported at all (complex inputs, several devices …). The backend runs it in PyTorch."""

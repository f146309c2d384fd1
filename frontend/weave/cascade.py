"""How often a cascade of einsum statements must walk over each of its inputs.

A pass over a rank of an input is a walk over all elements of one of its fibers. Where a statement needs, with each
element along the rank, the result of a reduction over the whole rank, it cannot begin before the pass that reduces
ends: one more pass (Nayak et al., FuseMax, MICRO 2024). The number depends on the statements alone, on no schedule.

What lowers it: a value that is the same for the whole rank and enters as a factor, `p / z`, commutes with the sums that
follow, so it can wait for them; so does exp(-m) in `exp(s - m)` for a maximum m, where what was summed so far is
multiplied by exp(m_old - m_new) as m grows. A statement that declares its maximum `running` asks for that, and a factor
of a statement that itself sums over the rank waits anyway; elsewhere it is a proposal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from . import tree

Use = Literal["factor", "exponent", "other"]


@dataclass(frozen=True)
class Barrier:
    """A statement that begins a pass because it needs the whole of what another reduces."""

    number: int
    statement: str
    line: int
    needs: str
    needs_line: int
    use: Use

    def __str__(self) -> str:
        return f"pass {self.number} begins with {self.statement} (line {self.line}), which needs all of " \
            f"{self.needs} (line {self.needs_line})"  # fmt: skip


@dataclass(frozen=True)
class Passes:
    """Passes over one rank of one input. `least`: their number after the rewritings that `advice` names."""

    input: str
    rank: str
    passes: int
    least: int
    barriers: tuple[Barrier, ...]
    advice: str

    @property
    def reason(self) -> str:
        """How many passes, and what forces each but the first."""
        return "; ".join([_passes(self.passes), *map(str, self.barriers)])

    def __str__(self) -> str:
        """One line a fact."""
        count = f"{self.input}[{self.rank}]: {_passes(self.passes)}"
        return "\n  ".join([count, *map(str, self.barriers), *([self.advice] if self.advice else [])])


def _passes(number: int) -> str:
    return "1 pass" if number == 1 else f"{number} passes"


@dataclass
class _Derived:
    """What is known of a tensor that comes from the input: the axes along its rank, and when it is there.

    `whole`: it is there when pass `number` has ended, else element by element during that pass. `barrier`: what made
    it wait for a pass of its own. `previous`: what it was computed from last.
    """

    axes: frozenset[int]
    number: int
    whole: bool
    barrier: Barrier | None = None
    previous: str = ""


@dataclass(frozen=True)
class _Edge:
    """A statement that reads a tensor, by these indices, in this way."""

    statement: tree.Einsum
    name: str
    indices: tuple[str, ...]
    use: Use


class _Cascade:
    """The einsum statements of a block, and who reads what."""

    def __init__(self, block: tree.Block):
        self.statements = [s for s in block.statements if isinstance(s, tree.Einsum)]
        self.defined = {s.name.name: s for s in self.statements}
        self.edges = list(self._edges())
        others = [s for s in block.statements if not isinstance(s, tree.Einsum)]
        self.read_elsewhere = {n.name for s in others for n in tree.walk(s) if isinstance(n, tree.Name)}

    def _edges(self) -> Iterator[_Edge]:
        for statement in self.statements:
            for access in {a.name: a for a in _accesses(statement)}.values():
                yield _Edge(statement, access.name, _texts(access.indices), _use(statement.value, access.name))

    def running(self, name: str) -> bool:
        return name in self.defined and self.defined[name].running

    def reducer(self, name: str) -> str:
        return self.defined[name].reducer if name in self.defined else ""

    def along(self, name: str, axis: int) -> dict[str, set[str]]:
        """For each statement, by the name it defines, the indices that walk over the rank of an input."""
        axes = {name: {axis}}
        found: dict[str, set[str]] = {}
        for s in self.statements:
            walked = {i for a in _accesses(s) for p, i in enumerate(_texts(a.indices)) if p in axes.get(a.name, ())}
            found[s.name.name] = walked
            axes[s.name.name] = {p for p, i in enumerate(_texts(s.indices)) if i in walked}
        return found

    def sums(self, statement: tree.Einsum, carried: Collection[str], along: Mapping[str, set[str]]) -> bool:
        """Whether a statement itself reduces all of the rank that a factor of the indices `carried` does not have."""
        walked = along[statement.name.name] - {*carried}
        return bool(walked) and walked <= _reduced(statement)

    def commutes(self, edge: _Edge, carried: Sequence[str], along: Mapping[str, set[str]]) -> bool:
        """Whether a factor of what a statement computes, that depends on the indices `carried`, can wait for sums over
        the whole rank: each that its result enters into, as a factor.
        """
        statement = edge.statement
        out = _texts(statement.indices)
        walked = along[statement.name.name] - {*carried}
        if statement.reducer != "sum" or _reduced(statement) & {*carried} or not walked:
            return False
        if self.sums(statement, carried, along):
            return True
        if statement.name.name in self.read_elsewhere:
            return False
        readers = [e for e in self.edges if e.name == statement.name.name]
        places = [out.index(i) for i in carried if i in out]
        return bool(readers) and all(
            e.use == "factor" and not _divides(e) and self.commutes(e, [e.indices[p] for p in places], along)
            for e in readers
        )


def passes(program: tree.Program) -> list[Passes]:
    """For each input of the program's einsum statements and each of its ranks, in the order in which they are read.

    An input is what no einsum statement defines; its ranks go by the names of the indices of its first access.
    """
    found: list[Passes] = []
    for block in program.blocks:
        cascade = _Cascade(block)
        inputs = {e.name: e.indices for e in reversed(cascade.edges) if e.name not in cascade.defined}
        for name, ranks in reversed(inputs.items()):
            found += [_count(cascade, name, axis, rank) for axis, rank in enumerate(ranks)]
    return found


def _count(cascade: _Cascade, name: str, axis: int, rank: str) -> Passes:
    """The passes over one axis of an input, as written and after all rewritings that lower them."""
    along = cascade.along(name, axis)
    movable = {e for e in cascade.edges if e.use != "other" and cascade.commutes(e, e.indices, along)}
    asked = {e for e in movable if e.use == "factor" and cascade.sums(e.statement, e.indices, along)}
    asked |= {e for e in movable if e.use == "exponent" and cascade.running(e.name)}
    offered = {e for e in movable if e.use == "factor" or cascade.reducer(e.name) == "max"}
    written, least = (_walk(cascade, name, axis, free) for free in (asked, asked | offered))
    number, fewest = _greatest(written), _greatest(least)
    barriers = _chain(written)
    advice = [
        _advice(b) for b in barriers if any(e.name == b.needs and e.statement.name.name == b.statement for e in offered)
    ]
    fewer = f"{fewest} {'is' if fewest == 1 else 'are'} enough: {', and '.join(advice)}" if fewest < number else ""
    return Passes(name, rank, number, fewest, tuple(barriers), fewer)


def _advice(barrier: Barrier) -> str:
    if barrier.use == "exponent":
        return f"declare `{barrier.needs}` a `running max=` (what is summed is corrected as it grows)"
    return f"apply `{barrier.needs}` after the sums that read {barrier.statement} (it is a factor, the same for all)"


def _walk(cascade: _Cascade, name: str, axis: int, free: set[_Edge]) -> dict[str, _Derived]:
    """When each tensor that comes from the input is there. `free`: readings that wait for no pass."""
    known = {name: _Derived(frozenset({axis}), 1, whole=False)}
    skipped = {(e.statement.name.name, e.name) for e in free}
    for statement in cascade.statements:
        reads = [(a, known[a.name]) for a in _accesses(statement) if a.name in known]
        if not reads:
            continue
        along = {i.name for a, d in reads if not d.whole for p, i in enumerate(a.indices) if p in d.axes}
        walked = {i.name for a, d in reads for p, i in enumerate(a.indices) if p in d.axes}
        number, barrier, previous = 0, None, ""
        for access, derived in reads:
            waits = bool(along) and derived.whole and (statement.name.name, access.name) not in skipped
            needed = derived.number + waits
            if needed > number or (needed == number and waits and barrier is None):
                number, previous = needed, access.name
                barrier = _barrier(cascade, statement, access.name, needed) if waits else None
        reduced = {i for i in along if i not in {o.name for o in statement.indices}}
        axes = frozenset(p for p, i in enumerate(statement.indices) if i.name in walked)
        whole = bool(reduced) or not along
        known[statement.name.name] = _Derived(axes, number, whole, barrier, previous)
    return known


def _barrier(cascade: _Cascade, statement: tree.Einsum, needs: str, number: int) -> Barrier:
    use = _use(statement.value, needs)
    line = cascade.defined[needs].span.line
    return Barrier(number, statement.name.name, statement.span.line, needs, line, use)


def _greatest(known: Mapping[str, _Derived]) -> int:
    return max(d.number for d in known.values())


def _chain(known: Mapping[str, _Derived]) -> list[Barrier]:
    """What forces the last pass, the one before it, and so on, first pass first."""
    last = _greatest(known)
    name = next(n for n, d in known.items() if d.number == last)
    found: list[Barrier] = []
    while name:
        derived = known[name]
        if derived.barrier is not None:
            found.append(derived.barrier)
        name = derived.previous
    return found[::-1]


# ---- how a statement reads a tensor ----------------------------------------------------------------------------


def _accesses(statement: tree.Einsum) -> list[tree.Index]:
    return [n for n in tree.walk(statement.value) if isinstance(n, tree.Index)]


def _reduced(statement: tree.Einsum) -> set[str]:
    """The indices that stand on the right only."""
    return {i for a in _accesses(statement) for i in _texts(a.indices)} - {*_texts(statement.indices)}


def _texts(names: Sequence[tree.Name]) -> tuple[str, ...]:
    return tuple(n.name for n in names)


def _use(node: tree.Expr, name: str) -> Use:
    """How the tensor enters: as a factor of the whole, as m in a factor exp(.. - m), or in another way."""
    match node:
        case tree.Index(read):
            return "factor" if read == name else "other"
        case tree.Binary("*", lhs, rhs):
            sides = [side for side in (lhs, rhs) if _reads(side, name)]
            return _use(sides[0], name) if len(sides) == 1 else "other"
        case tree.Binary("/", lhs, rhs) if not _reads(lhs, name):
            return "factor" if isinstance(rhs, tree.Index) else "other"
        case tree.Binary("/", lhs, rhs) if not _reads(rhs, name):
            return _use(lhs, name)
        case tree.Cast(value):
            return _use(value, name)
        case tree.Call("exp" | "exp2", (tree.Argument("", tree.Binary("-", lhs, tree.Index(read))),)):
            return "exponent" if read == name and not _reads(lhs, name) else "other"
        case _:
            return "other"


def _reads(node: tree.Node, name: str) -> bool:
    return any(isinstance(n, tree.Index) and n.name == name for n in tree.walk(node))


def _divides(edge: _Edge) -> bool:
    """Whether the tensor stands in a divisor."""
    quotients = (n for n in tree.walk(edge.statement.value) if isinstance(n, tree.Binary) and n.operator == "/")
    return any(_reads(n.rhs, edge.name) for n in quotients)

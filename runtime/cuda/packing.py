"""The parameters of a program's launches, as the driver reads them: blocks of bytes, and a table of addresses into them.

All blocks lie in one piece of memory, so that a run of launches takes one copy of it with the sizes filled in already,
one scatter of buffer addresses, and one addition for the table. Tensor maps are written where they lie in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..artifact import ALIGNMENT, Launch
from ..errors import ArgumentError
from ..expressions import Expressions
from ..launch import SMS, DeviceKernel, LaunchDescription, LaunchParameter, Scratch
from ..sizes import Sizes
from .tensor_maps import MapShape, texts

WORD = 8  # bytes; every pointer is one. Blocks begin on ALIGNMENT, which is that of tensor maps too
LARGEST = {"i32": 2**31 - 1, "i64": 2**63 - 1}
MOST_BLOCKS = 2**31 - 1  # of a grid along x
FAULT_WORDS = 4  # of a launch: the three that it writes, and one, so that the next lie on 16 bytes too

Words = NDArray[np.int64]


class Place(NamedTuple):
    """Where a block's parameters begin: the word of the memory, the row of the table of addresses."""

    word: int
    row: int


class Block(NamedTuple):
    """One launch of one phase. `scratch`: what memory of its own it needs, with the word that takes the address.
    `otherwise`: launched only where the kernel's other phases cannot be: a tensor map cannot be made, or their code does not
    hold for a size."""

    launch: int
    kernel: int
    phase: int
    otherwise: bool
    description: LaunchDescription
    place: Place
    scratch: tuple[tuple[int, Scratch], ...]

    def since(self, start: Place) -> Block:
        """With words and rows that count from `start`."""
        place = Place(self.place.word - start.word, self.place.row - start.row)
        return self._replace(place=place, scratch=tuple((word - start.word, need) for word, need in self.scratch))


class Mapped(NamedTuple):
    """A tensor map: the launch that it is for, its first word, the slot of its buffer, its number among all."""

    launch: int
    word: int
    slot: int
    number: int


class Segment(NamedTuple):
    """A run of launches. `number`: of its first block; `words`: their part of the memory; the rest counts from its beginning:
    words that take slots' addresses, these slots, tensor maps, the byte offset of every parameter."""

    number: int
    blocks: Sequence[Block]
    words: slice
    pointers: Words
    slots: Words
    maps: Sequence[Mapped]
    parameters: Words


class PlacedSize(NamedTuple):
    """A parameter that is a size: its byte, its number among all dims, and the launch whose other form is launched where the
    code does not hold for the value; None where there is no other form."""

    at: int
    dim: int
    parameter: LaunchParameter
    other: int | None


class Prepared(NamedTuple):
    """For given sizes: the memory with all sizes and fault addresses in it, the number of blocks of each `Block`, every tensor
    map but for its address, and the launches that take their other form."""

    words: Words
    grids: list[int]
    maps: list[MapShape]
    others: frozenset[int]


class Packing:
    """Of the launches of one program. `kernels`: those of the description, in order; `faults`: the address of
    FAULT_WORDS words for each launch; `sms`: of the GPU."""

    def __init__(
        self, launches: Sequence[Launch], kernels: Sequence[DeviceKernel], faults: int = 0, sms: int = 1
    ) -> None:
        self.blocks: list[Block] = []
        self._sized = [[_Sized(phase.launch) for phase in kernel.every] for kernel in kernels]
        self._sms = sms
        self._pointers: list[tuple[int, int]] = []  # word, slot
        self._maps: list[Mapped] = []
        self._faults: list[tuple[int, int]] = []  # word, address
        self._sizes: list[PlacedSize] = []
        self._offsets: list[int] = []  # in bytes, of every parameter of every block
        self._first_dims: list[int] = []
        self._end = Place(0, 0)
        dims = 0
        for number, launch in enumerate(launches):
            self._first_dims.append(dims)
            kernel = kernels[launch.kernel]
            for index, phase in enumerate(kernel.every):
                otherwise, fault = index >= len(kernel.phases), faults + number * FAULT_WORDS * WORD
                other = number if kernel.otherwise and not otherwise else None
                self._add(number, launch, index, otherwise, other, phase.launch, fault)
            dims += len(launch.dims)

    def _add(
        self,
        number: int,
        launch: Launch,
        phase: int,
        otherwise: bool,
        other: int | None,
        about: LaunchDescription,
        fault: int,
    ) -> None:
        slots, dims = iter(launch.args), itertools.count(self._first_dims[number])
        needs, scratch = iter((about.global_scratch, about.profile_scratch)), list[tuple[int, Scratch]]()
        begin, size = self._end.word * WORD, 0
        # Offsets are those in the constant bank, where tensor maps lie aligned; blocks begin with the first parameter.
        skipped = about.parameters[0].offset if about.parameters else 0
        for parameter in about.parameters:
            at, size = begin + parameter.offset - skipped, max(size, parameter.offset - skipped + parameter.size)
            self._offsets.append(at)
            match parameter.kind:
                case "tensor_map" if parameter.map is not None:
                    slot = launch.args[parameter.map.buffer]
                    self._maps.append(Mapped(number, at // WORD, slot, len(self._maps)))
                case "pointer" if (slot := next(slots, None)) is not None:
                    self._pointers.append((at // WORD, slot))
                case "pointer":  # after the buffers: where a look-up that fails is reported
                    self._faults.append((at // WORD, fault))
                case "scratch":
                    scratch += [(at // WORD, need) for need in (next(needs),) if need.bytes]
                case _:
                    self._sizes.append(PlacedSize(at, next(dims), parameter, other))
        self.blocks.append(Block(number, launch.kernel, phase, otherwise, about, self._end, tuple(scratch)))
        self._end = Place((begin + size + -size % ALIGNMENT) // WORD, len(self._offsets))

    def segment(self, first: int, count: int) -> Segment:
        """Launches `first` to `first + count`, of which there is at least one."""
        blocks = [block for block in self.blocks if first <= block.launch < first + count]
        number = self.blocks.index(blocks[0])
        start, rest = blocks[0].place, self.blocks[number + len(blocks) :]
        end = rest[0].place if rest else self._end
        held = [(word - start.word, slot) for word, slot in self._pointers if start.word <= word < end.word]
        return Segment(
            number,
            [block.since(start) for block in blocks],
            slice(start.word, end.word),
            np.array([word for word, _ in held], np.int64),
            np.array([slot for _, slot in held], np.int64),
            [m._replace(word=m.word - start.word) for m in self._maps if start.word <= m.word < end.word],
            np.array(self._offsets[start.row : end.row], np.int64) - start.word * WORD,
        )

    def prepare(self, sizes: Sizes) -> Prepared:
        """Raises ArgumentError for a size that its parameter cannot hold, or that no form of the code holds for."""
        words, others = np.zeros(self._end.word, np.int64), set[int]()
        narrow = words.view(np.int32)
        for at, dim, parameter, other in self._sizes:
            value = int(sizes.dims[dim])
            if value > LARGEST[parameter.kind]:
                raise _too_large(f"size {parameter.name}", f"{value} is beyond {LARGEST[parameter.kind]}")
            if value % parameter.multiple:
                if other is None:
                    raise _too_large(f"size {parameter.name}", f"{value} is no multiple of {parameter.multiple}")
                others.add(other)
            if parameter.kind == "i32":
                narrow[at // 4] = value
            else:
                words[at // WORD] = value
        for word, address in self._faults:
            words[word] = address
        grids, maps = list[int](), list[MapShape]()
        for count, shapes in self._evaluated(sizes):
            grids.append(count)
            maps += shapes
        return Prepared(words, grids, maps, frozenset(others))

    def _evaluated(self, sizes: Sizes) -> Iterator[tuple[int, list[MapShape]]]:
        """Of each block, the number of blocks of its grid, and its tensor maps."""
        for block in self.blocks:
            sized, first = self._sized[block.kernel][block.phase], self._first_dims[block.launch]
            count, shapes = sized.at([int(n) for n in sizes.dims[first : first + len(sized.names)]], self._sms)
            if count > MOST_BLOCKS:
                raise _too_large(f"kernel {block.description.entry}", f"{count} blocks, {MOST_BLOCKS} fit a grid")
            yield count, shapes


class _Sized:
    """What of a phase depends on sizes, whose parameters are `names`."""

    def __init__(self, about: LaunchDescription) -> None:
        self.names = [p.name for p in about.parameters if p.kind in LARGEST]
        self._maps = [p.map for p in about.parameters if p.map is not None]
        asked = [about.grid, *(text for described in self._maps for text in texts(described))]
        self._expressions = Expressions([*self.names, SMS], asked)
        self._positions = self._expressions.positions(asked)

    def at(self, values: Sequence[int], sms: int) -> tuple[int, list[MapShape]]:
        """The number of blocks, and the tensor maps."""
        found = self._expressions.evaluate([*values, sms])
        count, *rest = (found[position] for position in self._positions)
        left = iter(rest)
        return count, [MapShape.of(m, [next(left) for _ in texts(m)]) for m in self._maps]


def _too_large(where: str, why: str) -> ArgumentError:
    return ArgumentError("A launch cannot be made", where=where, why=why, next="call the model with smaller inputs")

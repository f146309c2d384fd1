"""What the tiles of a walk cost an SM: tensor cores, shared memory, instructions; and what a block takes of it."""

from __future__ import annotations

from ...nvidia.target import WARP, GpuTarget
from ..source import Choice
from .tiling import Tiling
from .work import Move, Product

TENSOR_REACHED = {"HMMA": 0.85, "HGMMA": 0.74, "UTCHMMA": 0.75}
"""Of the data sheet's rate, by the best kernels within their power limit: cuBLAS 711 of 989 TFLOP/s on H100 (Tawa,
table of its ablation), FlashAttention-3 740; FlashAttention-4 1613 of 2250 on B200; cuBLAS about 265 of 312 on A100."""
NARROW_RATE = {"HMMA": 0.85, "HGMMA": 0.62, "UTCHMMA": 0.31}
"""Of products with fewer rows than the widest instruction has: mma.sync (Hopper: Luo et al., arXiv 2402.13499; Blackwell:
not published, taken as Hopper's SM)."""
INSTRUCTION_ROWS = {"HMMA": 16, "HGMMA": 64, "UTCHMMA": 128}
BASE_REGISTERS = {"HMMA": 88, "HGMMA": 60, "UTCHMMA": 40}
"""A thread's, beside its tiles: addresses, fragments of operands."""
SCORES = 2.25
"""Registers for each score that a product leaves: the score, its weight as an operand of the next product, a mask."""
SHARED_PER_CLOCK = 128  # bytes an SM
LANES, SPECIAL_LANES = 128, 16  # instructions an SM and clock
ADDRESSING = 4 / 16  # instructions a byte that threads load or store, 16 bytes at a time
_ITEMS = {"i8": 1, "bf16": 2, "f16": 2, "f64": 8}


class Arithmetic:
    """Of `tiling` on one SM. `precision` of f32 products: `ieee`, without tensor cores, or `tf32`."""

    def __init__(self, tiling: Tiling, choice: Choice, target: GpuTarget, precision: str):
        self.tiling = tiling
        self.choice = choice
        self.target = target
        self.precision = precision

    @property
    def buffers(self) -> int:
        """Of each operand that a loop loads: with cp.async one stage is the one that is computed on."""
        stages = self.choice.num_stages
        return max(stages if self.target.has_tma else stages - 1, 1)

    @property
    def ahead(self) -> int:
        """Steps of a loop whose operands are under way while one is computed on."""
        return max(self.buffers - 1, 1)

    def peak(self, dtype: str) -> float:
        """FLOP/s of the whole target by its data sheet."""
        target = self.target
        wide = target.fp32_flops if self.precision == "ieee" else target.tf32_flops
        half = target.bf16_flops  # i8: twice as many by the data sheets of all targets
        return {"i8": 2 * half, "bf16": half, "f16": half, "f32": wide, "f64": target.fp32_flops / 2}[dtype]

    def tensor_seconds(self) -> float:
        """Of one tile's products, by tensor cores (f32 by `ieee`: by the ordinary ones)."""
        return sum(self._product(p) * self.tiling.trips(p.loop) for p in self.tiling.walk.products)

    def shared_seconds(self) -> float:
        """Of the operands of one tile's products, into shared memory and out of it."""
        tiling = self.tiling
        written = sum(tiling.area(m.shape) * m.item_bytes * tiling.trips(m.loop) for m in tiling.walk.moves if m.feeds)
        read = sum(self._read(p) * tiling.trips(p.loop) for p in tiling.walk.products)
        return (written + read) / (SHARED_PER_CLOCK * self.target.clock)

    def turns(self) -> float:
        """How often one tile waits for the operands of a product's loop."""
        loops = {p.loop for p in self.tiling.walk.products if p.loop is not None}
        return sum(self.tiling.trips(loop) for loop in loops)

    def issue_seconds(self, *, inside: bool) -> float:
        """Of one tile's other instructions inside, or outside, of its loops."""
        tiling, alu, special = self.tiling, 0.0, 0.0
        for a in tiling.walk.arithmetic:
            if (a.loop is not None) == inside:
                count = tiling.area(a.shape) * tiling.trips(a.loop)
                alu, special = alu + (a.alu + a.sfu) * count, special + a.sfu * count
        threads = [m for m in tiling.walk.moves if (m.loop is not None) == inside and not self._by_descriptor(m)]
        alu += sum(tiling.moved(m) * ADDRESSING for m in threads)
        return max(alu / LANES, special / SPECIAL_LANES) / self.target.clock

    def flops(self) -> dict[str, float]:
        """Useful ones of all tiles, by dtype."""
        tiling, found = self.tiling, dict[str, float]()
        for p in tiling.walk.products:
            m, n, k = (tiling.real(e, p.loop) for e in (p.m, p.n, p.k))
            found[p.dtype] = found.get(p.dtype, 0.0) + 2 * m * n * k * tiling.trips(p.loop) * tiling.programs
        return found

    def descriptors(self) -> set[int]:
        """The buffers that are read by one."""
        return {m.buffer for m in self.tiling.walk.moves if self._by_descriptor(m)}

    def _by_descriptor(self, move: Move) -> bool:
        return move.boxed and self.choice.tma and self.target.has_tma

    # ---- what a block takes --------------------------------------------------------------------------------------

    def shared(self) -> int:
        """Bytes: operands that loops load, in every buffer, and operands that stay; with a persistent grid the largest tile
        that is stored too, whose threads change places while operands of the next are under way."""
        tiling = self.tiling
        loaded = [
            sum(tiling.area(m.shape) * m.item_bytes for m in tiling.walk.moves if m.feeds and m.loop == n)
            for n in range(len(tiling.walk.loops))
        ]
        kept = {(p.m, p.k): tiling.area((p.m, p.k)) * _item(p) for p in tiling.walk.products if p.k.axis == "fixed"}
        stores = [m for m in tiling.walk.moves if m.store]
        passed = (
            max((tiling.area(m.shape) * m.item_bytes for m in stores), default=0.0) if self.choice.persistent else 0.0
        )
        return int(max(loaded, default=0.0) * self.buffers + sum(kept.values()) + passed)

    def registers(self) -> int:
        """A thread's: tiles that a loop keeps, and the largest that comes and goes."""
        tiling = self.tiling
        kept = max(tiling.walk.loops, key=lambda loop: sum(map(tiling.area, loop.carried)), default=None)
        carried = kept.carried if kept else ()
        products = {(p.m, p.n) for p in tiling.walk.products}
        passing = products or {a.shape for a in tiling.walk.arithmetic}
        largest = max((tiling.area(shape) for shape in passing if shape not in carried), default=0.0)
        largest *= SCORES if products else 1.0
        held = sum(map(tiling.area, carried)) + largest
        return int(BASE_REGISTERS[self.target.tensor_op] + held / (self.choice.num_warps * WARP))

    # ---- one product ---------------------------------------------------------------------------------------------

    def _product(self, product: Product) -> float:
        """Seconds of one trip."""
        m, n, k = self._sizes(product)
        rate = self.peak(product.dtype) / self.target.sms
        if product.dtype in ("i8", "bf16", "f16") or (product.dtype == "f32" and self.precision != "ieee"):
            op = self.target.tensor_op
            rate *= (TENSOR_REACHED if m >= INSTRUCTION_ROWS[op] else NARROW_RATE)[op]
        return 2 * m * n * k / rate

    def _read(self, product: Product) -> float:
        """Bytes from shared memory for one trip: b once for the rows of each instruction, or of each warp."""
        m, n, k = self._sizes(product)
        op, warps = self.target.tensor_op, self.choice.num_warps
        tall = INSTRUCTION_ROWS[op]
        if op != "HMMA" and m >= tall:
            across, down = 1.0, m / tall
        else:
            down = max(min(warps, m // 16), 1)
            across = warps / down
        return _item(product) * k * ((0 if product.passed else m * across) + n * down)

    def _sizes(self, product: Product) -> tuple[float, float, float]:
        """m, n and k that are computed: no less than an instruction's."""
        m, n, k = (self.tiling.whole(e) for e in (product.m, product.n, product.k))
        return max(m, 16), max(n, 8), max(k, 16)


def _item(product: Product) -> int:
    return _ITEMS.get(product.dtype, 4)

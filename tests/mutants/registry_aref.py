"""The mutants of the aref level: verifier, checker, semantics, passes."""

from __future__ import annotations

from mutants import aref_programs as p
from mutants.registry import Mutant

VERIFIER = [
    Mutant("slots released while products read them", "aref", "ir.aref.paths:Path.get_exit",
           "slot.product > self.products_ended", "slot.product > self.products", (p.faults,)),
    Mutant("slots released while bulk stores read them", "aref", "ir.aref.paths:Path.get_exit",
           "slot.store > self.stores_ended", "slot.store > self.stores", (p.faults,)),
    Mutant("a wait covers all products", "aref", "ir.aref.paths:Path.wait", "self.products - op.pending.data",
           "self.products", (p.faults,)),
    Mutant("a role holds one slot more than there are", "aref", "ir.aref.paths:Path.get_enter",
           "len(held) >= made.depth.data", "len(held) > made.depth.data", (p.faults,)),
    Mutant("slots held at the end of a tile", "aref", "ir.aref.paths:Path.role", "if slots:", "if False:",
           (p.faults,)),
    Mutant("completions unchecked", "aref", "ir.aref.verify:completions", "named != used", "False", (p.faults,)),
    Mutant("registers of any number", "aref", "ir.aref.verify:registers", "count % 8 or", "", (p.faults,)),
    Mutant("twice the shared memory", "aref", "ir.aref.verify:shared_memory", "taken > limits.shared_memory",
           "taken > 2 * limits.shared_memory", (p.faults,)),
]  # fmt: skip
CHECKER = [
    Mutant("readers forgotten", "aref", "ir.protocol.machine:Machine._conflicts", "for r in reads]", "for r in ()]", (p.races,)),
    Mutant("reads before the write has landed", "aref", "ir.protocol.machine:Machine._conflicts",
           "elif not self._apart(write, access):", "elif False:", (p.races,)),
    Mutant("a phase ends without its bytes", "aref", "ir.protocol.machine:Machine.arrive",
           "if not cell.waiting and not cell.bytes:", "if not cell.waiting:", (p.races,)),
    Mutant("a wait orders products that still run", "aref", "ir.protocol.agent:Agent.wait",
           "self._join(self.products, pending)", "self._join(self.products, 0)", (p.races,)),
    Mutant("every slot is released", "aref", "ir.protocol.agent:Agent.get_exit", "> op.keep.data", "> 0", (p.races,)),
    Mutant("every write is visible", "aref", "ir.protocol.machine:Machine._fenced", "return any(", "return True or any(",
           (p.barriers,)),
    Mutant("slots that nobody took", "aref", "ir.protocol.check:unread", "!= (filled, filled)", "is None", (p.races,)),
]  # fmt: skip
WARPS = [
    Mutant("one product too many in flight", "aref", "passes.warps.assign_stages:_keep_in_flight",
           "IntAttr(PENDING * sum", "IntAttr((PENDING + 1) * sum", (p.products,)),
    Mutant("no slot kept for products in flight", "aref", "passes.warps.assign_stages:_keep_in_flight",
           "IntAttr(PENDING)", "IntAttr(0)", (p.products,)),
    Mutant("sums read in flight", "aref", "passes.warps.insert_arefs:_Consumer.wait", "count - issued.number", "count",
           (p.attention,)),
    Mutant("rows and columns of copies swapped", "aref", "passes.warps.insert_arefs:_Producer.put",
           "(load.row, load.column)", "(load.column, load.row)", (p.products,)),
    Mutant("scale of the queries lost", "aref", "passes.warps.insert_arefs:_Consumer.multiply",
           "dot.result, product, left.scale, rings", "dot.result, product, None, rings", (p.attention,)),
    Mutant("values of the wrong block", "aref", "passes.warps.overlap_products:_rotated",
           "arith.SubiOp(new.args[0], step)", "arith.AddiOp(new.args[0], step)", (p.attention,)),
    Mutant("first block twice", "aref", "passes.warps.overlap_products:_overlap",
           "arith.AddiOp(start, step)", "arith.MaxSIOp(start, start)", (p.attention,)),
    Mutant("nobody is let in first", "aref", "passes.warps.take_turns:_take",
           "_before(turns.first[0], [aref.BarrierArriveOp(FIRST, threads, 1)])", "pass", (p.attention,)),
    Mutant("a turn is left over at the end of a tile", "aref", "passes.warps.take_turns:_take",
           "_before(turns.last[0], [aref.BarrierSyncOp(FIRST, threads, 0)])", "pass", (p.attention,)),
    Mutant("a warpgroup gives itself the turn", "aref", "passes.warps.take_turns:_take",
           "aref.BarrierArriveOp(SECOND, threads, 0)", "aref.BarrierArriveOp(FIRST, threads, 0)", (p.attention,)),
    Mutant("rows that are no box", "aref", "ir.aref.tensor_map:_reasons", "rows % inner.value or", "", (p.odd_groups,)),
    Mutant("parity is the phase", "aref", "passes.warps.lower_arefs:_At.place",
           "arith.RemUIOp(phase, self.constant(2))", "arith.RemUIOp(phase, self.constant(4))", (p.lowers,)),
    Mutant("the producer waits like a reader", "aref", "passes.warps.lower_arefs:_put_enter",
           "arith.SubiOp(at.constant(1), parity)", "arith.AddiOp(at.constant(0), parity)", (p.lowers,)),
    Mutant("readers arrive once a role", "aref", "passes.warps.lower_arefs:_ring_of",
           "sum(role.warps.data for role", "sum(1 for role", (p.lowers,)),
    Mutant("no fence before the barrier", "aref", "passes.warps.lower_arefs:_put_enter", "out(aref.ProxyFenceOp())", "pass",
           (p.lowers,)),
    Mutant("a band of rows left out", "aref", "ir.aref.schedule:tile_order", "min(first + group, rows)",
           "min(first + group, rows - 1)", (p.orders,)),
]  # fmt: skip

AREF = (*VERIFIER, *CHECKER, *WARPS)

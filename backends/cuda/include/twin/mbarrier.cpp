// Barriers in shared memory, and the proxy fence.
#include "twin/engines.h"

namespace ww {
using namespace twin;

namespace twin {

Mbarrier* find_mbarrier(Block& block, uint32_t address, const View& view, bool engine, int line) {
  const auto report = [&](Kind kind, const char* format) {
    machine->findings.add(kind, block.index, line, 0, format, block.name_of(address).c_str());
  };
  const auto at = block.mbarriers.find(address);
  if (at == block.mbarriers.end()) {
    report(Kind::barrier_uninitialised, "mbarrier %s was never initialised");
    return nullptr;
  }
  Mbarrier& barrier = at->second;
  if (!view.all.knows(barrier.init_thread, barrier.init_time))
    report(Kind::barrier_init_race, "the initialisation of mbarrier %s does not come before this use");
  else if (engine && !barrier.fenced)
    report(Kind::barrier_init_fence, "TMA uses mbarrier %s, whose initialisation was not fenced");
  return &barrier;
}

void end_phase_if_complete(Mbarrier& barrier) {
  if (barrier.pending || barrier.expected) return;
  barrier.completed = barrier.arriving;
  barrier.arriving.clear();
  barrier.pending = barrier.count;
  ++barrier.phase;
  machine->wake(barrier.waiting);
}

bool arrive_at(Block& block, uint32_t address, const View& view, const View& told, uint32_t bytes, int line) {
  Mbarrier* const barrier = find_mbarrier(block, address, view, false, line);
  if (!barrier) return false;
  if (!barrier->pending) {
    machine->findings.add(Kind::too_many_arrivals, block.index, line, barrier->last_line,
                          "mbarrier %s takes %u arrivals a phase, this is one more", block.name_of(address).c_str(),
                          barrier->count);
    return false;
  }
  barrier->arriving.join(told);
  barrier->expected += bytes;
  barrier->last_line = line;
  --barrier->pending;
  end_phase_if_complete(*barrier);
  return true;
}

namespace {

void arrive(uint32_t address, uint32_t bytes, int line) {
  machine->preempt();
  Thread& me = *machine->self;
  if (arrive_at(*me.block, address, me.view, me.view, bytes, line)) ++me.now();
}

}  // namespace
}  // namespace twin

void mbarrier_init(uint32_t address, uint32_t arrivals, int line) {
  Thread& me = *machine->self;
  if (address % 8)
    machine->findings.add(Kind::misaligned, me.block->index, line, 0, "an mbarrier lies on 8 bytes, +0x%x does not",
                          address - kSharedBase);
  if (!me.block->shared.write(address, 8, me.access(false, line, "mbarrier_init"))) return;
  me.block->shared.hold_barrier(address);
  Mbarrier& barrier = me.block->mbarriers[address];
  barrier = Mbarrier();
  barrier.count = barrier.pending = arrivals;
  barrier.arriving = barrier.completed = View(me.block->actors);
  barrier.init_thread = me.index;
  barrier.init_time = me.now()++;
  barrier.waited.assign(me.block->threads.size(), -2);
}

void fence_mbarrier_init(int) {
  Thread& me = *machine->self;
  for (auto& [address, barrier] : me.block->mbarriers)
    if (barrier.init_thread == me.index) barrier.fenced = true;
}

void fence_proxy_async(int) {
  Thread& me = *machine->self;
  const int copies = me.block->copy_actor(me);
  me.view.async[me.index] = me.now();
  me.view.async[copies] = me.view.all[copies];
  ++me.now();
}

void mbarrier_arrive(uint32_t address, int line) { arrive(address, 0, line); }
void mbarrier_arrive_expect(uint32_t address, uint32_t bytes, int line) { arrive(address, bytes, line); }

void mbarrier_wait(uint32_t address, uint32_t parity, int line) {
  machine->preempt();
  Thread& me = *machine->self;
  Mbarrier* const barrier = find_mbarrier(*me.block, address, me.view, false, line);
  if (!barrier) return;
  const uint32_t wanted = parity & 1;
  while ((barrier->phase & 1) == wanted) {
    barrier->waiting.push_back(&me);
    machine->wait({"mbarrier", address, wanted, line});
  }
  // The phase that this thread means is the next of this parity after the one that it waited for last; -1: before the first.
  int64_t& last = barrier->waited[me.index];
  const int64_t first = wanted ? -1 : 0, completed = barrier->phase - 1;
  const int64_t meant = last == -2 ? first : (last & 1) == wanted ? last : last + 1;
  if (completed != meant)
    machine->findings.add(
        Kind::parity, me.block->index, line, barrier->last_line,
        "thread %d waits for phase %lld of mbarrier %s by its parity; phase %lld is over, so that it does not wait",
        me.index, (long long)meant, me.block->name_of(address).c_str(), (long long)completed);
  last = completed;
  if (barrier->phase) me.view.join(barrier->completed);
}

}  // namespace ww

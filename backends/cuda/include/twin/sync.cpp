// Who a thread is, barriers of the block and of a warp, shuffles, register counts.
#include "twin/engines.h"

namespace ww {
using namespace twin;

int thread_index() { return machine->self->index; }
int block_threads() { return machine->launch.threads; }
int block_index() { return machine->self->block->index; }
int block_count() { return machine->launch.blocks; }

bool elect_one(int line) {
  machine->converge("elect_one", line, [](Warp&) {});
  return machine->elected(*machine->self);
}

namespace {

void come_to(int id, int threads, bool waits, int line) {
  Thread& me = *machine->self;
  NamedBarrier& barrier = me.block->named_barriers[id & 15];
  if (id < 0 || id > 15 || threads % kWarp || (barrier.arrived && barrier.threads != threads))
    machine->findings.add(Kind::named_barrier, me.block->index, line, 0,
                          "barrier %d is used with %d threads, and with %d", id, threads,
                          barrier.arrived ? barrier.threads : threads);
  barrier.threads = threads;
  barrier.view.join(me.view);
  ++me.now();
  if (waits) barrier.waiting.push_back(&me);
  if (++barrier.arrived < threads) {
    if (waits) machine->wait({"named barrier", uint32_t(id), uint32_t(threads), line});
    return;
  }
  for (Thread* t : barrier.waiting) t->view.join(barrier.view);
  barrier.view.clear();
  barrier.arrived = 0;
  machine->wake(barrier.waiting);  // all but this one, which runs
}

}  // namespace

void block_sync(int line) { come_to(0, machine->launch.threads, true, line); }
bool block_any(bool value, int line) {
  Thread& me = *machine->self;
  me.block->votes += value;
  block_sync(line);
  const bool any = me.block->votes != me.votes_seen;
  me.votes_seen = me.block->votes;
  block_sync(line);  // nobody votes again before all have counted
  return any;
}
void named_barrier_sync(int id, int threads, int line) {
  machine->preempt();
  come_to(id, threads, true, line);
}
void named_barrier_arrive(int id, int threads, int line) { come_to(id, threads, false, line); }

void warp_sync(int line) {
  machine->converge("warp_sync", line, [](Warp&) {
    Thread* const first = &machine->self->block->threads[machine->self->index / kWarp * kWarp];
    View all(machine->self->block->actors);
    for (int l = 0; l < kWarp; ++l) all.join(first[l].view);
    for (int l = 0; l < kWarp; ++l) {
      first[l].view.join(all);
      ++first[l].now();
    }
  });
}

float shuffle_xor(float value, int mask, int line) {
  const int lane = lane_index();
  Warp& warp = machine->warp_of(*machine->self);
  memcpy(&warp.in[lane][0], &value, sizeof value);
  machine->converge("shuffle_xor", line, [](Warp& w) { w.out = w.in; });
  memcpy(&value, &warp.out[lane ^ mask][0], sizeof value);
  return value;
}

void role(const char* name) { machine->self->block->roles[machine->self->index / kWarp] = name; }

void label(uint32_t address, const char* name, int index) {
  machine->self->block->labels[address] = std::string(name) + "[" + std::to_string(index) + "]";
}

namespace twin {

void set_registers(int count, bool increase, int line) {
  machine->converge("setmaxnreg", line, [&](Warp&) {
    Thread& me = *machine->self;
    Warpgroup& group = machine->warpgroup_of(me);
    const int before = group.registers ? group.registers : machine->launch.registers;
    if (group.registers && group.registers != count)
      machine->findings.add(Kind::registers, me.block->index, line, 0,
                            "warps of one warpgroup ask for %d and for %d registers", group.registers, count);
    if (!group.registers && (increase ? count < before : count > before))
      machine->findings.add(Kind::registers, me.block->index, line, 0, "%s to %d registers from %d",
                            increase ? "an increase" : "a release", count, before);
    group.registers = count;
    group.registers_set[me.index / kWarp % 4] = true;
  });
}

}  // namespace twin
}  // namespace ww

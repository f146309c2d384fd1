// Loads, stores and atomics of threads.
#include "twin/engines.h"

namespace ww {
using namespace twin;

uint32_t shared_memory() { return kSharedBase; }

namespace twin {
namespace {

bool aligned(uint64_t address, int bytes, const char* where, int line) {
  if (address % bytes == 0) return true;
  machine->findings.add(Kind::misaligned, machine->self->block->index, line, 0,
                        "%d bytes at an odd address of %s memory", bytes, where);
  return false;
}

bool touch(Touch kind, const void* p, int bytes, const char* who, int line) {
  Thread& me = *machine->self;
  return aligned(reinterpret_cast<uint64_t>(p), bytes, "global", line) &&
         machine->global.touch(p, bytes, {kind, me.block->index, me.index, me.now(), me.view.all, line, who});
}

void acquire(const void* p) {
  Thread& me = *machine->self;
  for (const auto& [block, known] : machine->global.released(p)) me.view.all.join_from(block, known, me.block->index);
}

void release(const void* p) {
  Thread& me = *machine->self;
  machine->global.released(p)[me.block->index].join(me.view.all);
  ++me.now();
  machine->wake(machine->flag_waiters[p]);
}

}  // namespace

void read_shared(uint32_t address, void* value, int bytes, int line) {
  Block& block = *machine->self->block;
  memset(value, 0xff, bytes);
  if (aligned(address, bytes, "shared", line) &&
      block.shared.read(address, bytes, machine->self->access(false, line, "load_shared")))
    memcpy(value, block.shared.at(address), bytes);
}

void write_shared(uint32_t address, const void* value, int bytes, int line) {
  Block& block = *machine->self->block;
  if (aligned(address, bytes, "shared", line) &&
      block.shared.write(address, bytes, machine->self->access(false, line, "store_shared")))
    memcpy(block.shared.at(address), value, bytes);
}

bool read_global(const void* p, int bytes, bool constant, int line) {
  return touch(constant ? Touch::constant : Touch::read, p, bytes, constant ? "load_constant" : "load_global", line);
}

bool write_global(void* p, int bytes, int line) { return touch(Touch::write, p, bytes, "store_global", line); }

}  // namespace twin

void atomic_add(float* p, float value, int line) {
  if (touch(Touch::atomic, p, sizeof *p, "atomic_add", line)) *p += value;
}

int atomic_add_ordered(int* p, int value, int line) {
  machine->preempt();
  if (!touch(Touch::atomic, p, sizeof *p, "atomic_add_ordered", line)) return 0;
  const int before = *p;
  acquire(p);
  *p = before + value;
  release(p);
  return before;
}

void store_release(int* p, int value, int line) {
  if (!touch(Touch::atomic, p, sizeof *p, "store_release", line)) return;
  *p = value;
  release(p);
}

void wait_for(const int* p, int value, int line) {
  machine->preempt();
  if (!touch(Touch::atomic, p, sizeof *p, "wait_for", line)) return;
  while (*p != value) {
    machine->flag_waiters[p].push_back(machine->self);
    machine->wait({"a flag in global memory", 0, 0, line});
  }
  acquire(p);
}

}  // namespace ww

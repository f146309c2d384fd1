#include "twin/block.h"

#include <cstdio>

namespace ww::twin {
namespace {
constexpr int kCopySlots = 64, kProductSlots = 16;  // in rotation: more than are ever in flight
}

Block::Block(int number, int count, uint32_t shared_bytes, Findings& findings)
    : index(number),
      actors(2 * count + kCopySlots + 4 * kProductSlots),
      threads(count),
      warps(count / kWarp),
      warpgroups((count + kWarpgroup - 1) / kWarpgroup),
      shared(number, shared_bytes, findings),
      roles(count / kWarp),
      slot_times(kCopySlots + kProductSlots),
      running(count) {
  for (int t = 0; t < count; ++t) {
    Thread& thread = threads[t];
    thread.block = this;
    thread.index = t;
    thread.view = thread.issue_view = View(actors);
    thread.now() = 1;
  }
  for (NamedBarrier& barrier : named_barriers) barrier.view = View(actors);
}

std::string Block::name_of(uint32_t address) const {
  const auto label = labels.find(address);
  char text[32];
  snprintf(text, sizeof text, "+0x%x", address - kSharedBase);
  return label == labels.end() ? std::string(text) : label->second;
}

Slot Block::copy_slot() {
  const int slot = next_copy_slot++ % kCopySlots;
  return {2 * int(threads.size()) + slot, ++slot_times[slot]};
}

Slot Block::product_slot() {
  const int slot = next_product_slot++ % kProductSlots;
  return {2 * int(threads.size()) + kCopySlots + 4 * slot, ++slot_times[kCopySlots + slot]};
}

}  // namespace ww::twin

// TMA: boxes between tensors and shared memory, as events.
#include "twin/engines.h"

namespace ww {
using namespace twin;

namespace {

const char *const kReading = "TMA stores to be read", *const kWriting = "TMA stores to be written";
constexpr int kChunk = 16;  // bytes that stay together under any swizzle

struct Box {  // a copy to be done: walks the box in chunks
  TensorMap map;
  uint32_t shared;
  int at[5] = {0, 0, 0, 0, 0};

  uint32_t row() const { return map.box[0] * map.element_bytes; }
  uint32_t bytes() const {
    uint32_t n = map.element_bytes;
    for (int d = 0; d < map.rank; ++d) n *= map.box[d];
    return n;
  }
  // visit(shared address of a chunk, its first element's global address or null if outside, elements inside)
  template <class Visit> void walk(Visit visit) const {
    const int per_chunk = kChunk / map.element_bytes;
    const uint32_t rows = bytes() / row();
    for (uint32_t r = 0; r < rows; ++r) {
      int64_t offset = 0, rest = r;
      bool inside = true;
      for (int d = 1; d < map.rank; ++d) {
        const int64_t i = at[d] + rest % map.box[d];
        rest /= map.box[d];
        inside = inside && i >= 0 && i < map.sizes[d];
        offset += i * map.strides[d];
      }
      for (int c = 0; c < map.box[0]; c += per_chunk) {
        const int64_t x = at[0] + c;
        const int64_t first = std::max<int64_t>(0, -x), last = std::min<int64_t>(per_chunk, map.sizes[0] - x);
        char* const global = static_cast<char*>(map.base) + offset + x * map.element_bytes;
        visit(swizzled(Swizzle(map.swizzle), shared + r * row() + c * map.element_bytes), global, inside ? int(first) : 0,
              inside ? int(std::max(first, last)) : 0);
      }
    }
  }
};

void check_alignment(const Box& box, Block& block, int line) {
  const uint32_t unit = std::max(128u, 8 * row_bytes(Swizzle(box.map.swizzle)));
  if (box.shared % unit)
    machine->findings.add(Kind::misaligned, block.index, line, 0, "shared +0x%x is no multiple of %u",
                          box.shared - kSharedBase, unit);
  if (box.map.swizzle && box.row() > row_bytes(Swizzle(box.map.swizzle)))
    machine->findings.add(Kind::misaligned, block.index, line, 0, "a box of %u bytes a row in a swizzle of %u",
                          box.row(), row_bytes(Swizzle(box.map.swizzle)));
}

void load(const Box& box, uint32_t barrier_address, int line) {
  Thread& me = *machine->self;
  Block* const block = me.block;
  Mbarrier* const barrier = find_mbarrier(*block, barrier_address, me.view, true, line);
  if (!barrier) return;
  const Slot slot = block->copy_slot();
  View view = me.view;
  view.all[slot.actor] = slot.time;
  const int64_t phase = barrier->phase;
  machine->emit(block, "TMA load", line, [=, view = std::move(view)] {
    const Access access{{&view}, slot.actor, 1, slot.time, true, line, "TMA load"};
    const GlobalAccess reads{Touch::read, block->index, slot.actor, slot.time, view.all, line, "TMA load"};
    bool sound = true;
    box.walk([&](uint32_t to, const char* from, int first, int last) {
      if (!sound || !(sound = block->shared.write(to, kChunk, access))) return;
      uint8_t* const target = block->shared.at(to);
      const int size = box.map.element_bytes;
      memset(target, 0, kChunk);
      if (last > first && machine->global.touch(from + first * size, (last - first) * size, reads))
        memcpy(target + first * size, from + first * size, (last - first) * size);
    });
    const std::string name = block->name_of(barrier_address);
    if (barrier->phase != phase)
      machine->findings.add(Kind::copy_late, block->index, line, barrier->last_line,
                            "the copy was issued in phase %lld of mbarrier %s and arrives in phase %lld",
                            (long long)phase, name.c_str(), (long long)barrier->phase);
    barrier->arriving.join(view);
    barrier->expected -= box.bytes();
    if (barrier->expected < 0 && !barrier->pending)
      machine->findings.add(Kind::copy_overrun, block->index, line, barrier->last_line,
                            "mbarrier %s gets %lld bytes more than it expects", name.c_str(),
                            (long long)-barrier->expected);
    end_phase_if_complete(*barrier);
  });
}

void write_back(const Box& box, Thread* thread, int group, const std::vector<uint8_t>& data, const View& view,
                Slot slot, int line) {
  const GlobalAccess writes{Touch::write, thread->block->index, slot.actor, slot.time, view.all, line, "TMA store"};
  size_t chunk = 0;
  box.walk([&](uint32_t, char* to, int first, int last) {
    const int size = box.map.element_bytes;
    const uint8_t* const from = &data[chunk++ * kChunk];
    if (last > first && machine->global.touch(to + first * size, (last - first) * size, writes))
      memcpy(to + first * size, from + first * size, (last - first) * size);
  });
  thread->bulk_writes[group].push_back(slot);
  if (--thread->bulk_writing[group] == 0) machine->wake_from(kWriting, thread);
}

void store(const Box& box, int line) {
  Thread* const me = machine->self;
  Block* const block = me->block;
  const Slot reader = block->copy_slot(), writer = block->copy_slot();
  View view = me->view;
  view.all[reader.actor] = reader.time;
  view.all[writer.actor] = writer.time;
  const int group = me->bulk_group;
  ++me->bulk_reading[group];
  ++me->bulk_writing[group];
  machine->emit(block, "TMA store", line, [=, view = std::move(view)] {
    const Access access{{&view}, reader.actor, 1, reader.time, true, line, "TMA store"};
    std::vector<uint8_t> data;
    data.reserve(box.bytes());
    bool sound = true;
    box.walk([&](uint32_t from, const char*, int, int) {
      sound = sound && block->shared.read(from, kChunk, access);
      const uint8_t* const source = sound ? block->shared.at(from) : nullptr;
      for (int i = 0; i < kChunk; ++i) data.push_back(sound ? source[i] : 0xff);
    });
    me->bulk_reads[group].push_back(reader);
    if (--me->bulk_reading[group] == 0) machine->wake_from(kReading, me);
    machine->emit(block, "TMA write-back", line,
                  [=, data = std::move(data)] { write_back(box, me, group, data, view, writer, line); });
  });
}

}  // namespace

namespace twin {

void tma(bool is_load, uint32_t shared, const TensorMap* map, uint32_t barrier, int rank, const int* at, int line) {
  machine->preempt();
  Thread& me = *machine->self;
  Box box{*map, shared};
  std::copy(at, at + rank, box.at);
  check_alignment(box, *me.block, line);
  if (rank != map->rank) {
    machine->findings.add(Kind::misaligned, me.block->index, line, 0, "%d coordinates for a tensor map of %d dims",
                          rank, map->rank);
    return;
  }
  if (is_load) load(box, barrier, line);
  else store(box, line);
  ++me.now();
}

void bulk_wait(int pending, bool read, int line) {
  machine->preempt();
  Thread& me = *machine->self;
  auto& outstanding = read ? me.bulk_reading : me.bulk_writing;
  const int last = me.bulk_group - pending;  // groups before it
  for (int g = 0; g < last; ++g) {
    const auto count = outstanding.find(g);
    while (count != outstanding.end() && count->second) machine->wait({read ? kReading : kWriting, uint32_t(g), 0, line});
    for (const Slot& slot : (read ? me.bulk_reads : me.bulk_writes)[g])
      me.view.all[slot.actor] = std::max(me.view.all[slot.actor], slot.time);
    outstanding.erase(g);
    (read ? me.bulk_reads : me.bulk_writes).erase(g);
  }
}

}  // namespace twin

void tma_store_commit(int) { ++machine->self->bulk_group; }

}  // namespace ww

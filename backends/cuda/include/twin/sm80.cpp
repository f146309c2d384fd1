// cp.async, ldmatrix, stmatrix and mma.
#include "twin/engines.h"

namespace ww {
using namespace twin;

namespace {
const char* const kCopies = "copies";
constexpr int kRowBytes = 16;  // of an 8x8 matrix

// Whether copies of this epoch or of one before have not landed.
bool copying_until(const Thread& t, int epoch) { return !t.copying.empty() && t.copying.begin()->first <= epoch; }

// The thread's arrivals whose copies are there, each an event of its own.
void send_arrivals(Thread& t) {
  Block* const block = t.block;
  const int actor = block->copy_actor(t);
  while (!t.copy_arrivals.empty() && !copying_until(t, t.copy_arrivals.front().epoch)) {
    const CopyArrival due = t.copy_arrivals.front();
    t.copy_arrivals.erase(t.copy_arrivals.begin());
    machine->emit(block, "cp.async", due.line, [=] {
      View landed(block->actors);
      landed.all[actor] = Time(due.epoch + 1);
      arrive_at(*block, due.barrier, due.view, landed, 0, due.line);
    });
  }
}
}

namespace twin {
void copy_async(uint32_t target, const void* source, int bytes, int width, int line) {
  Thread* const me = machine->self;
  Block* const block = me->block;
  if (target % width || reinterpret_cast<uint64_t>(source) % width || bytes < 0 || bytes > width) {
    machine->findings.add(Kind::misaligned, block->index, line, 0,
                          "copy_async of %d bytes to shared +0x%x: both ends lie on %d bytes", bytes,
                          target - kSharedBase, width);
    return;
  }
  const int actor = block->copy_actor(*me), epoch = me->copy_epoch;
  const Time time = epoch + 1;
  ++me->copying[epoch];
  machine->emit(block, "cp.async", line, [=, view = me->view] {
    const Access access{{&view}, actor, 1, time, false, line, "copy_async"};
    const GlobalAccess reads{Touch::read, block->index, actor, time, view.all, line, "copy_async"};
    if (block->shared.write(target, width, access)) {
      memset(block->shared.at(target), 0, width);
      if (bytes && machine->global.touch(source, bytes, reads)) memcpy(block->shared.at(target), source, bytes);
    }
    if (--me->copying[epoch]) return;
    me->copying.erase(epoch);
    machine->wake_from(kCopies, me);
    send_arrivals(*me);
  });
}
}  // namespace twin

void copy_async_commit(int) {
  Thread& me = *machine->self;
  me.copy_groups.push_back(me.copy_epoch++);
}

void copy_async_arrive(uint32_t barrier, int line) {
  Thread& me = *machine->self;
  me.copy_arrivals.push_back({barrier, me.copy_epoch++, line, me.view});
  send_arrivals(me);
}

void store_matrices(uint32_t row, const uint32_t (&r)[4], int line) {
  Warp& warp = machine->warp_of(*machine->self);
  auto& mine = warp.in[lane_index()];
  mine[0] = row;
  std::copy_n(r, 4, &mine[1]);
  machine->converge("store_matrices", line, [line](Warp& w) {
    Block& block = *machine->self->block;
    const int first = machine->self->index / kWarp * kWarp;
    for (int l = 0; l < kWarp; ++l) {  // lane l's row: of matrix l / 8, held by 4 lanes
      const uint32_t address = w.in[l][0];
      if (address % kRowBytes)
        machine->findings.add(Kind::misaligned, block.index, line, 0, "a row of store_matrices lies on 16 bytes");
      if (!block.shared.write(address, kRowBytes, block.threads[first + l].access(false, line, "store_matrices"))) continue;
      for (int i = 0; i < 4; ++i) memcpy(block.shared.at(address) + 4 * i, &w.in[l % 8 * 4 + i][1 + l / 8], 4);
    }
  });
}

namespace twin {

void copy_wait(int pending, int line) {
  Thread& me = *machine->self;
  const int finished = int(me.copy_groups.size()) - pending;
  if (finished <= 0) return;
  const int last = me.copy_groups[finished - 1];
  while (copying_until(me, last)) machine->wait({kCopies, uint32_t(last), 0, line});
  Time& known = me.view.all[me.block->copy_actor(me)];
  known = std::max(known, Time(last + 1));
}

void ldmatrix(uint32_t (&r)[4], uint32_t row, bool transposed, int line) {
  const int lane = lane_index();
  Warp& warp = machine->warp_of(*machine->self);
  warp.in[lane][0] = row;
  machine->converge("load_matrices", line, [=](Warp& w) {
    Block& block = *machine->self->block;
    const int first = machine->self->index / kWarp * kWarp;
    uint16_t elements[kWarp][8];
    memset(elements, 0xff, sizeof elements);
    for (int l = 0; l < kWarp; ++l) {
      const uint32_t address = w.in[l][0];
      if (address % kRowBytes)
        machine->findings.add(Kind::misaligned, block.index, line, 0, "a row of load_matrices lies on 16 bytes");
      if (block.shared.read(address, kRowBytes, block.threads[first + l].access(false, line, "load_matrices")))
        memcpy(elements[l], block.shared.at(address), kRowBytes);
    }
    for (int l = 0; l < kWarp; ++l)
      for (int j = 0; j < 4; ++j) {
        uint16_t pair[2];
        for (int i = 0; i < 2; ++i)
          pair[i] = transposed ? elements[8 * j + matrix_column(l, i)][matrix_row(l)]
                               : elements[8 * j + matrix_row(l)][matrix_column(l, i)];
        memcpy(&w.out[l][j], pair, 4);
      }
  });
  std::copy_n(&warp.out[lane][0], 4, r);
}

void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Type type, int line) {
  const int lane = lane_index();
  Warp& warp = machine->warp_of(*machine->self);
  auto& mine = warp.in[lane];
  std::copy_n(a, 4, &mine[0]);
  mine[4] = b0;
  mine[5] = b1;
  memcpy(&mine[6], c, sizeof c);
  machine->converge("mma", line, [=](Warp& w) {
    float left[16][16], right[16][8];
    for (int l = 0; l < kWarp; ++l) {
      for (int i = 0; i < 8; ++i)
        left[a_fragment_row(l, i)][a_fragment_column(l, i)] = widen(w.in[l][i / 2] >> 16 * (i % 2) & 0xffff, type);
      for (int i = 0; i < 4; ++i)
        right[b_fragment_k(l, i)][b_fragment_n(l)] = widen(w.in[l][4 + i / 2] >> 16 * (i % 2) & 0xffff, type);
    }
    for (int l = 0; l < kWarp; ++l)
      for (int i = 0; i < 4; ++i) {
        float sum;
        memcpy(&sum, &w.in[l][6 + i], 4);
        for (int k = 0; k < 16; ++k) sum += left[accumulator_row(l, i)][k] * right[k][accumulator_column(l, i)];
        memcpy(&w.out[l][i], &sum, 4);
      }
  });
  memcpy(c, &warp.out[lane][0], sizeof c);
}

}  // namespace twin
}  // namespace ww

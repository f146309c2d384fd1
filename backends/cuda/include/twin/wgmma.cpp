// wgmma: products are issued thread by thread, committed warp by warp, and run as events, a warpgroup's in order.
//
// Arithmetic: products are exact in fp32, and are added to the accumulator one after the other in the order of k, each sum
// rounded to nearest even. Tensor cores align 8 to 16 products to the largest and cut off what lies below: their results
// differ from these by a few 2^-22 of the sum of magnitudes (Fasi et al., "Numerical behavior of NVIDIA tensor cores", 2021).
// Products of integers add up in 32 bits and wrap; an accumulator's slots hold their bits.
#include "twin/engines.h"

namespace ww {
using namespace twin;

namespace {

constexpr int kRows = 64, kMaxColumns = 256, kMaxDepth = 32, kChunkBytes = 16;

// The fragment of a thread leaves its registers, which hold NaN until the wait; or comes back.
void move_fragment(Thread& t, Accumulator& acc, float* registers, bool into_flight) {
  for (int i = 0; i < acc.n / 2; ++i) {
    float& element = acc.values[accumulator_row(t.index % kWarpgroup, i) * acc.n + accumulator_column(t.index, i)];
    if (into_flight) {
      element = registers[i];
      registers[i] = NAN;
    } else {
      registers[i] = element;
    }
  }
}

bool same(const Product& x, const Product& y) {
  return x.accumulator == y.accumulator && x.n == y.n && x.operands.a == y.operands.a && x.operands.b == y.operands.b &&
         x.operands.sum == y.operands.sum && x.line == y.line;
}

// An operand as floats: element (mn, k) at out[mn * mn_stride + k * k_stride].
void gather(Block& block, const Product& p, bool is_a, int rows, const Access& access, float* out, int mn_stride,
            int k_stride) {
  const uint64_t descriptor = is_a ? p.operands.a : p.operands.b;
  const Major major = is_a ? p.operands.major_a : p.operands.major_b;
  const int size = bytes_of(p.operands.type), per_chunk = kChunkBytes / size, depth = kMaxDepth / size;
  const int mn_step = major == Major::mn ? per_chunk : 1, k_step = major == Major::k ? per_chunk : 1;
  const int stride = major == Major::k ? k_stride : mn_stride;
  float chunk[kChunkBytes];
  for (int mn = 0; mn < rows; mn += mn_step) {
    for (int k = 0; k < depth; k += k_step) {
      const uint32_t address = operand_address(descriptor, major, mn, k, size);
      if (!block.shared.read(address, kChunkBytes, access)) return;
      widen_all(p.operands.type, block.shared.at(address), per_chunk, chunk);
      for (int i = 0; i < per_chunk; ++i) out[mn * mn_stride + k * k_stride + i * stride] = chunk[i];
    }
  }
}

float add(float sum, float product) { return sum + product; }
uint32_t add(uint32_t sum, float product) { return sum + uint32_t(int32_t(product)); }  // wraps; 8-bit products are exact

template <class Sum> void multiply(Accumulator& acc, const float* a, const float* b, int depth) {
  static_assert(sizeof(Sum) == sizeof(float));
  std::vector<Sum> row(acc.n);
  for (int r = 0; r < kRows; ++r) {
    memcpy(row.data(), &acc.values[r * acc.n], acc.n * sizeof(Sum));
    for (int k = 0; k < depth; ++k) {
      const float factor = a[r * depth + k];
      const float* const column = b + k * acc.n;
      for (int c = 0; c < acc.n; ++c) row[c] = add(row[c], factor * column[c]);
    }
    memcpy(&acc.values[r * acc.n], row.data(), acc.n * sizeof(Sum));
  }
}

void check_descriptor(Block& block, uint64_t descriptor, int line) {
  constexpr uint64_t kReserved = 0x3fffc000c000c000u;  // the base offset among them: tiles start at multiples of 8 rows
  if (descriptor & kReserved)
    machine->findings.add(Kind::wgmma_descriptor, block.index, line, 0, "reserved bits are set in 0x%llx",
                          (unsigned long long)descriptor);
}

void run_product(Block& block, Warpgroup& group, const ProductGroup& g, size_t which) {
  static float a[kRows * kMaxDepth], b[kMaxDepth * kMaxColumns];
  const Product& p = g.products[which];
  const int depth = kMaxDepth / bytes_of(p.operands.type);
  Accumulator& acc = group.accumulators[p.accumulator];
  // Nothing says which warp reads which rows of A, so that all four are taken to read all.
  const Access all{
      {&g.views[0], &g.views[1], &g.views[2], &g.views[3]}, g.slot.actor, 4, g.slot.time, true, p.line, "wgmma"};
  if (p.operands.a_registers) std::copy(g.a[which].begin(), g.a[which].end(), a);
  else gather(block, p, true, kRows, all, a, depth, 1);
  gather(block, p, false, p.n, all, b, 1, p.n);
  if (!p.operands.sum) std::fill(acc.values.begin(), acc.values.end(), 0.0f);
  if (p.operands.type == Type::s8) multiply<uint32_t>(acc, a, b, depth);
  else multiply<float>(acc, a, b, depth);
}

void run_next(Block* block, Warpgroup* group) {
  if (group->running || group->done == int(group->groups.size()) || group->groups[group->done]->committed < 4) return;
  group->running = true;
  machine->emit(block, "wgmma", group->groups[group->done]->line, [=] {
    const ProductGroup& g = *group->groups[group->done];
    for (size_t i = 0; i < g.products.size(); ++i) run_product(*block, *group, g, i);
    group->groups[group->done++].reset();
    group->running = false;
    machine->wake(group->waiting);
    run_next(block, group);
  });
}

void commit_lane(Thread& t, ProductGroup& g, int line) {
  const int warp = t.index % kWarpgroup / kWarp;
  if (g.committed == 0 && t.index % kWarp == 0) g.products = t.open;
  bool agrees = g.products.size() == t.open.size();
  for (size_t i = 0; agrees && i < t.open.size(); ++i) agrees = same(g.products[i], t.open[i]);
  if (!agrees)
    machine->findings.add(Kind::wgmma_diverged, t.block->index, line, g.line,
                          "thread %d commits other products than its warpgroup", t.index);
  g.a.resize(g.products.size());
  for (size_t i = 0; agrees && i < t.open.size(); ++i) {
    if (!t.open[i].operands.a_registers) continue;
    g.a[i].resize(kRows * 16);
    for (int e = 0; e < 8; ++e)
      g.a[i][a_fragment_row(t.index % kWarpgroup, e) * 16 + a_fragment_column(t.index, e)] =
          widen(t.open[i].a[e / 2] >> 16 * (e % 2) & 0xffff, t.open[i].operands.type);
  }
  g.views[warp].join(t.open.empty() ? t.view : t.issue_view);
  t.open.clear();
  ++t.committed;
  ++t.now();
}

}  // namespace

void wgmma_fence(int line) {
  machine->converge("wgmma_fence", line, [](Warp&) {});
  machine->self->fenced = true;
}

void wgmma_commit(int line) {
  machine->converge("wgmma_commit", line, [line](Warp&) {
    Thread& me = *machine->self;
    Block& block = *me.block;
    Warpgroup& group = machine->warpgroup_of(me);
    const size_t number = me.committed;
    if (group.groups.size() == number) {
      group.groups.push_back(std::make_unique<ProductGroup>());
      group.slots.push_back(block.product_slot());
      group.groups.back()->slot = group.slots.back();
      group.groups.back()->line = line;
      for (View& view : group.groups.back()->views) view = View(block.actors);
    }
    ProductGroup& g = *group.groups[number];
    const int first = me.index / kWarp * kWarp, warp = me.index % kWarpgroup / kWarp;
    for (int l = 0; l < kWarp; ++l) commit_lane(block.threads[first + l], g, line);
    g.views[warp].all[g.slot.actor + warp] = g.slot.time;
    ++g.committed;
    run_next(&block, &group);
  });
}

namespace twin {

void product(float* accumulator, int n, const Operands& operands, int line) {
  Thread& me = *machine->self;
  if (!me.fenced)
    machine->findings.add(Kind::wgmma_fence, me.block->index, line, 0,
                          "wgmma without wgmma_fence since registers were in use");
  if (!operands.a_registers) check_descriptor(*me.block, operands.a, line);
  check_descriptor(*me.block, operands.b, line);
  if (me.open.empty()) me.issue_view = me.view;
  const ptrdiff_t key = reinterpret_cast<char*>(accumulator) - me.stack;
  Accumulator& acc = machine->warpgroup_of(me).accumulators[key];
  if (acc.n != n) acc = {n, std::vector<float>(kRows * n, NAN)};
  if (!me.in_flight.count(key)) move_fragment(me, acc, accumulator, true);
  me.in_flight[key] = me.committed;
  Product p{key, n, operands, {}, line};
  if (operands.a_registers) std::copy_n(operands.a_registers, 4, p.a);
  me.open.push_back(p);
}

void product_wait(int pending, int line) {
  machine->converge("wgmma_wait", line, [](Warp&) {});
  Thread& me = *machine->self;
  Warpgroup& group = machine->warpgroup_of(me);
  const int finished = me.committed - pending;
  while (group.done < finished) {
    group.waiting.push_back(&me);
    machine->wait({"wgmma", uint32_t(finished), 0, line});
  }
  const int warp = me.index % kWarpgroup / kWarp;
  for (; me.waited < finished; ++me.waited) me.view.all[group.slots[me.waited].actor + warp] = group.slots[me.waited].time;
  for (auto at = me.in_flight.begin(); at != me.in_flight.end();) {
    if (at->second >= finished) {
      ++at;
      continue;
    }
    move_fragment(me, group.accumulators[at->first], reinterpret_cast<float*>(me.stack + at->first), false);
    me.fenced = false;
    at = me.in_flight.erase(at);
  }
}

}  // namespace twin
}  // namespace ww

// The state of a block while it runs: its threads, warps and warpgroups, its barriers, its shared memory.
#pragma once
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "twin/primitives.h"
#include "twin/shared.h"

namespace ww::twin {

constexpr int kWarp = 32, kWarpgroup = 128;

// What a thread waits for, in words and numbers, and where.
struct Wait {
  const char* what = "";
  uint32_t a = 0, b = 0;
  int line = 0;
};

struct Slot {  // an epoch of an engine; a product's is 4 actors wide, one a warp
  int actor;
  Time time;
};

enum class State { ready, waiting, done };

struct Product {  // a wgmma of one thread, issued
  ptrdiff_t accumulator;  // where on the thread's stack: the same for all threads of the warpgroup
  int n;
  Operands operands;
  uint32_t a[4];
  int line;
};

struct CopyArrival {  // at a barrier, when the copies of its epoch and of those before have landed
  uint32_t barrier;
  int epoch, line;
  View view;  // of the thread that asked for it
};

struct Block;

struct Thread {
  Block* block = nullptr;
  int index = 0;
  State state = State::ready;
  Wait wait;
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  View view;
  uint32_t priority = 0;
  uint64_t began = 0;  // the step in which it began to wait, for the timeline
  // wgmma
  std::vector<Product> open;
  View issue_view;
  int committed = 0, waited = 0;  // groups
  bool fenced = false;
  std::map<ptrdiff_t, int> in_flight;  // accumulator → the group that has it last
  // stores by TMA: groups committed, and how many of each are not done
  int bulk_group = 0;
  std::map<int, int> bulk_reading, bulk_writing;  // group → how many stores have not read shared / written global memory
  std::map<int, std::vector<Slot>> bulk_reads, bulk_writes;  // group → what is known once they have
  // cp.async: epochs, each ended by a commit or an arrival, and how many copies of each have not landed
  int copy_epoch = 0;
  std::map<int, int> copying;
  std::vector<int> copy_groups;  // their last epochs
  std::vector<CopyArrival> copy_arrivals;  // to come
  int votes_seen = 0;  // of its block, in block_any

  Time& now() { return view.all[index]; }
  Access access(bool async, int line, const char* who) {
    return {{&view, nullptr, nullptr, nullptr}, index, 1, now(), async, line, who};
  }
};

struct Mbarrier {
  uint32_t count = 0, pending = 0;
  int64_t phase = 0, expected = 0;  // bytes still to come
  View arriving, completed;
  int init_thread = 0, last_line = 0;
  Time init_time = 0;
  bool fenced = false;
  std::vector<Thread*> waiting;
  std::vector<int64_t> waited;  // by thread: the phase it last waited for, or -2
};

struct NamedBarrier {
  int threads = 0, arrived = 0;
  View view;
  std::vector<Thread*> waiting;
};

// A point where the 32 lanes of a warp come together; the last one acts for all.
struct Warp {
  int arrived = 0, line = 0;
  const char* what = "";
  std::vector<Thread*> waiting;
  std::array<std::array<uint32_t, 12>, kWarp> in, out;
};

struct ProductGroup {
  std::vector<Product> products;
  std::array<View, 4> views;  // of the warps
  std::vector<std::vector<float>> a;  // of each product with A in registers: [64, 16]
  Slot slot{};
  int committed = 0;  // warps
  int line = 0;
};

struct Accumulator {  // [64, n] in flight
  int n = 0;
  std::vector<float> values;
};

struct Warpgroup {
  std::deque<std::unique_ptr<ProductGroup>> groups;
  std::vector<Slot> slots;  // of all groups
  int done = 0;             // groups, all of them before groups[done]; those hold nothing any more
  bool running = false;
  std::map<ptrdiff_t, Accumulator> accumulators;
  std::vector<Thread*> waiting;
  int registers = 0;
  bool registers_set[4] = {};
};

struct Block {
  Block(int index, int threads, uint32_t shared_bytes, Findings& findings);
  const int index, actors;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<Warpgroup> warpgroups;
  SharedMemory shared;
  std::map<uint32_t, Mbarrier> mbarriers;
  std::array<NamedBarrier, 16> named_barriers;
  std::map<uint32_t, std::string> labels;
  std::vector<std::string> roles;  // of warps
  std::vector<Time> slot_times;
  int next_copy_slot = 0, next_product_slot = 0;
  int running;  // threads that have not ended
  int votes = 0;  // for true, in all calls of block_any

  std::string name_of(uint32_t address) const;  // as labelled, or its offset
  int copy_actor(const Thread& t) const { return int(threads.size()) + t.index; }
  Slot copy_slot();     // a fresh one of TMA
  Slot product_slot();  // of wgmma
};

}  // namespace ww::twin

// The emulator: blocks whose threads are fibers, engines whose work is events, and a seeded schedule that picks what runs
// next. A thread runs until it has to wait (or is preempted), so that a source line is the unit of interleaving.
#pragma once
#include <functional>

#include "twin/block.h"
#include "twin/global.h"
#include "twin/timeline.h"

namespace ww::twin {

struct Schedule;

struct Launch {
  void (*invoke)(void**);
  void** arguments;
  int blocks, threads;
  uint32_t shared_bytes;
  int registers;  // a thread, as compiled
  int resident;   // blocks that run at the same time
  const Schedule* schedule;
  uint64_t seed;
  bool timeline;
};

struct Event {  // what an engine has to do
  Block* block;
  const char* engine;
  int line;
  uint64_t issued;
  std::function<void()> run;
};

class Machine {
 public:
  explicit Machine(const Launch& launch);
  void run();
  // ---- for primitives: `self` is the thread that runs
  void wait(const Wait& what);       // until someone wakes it
  void wake(Thread* thread);
  void wake_from(const char* what, Thread* thread);  // if it is that which it waits for
  void wake(std::vector<Thread*>& threads);
  void preempt();                    // now and then, lets others go first
  void emit(Block* block, const char* engine, int line, std::function<void()> run) {
    events.push_back({block, engine, line, step, std::move(run)});
  }
  // The last of a warp's lanes runs `act`; then all go on. `what` and `line` must be the same for all.
  template <class Act> void converge(const char* what, int line, Act act) {
    Warp& warp = warp_of(*self);
    check_convergence(warp, what, line);
    if (++warp.arrived < kWarp) {
      warp.waiting.push_back(self);
      wait({what, 0, 0, line});
      return;
    }
    warp.arrived = 0;
    act(warp);
    wake(warp.waiting);
  }
  Warp& warp_of(const Thread& t) { return t.block->warps[t.index / kWarp]; }
  Warpgroup& warpgroup_of(const Thread& t) { return t.block->warpgroups[t.index / kWarpgroup]; }
  bool elected(const Thread& t) const { return t.index % kWarp == int(launch.seed % kWarp); }
  uint32_t random(uint32_t below);

  Launch launch;
  Thread* self = nullptr;
  Findings findings;
  GlobalMemory global;
  Timeline timeline;
  uint64_t step = 0;
  std::vector<Thread*> ready;
  std::vector<Event> events;
  std::map<const void*, std::vector<Thread*>> flag_waiters;  // by the flag in global memory

 private:
  friend void run_thread();
  void start_block(int index);
  void start(Thread& thread);
  bool advance();
  void switch_to_scheduler();
  void end_of_thread();
  void end_of_block(Block& block);
  void report_stuck(Kind kind);
  std::string track_of(const Thread& thread) const;
  void check_convergence(Warp& warp, const char* what, int line);

  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<int> to_start_;  // blocks, the next one last
  int resident_ = 0;
  void* scheduler_stack_ = nullptr;
  uint64_t random_;
};

extern Machine* machine;
const char* schedules();  // their names, separated by blanks

}  // namespace ww::twin

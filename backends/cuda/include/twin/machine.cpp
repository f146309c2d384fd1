#include "twin/machine.h"

#include <cstdlib>
#include <cstring>

#include "twin/fiber.h"
#include "twin/schedule.h"

namespace ww::twin {

Machine* machine = nullptr;

namespace {
constexpr uint64_t kMaxSteps = 10'000'000;
}

void run_thread() {
  machine->launch.invoke(machine->launch.arguments);
  machine->end_of_thread();
  machine->switch_to_scheduler();
  abort();
}

Machine::Machine(const Launch& what) : launch(what), global(findings), random_(what.seed * 0x9e3779b97f4a7c15u + 1) {
  timeline.on = what.timeline;
}

uint32_t Machine::random(uint32_t below) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return uint32_t((random_ >> 11) % below);
}

void Machine::run() {
  for (int b = launch.blocks; b-- > 0;) to_start_.push_back(b);
  if (launch.schedule->preempts)
    for (size_t i = to_start_.size(); i > 1; --i) std::swap(to_start_[i - 1], to_start_[random(i)]);
  blocks_.resize(launch.blocks);
  while (advance()) {}
  int stuck = 0;
  for (const auto& block : blocks_) stuck += block && block->running;
  if (stuck) report_stuck(step >= kMaxSteps ? Kind::livelock : Kind::deadlock);
  for (auto& block : blocks_)
    for (size_t t = 0; block && t < block->threads.size(); ++t)
      if (block->threads[t].stack) give_stack(block->threads[t].stack);
}

void Machine::start_block(int index) {
  blocks_[index] = std::make_unique<Block>(index, launch.threads, launch.shared_bytes, findings);
  ++resident_;
  for (Thread& thread : blocks_[index]->threads) start(thread);
}

void Machine::start(Thread& thread) {
  thread.stack = take_stack();
  thread.stack_pointer = first_frame(thread.stack, run_thread);
  thread.priority = random(1 << 20);
  ready.push_back(&thread);
}

bool Machine::advance() {
  while (resident_ < launch.resident && !to_start_.empty()) {
    const int next = to_start_.back();
    to_start_.pop_back();
    start_block(next);
  }
  if ((ready.empty() && events.empty()) || ++step >= kMaxSteps) return false;
  const Schedule& schedule = *launch.schedule;
  if (!events.empty() && (ready.empty() || schedule.engines_first(*this))) {
    const size_t which = schedule.event(*this);
    const Event event = std::move(events[which]);
    events.erase(events.begin() + which);
    self = nullptr;
    event.run();
    timeline.span(event.block->index, event.engine, event.engine, event.issued, step, event.line);
    return true;
  }
  const size_t which = schedule.thread(*this);
  self = ready[which];
  ready.erase(ready.begin() + which);
  ww_twin_switch(&scheduler_stack_, self->stack_pointer);
  if (self->state == State::done) {
    give_stack(self->stack);
    self->stack = nullptr;
    Block& block = *self->block;
    if (--block.running == 0) end_of_block(block);
  }
  return true;
}

void Machine::switch_to_scheduler() { ww_twin_switch(&self->stack_pointer, scheduler_stack_); }

void Machine::wait(const Wait& what) {
  Thread& me = *self;
  me.state = State::waiting;
  me.wait = what;
  me.began = step;
  switch_to_scheduler();
  if (timeline.on && elected(me))
    timeline.span(me.block->index, track_of(me), std::string("wait: ") + what.what, me.began, step, what.line);
}

void Machine::wake(Thread* thread) {
  if (thread->state != State::waiting) return;
  thread->state = State::ready;
  ready.push_back(thread);
}

void Machine::wake_from(const char* what, Thread* thread) {
  if (!strcmp(thread->wait.what, what)) wake(thread);
}

void Machine::wake(std::vector<Thread*>& threads) {
  for (Thread* thread : threads) wake(thread);
  threads.clear();
}

void Machine::preempt() {
  if (!launch.schedule->preempts || random(16)) return;
  ready.push_back(self);
  switch_to_scheduler();
}

void Machine::check_convergence(Warp& warp, const char* what, int line) {
  if (warp.arrived == 0) {
    warp.what = what;
    warp.line = line;
  } else if (warp.line != line || strcmp(warp.what, what)) {
    findings.add(Kind::diverged, self->block->index, line, warp.line,
                 "thread %d comes to %s while lanes of its warp are in %s at line %d", self->index, what, warp.what,
                 warp.line);
  }
}

void Machine::end_of_thread() {
  Thread& t = *self;
  const int block = t.block->index;
  if (!t.open.empty() || !t.in_flight.empty())
    findings.add(Kind::wgmma_not_waited, block, 0, 0, "thread %d ends with accumulators in flight", t.index);
  for (const auto& [group, stores] : t.bulk_reading)
    if (stores)
      findings.add(Kind::store_not_waited, block, 0, 0, "thread %d ends while its TMA stores read shared memory",
                   t.index);
  for (const auto& [group, copies] : t.copying)
    if (copies)
      findings.add(Kind::copies_not_waited, block, 0, 0, "thread %d ends while its copies write shared memory",
                   t.index);
  t.state = State::done;
}

void Machine::end_of_block(Block& block) {
  int registers = 0;
  for (size_t w = 0; w < block.warpgroups.size(); ++w) {
    const Warpgroup& group = block.warpgroups[w];
    const int warps = std::min<int>(4, block.warps.size() - 4 * w);
    registers += warps * kWarp * (group.registers ? group.registers : launch.registers);
    int set = 0;
    for (const bool one : group.registers_set) set += one;
    if (set && set != warps)
      findings.add(Kind::registers, block.index, 0, 0, "%d of %d warps of warpgroup %zu set their registers", set,
                   warps, w);
  }
  if (registers > 65536)
    findings.add(Kind::registers, block.index, 0, 0, "the warpgroups take %d registers, an SM has 65536", registers);
  for (const auto& [address, barrier] : block.mbarriers)
    if (barrier.expected)
      findings.add(Kind::copy_left, block.index, barrier.last_line, 0, "mbarrier %s ends with %lld bytes still to come",
                   block.name_of(address).c_str(), (long long)barrier.expected);
  --resident_;
}

std::string Machine::track_of(const Thread& thread) const {
  const int warp = thread.index / kWarp;
  const std::string& role = thread.block->roles[warp];
  return "warp " + std::to_string(warp) + (role.empty() ? "" : " (" + role + ")");
}

void Machine::report_stuck(Kind kind) {
  for (const auto& block : blocks_) {
    if (!block || !block->running) continue;
    std::map<std::string, int> who;
    std::map<uint32_t, bool> barriers;
    int line = 0;
    for (const Thread& t : block->threads) {
      if (t.state != State::waiting) continue;
      const bool is_mbarrier = !strcmp(t.wait.what, "mbarrier");
      std::string what = track_of(t) + " for " + t.wait.what;
      if (is_mbarrier) what += " " + block->name_of(t.wait.a) + ", parity " + std::to_string(t.wait.b);
      else if (!strcmp(t.wait.what, "named barrier"))
        what += " " + std::to_string(t.wait.a) + " of " + std::to_string(t.wait.b) + " threads";
      ++who[what + ", line " + std::to_string(t.wait.line)];
      line = line ? line : t.wait.line;
      if (is_mbarrier) barriers[t.wait.a] = true;
    }
    std::string text = "nothing can run:";
    for (const auto& [what, count] : who) text += " " + std::to_string(count) + " threads of " + what + ";";
    for (const auto& [address, _] : barriers) {
      const Mbarrier& b = block->mbarriers[address];
      text += " " + block->name_of(address) + " is in phase " + std::to_string(b.phase) + ", lacks " +
              std::to_string(b.pending) + " of " + std::to_string(b.count) + " arrivals and " +
              std::to_string(b.expected) + " bytes;";
    }
    findings.add(kind, block->index, line, 0, "%s", text.c_str());
  }
}

}  // namespace ww::twin

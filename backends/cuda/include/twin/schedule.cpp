#include "twin/schedule.h"

#include <cstring>

namespace ww::twin {
namespace {

size_t oldest(Machine&) { return 0; }
size_t newest_thread(Machine& m) { return m.ready.size() - 1; }
size_t newest_event(Machine& m) { return m.events.size() - 1; }
size_t any_thread(Machine& m) { return m.random(m.ready.size()); }
size_t any_event(Machine& m) { return m.random(m.events.size()); }
bool never(Machine&) { return false; }
bool always(Machine&) { return true; }
bool sometimes(Machine& m) { return m.random(4) == 0; }

// Random priorities, of which one changes now and then: finds orders that random choice is unlikely to (Burckhardt et al.,
// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
size_t highest_priority(Machine& m) {
  size_t best = 0;
  for (size_t i = 1; i < m.ready.size(); ++i)
    if (m.ready[i]->priority > m.ready[best]->priority) best = i;
  if (m.random(64) == 0) m.ready[best]->priority = m.random(1 << 20);
  return best;
}

const Schedule kSchedules[] = {
    {"fifo", false, never, oldest, oldest},               // in order; engines only where no thread can run
    {"lifo", false, never, newest_thread, newest_event},  // the latest first
    {"random", true, sometimes, any_thread, any_event},
    {"late", false, never, any_thread, any_event},        // copies and products land as late as they can
    {"early", false, always, any_thread, any_event},      // and as early
    {"priority", true, sometimes, highest_priority, any_event},
};

}  // namespace

const Schedule* find_schedule(const char* name) {
  for (const Schedule& schedule : kSchedules)
    if (!strcmp(schedule.name, name)) return &schedule;
  return nullptr;
}

const char* schedules() {
  static const std::string names = [] {
    std::string all;
    for (const Schedule& schedule : kSchedules) all += (all.empty() ? "" : " ") + std::string(schedule.name);
    return all;
  }();
  return names.c_str();
}

}  // namespace ww::twin

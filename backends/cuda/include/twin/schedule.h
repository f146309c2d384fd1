// Which ready thread or waiting engine goes next: the policies that a seed is given to.
#pragma once

#include "twin/machine.h"

namespace ww::twin {

struct Schedule {
  const char* name;
  bool preempts;                    // threads let others go first, now and then
  bool (*engines_first)(Machine&);  // asked where both could run
  size_t (*thread)(Machine&);       // an index into `ready`
  size_t (*event)(Machine&);        // an index into `events`
};

const Schedule* find_schedule(const char* name);

}  // namespace ww::twin

#include "twin/fiber.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <vector>

asm(R"(.text
.globl ww_twin_switch
ww_twin_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace ww::twin {
namespace {
std::vector<char*> free_stacks;
}

char* take_stack() {
  if (free_stacks.empty()) {
    void* const fresh =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fresh == MAP_FAILED) abort();
    mprotect(fresh, 4096, PROT_NONE);  // an overflow faults and harms no neighbour
    return static_cast<char*>(fresh);
  }
  char* const stack = free_stacks.back();
  free_stacks.pop_back();
  return stack;
}

void give_stack(char* stack) { free_stacks.push_back(stack); }

void* first_frame(char* stack, void (*start)()) {
  void** top = reinterpret_cast<void**>(stack + kStackBytes - 64);
  *--top = nullptr;  // where `start` would return to
  *--top = reinterpret_cast<void*>(start);
  top -= 6;  // the registers that ww_twin_switch pops
  memset(top, 0, 6 * sizeof *top);
  return top;
}

}  // namespace ww::twin

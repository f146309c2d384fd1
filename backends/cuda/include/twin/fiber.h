// Fibers: stacks of their own, between which the emulator switches. For x86-64 with the System V calling convention.
#pragma once

#if !defined(__x86_64__)
#error "the emulator switches stacks in x86-64 assembler"
#endif

// Saves the callee's registers on the running stack and its pointer in *save, and goes on where `load` was saved.
extern "C" void ww_twin_switch(void** save, void* load);

namespace ww::twin {

constexpr unsigned long kStackBytes = 256 << 10;  // pages that are never touched take no memory

char* take_stack();              // its lowest address
void give_stack(char* stack);
void* first_frame(char* stack, void (*start)());  // what to load to run `start`, which must not return

}  // namespace ww::twin

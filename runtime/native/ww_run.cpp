// Runs a list of kernel launches in one parallel region of the OpenMP runtime that is already loaded.
//
//   slots      buffer addresses; a launch's buffers are slots[arg_index[first_arg]], ..., n_args of them
//   dims       a launch's sizes are dims[first_dim], ..., n_dims of them
//   scratch    nthreads pieces of scratch_per_thread bytes (a multiple of 64)
//   gomp_parallel, omp_get_thread_num, omp_get_num_threads     of that runtime; gomp_parallel null, or nthreads 1: no region
//
//   fault      what a launch writes that looks up an entry out of range; its kernel then does nothing else
//
// A kernel's buffers are followed by `fault` and the address of its launch.
//
// A launch is a list of phases, each of which every thread finishes before any starts the next; so is a launch with
// barrier_after. The runtime may give fewer threads than asked for: kernels are told the number there is.
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using Phase = void (*)(void* const* buffers, const int64_t* dims, void* scratch, int tid, int nt);

struct WwLaunch {
  const Phase* phases;
  int64_t n_phases, first_arg, n_args, first_dim, n_dims, barrier_after;
};

struct WwFault {
  int64_t raised, entry, extent;
  const void *index, *launch;  // where the entries lie
};

struct Team {
  const WwLaunch* launches;
  int64_t count;
  const int64_t* arg_index;
  void* const* slots;
  const int64_t* dims;
  char* scratch;
  int64_t scratch_per_thread;
  WwFault* fault;
  int (*thread)();
  int (*threads)();
  alignas(64) int arrived = 0;
  alignas(64) int phase = 0;
  alignas(64) int sleeping = 0;
};

// Then sleep: another process may own the core of the thread waited for. Yielding gives that process a whole time slice at
// every barrier: MiniLM, 128 tokens, two threads beside busy processes of the lowest priority, took 108 ms; so it takes 36.
constexpr int kSpins = 2000;

void barrier(Team& team, int nt, int* sense) {
  const int mine = *sense ^= 1;
  if (__atomic_add_fetch(&team.arrived, 1, __ATOMIC_ACQ_REL) == nt) {
    __atomic_store_n(&team.arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team.phase, mine, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&team.sleeping, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &team.phase, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    return;
  }
  for (int spins = 0; spins < kSpins; ++spins) {
    if (__atomic_load_n(&team.phase, __ATOMIC_ACQUIRE) == mine) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  __atomic_add_fetch(&team.sleeping, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&team.phase, __ATOMIC_SEQ_CST) != mine)
    syscall(SYS_futex, &team.phase, FUTEX_WAIT_PRIVATE, mine ^ 1, nullptr, nullptr, 0);
  __atomic_sub_fetch(&team.sleeping, 1, __ATOMIC_RELAXED);
}

void work(Team& team, int tid, int nt) {
  int sense = 0;
  for (int64_t i = 0; i < team.count; ++i) {
    const WwLaunch& launch = team.launches[i];
    void* buffers[launch.n_args + 2];
    for (int64_t j = 0; j < launch.n_args; ++j) buffers[j] = team.slots[team.arg_index[launch.first_arg + j]];
    buffers[launch.n_args] = team.fault;
    buffers[launch.n_args + 1] = const_cast<WwLaunch*>(&launch);
    for (int64_t phase = 0; phase < launch.n_phases; ++phase) {
      if (phase > 0 && nt > 1) barrier(team, nt, &sense);
      launch.phases[phase](buffers, team.dims + launch.first_dim, team.scratch + tid * team.scratch_per_thread, tid, nt);
    }
    if (launch.barrier_after && nt > 1 && i + 1 < team.count) barrier(team, nt, &sense);
  }
}

void work_in_region(void* data) {
  Team& team = *static_cast<Team*>(data);
  work(team, team.thread(), team.threads());
}

}  // namespace

extern "C" void ww_run(const WwLaunch* launches, int64_t n, const int64_t* arg_index, void* const* slots, const int64_t* dims,
                       int64_t nthreads, void* scratch, int64_t scratch_per_thread, WwFault* fault,
                       void (*gomp_parallel)(void (*)(void*), void*, unsigned, unsigned), int (*omp_get_thread_num)(),
                       int (*omp_get_num_threads)()) {
  Team team{launches, n, arg_index, slots, dims, static_cast<char*>(scratch), scratch_per_thread, fault, omp_get_thread_num, omp_get_num_threads};
  if (nthreads <= 1 || !gomp_parallel) return work(team, 0, 1);
  gomp_parallel(work_in_region, &team, static_cast<unsigned>(nthreads), 0);
}

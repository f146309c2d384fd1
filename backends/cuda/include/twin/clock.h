// Vector clocks: what happened before what. An actor is a thread, its copy engine (cp.async), or a slot of an engine
// (TMA, wgmma); its time goes up with each thing that others may come to know of.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace ww::twin {

using Time = uint32_t;

class Clock {
 public:
  explicit Clock(int actors = 0) : own_(actors) {}
  Time& operator[](int actor) { return own_[actor]; }
  bool knows(int actor, Time time) const { return own_[actor] >= time; }
  bool knows(int me, int block, int actor, Time time) const {  // of another block than `me`, perhaps
    if (block == me) return knows(actor, time);
    const auto other = others_.find(block);
    return other != others_.end() && other->second[actor] >= time;
  }
  void join(const Clock& from) {
    merge(own_, from.own_);
    for (const auto& [block, times] : from.others_) merge(others_[block], times);
  }
  void join_from(int block, const Clock& from, int me) {  // what a thread of `block` released, into one of `me`
    if (block == me) return join(from);
    merge(others_[block], from.own_);
    for (const auto& [other, times] : from.others_) merge(other == me ? own_ : others_[other], times);
  }
  void clear() {
    std::fill(own_.begin(), own_.end(), 0);
    others_.clear();
  }

 private:
  static void merge(std::vector<Time>& into, const std::vector<Time>& from) {
    if (into.size() < from.size()) into.resize(from.size());
    Time* a = into.data();
    const Time* b = from.data();
    for (size_t i = 0; i < from.size(); ++i) a[i] = std::max(a[i], b[i]);
  }
  std::vector<Time> own_;
  std::map<int, std::vector<Time>> others_;  // of other blocks; few kernels have any
};

// What a thread or an engine knows of, and the part of it that the asynchronous proxy (TMA, wgmma) sees as well.
struct View {
  Clock all, async;
  explicit View(int actors = 0) : all(actors), async(actors) {}
  void join(const View& from) {
    all.join(from.all);
    async.join(from.async);
  }
  void clear() {
    all.clear();
    async.clear();
  }
};

}  // namespace ww::twin

// What the benchmarks share: a watch, and the middle of what it read.
#pragma once

#include <algorithm>
#include <ctime>
#include <vector>

namespace bench {

/// Seconds of the processor, in all threads: what others on the machine do does not count.
inline double seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The middle one, or the upper of two; there must be one.
inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace bench

// Profile: where the time of a plan goes, by operation.
#pragma once

#include <chainrule/autograd/plan.hpp>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule {

/// The nodes of one operation, forward or backward, and what they took.
struct ProfileRow {
  std::string_view operation;  ///< its name
  bool backward = false;       ///< recorded by a rule, rather than by the user
  std::size_t nodes = 0;       ///< of the plan: evaluations per run
  double seconds = 0;          ///< over all runs
  double share = 0;            ///< of the time of all rows: they sum to 1
};

/// Where the time of a plan went.
struct Profile {
  std::vector<ProfileRow> rows;  ///< the slowest first; leaves take no time and have no row
  int runs = 0;                  ///< that were timed, without the one to warm up
  double seconds = 0;            ///< of all rows
};

/// Runs the plan once to warm up, then `runs` times with a watch (two looks at the clock a node,
/// some 40 ns), and sums by operation. A plan that nobody profiles pays nothing. The plan's values
/// are then those of a run on the leaves as they are. Throws UsageError for runs < 1, and what
/// Plan::run throws.
template <class T>
Profile profile(Plan<T>& plan, int runs = 100, SourceLocation location = SourceLocation::current());

/// A table: operation, nodes, microseconds per run, share; the sums in its last line.
std::string to_string(const Profile& profile);
/// Writes to_string(profile).
std::ostream& operator<<(std::ostream& out, const Profile& profile);

}  // namespace chainrule

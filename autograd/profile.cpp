#include <chainrule/autograd/profile.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace chainrule {

template <class T>
Profile profile(Plan<T>& plan, int runs, SourceLocation location) {
  if (runs < 1) {
    throw UsageError("profile", fmt::format("{} runs: expected at least 1", runs), location);
  }
  std::vector<double> seconds(plan.size());
  plan.run();
  for (int run = 0; run < runs; ++run) plan.run_timed(seconds);

  Profile result;
  result.runs = runs;
  for (std::size_t id = 0; id < plan.size(); ++id) {
    const Node<T>& node = plan.nodes()[id];
    if (!node.op->forward) continue;
    const bool backward = node.adjoint_of != no_node;
    auto row = std::find_if(result.rows.begin(), result.rows.end(), [&](const ProfileRow& r) {
      return r.operation == node.op->name && r.backward == backward;
    });
    if (row == result.rows.end()) row = result.rows.insert(row, {node.op->name, backward});
    ++row->nodes;
    row->seconds += seconds[id];
    result.seconds += seconds[id];
  }
  for (ProfileRow& row : result.rows) {
    row.share = result.seconds > 0 ? row.seconds / result.seconds : 0;
  }
  std::stable_sort(result.rows.begin(), result.rows.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return result;
}

std::string to_string(const Profile& profile) {
  std::string text;
  const auto line = [&](std::string_view operation, std::string_view pass, std::size_t nodes,
                        double seconds, double share) {
    text += fmt::format("{:<24} {:<8} {:>6} {:>12.2f} {:>7.1f} %\n", operation, pass, nodes,
                        1e6 * seconds / std::max(profile.runs, 1), 100 * share);
  };
  text += fmt::format("{:<24} {:<8} {:>6} {:>12} {:>9}\n", "operation", "pass", "nodes",
                      "us per run", "share");
  std::size_t nodes = 0;
  double share = 0;
  for (const ProfileRow& row : profile.rows) {
    line(row.operation, row.backward ? "backward" : "forward", row.nodes, row.seconds, row.share);
    nodes += row.nodes;
    share += row.share;
  }
  line(fmt::format("total, over {} runs", profile.runs), "", nodes, profile.seconds, share);
  return text;
}

std::ostream& operator<<(std::ostream& out, const Profile& profile) {
  return out << to_string(profile);
}

template Profile profile(Plan<float>&, int, SourceLocation);
template Profile profile(Plan<double>&, int, SourceLocation);

}  // namespace chainrule

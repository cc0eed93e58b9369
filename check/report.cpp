// What the reports print, for people and for programs.
#include <chainrule/check/compare.hpp>
#include <chainrule/check/gradcheck.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace chainrule {

using Json = nlohmann::ordered_json;

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::fail:
      return "FAIL";
    case Verdict::cannot_decide:
      break;
  }
  return "cannot decide";
}

namespace {

std::vector<std::int64_t> place_of(const Shape& shape, std::int64_t index) {
  std::vector<std::int64_t> place(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank(); axis-- > 0;) {
    const std::int64_t dimension = std::max<std::int64_t>(1, shape[axis]);
    place[static_cast<std::size_t>(axis)] = index % dimension;
    index /= dimension;
  }
  return place;
}

template <class Rows>
std::size_t widest_name(const Rows& rows) {
  std::size_t width = 4;
  for (const auto& row : rows) width = std::max(width, row.name.size());
  return width;
}

std::string_view word(Verdict verdict) {
  return verdict == Verdict::fail ? "fail" : verdict == Verdict::pass ? "pass" : "cannot_decide";
}

}  // namespace

std::string entry_to_string(const Shape& shape, std::int64_t index) {
  return fmt::format("({}{})", fmt::join(place_of(shape, index), ", "),
                     shape.rank() == 1 ? "," : "");
}

std::string to_string(const GradcheckReport& report) {
  std::string text =
      fmt::format("gradcheck: {} (order {}, seed {}, entries to {:.0e}, directions to {:.0e})\n",
                  to_string(report.verdict), report.order, report.seed, report.tolerance_entry,
                  report.tolerance_norm);
  if (!report.reason.empty()) text += report.reason + "\n";
  const std::size_t width = widest_name(report.leaves);
  text += fmt::format("{:<{}} {:>14} {:>8} {:>9} {:>9} {:>9} {:>6} {:>9} {:>6}  {}\n", "leaf",
                      width, "shape", "entries", "error", "direction", "noise", "kinks",
                      "undecided", "wrong", "verdict");
  for (const LeafReport& leaf : report.leaves) {
    const std::string direction =
        leaf.directions > 0 ? fmt::format("{:.1e}", leaf.direction_error) : "-";
    text += fmt::format("{:<{}} {:>14} {:>8} {:>9.1e} {:>9} {:>9.1e} {:>6} {:>9} {:>6}  {}\n",
                        leaf.name, width, to_string(leaf.shape), leaf.checked, leaf.max_entry_error,
                        direction, leaf.noise_floor, leaf.kinks, leaf.undecided, leaf.failures,
                        to_string(leaf.verdict));
  }
  for (const LeafReport& leaf : report.leaves) {
    if (leaf.verdict == Verdict::pass) continue;
    text += fmt::format("{}: {}; worst entry {}: autodiff {:.17g}, numeric {:.17g}\n", leaf.name,
                        leaf.reason, entry_to_string(leaf.shape, leaf.worst), leaf.worst_autodiff,
                        leaf.worst_numeric);
  }
  return text;
}

std::string to_json(const GradcheckReport& report) {
  Json json{{"verdict", word(report.verdict)},
            {"reason", report.reason},
            {"order", report.order},
            {"seed", report.seed},
            {"tolerance_entry", report.tolerance_entry},
            {"tolerance_norm", report.tolerance_norm},
            {"leaves", Json::array()}};
  for (const LeafReport& leaf : report.leaves) {
    json["leaves"].push_back({{"name", leaf.name},
                              {"shape", leaf.shape.dimensions()},
                              {"verdict", word(leaf.verdict)},
                              {"reason", leaf.reason},
                              {"checked", leaf.checked},
                              {"failures", leaf.failures},
                              {"undecided", leaf.undecided},
                              {"kinks", leaf.kinks},
                              {"directions", leaf.directions},
                              {"largest", leaf.largest},
                              {"max_entry_error", leaf.max_entry_error},
                              {"direction_error", leaf.direction_error},
                              {"noise_floor", leaf.noise_floor},
                              {"worst_entry", place_of(leaf.shape, leaf.worst)},
                              {"worst_autodiff", leaf.worst_autodiff},
                              {"worst_numeric", leaf.worst_numeric}});
  }
  return json.dump(2);
}

std::string to_string(const CompareReport& report) {
  std::string text = fmt::format("compare: {}\n", to_string(report.verdict));
  const std::size_t width = widest_name(report.rows);
  text += fmt::format("{:<{}} {:>14} {:>10} {:>10} {:>10}  {}\n", "name", width, "shape",
                      "norm-wise", "entry", "tolerance", "verdict");
  for (const Comparison& row : report.rows) {
    text += fmt::format("{:<{}} {:>14} {:>10.1e} {:>10.1e} {:>10.1e}  {}\n", row.name, width,
                        to_string(row.shape), row.norm_error, row.max_error, row.tolerance,
                        to_string(row.verdict));
  }
  for (const Comparison& row : report.rows) {
    if (!row) text += to_string(row) + "\n";
  }
  return text;
}

std::string to_string(const Comparison& row) {
  std::string text = fmt::format("{}: {}", row.name, to_string(row.verdict));
  if (!row.reason.empty()) text += ": " + row.reason;
  if (row.shape != row.hand_shape || row.shape.size() == 0) return text;
  return text + fmt::format("; worst entry {}: by hand {:.17g}, expected {:.17g}",
                            entry_to_string(row.shape, row.worst), row.hand, row.expected);
}

std::string to_json(const CompareReport& report) {
  Json json{{"verdict", word(report.verdict)}, {"rows", Json::array()}};
  for (const Comparison& row : report.rows) {
    json["rows"].push_back({{"name", row.name},
                            {"shape", row.shape.dimensions()},
                            {"hand_shape", row.hand_shape.dimensions()},
                            {"verdict", word(row.verdict)},
                            {"reason", row.reason},
                            {"tolerance", row.tolerance},
                            {"norm_error", row.norm_error},
                            {"max_error", row.max_error},
                            {"worst_entry", place_of(row.shape, row.worst)},
                            {"hand", row.hand},
                            {"expected", row.expected}});
  }
  return json.dump(2);
}

}  // namespace chainrule

// What the reports print, for people and for programs.
#include <chainrule/check/compare.hpp>
#include <chainrule/check/gradcheck.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

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

namespace {

/// "B: 15 of 15 entries are wrong; worst entry (1, 0): autodiff 2, numeric 1, off by 5.0e-01 ..."
std::string failure_to_string(const LeafReport& leaf, bool several_points) {
  std::string text = leaf.name + ": " + leaf.reason;
  if (several_points) text += fmt::format(" (at point {})", leaf.point);
  if (leaf.shape.size() == 0 || leaf.checked + leaf.failures == 0) return text + "\n";
  text +=
      fmt::format("; worst entry {}: autodiff {:.17g}, numeric {:.17g}",
                  entry_to_string(leaf.shape, leaf.worst), leaf.worst_autodiff, leaf.worst_numeric);
  const double error = std::abs(leaf.worst_autodiff - leaf.worst_numeric) / leaf.largest;
  if (std::isfinite(error)) text += fmt::format(", off by {:.1e} of the largest entry", error);
  return text + "\n";
}

std::string sweep_to_string(const LeafReport& leaf) {
  std::string text =
      fmt::format("{}, {}, at ten steps:\n{:>9} {:>24} {:>12} {:>9}\n", leaf.name,
                  leaf.sweep_of_direction ? "along the first direction that was not decided"
                                          : "entry " + entry_to_string(leaf.shape, leaf.worst),
                  "step", "numeric", "- autodiff", "noise");
  for (const SweepStep& row : leaf.sweep) {
    text += fmt::format("{:>9.0e} {:>24.16g} {:>12.1e} {:>9.1e}{}\n", row.step, row.numeric,
                        row.difference, row.floor, std::isnan(row.numeric) ? "  a kink" : "");
  }
  return text;
}

Json sweep_to_json(const std::vector<SweepStep>& sweep) {
  Json rows = Json::array();
  for (const SweepStep& row : sweep) {
    rows.push_back({{"step", row.step},
                    {"numeric", row.numeric},
                    {"difference", row.difference},
                    {"noise", row.floor}});
  }
  return rows;
}

/// Text that is not UTF-8 (a name may be anything) gets replacement characters.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_string(const GradcheckReport& report) {
  std::string text =
      fmt::format("gradcheck: {} (order {}, seed {}, {}entries to {:.0e}, directions to {:.0e})\n",
                  to_string(report.verdict), report.order, report.seed,
                  report.points > 1 ? fmt::format("{} points, ", report.points) : "",
                  report.tolerance_entry, report.tolerance_direction);
  const auto passes = [](const LeafReport& leaf) { return leaf.verdict == Verdict::pass; };
  const bool of_a_leaf = !std::all_of(report.leaves.begin(), report.leaves.end(), passes);
  if (!of_a_leaf && !report.reason.empty()) text += report.reason + "\n";
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
  bool swept = false;
  for (const LeafReport& leaf : report.leaves) {
    if (passes(leaf)) continue;
    text += failure_to_string(leaf, report.points > 1);
    if (leaf.sweep.empty() || std::exchange(swept, true)) continue;
    text += sweep_to_string(leaf);
  }
  return text;
}

std::string to_json(const GradcheckReport& report) {
  Json json{{"verdict", word(report.verdict)},
            {"reason", report.reason},
            {"order", report.order},
            {"seed", report.seed},
            {"points", report.points},
            {"tolerance_entry", report.tolerance_entry},
            {"tolerance_direction", report.tolerance_direction},
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
                              {"undecided_directions", leaf.undecided_directions},
                              {"largest", leaf.largest},
                              {"max_entry_error", leaf.max_entry_error},
                              {"direction_error", leaf.direction_error},
                              {"noise_floor", leaf.noise_floor},
                              {"worst_entry", place_of(leaf.shape, leaf.worst)},
                              {"worst_autodiff", leaf.worst_autodiff},
                              {"worst_numeric", leaf.worst_numeric},
                              {"point", leaf.point},
                              {"sweep", sweep_to_json(leaf.sweep)}});
  }
  return dump(json);
}

std::string to_string(const CompareReport& report) {
  std::string text = fmt::format("compare: {}\n", to_string(report.verdict));
  const std::size_t width = widest_name(report.rows);
  const auto shapes = [](const Comparison& row) {
    return row.shape == row.hand_shape
               ? to_string(row.shape)
               : fmt::format("{} for {}", to_string(row.hand_shape), to_string(row.shape));
  };
  std::size_t shape_width = 14;
  for (const Comparison& row : report.rows) shape_width = std::max(shape_width, shapes(row).size());
  text += fmt::format("{:<{}} {:>{}} {:>10} {:>10} {:>10} {:>10}  {}\n", "name", width, "shape",
                      shape_width, "norm-wise", "entry", "noise", "tolerance", "verdict");
  for (const Comparison& row : report.rows) {
    const std::string noise = row.noise ? fmt::format("{:.1e}", *row.noise) : "-";
    text += fmt::format("{:<{}} {:>{}} {:>10.1e} {:>10.1e} {:>10} {:>10.1e}  {}\n", row.name, width,
                        shapes(row), shape_width, row.norm_error, row.max_error, noise,
                        row.tolerance, to_string(row.verdict));
  }
  for (const Comparison& row : report.rows) {
    if (row.verdict != Verdict::pass) text += to_string(row) + "\n";
    if (!row.note.empty()) text += fmt::format("{}: {}\n", row.name, row.note);
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
                            {"noise", row.noise ? Json(*row.noise) : Json()},
                            {"note", row.note},
                            {"norm_error", row.norm_error},
                            {"max_error", row.max_error},
                            {"worst_entry", place_of(row.shape, row.worst)},
                            {"hand", row.hand},
                            {"expected", row.expected}});
  }
  return dump(json);
}

}  // namespace chainrule

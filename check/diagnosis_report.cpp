// What diagnose prints, for people and for programs.
#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace chainrule {

using Json = nlohmann::ordered_json;

std::string_view to_string(DiagnosisVerdict verdict) {
  switch (verdict) {
    case DiagnosisVerdict::right:
      return "right";
    case DiagnosisVerdict::wrong:
      return "wrong";
    case DiagnosisVerdict::cannot_decide:
      return "cannot_decide";
    case DiagnosisVerdict::shape:
      break;
  }
  return "shape";
}

namespace {

std::string dimensions(const Shape& shape) {
  if (shape.rank() == 0) return "a number";
  return fmt::format("{}", fmt::join(shape.dimensions(), " x "));
}

std::string name_of(const Finding& finding) {
  return finding.layer ? fmt::format("layer {}, {}", finding.layer, finding.tensor)
                       : finding.tensor;
}
std::string place(const Finding& finding) {
  return fmt::format("{} ({})", name_of(finding), dimensions(finding.shape));
}

/// That nothing but a constant factor is wrong.
bool is_scaled(const Finding& finding) {
  return finding.residual <= std::max(finding.tolerance, 1e-10) && finding.scale != 0;
}

/// "12" or "700 = N K"
std::string factor_of(const Finding& finding) {
  return fmt::format("{:.7g}{}", finding.scale,
                     finding.factor.empty() ? "" : " = " + finding.factor);
}

std::string verdict_line(const Finding& finding, const Finding* fault) {
  switch (finding.verdict) {
    case DiagnosisVerdict::right:
      if (!std::isfinite(finding.error)) return "right (zero, up to rounding)";
      return fmt::format("right (error {:.0e})", finding.error);
    case DiagnosisVerdict::cannot_decide:
      return "cannot decide: " + finding.reason;
    case DiagnosisVerdict::shape:
      return "WRONG SHAPE: " + finding.reason;
    case DiagnosisVerdict::wrong:
      break;
  }
  if (finding.is_first_fault) return "WRONG, first fault is here";
  if (!finding.mistakes.empty()) return "WRONG, by a fault of its own";
  if (finding.explained) return "wrong by the same mistake";
  if (finding.contaminated) return "wrong only because of what it is computed from";
  if (!std::isfinite(finding.error) && !finding.reason.empty()) return "WRONG: " + finding.reason;
  if (!is_scaled(finding)) return fmt::format("WRONG (error {:.1e})", finding.error);
  const bool as_above = fault && is_scaled(*fault) &&
                        std::abs(finding.scale - fault->scale) <=
                            std::max(1e-9, finding.tolerance) * std::abs(fault->scale);
  return fmt::format("WRONG, {} x the correct one{}", factor_of(finding),
                     as_above ? ", as in " + name_of(*fault) : "");
}

void print_mistake(std::string& text, const NamedMistake& mistake, std::string_view lead) {
  text += fmt::format("  {}{}\n", lead, mistake.text);
  for (const auto& [name, value] : mistake.parameters) {
    text += fmt::format("    with {} = {:.10g}\n", name, value);
  }
}

void print_formulas(std::string& text, const NamedMistake& mistake) {
  if (mistake.have.empty()) return;
  text += fmt::format("  you have      {}\n  it should be  {}\n", mistake.have, mistake.should);
}

void print_mistakes(std::string& text, const std::vector<NamedMistake>& mistakes) {
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    print_mistake(text, mistakes[i], i == 0 ? "this is what happens when: " : "or when: ");
  }
  if (!mistakes.empty()) print_formulas(text, mistakes.front());
}

void print_fault(std::string& text, const Diagnosis& d, const Finding& fault) {
  if (fault.verdict ==
      DiagnosisVerdict::shape) {  // its reason stands in its line, numbers say nothing
    print_mistakes(text, d.mistakes);
    return;
  }
  if (!fault.reason.empty()) text += "  " + fault.reason + "\n";
  if (is_scaled(fault)) {
    text += fmt::format("  gradient is {} x the correct one (residual {:.0e})\n", factor_of(fault),
                        fault.residual);
  } else if (fault.scale != 0) {
    text +=
        fmt::format("  norm-wise error {:.1e}, tolerance {:.0e}\n", fault.error, fault.tolerance);
  }
  print_mistakes(text, d.mistakes);
  for (const auto& [a, b] : d.pairs) {
    print_mistake(text, a, "this is what happens when two things come together: ");
    print_mistake(text, b, "and: ");
    print_formulas(text, b);
  }
  if (!d.mistakes.empty() || !d.pairs.empty()) return;
  text += "  no known mistake fits; the worst entries:\n";
  for (const WrongEntry& entry : fault.worst) {
    text += fmt::format("    {} {}: you have {:.10g}, it should be {:.10g}\n", fault.tensor,
                        entry_to_string(fault.shape, entry.index), entry.hand, entry.expected);
  }
}

/// Nine points of it, and a bar for each: how far yours reaches (*) and where the right one is (|).
void print_curve(std::string& text, const RecoveredCurve& curve) {
  double low = 0, high = 0;
  for (const auto* values : {&curve.hand, &curve.right}) {
    for (const double y : *values) low = std::min(low, y), high = std::max(high, y);
  }
  // In units of the largest, so that nothing overflows; what is not finite stands at the left.
  const double unit = std::max(high, -low);
  const auto column = [&](double y) {
    const double part = (y / unit - low / unit) / (high / unit - low / unit);
    return part >= 0 && part <= 1 ? static_cast<std::size_t>(40 * part) : 0;
  };
  text += fmt::format("  {:>9} {:>12} {:>12}   yours *, right |\n", "z", "your f'", "f'");
  const std::size_t points = std::min({curve.z.size(), curve.hand.size(), curve.right.size()});
  const std::size_t count = std::min<std::size_t>(9, points);
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = count < 2 ? 0 : k * (points - 1) / (count - 1);
    std::string bar(41, ' ');
    bar[column(curve.right[i])] = '|';
    bar[column(curve.hand[i])] = '*';
    text += fmt::format("  {:>9.4f} {:>12.6g} {:>12.6g}   {}\n", curve.z[i], curve.hand[i],
                        curve.right[i], bar.substr(0, bar.find_last_not_of(' ') + 1));
  }
}

}  // namespace

std::string to_string(const Diagnosis& d) {
  std::string text = fmt::format("diagnosis: {}\n", to_string(d.verdict));
  const auto found = std::ranges::find(d.findings, true, &Finding::is_first_fault);
  const Finding* fault = found == d.findings.end() ? nullptr : &*found;
  for (const Finding& finding : d.findings) {
    // What was recovered serves to locate; its own line says nothing that its dW's does not.
    if (finding.recovered) continue;
    text += fmt::format("{}: {}\n", place(finding), verdict_line(finding, fault));
    if (finding.is_first_fault) {
      print_fault(text, d, finding);
    } else {
      print_mistakes(text, finding.mistakes);
    }
  }
  for (const std::string& note : d.notes) text += note + "\n";
  if (d.curve) print_curve(text, *d.curve);
  return text;
}

std::string to_json(const Diagnosis& d) {
  const auto mistake = [](const NamedMistake& m) {
    Json parameters = Json::object();
    for (const auto& [name, value] : m.parameters) parameters[name] = value;
    return Json{
        {"id", m.id},         {"text", m.text},           {"layer", m.layer},      {"have", m.have},
        {"should", m.should}, {"parameters", parameters}, {"residual", m.residual}};
  };
  const auto mistakes_of = [&](const Finding& f) {
    Json list = Json::array();
    for (const NamedMistake& m : f.mistakes) list.push_back(mistake(m));
    return list;
  };
  const auto fault = std::ranges::find(d.findings, true, &Finding::is_first_fault);
  const bool has_fault = fault != d.findings.end();
  Json json{{"verdict", to_string(d.verdict)},
            {"layer", d.layer},
            {"tensor", d.tensor},
            {"scale", has_fault ? fault->scale : 1.0},
            {"residual", has_fault ? fault->residual : 0.0},
            {"mistakes", Json::array()},
            {"pairs", Json::array()},
            {"findings", Json::array()},
            {"notes", d.notes}};
  for (const NamedMistake& m : d.mistakes) json["mistakes"].push_back(mistake(m));
  for (const auto& [a, b] : d.pairs) json["pairs"].push_back({mistake(a), mistake(b)});
  for (const Finding& f : d.findings) {
    Json worst = Json::array();
    for (const WrongEntry& entry : f.worst) {
      worst.push_back({{"entry", entry_to_string(f.shape, entry.index)},
                       {"hand", entry.hand},
                       {"expected", entry.expected}});
    }
    json["findings"].push_back({{"layer", f.layer},
                                {"tensor", f.tensor},
                                {"shape", f.shape.dimensions()},
                                {"hand_shape", f.hand_shape.dimensions()},
                                {"verdict", to_string(f.verdict)},
                                {"reason", f.reason},
                                {"recovered", f.recovered},
                                {"is_first_fault", f.is_first_fault},
                                {"contaminated", f.contaminated},
                                {"explained", f.explained},
                                {"error", f.error},
                                {"tolerance", f.tolerance},
                                {"local_error", f.local_error},
                                {"scale", f.scale},
                                {"residual", f.residual},
                                {"factor", f.factor},
                                {"worst", worst},
                                {"mistakes", mistakes_of(f)}});
  }
  if (d.curve) {
    json["curve"] = {{"node", d.curve->node},   {"activation", d.curve->activation},
                     {"z", d.curve->z},         {"hand", d.curve->hand},
                     {"right", d.curve->right}, {"residual", d.curve->residual}};
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace chainrule

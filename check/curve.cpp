// The recovered derivative as a picture, in plain SVG: nothing need be installed to look at it.
#include <chainrule/check/diagnose.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace chainrule {

namespace {

constexpr double width = 640, height = 420;                     // of the picture
constexpr double left = 70, right = 20, top = 66, bottom = 52;  // margins
constexpr std::string_view hand_colour = "#d55e00", right_colour = "#0072b2";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return result;
}

/// What an axis shows, and where its ticks stand: multiples of 1, 2 or 5 times a power of ten.
struct Axis {
  double low = 0, high = 0, step = 1;

  void include(double x) { low = std::min(low, x), high = std::max(high, x); }
  void round() {
    if (!(high - low > 1e-290)) low -= 1, high += 1;
    const double raw = (high - low) / 6, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
      step = factor * power;
      if (step >= raw) break;
    }
    low = step * std::floor(low / step), high = step * std::ceil(high / step);
  }
  std::size_t ticks() const { return static_cast<std::size_t>(std::lround((high - low) / step)); }
  double tick(std::size_t i) const {
    const double x = low + static_cast<double>(i) * step;
    return std::abs(x) < 1e-6 * step ? 0 : x;
  }
};

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     text);
}

std::string line(double x1, double y1, double x2, double y2, std::string_view colour,
                 double thickness) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
      "stroke-width=\"{}\"/>\n",
      x1, y1, x2, y2, colour, thickness);
}

}  // namespace

std::string to_svg(const RecoveredCurve& curve) {
  const std::size_t count = std::min({curve.z.size(), curve.hand.size(), curve.right.size()});
  // Beyond it an axis would overflow; no NaN is below.
  const auto within = [](double x) { return std::abs(x) < 1e300; };
  const auto drawn = [&](std::size_t i) {
    return within(curve.z[i]) && within(curve.hand[i]) && within(curve.right[i]);
  };
  Axis across, up;  // both show 0: how f' lies to it is half of what it says
  for (std::size_t i = 0; i < count; ++i) {
    if (!drawn(i)) continue;
    across.include(curve.z[i]), up.include(curve.hand[i]), up.include(curve.right[i]);
  }
  across.round(), up.round();
  const auto x = [&](double z) {
    return left + (width - left - right) * (z - across.low) / (across.high - across.low);
  };
  const auto y = [&](double value) {
    return height - bottom - (height - top - bottom) * (value - up.low) / (up.high - up.low);
  };

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      width, height);
  svg += text_at(width / 2, 24, "middle",
                 fmt::format("f' at {}: yours, and that of {}", escaped(curve.node),
                             escaped(curve.activation)));
  for (std::size_t i = 0; i <= across.ticks(); ++i) {
    const double at = x(across.tick(i));
    svg += line(at, top, at, height - bottom, "#dddddd", across.tick(i) == 0 ? 2 : 0.7);
    svg += text_at(at, height - bottom + 18, "middle", fmt::format("{:.4g}", across.tick(i)));
  }
  for (std::size_t i = 0; i <= up.ticks(); ++i) {
    const double at = y(up.tick(i));
    svg += line(left, at, width - right, at, "#dddddd", up.tick(i) == 0 ? 2 : 0.7);
    svg += text_at(left - 8, at + 4.5, "end", fmt::format("{:.4g}", up.tick(i)));
  }
  svg += text_at((left + width - right) / 2, height - 12, "middle", "z");

  struct Line {
    std::string_view id, name, colour;
    const std::vector<double>& values;
  };
  const std::array lines{Line{"right", "the right f'", right_colour, curve.right},
                         Line{"hand", "your f'", hand_colour, curve.hand}};
  double key = left + 10;
  for (const Line& l : lines) {
    std::string points, marks;
    for (std::size_t i = 0; i < count; ++i) {
      if (!drawn(i)) continue;
      const double px = x(curve.z[i]), py = y(l.values[i]);
      points += fmt::format("{}{:.2f},{:.2f}", points.empty() ? "" : " ", px, py);
      marks += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"2.5\"/>\n", px, py);
    }
    svg += fmt::format(
        "<polyline id=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" points=\"{}\"/>\n"
        "<g fill=\"{}\">\n{}</g>\n",
        l.id, l.colour, points, l.colour, marks);
    svg += line(key, 46, key + 28, 46, l.colour, 2) + text_at(key + 36, 50.5, "start", l.name);
    key += 150;
  }
  return svg + "</svg>\n";
}

}  // namespace chainrule

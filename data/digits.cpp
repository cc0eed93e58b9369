#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/data/glyphs.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace chainrule {

namespace {

using detail::Point;
using detail::Stroke;

constexpr int side = 28;
constexpr std::int64_t first_validation = std::int64_t{1} << 31;

Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
Point operator*(double s, Point p) { return {s * p.x, s * p.y}; }
bool operator==(Point a, Point b) { return a.x == b.x && a.y == b.y; }

/// The random numbers of one image, taken in turn.
class Dice {
 public:
  Dice(std::uint64_t seed, std::int64_t image)
      : random_(seed, Purpose::digits, static_cast<std::uint32_t>(image)) {}

  double uniform(double low, double high) { return random_.uniform(index_++, low, high); }
  double normal(double deviation) { return deviation * random_.normal(index_++); }
  std::int32_t below(std::size_t count) {
    return static_cast<std::int32_t>(random_.below(index_++, count));
  }
  bool chance(double probability) { return random_.uniform(index_++) < probability; }
  /// Four words of a range that the others never reach: cheap noise.
  std::array<std::uint32_t, 4> words(std::uint64_t block) const {
    return random_.block((std::uint64_t{1} << 32) + block);
  }

 private:
  Random random_;
  std::uint64_t index_ = 0;
};

/// The paper: ink between 0 and 1 for each pixel.
class Paper {
 public:
  double& operator()(int row, int column) { return ink_[index(row, column)]; }

  /// A straight piece of a line with round ends, from `a` to `b` in pixels, its edges one pixel
  /// soft.
  void line(Point a, Point b, double radius) {
    const double reach = radius + 0.5;
    const auto range = [&](double p, double q) {
      const auto clip = [](double v) { return static_cast<int>(std::clamp(v, 0.0, side - 1.0)); };
      return std::pair{clip(std::ceil(std::min(p, q) - reach)),
                       clip(std::floor(std::max(p, q) + reach))};
    };
    const auto [left, right] = range(a.x, b.x);
    const auto [top, bottom] = range(a.y, b.y);
    const Point d = b - a;
    const double length2 = std::max(d.x * d.x + d.y * d.y, 1e-12);
    for (int row = top; row <= bottom; ++row) {
      for (int column = left; column <= right; ++column) {
        const Point p = Point{double(column), double(row)} - a;
        const double t = std::clamp((p.x * d.x + p.y * d.y) / length2, 0.0, 1.0);
        const Point off = p - t * d;
        const double distance2 = off.x * off.x + off.y * off.y;
        if (distance2 >= reach * reach) continue;
        double& ink = (*this)(row, column);
        ink = std::max(ink, std::min(1.0, reach - std::sqrt(distance2)));
      }
    }
  }

  /// Mixes each pixel with the mean of its four neighbours.
  void blur(double share) {
    const auto before = ink_;
    const auto at = [&](int row, int column) {
      return row < 0 || row >= side || column < 0 || column >= side
                 ? 0.0
                 : before[index(row, column)];
    };
    for (int r = 0; r < side; ++r) {
      for (int c = 0; c < side; ++c) {
        const double around = at(r - 1, c) + at(r + 1, c) + at(r, c - 1) + at(r, c + 1);
        (*this)(r, c) = (1 - share) * at(r, c) + share * around / 4;
      }
    }
  }

 private:
  static std::size_t index(int row, int column) {
    const int place = row * side + column;
    return static_cast<std::size_t>(place);
  }
  std::array<double, std::size_t{side} * side> ink_{};
};

/// How one image is written: slant, size, turn, place, pen, and how steady the hand is.
class Hand {
 public:
  explicit Hand(Dice& dice) {
    const double turn = dice.normal(0.13), slant = dice.normal(0.22) - 0.12;
    const double wide = 17.5 * std::exp(dice.normal(0.16)),
                 high = 19.5 * std::exp(dice.normal(0.09));
    const double c = std::cos(turn), s = std::sin(turn);
    // Scaled and slanted first (x += slant * y), turned afterwards.
    right_ = {wide * c, wide * s};
    down_ = {high * (slant * c - s), high * (slant * s + c)};
    const double middle = (side - 1) / 2.0;
    centre_ = {middle + dice.normal(1.3), middle + dice.normal(1.15)};
    radius_ = dice.uniform(0.55, 1.55);
    pressure_ = dice.normal(0.15);
    tremble_ = dice.uniform(0.02, 0.06);
    for (Wave& wave : waves_) {
      wave = {dice.normal(0.035), dice.uniform(2, 6), dice.uniform(0, 2 * std::numbers::pi)};
    }
  }

  /// Draws a stroke: its points displaced a little, then the spline through them.
  void draw(Stroke stroke, Dice& dice, Paper& paper) const {
    std::array<Point, most_points> points;
    const std::size_t count = stroke.size();
    for (std::size_t i = 0; i < count; ++i) {
      points[i] = i > 0 && stroke[i] == stroke[i - 1]
                      ? points[i - 1]
                      : stroke[i] + Point{dice.normal(tremble_), dice.normal(tremble_)};
    }
    // A Catmull-Rom spline: Hermite pieces whose tangents are half the chord of the neighbours.
    for (std::size_t i = 0; i + 1 < count; ++i) {
      const Point a = points[i], b = points[i + 1];
      if (a == b) continue;
      const Point from = 0.5 * (b - (i > 0 ? points[i - 1] : a));
      const Point to = 0.5 * ((i + 2 < count ? points[i + 2] : b) - a);
      Point last = place(a);
      for (int piece = 1; piece <= pieces; ++piece) {
        const double t = double(piece) / pieces, u = 1 - t;
        const Point next = place(u * u * (1 + 2 * t) * a + t * u * u * from +
                                 t * t * (1 + 2 * u) * b - t * t * u * to);
        const double along = (double(i) + t) / double(count - 1) - 0.5;
        paper.line(last, next, std::max(0.4, radius_ * (1 + pressure_ * along)));
        last = next;
      }
    }
  }

 private:
  static constexpr std::size_t most_points = 16;
  static constexpr int pieces = 5;
  struct Wave {
    double height, frequency, phase;
    double at(double v) const { return height * std::sin(frequency * v + phase); }
  };

  /// From a glyph's box to pixels. Slow waves bend the whole glyph.
  Point place(Point p) const {
    const double x = p.x - 0.5 + waves_[0].at(p.y) + waves_[1].at(p.x);
    const double y = p.y - 0.5 + waves_[2].at(p.x) + waves_[3].at(p.y);
    return centre_ + x * right_ + y * down_;
  }

  Point right_, down_, centre_;
  double radius_, pressure_, tremble_;
  std::array<Wave, 4> waves_;
};

/// Short scratches and dots that belong to no digit.
void scratch(Dice& dice, Paper& paper) {
  while (dice.chance(0.25)) {
    const Point a{dice.uniform(0, side - 1), dice.uniform(0, side - 1)};
    const Point b = a + Point{dice.normal(1.2), dice.normal(1.2)};
    paper.line(a, b, dice.uniform(0.2, 0.7));
  }
}

/// Ink to bytes, with noise: the sum of four bytes, near enough to normal, for each pixel.
void expose(Dice& dice, Paper& paper, std::uint8_t* pixels) {
  const double full = dice.uniform(190, 275), grain = dice.uniform(2, 18);
  constexpr double mean = 4 * 127.5, deviation = 147.8;  // of four bytes: 2 sqrt((256^2 - 1) / 12)
  std::array<std::uint32_t, 4> words{};
  for (int i = 0; i < side * side; ++i) {
    if (i % 4 == 0) words = dice.words(static_cast<std::uint64_t>(i) / 4);
    const std::uint32_t word = words[static_cast<std::size_t>(i % 4)];
    const double sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    const double value = full * paper(i / side, i % side) + grain * (sum - mean) / deviation;
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
  }
}

/// One image into `pixels`; returns its label.
std::int32_t draw_digit(Dice dice, std::uint8_t* pixels) {
  const std::int32_t label = dice.below(10);
  const auto styles = detail::styles_of(label);
  const auto& style = styles[static_cast<std::size_t>(dice.below(styles.size()))];
  const Hand hand(dice);
  Paper paper;
  for (const Stroke stroke : style) hand.draw(stroke, dice, paper);
  scratch(dice, paper);
  paper.blur(dice.uniform(0.0, 0.4));
  expose(dice, paper, pixels);
  return label;
}

}  // namespace

LabelledImages synthetic_digits(std::int64_t count, std::uint64_t seed, std::int64_t first,
                                SourceLocation location) {
  constexpr std::int64_t most = std::int64_t{1} << 32;
  if (count < 0 || first < 0 || first > most || count > most - first) {
    throw UsageError(
        "synthetic_digits",
        fmt::format("{} images from number {}: expected numbers 0 to 2^32 - 1", count, first),
        location);
  }
  LabelledImages result;
  result.images = {count, side, side, {}};
  result.images.pixels.resize(static_cast<std::size_t>(count * side * side));
  result.labels.resize(static_cast<std::size_t>(count));
  result.source = fmt::format("synthetic digits, seed {}", seed);
  for (std::int64_t i = 0; i < count; ++i) {
    result.labels[static_cast<std::size_t>(i)] =
        draw_digit(Dice(seed, first + i), result.images.pixels.data() + i * side * side);
  }
  return result;
}

Mnist synthetic_mnist(std::int64_t train_count, std::int64_t validation_count, std::uint64_t seed,
                      SourceLocation location) {
  if (train_count > first_validation) {
    throw UsageError("synthetic_mnist",
                     fmt::format("{} training images, expected at most 2^31", train_count),
                     location);
  }
  return {synthetic_digits(train_count, seed, 0, location),
          synthetic_digits(validation_count, seed, first_validation, location)};
}

}  // namespace chainrule

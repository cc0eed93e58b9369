// Tensors as text, as NumPy prints them with four digits after the point (numpy/_core/arrayprint.py
// is where the rules come from: columns, exponents, lines of 75 characters, summaries).
#include <chainrule/autograd/storage/tensor.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>

namespace chainrule {

namespace {

constexpr int precision = 4;
constexpr std::int64_t threshold = 1000;  // more elements than this are summarised,
constexpr std::int64_t edge = 3;          // to as many at either end of an axis
constexpr std::size_t line_width = 75;

/// The digits of a finite number, taken apart.
struct Digits {
  std::string whole, fraction, exponent;  // "-12", "5", "" or "-1", "25", "-07"
};

Digits take_apart(std::string_view text) {
  const std::size_t e = std::min(text.find('e'), text.size());
  const std::size_t point = std::min(text.find('.'), e);
  Digits result;
  result.whole = text.substr(0, point);
  if (point < e) result.fraction = text.substr(point + 1, e - point - 1);
  if (e < text.size()) result.exponent = text.substr(e + 1);
  return result;
}

/// x to `precision` digits after the point, fewer where fewer tell it from its neighbours.
template <class T>
Digits digits_of(T x, bool scientific) {
  char buffer[512];  // 1.8e308 in full, with room
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const char* end = std::to_chars(buffer, std::end(buffer), x, format).ptr;  // the shortest
  Digits result = take_apart({buffer, end});
  if (result.fraction.size() > precision) {
    end = std::to_chars(buffer, std::end(buffer), x, format, precision).ptr;
    result = take_apart({buffer, end});
    result.fraction.erase(result.fraction.find_last_not_of('0') + 1);
  }
  return result;
}

/// How all numbers of one tensor are written: in columns, by what is shown of them.
template <class T>
class Format {
 public:
  void see(T x) {
    if (!std::isfinite(x)) {
      not_finite_ = std::max<std::size_t>(not_finite_, std::isinf(x) && x < 0 ? 4 : 3);
      return;
    }
    seen_.push_back(x);
  }

  void choose() {
    T largest = 0, smallest = std::numeric_limits<T>::infinity();
    for (const T x : seen_) {
      if (x == 0) continue;
      largest = std::max(largest, std::abs(x));
      smallest = std::min(smallest, std::abs(x));
    }
    const T many = std::is_same_v<T, float> ? T(1e6) : T(1e8);
    scientific_ =
        largest > 0 && (largest >= many || smallest < 0.0001 || largest / smallest > 1000);
    for (const T x : seen_) {
      const Digits digits = digits_of(x, scientific_);
      left_ = std::max(left_, digits.whole.size());
      fraction_ = std::max(fraction_, digits.fraction.size());
      if (scientific_) exponent_ = std::max(exponent_, digits.exponent.size() - 1);
    }
    right_ = scientific_ ? exponent_ + 2 + fraction_ : fraction_;
    if (not_finite_ > right_ + 1) left_ = std::max(left_, not_finite_ - right_ - 1);
  }

  std::string operator()(T x) const {
    if (!std::isfinite(x)) {
      const char* text = std::isnan(x) ? "nan" : x < 0 ? "-inf" : "inf";
      return fmt::format("{:>{}}", text, left_ + right_ + 1);
    }
    if (!scientific_) {
      const Digits digits = digits_of(x, false);
      return fmt::format("{:>{}}.{:<{}}", digits.whole, left_, digits.fraction, right_);
    }
    const Digits digits = take_apart(fmt::format("{:.{}e}", x, fraction_));
    return fmt::format("{:>{}}.{}e{}{:0>{}}", digits.whole, left_, digits.fraction,
                       digits.exponent[0], digits.exponent.substr(1), exponent_);
  }

 private:
  std::vector<T> seen_;
  bool scientific_ = false;
  std::size_t not_finite_ = 0;  // characters of the longest of nan, inf and -inf that occurs
  std::size_t left_ = 0, right_ = 0, fraction_ = 0, exponent_ = 0;
};

/// A line of words that is broken where it would grow too long.
class Line {
 public:
  explicit Line(std::string indent) : indent_(std::move(indent)), line_(indent_) {}
  void add(std::string_view word, std::size_t width) {
    if (line_.size() + word.size() > width && line_.size() > indent_.size()) {
      line_.erase(line_.find_last_not_of(' ') + 1);
      text_ += line_ + '\n';
      line_ = indent_;
    }
    line_ += word;
  }
  void space() { line_ += ' '; }
  std::string text() const { return text_ + line_; }

 private:
  std::string indent_, text_, line_;
};

template <class T>
class Printer {
 public:
  explicit Printer(TensorView<const T> tensor)
      : tensor_(tensor), summary_(tensor.size() > threshold) {
    look(0, 0);
    format_.choose();
  }

  std::string text() const {
    if (tensor_.size() == 0) return "[]";
    if (tensor_.shape().rank() > 0) return axis(0, 0, " ", line_width);
    std::string scalar = format_(tensor_[0]);
    if (scalar.back() == '.') scalar += '0';
    return scalar;
  }

 private:
  bool summarised(int axis) const { return summary_ && tensor_.shape()[axis] > 2 * edge; }
  /// Calls f(i) for the indices of an axis that are shown, and gap() between its ends.
  template <class F, class Gap>
  void for_shown(int axis, F f, Gap gap) const {
    const std::int64_t count = tensor_.shape()[axis];
    const bool cut = summarised(axis);
    for (std::int64_t i = 0; i < (cut ? edge : count); ++i) f(i);
    if (!cut) return;
    gap();
    for (std::int64_t i = count - edge; i < count; ++i) f(i);
  }

  void look(int axis, std::int64_t offset) {
    if (tensor_.size() == 0) return;
    if (axis == tensor_.shape().rank()) return format_.see(tensor_[offset]);
    for_shown(
        axis, [&](std::int64_t i) { look(axis + 1, offset * tensor_.shape()[axis] + i); }, [] {});
  }

  std::string axis(int axis, std::int64_t offset, const std::string& indent,
                   std::size_t width) const {
    const std::int64_t count = tensor_.shape()[axis];
    const int left = tensor_.shape().rank() - axis;
    offset *= count;
    std::string text;
    if (left == 1) {
      Line line(indent);
      for_shown(
          axis,
          [&](std::int64_t i) {
            const bool last = i == count - 1;
            line.add(format_(tensor_[offset + i]), width - 1);
            if (!last) line.space();
          },
          [&] { line.add("...", width - 1), line.space(); });
      text = line.text();
    } else {
      const std::string end(static_cast<std::size_t>(left - 1), '\n');
      for_shown(
          axis,
          [&](std::int64_t i) {
            text += indent + this->axis(axis + 1, offset + i, indent + ' ', width - 1);
            if (i < count - 1) text += end;
          },
          [&] { text += indent + "..." + end; });
    }
    return '[' + text.substr(indent.size()) + ']';
  }

  TensorView<const T> tensor_;
  bool summary_;
  Format<T> format_;
};

}  // namespace

template <class T>
std::string to_string(TensorView<T> view) {
  return Printer<std::remove_const_t<T>>(view).text();
}

template <class T>
std::ostream& operator<<(std::ostream& out, TensorView<T> view) {
  return out << to_string(view);
}

#define CHAINRULE_INSTANTIATE(T)                 \
  template std::string to_string(TensorView<T>); \
  template std::ostream& operator<<(std::ostream&, TensorView<T>);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(const float)
CHAINRULE_INSTANTIATE(double)
CHAINRULE_INSTANTIATE(const double)
#undef CHAINRULE_INSTANTIATE

}  // namespace chainrule

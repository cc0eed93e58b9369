// Dual numbers: forward-mode derivatives, a witness that needs neither a tape nor a step size.
#pragma once

#include <cmath>
#include <type_traits>

namespace chainrule::reference {

/// value + derivative * e with e^2 = 0 (Clifford 1873; Wengert 1964). Seed one input's derivative
/// with 1: the derivative of any result is then d result / d input, exact but for rounding.
/// S is float, double, or any type whose exp, log, log1p and tanh are found by ADL.
/// Comparisons look at the value alone, so that a branch goes the way it goes for S.
template <class S>
struct Dual {
  S value{};       ///< of the expression
  S derivative{};  ///< with respect to the seeded input

  /// The constant 0.
  Dual() = default;
  /// v + d e; d = 1 seeds.
  Dual(const S& v, const S& d) : value(v), derivative(d) {}
  /// A constant.
  explicit Dual(const S& v) : value(v), derivative(0) {}
  /// A constant given as another built-in number.
  template <class Number>
  requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, S>) explicit Dual(Number v)
      : value(static_cast<S>(v)), derivative(0) {}

  /// (-a)' = -a'
  friend Dual operator-(const Dual& a) { return {-a.value, -a.derivative}; }
  /// (a + b)' = a' + b'
  friend Dual operator+(const Dual& a, const Dual& b) {
    return {a.value + b.value, a.derivative + b.derivative};
  }
  /// (a - b)' = a' - b'
  friend Dual operator-(const Dual& a, const Dual& b) {
    return {a.value - b.value, a.derivative - b.derivative};
  }
  /// (a b)' = a' b + a b'
  friend Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
  }
  /// (a / b)' = (a' - (a / b) b') / b
  friend Dual operator/(const Dual& a, const Dual& b) {
    const S quotient = a.value / b.value;
    return {quotient, (a.derivative - quotient * b.derivative) / b.value};
  }
  Dual& operator+=(const Dual& b) { return *this = *this + b; }  ///< *this + b
  Dual& operator-=(const Dual& b) { return *this = *this - b; }  ///< *this - b
  Dual& operator*=(const Dual& b) { return *this = *this * b; }  ///< *this b
  Dual& operator/=(const Dual& b) { return *this = *this / b; }  ///< *this / b

  /// Of the values alone.
  friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  /// Of the values alone.
  friend bool operator!=(const Dual& a, const Dual& b) { return a.value != b.value; }
  /// Of the values alone.
  friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  /// Of the values alone.
  friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  /// Of the values alone.
  friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  /// Of the values alone.
  friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }

  /// exp' = exp
  friend Dual exp(const Dual& a) {
    using std::exp;
    const S e = exp(a.value);
    return {e, e * a.derivative};
  }
  /// log' a = 1 / a
  friend Dual log(const Dual& a) {
    using std::log;
    return {log(a.value), a.derivative / a.value};
  }
  /// log1p' a = 1 / (1 + a)
  friend Dual log1p(const Dual& a) {
    using std::log1p;
    return {log1p(a.value), a.derivative / (S(1) + a.value)};
  }
  /// tanh' = 1 / cosh^2 = (2 / (exp(a) + exp(-a)))^2, which does not cancel as 1 - tanh^2 does.
  friend Dual tanh(const Dual& a) {
    using std::exp, std::tanh;
    const S sech = S(2) / (exp(a.value) + exp(-a.value));
    return {tanh(a.value), sech * sech * a.derivative};
  }
};

}  // namespace chainrule::reference

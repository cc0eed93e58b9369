// + - * / for Vars and numbers, and comparisons with numbers. ops.hpp includes it.
#pragma once

#include <chainrule/ops/ops.hpp>

namespace chainrule {

/// An operand of +, -, * and /: it is made from a Var or a number in the user's expression, and so
/// knows the user's line.
template <class V>
struct Operand {
  V value;                  ///< the Var or the number
  SourceLocation location;  ///< of the expression
  /// Implicit: the conversion is where the line is known.
  Operand(V operand, SourceLocation at = SourceLocation::current())
      : value(operand), location(at) {}
};
/// A Var, from which T is not deduced.
template <class T>
using VarOperand = Operand<Var<std::type_identity_t<T>>>;
/// A number, from which T is not deduced.
template <class T>
using NumberOperand = Operand<std::type_identity_t<T>>;

namespace detail {
/// A number beside x, on x's tape. x is checked first: an error leaves no constant behind.
template <class T>
Var<T> constant_beside(Var<T> x, T value, SourceLocation location,
                       std::string_view operation = "div") {
  x.tape(location).expect_own(x, operation, location);
  return x.tape(location).constant(value, {}, location);
}
}  // namespace detail

/// a + b, broadcasting: add.
template <class T>
Var<T> operator+(Var<T> a, VarOperand<T> b) {
  return add(a, b.value, b.location);
}
/// a - b, broadcasting: sub.
template <class T>
Var<T> operator-(Var<T> a, VarOperand<T> b) {
  return sub(a, b.value, b.location);
}
/// a b, entry by entry, broadcasting: mul.
template <class T>
Var<T> operator*(Var<T> a, VarOperand<T> b) {
  return mul(a, b.value, b.location);
}
/// a / b, entry by entry, broadcasting: div.
template <class T>
Var<T> operator/(Var<T> a, VarOperand<T> b) {
  return div(a, b.value, b.location);
}
/// a + b for a number b: shift.
template <class T>
Var<T> operator+(Var<T> a, NumberOperand<T> b) {
  return shift(a, b.value, b.location);
}
/// a - b for a number b: shift.
template <class T>
Var<T> operator-(Var<T> a, NumberOperand<T> b) {
  return shift(a, -b.value, b.location);
}
/// a b for a number b: scale.
template <class T>
Var<T> operator*(Var<T> a, NumberOperand<T> b) {
  return scale(a, b.value, b.location);
}
/// a / b for a number b: div by a constant.
template <class T>
Var<T> operator/(Var<T> a, NumberOperand<T> b) {
  return div(a, detail::constant_beside(a, b.value, b.location), b.location);
}
/// a + b for a number a: shift.
template <class T>
Var<T> operator+(NumberOperand<T> a, Var<T> b) {
  return shift(b, a.value, a.location);
}
/// a - b for a number a: neg and shift.
template <class T>
Var<T> operator-(NumberOperand<T> a, Var<T> b) {
  return shift(neg(b, a.location), a.value, a.location);
}
/// a b for a number a: scale.
template <class T>
Var<T> operator*(NumberOperand<T> a, Var<T> b) {
  return scale(b, a.value, a.location);
}
/// a / b for a number a: a constant, and div.
template <class T>
Var<T> operator/(NumberOperand<T> a, Var<T> b) {
  return div(detail::constant_beside(b, a.value, a.location), b, a.location);
}
/// -x. (No templates: there a lone operand would not be converted, and its line not known.)
inline Var<float> operator-(VarOperand<float> x) { return neg(x.value, x.location); }
/// The same in double.
inline Var<double> operator-(VarOperand<double> x) { return neg(x.value, x.location); }

// The comparisons and choices of ops.hpp beside a number, which becomes a constant.

/// 1 where x > bound, else 0. No gradient flows.
template <class T>
Var<T> greater(Var<T> x, std::type_identity_t<T> bound,
               SourceLocation location = SourceLocation::current()) {
  return greater(x, detail::constant_beside(x, bound, location, "greater"), location);
}
/// 1 where x = value, else 0. No gradient flows.
template <class T>
Var<T> equal(Var<T> x, std::type_identity_t<T> value,
             SourceLocation location = SourceLocation::current()) {
  return equal(x, detail::constant_beside(x, value, location, "equal"), location);
}
/// The larger of x and a number.  dx = g where x > bound, g / 2 where they are equal, else 0.
template <class T>
Var<T> maximum(Var<T> x, std::type_identity_t<T> bound,
               SourceLocation location = SourceLocation::current()) {
  return maximum(x, detail::constant_beside(x, bound, location, "maximum"), location);
}
/// The smaller of x and a number.  dx = g where x < bound, g / 2 where they are equal, else 0.
template <class T>
Var<T> minimum(Var<T> x, std::type_identity_t<T> bound,
               SourceLocation location = SourceLocation::current()) {
  return minimum(x, detail::constant_beside(x, bound, location, "minimum"), location);
}

}  // namespace chainrule

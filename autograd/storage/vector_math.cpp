// Highway compiles this file once per instruction set, each time in a namespace of its own, and the
// processor's best one is chosen at the first call. SSSE3 is left out: it would serve only
// processors made before 2008, which get the portable code (Highway's SCALAR) instead. What is left
// on x86-64 is SSE4, AVX2 and AVX3 (AVX-512).
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS HWY_SSSE3
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <chainrule/autograd/storage/vector_math.cpp>
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <chainrule/autograd/storage/vector_math.hpp>
#include <limits>
#include <type_traits>

// Outside the namespaces of the instruction sets, hence once.
#ifndef CHAINRULE_VECTOR_MATH_KERNELS
#define CHAINRULE_VECTOR_MATH_KERNELS
namespace chainrule::vector_math::detail {
/// The functions of one instruction set.
template <class T>
struct Kernels {
  const char* target;
  void (*exp)(std::int64_t, const T*, T*);
  void (*log)(std::int64_t, const T*, T*);
  void (*sigmoid)(std::int64_t, const T*, T*);
  void (*scaled_tanh)(std::int64_t, T, T, const T*, T*);
  void (*scaled_sech_squared)(std::int64_t, T, T, const T*, T*);
};
}  // namespace chainrule::vector_math::detail
#endif

HWY_BEFORE_NAMESPACE();
namespace chainrule::vector_math::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
struct Constants;
template <>
struct Constants<float> {
  static constexpr int mantissa_bits = 23, bias = 127;
  static constexpr int degree = 8;  // of the Taylor series: the rest is below 1e-9 of exp(r) - 1
  static constexpr float round = 0x1.8p23f;  // adding it leaves an integer in the low bits
  static constexpr std::uint32_t round_bits = 0x4B400000;
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860682030941723212e-6f;
  static constexpr float exp_is_zero = -104, exp_is_infinite = 89;
  // Two factors 2^-126 still reach the first. A large factor that lends 64 of its exponents makes
  // the second one count, too.
  static constexpr float smallest_scale = -170, smallest_scale_lent = -196;
  static constexpr int lent_bits = 64;
};
template <>
struct Constants<double> {
  static constexpr int mantissa_bits = 52, bias = 1023;
  static constexpr int degree = 13;  // the rest is below 2e-17 of exp(r) - 1
  static constexpr double round = 0x1.8p52;
  static constexpr std::uint64_t round_bits = 0x4338000000000000;
  static constexpr double ln2_high = 0.693147180369123816490, ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_is_zero = -746, exp_is_infinite = 710;
  static constexpr double smallest_scale = -1400, smallest_scale_lent = -1460;
  static constexpr int lent_bits = 512;
};

// clang-format off
constexpr double inverse_factorial[] = {
    1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
    1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
// clang-format on

/// exp(x) = (1 + p) 2^q with p = exp(r) - 1, r = x - q ln 2, |r| <= ln(2) / 2. Highway's own Exp
/// hands out the product alone, which has lost p near 0 (for tanh) and below 2^-126 (for sech^2).
template <class D>
struct Exponential {
  hn::Vec<D> p;
  hn::Vec<hn::Rebind<hwy::MakeUnsigned<hn::TFromD<D>>, D>> q;  // plus twice the exponent bias
};

/// Of x + x_low, where x is clamped to what two factors of 2^(q/2) can scale, and x_low is tiny.
template <class D, class V = hn::Vec<D>>
HWY_INLINE Exponential<D> exponential(D d, V x, V x_low) {
  using T = hn::TFromD<D>;
  using C = Constants<T>;
  using U = hwy::MakeUnsigned<T>;
  const hn::Rebind<U, D> du;
  const V round = hn::Set(d, C::round);
  const V shifted = hn::MulAdd(x, hn::Set(d, static_cast<T>(1.44269504088896340736)), round);
  const V q = hn::Sub(shifted, round);
  V r = hn::NegMulAdd(q, hn::Set(d, C::ln2_high), x);  // exact: ln2_high has few digits
  r = hn::Add(hn::NegMulAdd(q, hn::Set(d, C::ln2_low), r), x_low);
  V sum = hn::Set(d, static_cast<T>(inverse_factorial[C::degree]));
  for (int k = C::degree - 1; k >= 2; --k) {
    sum = hn::MulAdd(sum, r, hn::Set(d, static_cast<T>(inverse_factorial[k])));
  }
  return {
      hn::MulAdd(hn::Mul(r, r), sum, r),
      hn::Sub(hn::BitCast(du, shifted), hn::Set(du, static_cast<U>(C::round_bits - 2 * C::bias)))};
}

/// value 2^q, in two steps, of which only the last one can round, overflow or underflow; q is given
/// plus twice the bias.
template <class D, class V = hn::Vec<D>, class Q>
HWY_INLINE V scale(D d, V value, Q q) {
  constexpr int bits = Constants<hn::TFromD<D>>::mantissa_bits;
  const Q half = hn::ShiftRight<1>(q);
  const V first = hn::BitCast(d, hn::ShiftLeft<bits>(half));
  const V second = hn::BitCast(d, hn::ShiftLeft<bits>(hn::Sub(q, half)));
  return hn::Mul(hn::Mul(value, first), second);
}

/// The rounding error of product = a b: exact unless the error underflows.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V product_error(D d, V a, V b, V product) {
#if HWY_NATIVE_FMA
  (void)d;
  return hn::MulSub(a, b, product);
#else
  // T. J. Dekker, A floating-point technique for extending the available precision, 1971: the upper
  // and lower halves of the digits multiply without error.
  using U = hwy::MakeUnsigned<hn::TFromD<D>>;
  const hn::Rebind<U, D> du;
  constexpr int low_digits = (Constants<hn::TFromD<D>>::mantissa_bits + 2) / 2;
  const V upper = hn::BitCast(d, hn::Set(du, static_cast<U>(~U{0} << low_digits)));
  const V ah = hn::And(a, upper), bh = hn::And(b, upper);
  const V al = hn::Sub(a, ah), bl = hn::Sub(b, bh);
  const V high = hn::Add(hn::Sub(hn::Mul(ah, bh), product), hn::Mul(ah, bl));
  const V error = hn::Add(hn::Add(high, hn::Mul(al, bh)), hn::Mul(al, bl));
  // Below this the partial products underflow, and no error is better than a wrong one.
  using Limits = std::numeric_limits<hn::TFromD<D>>;
  const V smallest = hn::Set(d, Limits::min() / Limits::epsilon());
  return hn::IfThenElseZero(hn::Gt(hn::Abs(product), smallest), error);
#endif
}

/// `value`, or x where x is NaN: comparisons and Min and Max lose it on the way.
template <class V>
HWY_INLINE V keep_nan(V x, V value) {
  return hn::IfThenElse(hn::IsNaN(x), x, value);
}

template <class T>
struct Exp {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using C = Constants<T>;
    const V clamped =
        hn::Min(hn::Max(x, hn::Set(d, C::exp_is_zero)), hn::Set(d, C::exp_is_infinite));
    const auto e = exponential(d, clamped, hn::Zero(d));
    return keep_nan(x, scale(d, hn::Add(hn::Set(d, T(1)), e.p), e.q));
  }
};

template <class T>
struct Log {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using Limits = std::numeric_limits<T>;
    const V zero = hn::Zero(d), infinity = hn::Set(d, Limits::infinity());
    // Highway's Log knows no special values.
    V special = hn::IfThenElse(hn::Lt(x, zero), hn::Set(d, Limits::quiet_NaN()), x);
    special = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), special);
    const auto ordinary = hn::And(hn::Gt(x, zero), hn::Lt(x, infinity));
    return hn::IfThenElse(ordinary, hn::Log(d, x), special);
  }
};

template <class T>
struct Sigmoid {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = hn::Set(d, T(1));
    const V argument = hn::Max(hn::Neg(hn::Abs(x)), hn::Set(d, Constants<T>::exp_is_zero));
    const auto exponent = exponential(d, argument, hn::Zero(d));
    const V e = scale(d, hn::Add(one, exponent.p), exponent.q);
    const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
    return keep_nan(x, hn::Div(numerator, hn::Add(one, e)));
  }
};

template <class T>
struct ScaledTanh {
  T outer, inner;

  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    using C = Constants<T>;
    const V one = hn::Set(d, T(1)), limit = hn::Set(d, T(-40));
    const V factor = hn::Set(d, inner), result_factor = hn::Set(d, outer);
    const V u = hn::Mul(factor, x);
    // tanh |u| = -m / (2 + m) with m = exp(-2 |u|) - 1, which is -1 long before the limit.
    const V wanted = hn::Mul(hn::Set(d, T(-2)), hn::Abs(u));
    const auto e = exponential(d, hn::Max(wanted, limit), hn::Zero(d));
    const auto bias = hn::Set(hn::Rebind<hwy::MakeUnsigned<T>, D>(), C::bias);
    const V power = hn::BitCast(d, hn::ShiftLeft<C::mantissa_bits>(hn::Sub(e.q, bias)));
    const V m = hn::MulAdd(e.p, power, hn::Sub(power, one));
    const V tanh = hn::CopySign(hn::Div(m, hn::Add(hn::Set(d, T(2)), m)), u);
    // To first order in the rounding error of u: tanh' = 1 - tanh^2.
    const V error = hn::IfThenElseZero(hn::Gt(wanted, limit), product_error(d, factor, x, u));
    const V correction = hn::Mul(error, hn::NegMulAdd(tanh, tanh, one));
    const V y = hn::MulAdd(result_factor, tanh, hn::Mul(result_factor, correction));
    // The correction, +0, would turn -0 into +0.
    const auto as_it_is = hn::Or(hn::IsNaN(u), hn::Eq(u, hn::Zero(d)));
    return hn::IfThenElse(as_it_is, hn::Mul(result_factor, u), y);
  }
};

template <class T>
struct ScaledSechSquared {
  T outer, inner;

  /// 2^-lent_bits
  static constexpr T lent() {
    T result = 1;
    for (int i = 0; i < Constants<T>::lent_bits; ++i) result /= 2;
    return result;
  }

  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = hn::Set(d, T(1)), minus_two = hn::Set(d, T(-2)), factor = hn::Set(d, inner);
    const V u = hn::Mul(factor, x);
    const V wanted = hn::Mul(minus_two, hn::Abs(u));
    using C = Constants<T>;
    const bool lends = outer > 1 || outer < -1;
    const V smallest = hn::Set(d, lends ? C::smallest_scale_lent : C::smallest_scale);
    // The rounding error of u counts: exp would make 2 |u| times as much of it.
    const V error = hn::Xor(product_error(d, factor, x, u), hn::And(hn::SignBit(d), u));
    const V low = hn::IfThenElseZero(hn::Gt(wanted, smallest), hn::Mul(minus_two, error));
    const auto exponent = exponential(d, hn::Max(wanted, smallest), low);
    // Far below the last digit of 1, where the scale may be out of its range, e is 0.
    const V e = hn::IfThenElseZero(hn::Gt(wanted, hn::Set(d, T(-100))),
                                   scale(d, hn::Add(one, exponent.p), exponent.q));
    // (1 + e)^2 as 1 + e (2 + e) and outer (1 + p) as outer p + outer round less often. 4 e is
    // (1 + p) 2^(q + 2), scaled last, so that nothing underflows before the result does.
    const V square = hn::MulAdd(e, hn::Add(hn::Set(d, T(2)), e), one);
    const V factor_kept = hn::Set(d, lends ? outer * lent() : outer);
    const V numerator = hn::MulAdd(factor_kept, exponent.p, factor_kept);
    const V quotient = hn::Div(numerator, square);
    using U = hwy::MakeUnsigned<T>;
    const auto power = hn::Set(hn::Rebind<U, D>(), static_cast<U>(lends ? 2 + C::lent_bits : 2));
    return keep_nan(u, scale(d, quotient, hn::Add(exponent.q, power)));
  }
};

/// y = f(x). The last few entries go through a full vector in a buffer, so that every entry sees
/// the same instructions wherever it stands.
template <class T, class F>
HWY_INLINE void for_each(std::int64_t n, const T* x, T* y, F f) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  for (std::int64_t k = i; k < n; ++k) buffer[k - i] = x[k];
  hn::Store(f(d, hn::Load(d, buffer)), d, buffer);
  for (std::int64_t k = i; k < n; ++k) y[k] = buffer[k - i];
}

template <class T>
void exp(std::int64_t n, const T* x, T* y) {
  for_each(n, x, y, Exp<T>{});
}
template <class T>
void log(std::int64_t n, const T* x, T* y) {
  for_each(n, x, y, Log<T>{});
}
template <class T>
void sigmoid(std::int64_t n, const T* x, T* y) {
  for_each(n, x, y, Sigmoid<T>{});
}
template <class T>
void scaled_tanh(std::int64_t n, T outer, T inner, const T* x, T* y) {
  for_each(n, x, y, ScaledTanh<T>{outer, inner});
}
template <class T>
void scaled_sech_squared(std::int64_t n, T outer, T inner, const T* x, T* y) {
  for_each(n, x, y, ScaledSechSquared<T>{outer, inner});
}

template <class T>
constexpr detail::Kernels<T> kernels(const char* target) {
  return {target, exp<T>, log<T>, sigmoid<T>, scaled_tanh<T>, scaled_sech_squared<T>};
}
detail::Kernels<float> float_kernels() { return kernels<float>(hwy::TargetName(HWY_TARGET)); }
detail::Kernels<double> double_kernels() { return kernels<double>(hwy::TargetName(HWY_TARGET)); }

}  // namespace chainrule::vector_math::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace chainrule::vector_math {

namespace {

HWY_EXPORT(float_kernels);
HWY_EXPORT(double_kernels);

template <class T>
detail::Kernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(float_kernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(double_kernels)();
  }
}

}  // namespace

template <class T>
void exp(std::int64_t n, const T* x, T* y) {
  kernels<T>().exp(n, x, y);
}
template <class T>
void log(std::int64_t n, const T* x, T* y) {
  kernels<T>().log(n, x, y);
}
template <class T>
void sigmoid(std::int64_t n, const T* x, T* y) {
  kernels<T>().sigmoid(n, x, y);
}
template <class T>
void scaled_tanh(std::int64_t n, T outer, T inner, const T* x, T* y) {
  kernels<T>().scaled_tanh(n, outer, inner, x, y);
}
template <class T>
void scaled_sech_squared(std::int64_t n, T outer, T inner, const T* x, T* y) {
  kernels<T>().scaled_sech_squared(n, outer, inner, x, y);
}

std::string_view target() { return kernels<float>().target; }

template void exp(std::int64_t, const float*, float*);
template void exp(std::int64_t, const double*, double*);
template void log(std::int64_t, const float*, float*);
template void log(std::int64_t, const double*, double*);
template void sigmoid(std::int64_t, const float*, float*);
template void sigmoid(std::int64_t, const double*, double*);
template void scaled_tanh(std::int64_t, float, float, const float*, float*);
template void scaled_tanh(std::int64_t, double, double, const double*, double*);
template void scaled_sech_squared(std::int64_t, float, float, const float*, float*);
template void scaled_sech_squared(std::int64_t, double, double, const double*, double*);

}  // namespace chainrule::vector_math
#endif  // HWY_ONCE

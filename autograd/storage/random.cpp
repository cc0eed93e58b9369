#include <Random123/philox.h>

#include <chainrule/autograd/storage/error.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace chainrule {

namespace {

__extension__ using Uint128 = unsigned __int128;

/// ln x for a normal x > 0, from IEEE arithmetic alone. The C library's log may differ in its last
/// bit from one version or processor to the next, and these numbers must not.
double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752440) m *= 2, --exponent;
  // ln m = 2 artanh s, where |s| < 0.172: twelve terms are enough.
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
  return exponent * 0.69314718055994530942 + 2 * s * sum;
}

double polynomial(const std::array<double, 8>& coefficients, double x) {
  double sum = 0;
  for (std::size_t i = coefficients.size(); i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

// Coefficients of AS 241, PPND16, lowest power first: the centre, the tails, the far tails.
constexpr std::array<double, 8> a{3.3871328727963666080e0, 1.3314166789178437745e2,
                                  1.9715909503065514427e3, 1.3731693765509461125e4,
                                  4.5921953931549871457e4, 6.7265770927008700853e4,
                                  3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr std::array<double, 8> b{1.0,
                                  4.2313330701600911252e1,
                                  6.8718700749205790830e2,
                                  5.3941960214247511077e3,
                                  2.1213794301586595867e4,
                                  3.9307895800092710610e4,
                                  2.8729085735721942674e4,
                                  5.2264952788528545610e3};
constexpr std::array<double, 8> c{1.42343711074968357734e0,  4.63033784615654529590e0,
                                  5.76949722146069140550e0,  3.64784832476320460504e0,
                                  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr std::array<double, 8> d{1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
constexpr std::array<double, 8> e{6.65790464350110377720e0,  5.46378491116411436990e0,
                                  1.78482653991729133580e0,  2.96560571828504891230e-1,
                                  2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr std::array<double, 8> f{1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};

constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

std::array<std::uint32_t, 4> Random::block(std::uint64_t block) const {
  const r123::Philox4x32::ctr_type counter{
      {low(block), high(block), epoch_, static_cast<std::uint32_t>(purpose_)}};
  const r123::Philox4x32::key_type key{{low(seed_), high(seed_)}};
  const auto words = r123::Philox4x32()(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

std::uint64_t Random::bits(std::uint64_t index) const {
  const auto words = block(index / 2);
  const std::size_t half = index % 2 * 2;
  return std::uint64_t{words[half + 1]} << 32 | words[half];
}

double Random::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 12) * 0x1p-52 + 0x1p-53;
}

double Random::normal(std::uint64_t index) const { return normal_quantile(uniform(index)); }

std::uint64_t Random::below(std::uint64_t index, std::uint64_t count) const {
  if (count == 0) throw UsageError("Random::below", "a count of 0: expected at least 1");
  return static_cast<std::uint64_t>(Uint128{bits(index)} * count >> 64);
}

std::vector<std::int32_t> Random::permutation(std::int32_t count) const {
  if (count < 0) {
    throw UsageError("Random::permutation",
                     "a count of " + std::to_string(count) + ": expected at least 0");
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  permute(order);
  return order;
}

void Random::permute(std::vector<std::int32_t>& order) const {
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i-- > 1;) std::swap(order[i], order[below(i, i + 1)]);
}

double normal_quantile(double p) {
  if (!(p > 0 && p < 1)) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return p == 0 ? -infinity : p == 1 ? infinity : std::numeric_limits<double>::quiet_NaN();
  }
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                          : polynomial(e, r - 5) / polynomial(f, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace chainrule

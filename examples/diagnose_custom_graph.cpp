// A fused kernel's backward pass, derived by hand, and what diagnose says of mistakes in it: layer
// normalisation, gelu and a residual connection in one loop over the rows, as one writes it for a
// GPU. The tape has the same graph as a composition; nothing here knows which mistake was made.
//
//   h = x W + b,  n = (h - mean h) / sqrt(var h + epsilon),  s = gamma n + beta,  y = x + gelu(s),
//   loss = mean (y - t)^2
//
// Exit status 1 when a mistake is not named, or the right derivation is accused.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <iostream>
#include <numbers>
#include <string_view>
#include <vector>

using namespace chainrule;

namespace {

constexpr std::int64_t B = 16, D = 24;  // rows, width
constexpr double epsilon = 1e-5;

enum class Plant {
  none,
  gelu_term,      // gelu'(s) = Phi(s), without s phi(s)
  gelu_by_tanh,   // the derivative of gelu's form by tanh
  gamma,          // gamma is missing on the way to n
  mean_term,      // what dh gets through the mean is lost
  variance_term,  // what dh gets through the variance is lost
  variance_sum,   // the variance's 1/D is missing
  residual,       // x gets nothing through the residual connection
  sign,           // of dbeta's path
};

struct Gradients {
  Tensor<double> dx{Shape{B, D}}, dw{Shape{D, D}}, db{Shape{D}}, dgamma{Shape{D}}, dbeta{Shape{D}};
};

/// The kernel: one pass over the rows, from the saved h and y.
Gradients backward(const Tensor<double>& x, const Tensor<double>& w, TensorView<const double> h,
                   const Tensor<double>& gamma, const Tensor<double>& beta,
                   TensorView<const double> y, const Tensor<double>& t, Plant plant) {
  Gradients g;
  std::vector<double> n(D), dn(D), dh(D);
  for (std::int64_t row = 0; row < B; ++row) {
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < D; ++j) mean += h(row, j) / D;
    for (std::int64_t j = 0; j < D; ++j) variance += (h(row, j) - mean) * (h(row, j) - mean) / D;
    const double inverse = 1 / std::sqrt(variance + epsilon);
    double dinverse = 0;
    for (std::int64_t j = 0; j < D; ++j) {
      const auto i = static_cast<std::size_t>(j);
      n[i] = (h(row, j) - mean) * inverse;
      const double s = gamma[j] * n[i] + beta[j];
      const double dy = 2 * (y(row, j) - t(row, j)) / static_cast<double>(B * D);
      const double Phi = std::erfc(-s / std::numbers::sqrt2) / 2;
      const double phi = std::exp(-s * s / 2) / std::sqrt(2 * std::numbers::pi);
      double slope = Phi + s * phi;
      if (plant == Plant::gelu_term) slope = Phi;
      if (plant == Plant::gelu_by_tanh) {
        const double c = std::sqrt(2 / std::numbers::pi), u = c * (s + 0.044715 * s * s * s);
        const double th = std::tanh(u);
        slope = (1 + th) / 2 + s / 2 * (1 - th * th) * c * (1 + 3 * 0.044715 * s * s);
      }
      double ds = dy * slope;
      if (plant == Plant::sign) ds = -ds;
      g.dbeta[j] += ds;
      g.dgamma[j] += ds * n[i];
      dn[i] = plant == Plant::gamma ? ds : ds * gamma[j];
      dinverse += dn[i] * (h(row, j) - mean);
      g.dx(row, j) += plant == Plant::residual ? 0 : dy;
    }
    double dvariance = -0.5 * inverse * inverse * inverse * dinverse;
    if (plant == Plant::variance_term) dvariance = 0;
    const double count = plant == Plant::variance_sum ? 1 : D;
    double dmean = 0;
    for (std::int64_t j = 0; j < D; ++j) {
      const auto i = static_cast<std::size_t>(j);
      dh[i] = dn[i] * inverse + dvariance * 2 * (h(row, j) - mean) / count;
      dmean -= dh[i];
    }
    if (plant == Plant::mean_term) dmean = 0;
    for (std::int64_t j = 0; j < D; ++j) {
      const auto i = static_cast<std::size_t>(j);
      dh[i] += dmean / D;
      g.db[j] += dh[i];
      for (std::int64_t k = 0; k < D; ++k) {
        g.dw(k, j) += x(row, k) * dh[i];
        g.dx(row, k) += w(k, j) * dh[i];
      }
    }
  }
  return g;
}

Tensor<double> random(const Shape& shape, double size, double offset, std::uint32_t sequence) {
  const Random stream(7, Purpose::weights, sequence);
  Tensor<double> result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    result[i] = offset + size * stream.normal(static_cast<std::uint64_t>(i));
  }
  return result;
}

}  // namespace

int main() {
  const Tensor<double> x = random({B, D}, 1, 0, 0), w = random({D, D}, 0.2, 0, 1),
                       b = random({D}, 0.1, 0, 2), gamma = random({D}, 0.3, 1, 3),
                       beta = random({D}, 0.2, 0, 4), t = random({B, D}, 1, 0, 5);
  Tape<double> tape;
  const auto X = named(tape.input(x), "x"), W = named(tape.input(w), "W"),
             bias = named(tape.input(b), "b"), scale_ = named(tape.input(gamma), "gamma"),
             shift_ = named(tape.input(beta), "beta");
  const auto h = named(linear(X, W, bias), "h");
  const auto centred = named(h - mean(h, {1}, true), "centred");
  const auto variance_ = named(mean(square(centred), {1}, true), "variance");
  const auto inverse = named(pow(variance_ + epsilon, -0.5), "inverse");
  const auto n = named(centred * inverse, "n");
  const auto s = named(n * scale_ + shift_, "s");
  const auto y = named(X + gelu(s), "y");
  const auto loss = mse(y, tape.input(t));

  struct Case {
    Plant plant;
    std::string_view what, id;
  };
  const Case cases[] = {
      {Plant::none, "the right derivation", ""},
      {Plant::gelu_term, "gelu'(s) = Phi(s)", "other-activation-derivative"},
      {Plant::gelu_by_tanh, "gelu' of the form by tanh", "other-activation-derivative"},
      {Plant::gamma, "gamma left out of dn", "factor-missing"},
      {Plant::mean_term, "the mean's term left out of dh", "contribution-lost"},
      {Plant::variance_term, "the variance's term left out of dh", "contribution-lost"},
      {Plant::variance_sum, "1/D left out of the variance", "mean-as-sum"},
      {Plant::residual, "the residual connection left out of dx", "contribution-lost"},
      {Plant::sign, "a sign", "sign"},
  };
  int failures = 0;
  for (const auto& [plant, what, id] : cases) {
    const Gradients g = backward(x, w, h.value(), gamma, beta, y.value(), t, plant);
    const Diagnosis d =
        diagnose(loss, {{"dgamma", g.dgamma}, {"dbeta", g.dbeta}, {"dW", g.dw}, {"dx", g.dx}});
    std::cout << "--- " << what << "\n" << to_string(d) << "\n";
    bool found = id.empty() ? d.verdict == DiagnosisVerdict::right : false;
    for (const NamedMistake& mistake : d.mistakes) found |= mistake.id == id;
    if (!found) ++failures, std::cout << "NOT NAMED\n";
  }
  return failures ? 1 : 0;
}

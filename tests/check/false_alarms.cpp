// Right derivations are not accused: random networks of all kinds and magnitudes, trained and
// confident ones too, whose gradients are derived as the textbook writes them, in double and in
// float. CHAINRULE_ROUNDS is the number of networks (default 400; scripts/confusion.sh: 10,000).
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/check/planted_step.hpp"

using namespace planted_step;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr int default_rounds = 100;
#else
constexpr int default_rounds = 400;
#endif

/// The textbook's derivation in T: f' = a (1 - a), dZ = (m yhat - y) / N, every sum a plain loop.
template <class T>
Gradient textbook(const Problem<double>& p) {
  const Network& network = p.network;
  const int layers = network.layers();
  const std::int64_t N = p.samples;
  const auto cast = [](const std::vector<double>& values) {
    return std::vector<T>(values.begin(), values.end());
  };
  const auto width = [&](int l) { return network.widths[static_cast<std::size_t>(l)]; };
  std::vector<std::vector<T>> a{cast(p.X)}, slopes{{}}, weights{{}};
  for (int l = 1; l <= layers; ++l) {
    const auto index = static_cast<std::size_t>(l) - 1;
    const std::int64_t in = width(l - 1), out = width(l);
    weights.push_back(cast(p.W[index]));
    const std::vector<T> b = network.biases ? cast(p.b[index]) : std::vector<T>();
    std::vector<T> z(static_cast<std::size_t>(N * out)), slope(z.size());
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t j = 0; j < out; ++j) {
        T sum = b.empty() ? T(0) : b[static_cast<std::size_t>(j)];
        for (std::int64_t i = 0; i < in; ++i) {
          sum += a.back()[static_cast<std::size_t>(n * in + i)] *
                 weights.back()[static_cast<std::size_t>(i * out + j)];
        }
        z[static_cast<std::size_t>(n * out + j)] = sum;
      }
    }
    for (std::size_t i = 0; i < z.size() && l < layers; ++i) {
      const T x = z[i];
      switch (network.activation) {
        case Activation::sigmoid:
          z[i] = 1 / (1 + std::exp(-x));
          slope[i] = z[i] * (1 - z[i]);
          break;
        case Activation::improved_sigmoid:
          z[i] = T(1.7159) * std::tanh(2 * x / 3);
          slope[i] = T(1.7159) * 2 / 3 * (1 - std::tanh(2 * x / 3) * std::tanh(2 * x / 3));
          break;
        case Activation::tanh:
          z[i] = std::tanh(x);
          slope[i] = 1 - z[i] * z[i];
          break;
        case Activation::relu:
          z[i] = x > 0 ? x : 0;
          slope[i] = x > 0 ? T(1) : T(0);
          break;
      }
    }
    a.push_back(std::move(z)), slopes.push_back(std::move(slope));
  }
  std::vector<T> delta = a.back();  // the logits
  const std::int64_t classes = width(layers);
  for (std::int64_t n = 0; n < N; ++n) {
    T* row = delta.data() + n * classes;
    const T largest = *std::max_element(row, row + classes);
    T sum = 0, mass = 0;
    for (std::int64_t k = 0; k < classes; ++k) sum += row[k] = std::exp(row[k] - largest);
    const auto y = [&](std::int64_t k) {
      return static_cast<T>(p.Y[static_cast<std::size_t>(n * classes + k)]);
    };
    for (std::int64_t k = 0; k < classes; ++k) mass += y(k);
    for (std::int64_t k = 0; k < classes; ++k) {
      row[k] = (mass * (row[k] / sum) - y(k)) / static_cast<T>(N);
    }
  }
  Gradient result;
  for (int l = layers; l >= 1; --l) {
    const auto index = static_cast<std::size_t>(l);
    const std::int64_t in = width(l - 1), out = width(l);
    std::vector<T> dw(static_cast<std::size_t>(in * out)), db(static_cast<std::size_t>(out));
    std::vector<T> below(static_cast<std::size_t>(N * in));
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t j = 0; j < out; ++j) {
        const T d = delta[static_cast<std::size_t>(n * out + j)];
        db[static_cast<std::size_t>(j)] += d;
        for (std::int64_t i = 0; i < in; ++i) {
          const auto ij = static_cast<std::size_t>(i * out + j);
          dw[ij] += a[index - 1][static_cast<std::size_t>(n * in + i)] * d;
          below[static_cast<std::size_t>(n * in + i)] += weights[index][ij] * d;
        }
      }
    }
    const auto widen = [](const std::vector<T>& values, const Shape& shape) {
      return Tensor<double>(shape, std::vector<double>(values.begin(), values.end()));
    };
    result.names.push_back(fmt::format("dW{}", l));
    result.values.push_back(widen(dw, network.weight_shape(l)));
    if (network.biases) {
      result.names.push_back(fmt::format("db{}", l));
      result.values.push_back(widen(db, network.bias_shape(l)));
    }
    if (l == 1) break;
    delta = std::move(below);
    for (std::size_t i = 0; i < delta.size(); ++i) delta[i] *= slopes[index - 1][i];
  }
  return result;
}

/// All numbers of the problem rounded to T: both sides then start from the same ones.
template <class T>
void round_to(Problem<double>& p) {
  const auto round = [](std::vector<double>& values) {
    for (double& x : values) x = static_cast<double>(static_cast<T>(x));
  };
  round(p.X), round(p.Y);
  for (auto& w : p.W) round(w);
  for (auto& b : p.b) round(b);
}

template <class T>
void check_many(std::uint64_t seed, int largest_share_undecided) {
  const char* text = std::getenv("CHAINRULE_ROUNDS");
  const int rounds = (text ? std::atoi(text) : default_rounds) / 2;
  int undecided = 0;
  for (int round = 0; round < rounds; ++round) {
    Source source(seed + static_cast<std::uint64_t>(round));
    const Network network =
        draw_network(source, round % 3, 1 + round % 4, problems::activations[round / 4 % 4],
                     source.between(0, 1) == 1);
    Step step(source, network, source.between(0, 3) == 0, false);
    // inputs of other magnitudes, and weights so large that units saturate and winners are certain
    const double inputs = std::pow(10.0, source.uniform(-4, 2));
    const double weights = source.between(0, 1) == 0 ? 1 : std::pow(10.0, source.uniform(-1, 1.5));
    if (source.between(0, 1) == 1) {
      for (double& x : step.problem.X) x *= inputs;
    }
    for (auto& w : step.problem.W) {
      for (double& x : w) x *= weights;
    }
    round_to<T>(step.problem);
    const Diagnosis diagnosis = step.diagnose<T>(textbook<T>(step.problem));
    undecided += diagnosis.verdict == DiagnosisVerdict::cannot_decide;
    BOOST_TEST(static_cast<bool>(diagnosis), "round " << round << ", " << step.describe()
                                                      << ", weights x " << weights << ":\n"
                                                      << to_string(diagnosis));
    BOOST_TEST(diagnosis.mistakes.empty());
  }
  BOOST_TEST_MESSAGE(rounds << " networks, " << undecided << " undecided");
  // a diagnosis that never decides would accuse nobody
  BOOST_TEST(undecided * 100 <= largest_share_undecided * rounds, undecided << " of " << rounds);
}

}  // namespace

// Weights so small that the gradients of the lower layers underflow: what float loses there is no
// mistake.
BOOST_AUTO_TEST_CASE(right_in_float_below_its_smallest_numbers) {
  int vanished = 0;
  for (std::uint64_t round = 0; round < 40; ++round) {
    Source source(4'000'000 + round);
    const Network network =
        draw_network(source, static_cast<int>(round % 3), 2 + static_cast<int>(round % 3),
                     problems::activations[round / 4 % 4], round % 2 == 1);
    Step step(source, network, false, false);
    const double weights = std::pow(10.0, source.uniform(-24, -8));
    for (auto& w : step.problem.W) {
      for (double& x : w) x *= weights;
    }
    round_to<float>(step.problem);
    const Gradient gradient = textbook<float>(step.problem);
    vanished += std::ranges::any_of(gradient.values, [](const Tensor<double>& value) {
      return std::ranges::all_of(value, [](double x) { return std::abs(x) < 1e-38; });
    });
    const Diagnosis diagnosis = step.diagnose<float>(gradient);
    BOOST_TEST(static_cast<bool>(diagnosis), "round " << round << ", " << step.describe()
                                                      << ", weights x " << weights << ":\n"
                                                      << to_string(diagnosis));
    BOOST_TEST(diagnosis.mistakes.empty());
  }
  BOOST_TEST(vanished >= 5);
}

BOOST_AUTO_TEST_CASE(right_in_double) { check_many<double>(1'000'000, 20); }
BOOST_AUTO_TEST_CASE(right_in_float) { check_many<float>(2'000'000, 50); }

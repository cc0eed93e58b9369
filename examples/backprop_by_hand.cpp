// Every gradient of a small character model, derived by hand and written as plain loops, beside the
// tape's, by name: embedding -> linear -> batch normalisation -> tanh -> linear -> cross-entropy.
//
// The model predicts the next letter of a name from the three before it (Bengio, Ducharme, Vincent,
// Jauvin: A neural probabilistic language model, 2003). Exit status 1 when a derivation is wrong.
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/compare.hpp>
#include <chainrule/ops/ops.hpp>
#include <cmath>
#include <iostream>
#include <string_view>
#include <vector>

using namespace chainrule;

namespace {

constexpr std::string_view names[] = {"emma",   "olivia",    "ava",     "isabella",
                                      "sophia", "charlotte", "mia",     "amelia",
                                      "harper", "evelyn",    "abigail", "emily"};
constexpr std::int64_t letters = 27;  // a to z, and the end of a name as 0
constexpr std::int64_t context = 3, width = 10, hidden = 64;
constexpr double epsilon = 1e-5;  // of the batch normalisation

std::int32_t index_of(char letter) { return letter - 'a' + 1; }

Tensor<double> normal(const Shape& shape, double deviation, std::uint32_t sequence) {
  const Random random(42, Purpose::weights, sequence);
  Tensor<double> tensor(shape);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    tensor[i] = deviation * random.normal(static_cast<std::uint64_t>(i));
  }
  return tensor;
}

/// Every letter of the names with the `context` letters before it.
void read_names(std::vector<std::int32_t>& before, std::vector<std::int32_t>& next) {
  for (const std::string_view name : names) {
    std::int32_t last[context] = {0, 0, 0};
    for (std::size_t i = 0; i <= name.size(); ++i) {
      const std::int32_t letter = i < name.size() ? index_of(name[i]) : 0;
      before.insert(before.end(), last, last + context);
      next.push_back(letter);
      last[0] = last[1], last[1] = last[2], last[2] = letter;
    }
  }
}

}  // namespace

int main() {
  std::vector<std::int32_t> before, next;
  read_names(before, next);
  const auto N = static_cast<std::int64_t>(next.size());

  const Tensor<double> C = normal({letters, width}, 1, 0);
  const Tensor<double> W1 = normal({context * width, hidden}, 1 / std::sqrt(30.0), 1);
  const Tensor<double> b1 = normal({hidden}, 0.1, 2);
  Tensor<double> gain = normal({hidden}, 0.1, 3), shift_ = normal({hidden}, 0.1, 4);
  for (double& g : gain) g += 1;
  const Tensor<double> W2 = normal({hidden, letters}, 1 / std::sqrt(64.0), 5);
  const Tensor<double> b2 = normal({letters}, 0.1, 6);

  // --- on the tape -----------------------------------------------------------------------------
  Tape<double> tape;
  const auto c = named(tape.input(C), "C"), w1 = named(tape.input(W1), "W1"),
             v1 = named(tape.input(b1), "b1"), bn_gain = named(tape.input(gain), "gain"),
             bn_shift = named(tape.input(shift_), "shift"), w2 = named(tape.input(W2), "W2"),
             v2 = named(tape.input(b2), "b2");
  const auto embedded = named(gather_rows(c, before), "embedded");     // (3 N, 10)
  const auto x = named(reshape(embedded, {N, context * width}), "X");  // (N, 30)
  const auto z1 = named(linear(x, w1, v1), "Z1");                      // (N, 64)
  const auto centred = named(z1 - mean(z1, {0}, true), "centred");
  const auto variance_ = named(mean(centred * centred, {0}, true), "variance");  // (1, 64)
  const auto inverse = named(pow(variance_ + epsilon, -0.5), "inverse");
  const auto normalised = named(centred * inverse, "normalised");
  const auto scaled = named(normalised * bn_gain + bn_shift, "scaled");
  const auto a1 = named(tanh(scaled), "A1");
  const auto z2 = named(linear(a1, w2, v2), "Z2");  // (N, 27)
  const auto loss = softmax_cross_entropy_with_indices(z2, next);
  gradients(loss, {c, w1, v1, bn_gain, bn_shift, w2, v2});

  // --- by hand ---------------------------------------------------------------------------------
  const auto H = hidden, K = letters, I = context * width;
  const auto value = [&](const char* name) { return tape.find(name).value(); };
  const auto A1 = value("A1"), X = value("X"), Xhat = value("normalised"), D = value("centred"),
             inv = value("inverse"), Z2 = value("Z2");
  Tensor<double> dZ2({N, K}), dA1({N, H}), dW2({H, K}), db2({K}), dscaled({N, H}), dgain({H}),
      dshift({H}), dnormalised({N, H}), dinverse({1, H}), dvariance({1, H}), dcentred({N, H}),
      dZ1({N, H}), dX({N, I}), dW1({I, H}), db1({H}), dembedded({context * N, width}),
      dC({K, width});

  for (std::int64_t n = 0; n < N; ++n) {
    // dZ2 = (softmax(Z2) - onehot) / N
    double top = Z2(n, 0), total = 0;
    for (std::int64_t k = 0; k < K; ++k) top = std::max(top, Z2(n, k));
    for (std::int64_t k = 0; k < K; ++k) total += std::exp(Z2(n, k) - top);
    for (std::int64_t k = 0; k < K; ++k) {
      const double p = std::exp(Z2(n, k) - top) / total;
      dZ2(n, k) = (p - (next[static_cast<std::size_t>(n)] == k ? 1 : 0)) / static_cast<double>(N);
    }
    // Z2 = A1 W2 + b2
    for (std::int64_t k = 0; k < K; ++k) {
      db2[k] += dZ2(n, k);
      for (std::int64_t j = 0; j < H; ++j) {
        dW2(j, k) += A1(n, j) * dZ2(n, k);
        dA1(n, j) += dZ2(n, k) * W2(j, k);
      }
    }
    // A1 = tanh(scaled), scaled = gain normalised + shift, normalised = centred inverse
    for (std::int64_t j = 0; j < H; ++j) {
      dscaled(n, j) = dA1(n, j) * (1 - A1(n, j) * A1(n, j));
      dgain[j] += dscaled(n, j) * Xhat(n, j);
      dshift[j] += dscaled(n, j);
      dnormalised(n, j) = dscaled(n, j) * gain[j];
      dinverse[j] += dnormalised(n, j) * D(n, j);
    }
  }
  // inverse = (variance + epsilon)^(-1/2), variance = the mean of centred^2
  for (std::int64_t j = 0; j < H; ++j) {
    dvariance[j] = -0.5 * inv[j] * inv[j] * inv[j] * dinverse[j];
    double sum = 0;
    for (std::int64_t n = 0; n < N; ++n) {
      dcentred(n, j) =
          dnormalised(n, j) * inv[j] + dvariance[j] * 2 * D(n, j) / static_cast<double>(N);
      sum += dcentred(n, j);
    }
    // centred = Z1 - mean(Z1)
    for (std::int64_t n = 0; n < N; ++n) dZ1(n, j) = dcentred(n, j) - sum / static_cast<double>(N);
  }
  for (std::int64_t n = 0; n < N; ++n) {
    // Z1 = X W1 + b1
    for (std::int64_t j = 0; j < H; ++j) {
      db1[j] += dZ1(n, j);
      for (std::int64_t i = 0; i < I; ++i) {
        dW1(i, j) += X(n, i) * dZ1(n, j);
        dX(n, i) += dZ1(n, j) * W1(i, j);
      }
    }
    // X holds the rows of C of three letters; a letter that comes again adds to its row again.
    for (std::int64_t i = 0; i < I; ++i) {
      const std::int64_t place = context * n + i / width;
      dembedded(place, i % width) = dX(n, i);
      dC(before[static_cast<std::size_t>(place)], i % width) += dX(n, i);
    }
  }

  // The bias before a batch normalisation does nothing: db1 is zero but for rounding, which has no
  // digits to compare. It is put beside the terms that it is the sum of instead.
  double left = 0, size = 0;
  for (const double d : db1) left = std::max(left, std::abs(d));
  for (const double d : dZ1) size = std::max(size, std::abs(d));

  std::cout << "loss " << loss.item() << " on " << N << " letters\n";
  const auto report = compare(tape, {{"dZ2", dZ2},
                                     {"dA1", dA1},
                                     {"dW2", dW2},
                                     {"db2", db2},
                                     {"dscaled", dscaled},
                                     {"dgain", dgain},
                                     {"dshift", dshift},
                                     {"dnormalised", dnormalised},
                                     {"dinverse", dinverse},
                                     {"dvariance", dvariance},
                                     {"dcentred", dcentred},
                                     {"dZ1", dZ1},
                                     {"dX", dX},
                                     {"dW1", dW1},
                                     {"dembedded", dembedded},
                                     {"dC", dC}});
  std::cout << to_string(report);
  const bool vanishes = left <= 1e-14 * size * static_cast<double>(N);
  std::cout << "db1 "
            << (vanishes ? "vanishes, as it must before a batch normalisation\n"
                         : "does not vanish before a batch normalisation\n");
  return report && vanishes ? 0 : 1;
}

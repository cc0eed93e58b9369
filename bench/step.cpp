// One training step of a classifier I-H-K under the bias trick, four ways: a plain hand-written
// OpenBLAS step, the vectorised hand derivation, the tape replayed, and the tape recorded anew.
//
// Usage: step [rounds]. Medians over the rounds in microseconds; ratios are medians of the ratios to
// the hand-written step within a round, so that they hold when the machine's speed drifts.
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/autograd/storage/vector_math.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/sgd.hpp>
#include <chainrule/optim/training.hpp>
#include <chainrule/reference/vectorised.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "timing.hpp"

using namespace chainrule;

namespace {

constexpr std::int64_t inputs = 785, classes = 10;

void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a,
          const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, ta == CblasTrans ? m : k, b,
              tb == CblasTrans ? k : n, 0.0f, c, n);
}
void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a,
          const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, ta == CblasTrans ? m : k, b,
              tb == CblasTrans ? k : n, 0.0, c, n);
}
void axpy(int n, float alpha, const float* x, float* y) { cblas_saxpy(n, alpha, x, 1, y, 1); }
void axpy(int n, double alpha, const double* x, double* y) { cblas_daxpy(n, alpha, x, 1, y, 1); }

/// The step as one writes it by hand for speed: buffers once, cblas directly, a (1 - a) for the
/// sigmoid's derivative, yhat - y for the output error, vectorised exponentials.
template <class T>
class HandWritten {
 public:
  HandWritten(int rows, int hidden)
      : n_(rows), h_(hidden), w1_(Shape{inputs, hidden}), w2_(Shape{hidden, classes}),
        dw1_(w1_.shape()), dw2_(w2_.shape()), a1_(Shape{rows, hidden}), dz1_(a1_.shape()),
        yhat_(Shape{rows, classes}), dz2_(yhat_.shape()) {}

  T operator()(const T* x, const T* y, T rate) {
    const int in = static_cast<int>(inputs), k = static_cast<int>(classes);
    gemm(CblasNoTrans, CblasNoTrans, n_, h_, in, x, w1_.data(), a1_.data());
    vector_math::sigmoid(a1_.size(), a1_.data(), a1_.data());
    gemm(CblasNoTrans, CblasNoTrans, n_, k, h_, a1_.data(), w2_.data(), yhat_.data());
    T loss = 0;
    for (int row = 0; row < n_; ++row) {
      T* z = yhat_.data() + row * k;
      const T top = *std::max_element(z, z + k);
      for (int j = 0; j < k; ++j) z[j] -= top;
    }
    vector_math::exp(yhat_.size(), yhat_.data(), dz2_.data());
    for (int row = 0; row < n_; ++row) {
      T total = 0;
      for (int j = 0; j < k; ++j) total += dz2_(row, j);
      const T log_total = std::log(total);
      for (int j = 0; j < k; ++j) {
        loss -= y[row * k + j] * (yhat_(row, j) - log_total);
        dz2_(row, j) = (dz2_(row, j) / total - y[row * k + j]) / static_cast<T>(n_);
      }
    }
    gemm(CblasTrans, CblasNoTrans, h_, k, n_, a1_.data(), dz2_.data(), dw2_.data());
    gemm(CblasNoTrans, CblasTrans, n_, h_, k, dz2_.data(), w2_.data(), dz1_.data());
    for (std::int64_t i = 0; i < dz1_.size(); ++i) dz1_[i] *= a1_[i] * (1 - a1_[i]);
    gemm(CblasTrans, CblasNoTrans, in, h_, n_, x, dz1_.data(), dw1_.data());
    axpy(static_cast<int>(w1_.size()), -rate, dw1_.data(), w1_.data());
    axpy(static_cast<int>(w2_.size()), -rate, dw2_.data(), w2_.data());
    return loss / static_cast<T>(n_);
  }
  Tensor<T>& w1() { return w1_; }
  Tensor<T>& w2() { return w2_; }

 private:
  int n_, h_;
  Tensor<T> w1_, w2_, dw1_, dw2_, a1_, dz1_, yhat_, dz2_;
};

template <class T>
void measure(std::int64_t rows, std::int64_t hidden, int rounds) {
  const T rate = T(1e-4);
  Tensor<T> x(Shape{rows, inputs}), y(Shape{rows, classes});
  const Random random(1, Purpose::test);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(random.normal(static_cast<std::uint64_t>(i)));
  }
  for (std::int64_t row = 0; row < rows; ++row) y(row, row % classes) = 1;

  const MlpOptions options{.widths = {inputs, hidden, classes}, .seed = 7};
  Mlp<T> by_hand(options), derived(options), replayed(options), recorded(options);

  HandWritten<T> hand(static_cast<int>(rows), static_cast<int>(hidden));
  hand.w1() = Tensor<T>(by_hand.parameters()[0].value());
  hand.w2() = Tensor<T>(by_hand.parameters()[1].value());

  reference::Backpropagation<T> reference({.widths = options.widths}, rows);
  const std::vector<TensorView<const T>> weights{derived.parameters()[0].value(),
                                                 derived.parameters()[1].value()};

  TrainingStep<T> replay{Classifier<T>(replayed)};
  Sgd<T> replay_sgd(replayed.parameters(), {.learning_rate = rate});
  Tape<T> tape;
  Sgd<T> record_sgd(recorded.parameters(), {.learning_rate = rate});

  const auto record = [&] {
    tape.clear();
    const Var<T> targets = tape.input(y);
    const Var<T> loss = softmax_cross_entropy(recorded(tape, tape.input(x)), targets);
    Parameters<T>& parameters = recorded.parameters();
    const auto found =
        gradients(loss, {tape.parameter(parameters[0]), tape.parameter(parameters[1])});
    for (std::size_t i = 0; i < found.size(); ++i) {
      std::copy(found[i].value().begin(), found[i].value().end(), parameters[i].gradient().begin());
    }
    record_sgd.step(parameters);
    return loss.item();
  };
  const std::vector<std::pair<std::string, std::function<T()>>> variants{
      {"hand-written", [&] { return hand(x.data(), y.data(), rate); }},
      {"derivation",
       [&] {
         const T loss = reference.run(x, y, weights);
         Parameters<T>& parameters = derived.parameters();
         T* w = parameters.mutable_values().data();
         for (int l = 1; l <= 2; ++l) {
           blas::axpy(reference.dW(l).size(), -rate, reference.dW(l).data(), w);
           w += reference.dW(l).size();
         }
         return loss;
       }},
      {"replay",
       [&] {
         const T loss = replay(x, y);
         replay_sgd.step(replayed.parameters());
         return loss;
       }},
      {"re-record", record}};

  const double flops = 4.0 * static_cast<double>(rows * inputs * hidden);
  const int repeat = std::max(1, static_cast<int>(2e7 / flops * 4));
  std::vector<std::vector<double>> times(variants.size());
  for (int round = -2; round < rounds; ++round) {
    for (std::size_t v = 0; v < variants.size(); ++v) {
      // Each round begins with another variant, so that none always follows the same one.
      const std::size_t which = (v + static_cast<std::size_t>(round + 2)) % variants.size();
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < repeat; ++i) variants[which].second();
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      if (round >= 0) times[which].push_back(took.count() / repeat);
    }
  }

  // The four must have walked the same path, or their times compare nothing.
  const double loss = variants[0].second();
  for (const auto& [name, step] : variants) {
    const double other = name == "hand-written" ? loss : step();
    if (!(std::abs(other - loss) <= 1e-2 * std::abs(loss))) {
      fmt::print(stderr, "step: the loss of {} is {}, and {} by hand\n", name, other, loss);
      std::exit(1);
    }
  }

  fmt::print("{:<6} ({:>3}, {:>3})", std::is_same_v<T, float> ? "float" : "double", rows, hidden);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < times[v].size(); ++round) {
      ratios.push_back(times[v][round] / times[0][round]);
    }
    if (v == 0) {
      fmt::print(" {:>12.1f}", bench::median(times[v]));
    } else {
      fmt::print(" {:>9.1f} ({:.2f})", bench::median(times[v]), bench::median(ratios));
    }
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 101;
  if (rounds < 1) {
    fmt::print(stderr, "step: '{}' rounds: expected a number of at least 1\n", argv[1]);
    return 2;
  }
  blas::set_threads(1);
  fmt::print("{}, vector math {}, 1 thread, {} rounds\n", blas::description(),
             vector_math::target(), rounds);
  fmt::print("microseconds a step, and the ratio to the hand-written one\n");
  fmt::print("{:<18} {:>12} {:>16} {:>16} {:>16}\n", "(batch, hidden)", "hand-written",
             "derivation", "replay", "re-record");
  for (const auto& [rows, hidden] : {std::pair{1, 64}, {32, 64}, {256, 64}, {32, 512}}) {
    measure<float>(rows, hidden, rounds);
  }
  for (const auto& [rows, hidden] : {std::pair{1, 64}, {32, 64}, {256, 64}, {32, 512}}) {
    measure<double>(rows, hidden, rounds);
  }
}

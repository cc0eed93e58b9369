// What a diagnosis costs: the 785-64-10 network with 100 rows of synthetic digits on one core, for
// a right derivation, some planted mistakes, and a gradient that is in no catalogue, for which all
// is tried: every mistake, every pair, every rule altered.
//
//   diagnosis [ROUNDS]
//
// The exit status is 1 when a mistake is not named, or a name is given where there is none.
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/check/diagnose.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/ops/ops.hpp>
#include <chainrule/reference/mistakes.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "timing.hpp"

using namespace chainrule;
using reference::Mistake;
using reference::Plant;

namespace {

constexpr std::int64_t samples = 100, inputs = 785, hidden = 64, classes = 10;

struct Batch {
  Tensor<double> x{{samples, inputs}}, y{{samples, classes}};

  Batch() {
    const LabelledImages digits = synthetic_digits(samples, 0);
    for (std::int64_t n = 0; n < samples; ++n) {
      for (std::int64_t i = 0; i + 1 < inputs; ++i) {
        x(n, i) = digits.images.pixels[static_cast<std::size_t>(n * (inputs - 1) + i)] / 255.0;
      }
      x(n, inputs - 1) = 1;
      y(n, digits.labels[static_cast<std::size_t>(n)]) = 1;
    }
  }
};

struct Case {
  std::string_view what;
  std::vector<Plant> plants;
  double noise = 0;  // relative, on every entry of dW1
  std::string_view id;
};

template <class T>
class Bench {
 public:
  explicit Bench(const Batch& batch)
      : batch_(batch), x_(batch.x.cast<T>()), y_(batch.y.cast<T>()) {}

  /// Milliseconds of CPU; negative where the answer is not the expected one.
  double measure(const Case& c, bool deltas, int rounds) {
    const Tensor<double> w1(model_.parameters()[0].value().shape(), doubles(0)),
        w2(model_.parameters()[1].value().shape(), doubles(1));
    auto values = reference::planted(
        {{inputs, hidden, classes}, reference::Activation::improved_sigmoid},
        {samples, batch_.x.span(), batch_.y.span(), {w1.span(), w2.span()}, {}}, c.plants);
    const Random random(1, Purpose::test);
    for (std::int64_t i = 0; i < values.dW[0].size(); ++i) {
      values.dW[0][i] *= 1 + c.noise * random.uniform(static_cast<std::uint64_t>(i), -1, 1);
    }
    const Tensor<T> dw1 = values.dW[0].template cast<T>(), dw2 = values.dW[1].template cast<T>(),
                    dz1 = values.dZ[0].template cast<T>(), dz2 = values.dZ[1].template cast<T>();
    std::vector<NamedValue<T>> hand{{"dW1", dw1}, {"dW2", dw2}};
    if (deltas) hand.push_back({"dZ1", dz1}), hand.push_back({"dZ2", dz2});

    Tape<T> tape;
    const Var<T> loss = softmax_cross_entropy(model_(tape, tape.input(x_)), tape.input(y_));
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round) {
      const double start = bench::seconds();
      const Diagnosis diagnosis = diagnose(loss, std::span<const NamedValue<T>>(hand));
      times.push_back(bench::seconds() - start);
      const bool named = std::ranges::any_of(diagnosis.mistakes,
                                             [&](const NamedMistake& m) { return m.id == c.id; });
      const bool right = c.plants.empty() && c.noise == 0;
      if (named == c.id.empty() || static_cast<bool>(diagnosis) != right) return -1;
    }
    return 1000 * bench::median(times);
  }

 private:
  std::vector<double> doubles(std::size_t parameter) const {
    const auto value = model_.parameters()[parameter].value();
    return {value.begin(), value.end()};
  }

  const Batch& batch_;
  Mlp<T> model_{{.widths = {inputs, hidden, classes}, .activation = Activation::improved_sigmoid}};
  Tensor<T> x_, y_;
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  blas::set_threads(1);
  const std::vector<Case> cases{
      {"the right derivation", {}, 0, ""},
      {"1/N is missing", {{.mistake = Mistake::mean_missing}}, 0, "mean-missing"},
      {"softmax's Jacobian twice", {{.mistake = Mistake::softmax_twice}}, 0, "softmax-twice"},
      {"the inner slope is missing",
       {{.mistake = Mistake::inner_slope_missing}},
       0,
       "inner-slope-missing"},
      {"f' is missing", {{.mistake = Mistake::derivative_missing}}, 0, "derivative-missing"},
      {"z in place of a", {{.mistake = Mistake::z_for_activation}}, 0, "z-for-activation"},
      {"the bias row is dropped", {{.mistake = Mistake::bias_row_dropped}}, 0, "bias-row-dropped"},
      {"1 % noise on dW1, in no catalogue", {}, 0.01, ""},
  };
  const Batch batch;
  Bench<double> in_double(batch);
  Bench<float> in_float(batch);
  in_double.measure(cases[0], false, 1), in_float.measure(cases[0], false, 1);  // to warm up
  fmt::print("785-64-10, improved sigmoid, 100 rows; {}, 1 thread, {} rounds\n",
             blas::description(), rounds);
  fmt::print("milliseconds of CPU for one diagnosis of dW1 and dW2, and of dZ1 and dZ2 too\n");
  fmt::print("{:<35} {:>9} {:>9} {:>9}\n", "", "double", "+ deltas", "float");
  bool good = true;
  for (const Case& c : cases) {
    const double times[] = {in_double.measure(c, false, rounds), in_double.measure(c, true, rounds),
                            in_float.measure(c, false, rounds)};
    fmt::print("{:<35}", c.what);
    for (const double time : times) {
      good = good && time >= 0;
      fmt::print(" {:>9}", time < 0 ? "WRONG" : fmt::format("{:.0f}", time));
    }
    fmt::print("\n");
  }
  return good ? 0 : 1;
}

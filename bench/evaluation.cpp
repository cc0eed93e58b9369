// Evaluation of 10,000 rows by the 785-64-10 network in blocks of several sizes, and by recording
// anew: why Evaluator's blocks are as large as they are.
//
//   evaluation [ROUNDS]
#include <fmt/format.h>

#include <algorithm>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/evaluation.hpp>
#include <cstdlib>
#include <vector>

#include "timing.hpp"

using namespace chainrule;

namespace {

template <class T>
void measure(const char* name, int rounds) {
  constexpr std::int64_t rows = 10000;
  const Random random(0, Purpose::test);
  Dataset<T> data{Tensor<T>({rows, 785}), Tensor<T>({rows, 10}), {}};
  for (std::int64_t i = 0; i < data.x.size(); ++i) {
    data.x[i] = static_cast<T>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
  }
  for (std::int64_t n = 0; n < rows; ++n) {
    data.labels.push_back(static_cast<std::int32_t>(n % 10));
    data.y(n, n % 10) = 1;
  }
  Mlp<T> model({.widths = {785, 64, 10}});

  const std::vector<std::int64_t> blocks{25, 50, 100, 200, 400, 1000, 10000};
  std::vector<Evaluator<T>> evaluators;
  evaluators.reserve(blocks.size());
  for (const std::int64_t block : blocks) evaluators.emplace_back(model, data, block);
  std::vector<std::vector<double>> times(blocks.size() + 1);
  Tape<T> tape;
  for (int round = 0; round <= rounds; ++round) {  // the first one warms up
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const double start = bench::seconds();
      evaluators[b]();
      if (round > 0) times[b].push_back(bench::seconds() - start);
    }
    const double start = bench::seconds();
    for (std::int64_t row = 0; row < rows; row += 200) {
      tape.clear();
      const auto x = tape.input(TensorView<const T>(data.x.data() + row * 785, {200, 785}));
      const auto y = tape.input(TensorView<const T>(data.y.data() + row * 10, {200, 10}));
      softmax_cross_entropy(model(tape, x), y);
    }
    if (round > 0) times.back().push_back(bench::seconds() - start);
  }
  fmt::print("{:<6}", name);
  for (const auto& of_block : times) fmt::print(" {:9.2f}", 1000 * bench::median(of_block));
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 21;
  blas::set_threads(1);
  fmt::print("{}, 1 thread, {} rounds\nmilliseconds of CPU for 10,000 rows, by rows of a block\n",
             blas::description(), rounds);
  fmt::print("{:<6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", 25, 50, 100, 200, 400,
             1000, 10000, "recorded");
  measure<float>("float", rounds);
  measure<double>("double", rounds);
}

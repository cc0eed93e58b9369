// Experiments run side by side on threads of their own, each with its tapes, plans and model, over data
// that all of them read: what one computes does not depend on the others, in any bit. Under
// ThreadSanitizer (scripts/tsan.sh) it also shows that nothing is shared that is written.
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/models/mlp.hpp>
#include <chainrule/optim/adam.hpp>
#include <chainrule/optim/training.hpp>

#include <thread>
#include <vector>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

struct Outcome {
  std::vector<double> batch_loss;
  Tensor<float> weights;
};

/// Thread k trains a network of its own.
Outcome experiment(int k, const Dataset<float>& train_set, const Dataset<float>& validation_set) {
  Mlp<float> model({.widths = {785, 12, 10},
                    .activation = k % 2 ? Activation::relu : Activation::improved_sigmoid,
                    .initialiser = Initialiser::he,
                    .seed = static_cast<std::uint64_t>(k)});
  const TrainingOptions options{.batch_size = 16, .epochs = 2, .clip_norm = 1, .seed = 5};
  const auto result = train<float>(model, Adam<float>(model.parameters()), train_set, validation_set,
                                   options);
  return {result.history.batch_loss, Tensor<float>(model.parameters().values())};
}

}  // namespace

BOOST_AUTO_TEST_CASE(runs_side_by_side_equal_runs_alone) {
  const Mnist digits = synthetic_mnist(100, 40, 3);
  const PixelStatistics statistics = pixel_statistics(digits.train.images);
  const auto train_set = make_dataset<float>(digits.train, statistics, BiasColumn::yes);
  const auto validation_set = make_dataset<float>(digits.validation, statistics, BiasColumn::yes);
  constexpr int count = 3;
  std::vector<Outcome> together(count);
  {
    // First of all threads at once: whatever is made on first use is made here.
    std::vector<std::thread> threads;
    for (int k = 0; k < count; ++k) {
      threads.emplace_back([&, k] {
        together[static_cast<std::size_t>(k)] = experiment(k, train_set, validation_set);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  BOOST_TEST(blas::threads() == 1);
  for (int k = 0; k < count; ++k) {
    const Outcome alone = experiment(k, train_set, validation_set);
    const Outcome& beside = together[static_cast<std::size_t>(k)];
    BOOST_TEST(beside.batch_loss == alone.batch_loss, boost::test_tools::per_element());
    BOOST_TEST(same_bits(beside.weights, alone.weights));
    BOOST_TEST(alone.batch_loss.size() == 12u);
  }
  BOOST_TEST(!same_bits(together[0].weights, together[1].weights));
}

// One model, which nobody writes, evaluated by plans of several threads.
BOOST_AUTO_TEST_CASE(plans_share_leaves_that_nobody_writes) {
  const Mlp<double> model({.widths = {20, 8, 5}, .seed = 1});
  const Tensor<double> x = Source(4).tensor({6, 20});
  const auto logits = [&] {
    Tape<double> tape;
    const Var<double> z = model(tape, tape.input(x));
    Plan<double> plan = chainrule::plan({z});
    for (int run = 0; run < 50; ++run) plan.run();
    return Tensor<double>(plan.value(z));
  };
  std::vector<Tensor<double>> results(3);
  std::vector<std::thread> threads;
  for (Tensor<double>& result : results) threads.emplace_back([&] { result = logits(); });
  for (std::thread& thread : threads) thread.join();
  const Tensor<double> alone = logits();
  for (const Tensor<double>& result : results) BOOST_TEST(same_bits(result, alone));
}

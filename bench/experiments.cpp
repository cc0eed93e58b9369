// Ten of the reports' experiments for the same number of steps, side by side: how long they take.
//
//   experiments DATA float|double EPOCHS THREADS
//
// prints the seconds of each and of all together (by the clock, without reading the data), with its
// validation accuracy, so that nobody measures a program that does not learn.
// bench/against_numpy.sh runs it beside bench/peers/experiments.py.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/data/idx.hpp>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "../examples/protocol/experiment.hpp"
#include "../examples/protocol/options.hpp"

using namespace chainrule;
using protocol::Experiment;

namespace {

struct Named {
  std::string name;
  Experiment experiment;
};

Experiment plain() { return {}; }
Experiment all_tricks(std::vector<std::int64_t> hidden) {
  Experiment experiment;
  experiment.hidden = std::move(hidden);
  experiment.activation = Activation::improved_sigmoid;
  experiment.initialiser = Initialiser::fan_in;
  experiment.momentum = 0.9;
  experiment.learning_rate = 0.02;
  return experiment;
}

/// The same list, in the same order, is in peers/experiments.py.
std::vector<Named> experiments() {
  std::vector<Named> list{
      {"R11", all_tricks(std::vector<std::int64_t>(10, 64))},
      {"R9-128", all_tricks({128})},
      {"R10-2x60", all_tricks({60, 60})},
      {"R1", plain()},
      {"R3", plain()},
      {"R4", plain()},
      {"R5", plain()},
      {"R6", plain()},
      {"R7", all_tricks({64})},
      {"R9-32", all_tricks({32})},
  };
  list[4].experiment.initialiser = Initialiser::fan_in;
  list[5].experiment.activation = Activation::improved_sigmoid;
  list[6].experiment.momentum = 0.9, list[6].experiment.learning_rate = 0.02;
  list[7].experiment.initialiser = Initialiser::fan_in;
  list[7].experiment.activation = Activation::improved_sigmoid;
  return list;
}

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T>
void run(const std::string& directory, std::int64_t epochs, int thread_count) {
  const Mnist mnist = read_mnist(directory);
  const LabelledImages images =
      mnist.train.head(std::min<std::int64_t>(20000, mnist.train.images.count));
  const PixelStatistics pixels = pixel_statistics(images.images);
  const auto train_set = make_dataset<T>(images, pixels, BiasColumn::yes);
  const auto validation_set = make_dataset<T>(mnist.validation, pixels, BiasColumn::yes);

  const auto list = experiments();
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  const auto start = Clock::now();
  const auto work = [&] {
    for (std::size_t i; (i = next++) < list.size();) {
      Experiment experiment = list[i].experiment;
      experiment.epochs = epochs;
      experiment.patience = 0;
      Mlp<T> model(protocol::make_network(experiment, train_set.inputs() - 1));
      const auto outcome = protocol::train<T>(experiment, model, train_set, validation_set);
      const std::lock_guard lock(mutex);
      fmt::print("{:<9} {:7.2f} s  {} steps, {} validations, accuracy {:.4f}\n", list[i].name,
                 outcome.seconds, outcome.steps, outcome.history.validations.size(),
                 outcome.at_stop.validation.accuracy);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < thread_count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  fmt::print("all {:.3f}\n", since(start));
}

}  // namespace

int main(int argc, char** argv) {
  const auto epochs = argc == 5 ? protocol::whole_number(argv[3]) : std::nullopt;
  const auto threads = argc == 5 ? protocol::whole_number(argv[4]) : std::nullopt;
  const bool single = argc == 5 && std::strcmp(argv[2], "float") == 0;
  const bool twice = argc == 5 && std::strcmp(argv[2], "double") == 0;
  if (!epochs || *epochs < 1 || *epochs > 1000 || !threads || *threads < 1 || *threads > 256 ||
      (!single && !twice)) {
    fmt::print(stderr, "usage: experiments DATA float|double EPOCHS THREADS\n");
    return 2;
  }
  try {
    blas::set_threads(1);
    const auto run_all = single ? run<float> : run<double>;
    run_all(argv[1], static_cast<std::int64_t>(*epochs), static_cast<int>(*threads));
  } catch (const std::exception& error) {
    protocol::complain("experiments", error.what());
    return 2;
  }
  return 0;
}

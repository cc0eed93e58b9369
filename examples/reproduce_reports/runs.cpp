#include "runs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chainrule/autograd/storage/blas.hpp>
#include <chainrule/data/digits.hpp>
#include <chainrule/data/idx.hpp>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include "run_files.hpp"

namespace reproduce {

using namespace chainrule;

namespace {

constexpr std::int64_t test_images = 100;  // of the gradient test and of the delta norms
constexpr std::uint64_t digits_seed = 0;   // all seeds see the same images, as on MNIST

/// The images as the networks see them, for all runs: nobody writes to them.
template <class T>
struct Sets {
  Dataset<T> train, validation;
};

template <class T>
Sets<T> make_sets(const Data& data, const System& system) {
  const BiasColumn column = protocol::bias_column(system.experiment);
  return {make_dataset<T>(data.train, data.statistics, column),
          make_dataset<T>(data.validation,
                          system.own_statistics ? data.own_validation_statistics : data.statistics,
                          column)};
}

/// Sets by what they depend on, made when they are first asked for.
template <class T>
class SharedSets {
 public:
  explicit SharedSets(const Data& data) : data_(data) {}
  std::shared_ptr<const Sets<T>> get(const System& system) {
    const std::lock_guard lock(mutex_);
    auto& sets = sets_[{protocol::bias_column(system.experiment), system.own_statistics}];
    if (!sets) sets = std::make_shared<const Sets<T>>(make_sets<T>(data_, system));
    return sets;
  }

 private:
  const Data& data_;
  std::mutex mutex_;
  std::map<std::pair<BiasColumn, bool>, std::shared_ptr<const Sets<T>>> sets_;
};

/// The validations, each with the batch losses of the ten steps up to it.
std::vector<Point> curve_of(const History& history) {
  constexpr std::int64_t window = 10;
  std::vector<Point> curve;
  for (const Validation& validation : history.validations) {
    const std::int64_t first = std::max<std::int64_t>(0, validation.step + 1 - window);
    const double count = static_cast<double>(validation.step + 1 - first);
    Point point{validation, 0, 0};
    for (std::int64_t step = first; step <= validation.step; ++step) {
      point.batch_mean += history.batch_loss[static_cast<std::size_t>(step)] / count;
    }
    for (std::int64_t step = first; step <= validation.step; ++step) {
      const double off = history.batch_loss[static_cast<std::size_t>(step)] - point.batch_mean;
      point.batch_spread += off * off / count;
    }
    point.batch_spread = std::sqrt(point.batch_spread);
    curve.push_back(point);
  }
  return curve;
}

/// What the threads have in common: the list of jobs, and the line that shows how far they are.
class Board {
 public:
  Board(std::size_t total, int done) : total_(total), done_(done), terminal_(isatty(2) != 0) {}

  void say(const std::string& what) {
    const std::lock_guard lock(mutex_);
    print(what);
  }
  void finish(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++done_;
    print(what);
    if (terminal_ && done_ == static_cast<int>(total_)) fmt::print(stderr, "\n");
  }
  bool terminal() const { return terminal_; }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  void print(const std::string& what) {
    fmt::print(stderr, "{}{:>3}/{} done, {:>5.0f} s  {}{}", terminal_ ? "\r" : "", done_, total_,
               seconds(), what, terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
  }

  std::mutex mutex_;
  std::size_t total_;
  int done_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Of the calling thread, which does all of a run's work.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class T>
void train_run(const Options& options, const System& system, SharedSets<T>& shared,
               const Dataset<double>& sample, std::int64_t pixels, Board& board, Run& run) {
  protocol::Experiment experiment = system.experiment;
  experiment.seed = run.seed;
  experiment.epochs = options.epochs;
  const Mlp<double> initial = protocol::make_network(experiment, pixels);
  run.topology = initial.topology();
  run.parameters = initial.parameter_count();
  run.deltas_at_start = delta_norms(initial, sample);

  const auto sets = shared.get(system);
  Mlp<T> model(initial);
  auto progress = [&, last = std::int64_t{-1}](const Progress& p) mutable {
    if (!board.terminal() || p.epoch == last) return;
    last = p.epoch;
    board.say(fmt::format("{} seed {}: epoch {}, validation loss {:.4f}", run.system, run.seed,
                          p.epoch, p.latest.validation.loss));
  };
  const double start = cpu_seconds();
  try {
    const auto outcome =
        protocol::train<T>(experiment, model, sets->train, sets->validation, progress);
    run.steps = outcome.steps;
    run.stop_epoch = outcome.stop_epoch;
    run.stopped_early = outcome.stopped_early;
    run.seconds = outcome.seconds;
    run.cpu_seconds = cpu_seconds() - start;
    run.at_stop = outcome.at_stop;
    run.at_best = outcome.at_best;
    run.curve = curve_of(outcome.history);
    run.deltas_at_stop = delta_norms(Mlp<double>(model), sample);
  } catch (const NumericError& error) {
    run.error = error.what();
  }
}

/// A rough measure of how long a system takes, so that the longest go first.
double weight_of(const System& system) {
  double weights = 0;
  std::int64_t before = 785;
  for (const std::int64_t width : system.experiment.hidden) {
    weights += static_cast<double>(before * width);
    before = width;
  }
  return weights * (system.experiment.patience == 0 ? 3 : 1) *
         (system.experiment.learning_rate > 0.05 ? 2 : 1);
}

}  // namespace

Data load_data(const Options& options) {
  Data data;
  Mnist mnist = options.data
                    ? read_mnist(*options.data)
                    : synthetic_mnist(options.train_size, options.train_size / 2, digits_seed);
  data.synthetic = !options.data;
  data.source = mnist.train.source;
  data.train = mnist.train.head(options.train_size, {});
  data.validation = std::move(mnist.validation);
  data.statistics = pixel_statistics(data.train.images);
  protocol::check_images(data.train, data.validation, data.statistics);
  data.own_validation_statistics = pixel_statistics(data.validation.images);
  return data;
}

std::vector<double> delta_norms(const Mlp<double>& model, const Dataset<double>& images) {
  Tape<double> tape;
  const Var<double> loss =
      softmax_cross_entropy(model(tape, tape.input(images.x)), tape.input(images.y));
  std::vector<Var<double>> sums;
  for (int l = 1; tape.has_name(fmt::format("Z{}", l)); ++l) {
    sums.push_back(tape.find(fmt::format("Z{}", l)));
  }
  std::vector<double> norms;
  for (const Var<double> delta : gradients(loss, sums)) {
    const TensorView<const double> values = delta.value();
    const std::int64_t rows = values.shape()[0], width = values.shape()[1];
    double sum = 0;
    for (std::int64_t n = 0; n < rows; ++n) {
      double squares = 0;
      for (std::int64_t j = 0; j < width; ++j) squares += std::pow(values[n * width + j], 2);
      sum += std::sqrt(squares);
    }
    norms.push_back(sum);  // the loss is a mean over the rows: N times that of one image, over N
  }
  return norms;
}

Results run_all(const Options& options, const Data& data, const std::vector<System>& systems) {
  const std::filesystem::path folder = std::filesystem::path(options.out) / "runs";
  const RunFiles files(folder, options, data);
  const auto start = std::chrono::steady_clock::now();
  Results results;
  const auto sample = [&](const protocol::Experiment& experiment) {
    return make_dataset<double>(data.train.head(std::min(test_images, data.train.images.count), {}),
                                data.statistics, protocol::bias_column(experiment));
  };
  protocol::Experiment with_trick, with_biases;
  with_biases.bias = Bias::per_layer;
  const Dataset<double> sample_trick = sample(with_trick), sample_biases = sample(with_biases);
  const std::int64_t pixels = data.train.images.rows * data.train.images.columns;

  // Runs in the order of the table; jobs in the order in which they are started.
  struct Job {
    double weight;
    std::function<std::string()> work;
  };
  std::vector<Job> jobs;
  std::vector<bool> taken;  // of results.runs: from a file
  SharedSets<float> single(data);
  SharedSets<double> twice(data);
  std::unique_ptr<Board> board;
  for (const System& system : systems) {
    if (!options.wants(system.group)) continue;
    for (int seed = 0; seed < options.seeds; ++seed) {
      Run run;
      run.system = system.id;
      run.seed = static_cast<std::uint64_t>(seed);
      const bool found = options.resume && files.read(system, run);
      if (!found && options.report_only) {
        ++results.missing;
        continue;
      }
      results.resumed += found;
      taken.push_back(found);
      results.runs.push_back(std::move(run));
    }
  }
  for (std::size_t i = 0; i < results.runs.size(); ++i) {
    if (taken[i]) continue;
    Run& run = results.runs[i];
    const System& system = find_system(systems, run.system);
    jobs.push_back({weight_of(system), [&, &run = run, &system = system] {
                      const bool trick = system.experiment.bias == Bias::trick;
                      const Dataset<double>& images = trick ? sample_trick : sample_biases;
                      if (options.precision == protocol::Precision::single) {
                        train_run(options, system, single, images, pixels, *board, run);
                      } else {
                        train_run(options, system, twice, images, pixels, *board, run);
                      }
                      files.write(system, run);
                      if (!run.error.empty()) {
                        return fmt::format("{} seed {}: diverged", run.system, run.seed);
                      }
                      return fmt::format(
                          "{} seed {}: stop epoch {}, validation loss {:.4f} "
                          "({:.2f} %), {:.1f} s",
                          run.system, run.seed, run.stop_epoch, run.at_stop.validation.loss,
                          100 * run.at_stop.validation.accuracy, run.seconds);
                    }});
  }
  if (options.wants("R13")) {
    const std::vector<std::string> tested{"R1", "R7"};
    results.gradient_tests.reserve(tested.size());  // the jobs refer to them
    for (const std::string& id : tested) {
      GradientTest test;
      test.system = id;
      const bool found = options.resume && files.read(test);
      if (!found && options.report_only) {
        ++results.missing;
        continue;
      }
      results.resumed += found;
      results.gradient_tests.push_back(std::move(test));
      if (found) continue;
      jobs.push_back(
          {HUGE_VAL, [&, &test = results.gradient_tests.back()] {
             const auto experiment = find_system(systems, test.system).experiment;
             test = test_gradient(test.system, protocol::make_network(experiment, pixels),
                                  sample_trick, options.every_entry);
             files.write(test);
             return fmt::format("R13: {} of {}", to_string(test.gradcheck.verdict), test.system);
           }});
    }
  }
  if (options.report_only && results.runs.empty() && results.gradient_tests.empty()) {
    throw FileError(
        "reproduce_reports",
        fmt::format("{}: has none of the runs that --report-only was to report; leave it "
                    "out to train them",
                    options.out));
  }
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const Job& a, const Job& b) { return a.weight > b.weight; });
  board = std::make_unique<Board>(jobs.size() + static_cast<std::size_t>(results.resumed),
                                  results.resumed);

  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr problem;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < jobs.size();) {
      try {
        board->finish(jobs[i].work());
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!problem) problem = std::current_exception();
        next = jobs.size();
      }
    }
  };
  std::vector<std::thread> threads;
  results.threads =
      std::clamp<int>(options.threads, 1, std::max<int>(1, static_cast<int>(jobs.size())));
  try {
    for (int i = 1; i < results.threads; ++i) threads.emplace_back(work);
  } catch (const std::system_error& error) {
    results.threads = static_cast<int>(threads.size()) + 1;
    board->say(fmt::format("only {} threads: {}", results.threads, error.what()));
  }
  work();
  for (std::thread& thread : threads) thread.join();
  if (problem) std::rethrow_exception(problem);
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return results;
}

}  // namespace reproduce

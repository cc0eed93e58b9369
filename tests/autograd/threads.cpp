// Threads: tapes side by side, and plans that share leaves which nobody writes. Run it under
// ThreadSanitizer; without, it checks that the numbers are those of one thread.
#include <chainrule/ops/ops.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// Leaves that all threads read and none writes.
struct Shared {
  Source source{1};
  Tensor<double> x = source.tensor({16, 20}), y = source.tensor({16, 5}, 0, 1);
  OwnedParameter<double> w1{"W1", source.tensor({20, 12})}, b1{"b1", source.tensor({12})},
      w2{"W2", source.tensor({12, 5})}, b2{"b2", source.tensor({5})};

  std::vector<Var<double>> record(Tape<double>& tape, double factor) const {
    const Var<double> vw1 = tape.parameter(w1.parameter), vb1 = tape.parameter(b1.parameter),
                      vw2 = tape.parameter(w2.parameter), vb2 = tape.parameter(b2.parameter);
    const Var<double> z1 = named(linear(tape.input(x), vw1, vb1) * factor, "Z1");
    const Var<double> loss =
        softmax_cross_entropy(linear(sigmoid(z1), vw2, vb2), tape.input(y)) +
        mean(log_softmax(z1)) + mean(tanh(exp(z1 * 0.01)));
    const auto g = gradients(loss, {vw1, vb1, vw2, vb2});
    return {loss, g[0], g[1], g[2], g[3]};
  }
};

/// Runs f(0), ..., f(count - 1) on as many threads, which start together.
template <class F>
void side_by_side(int count, F f) {
  std::atomic<int> waiting = count;
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      for (--waiting; waiting > 0;) std::this_thread::yield();
      try {
        f(i);
      } catch (...) {
        errors[static_cast<std::size_t>(i)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

std::vector<Tensor<double>> copies(const std::vector<Var<double>>& vars) {
  std::vector<Tensor<double>> result;
  for (const Var<double>& v : vars) result.emplace_back(v.value());
  return result;
}

bool equal(const std::vector<Tensor<double>>& a, const std::vector<Tensor<double>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& p, const auto& q) { return same_bits(p, q); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(two_tapes_on_two_threads) {
  const Shared shared;
  std::array<std::vector<Tensor<double>>, 2> alone, together;
  for (std::size_t i = 0; i < 2; ++i) {
    Tape<double> tape;
    alone[i] = copies(shared.record(tape, 1.0 + static_cast<double>(i)));
  }
  BOOST_TEST(!equal(alone[0], alone[1]));
  side_by_side(2, [&](int i) {
    Tape<double> tape;
    for (int step = 0; step < 50; ++step) {
      tape.clear();
      together[static_cast<std::size_t>(i)] = copies(shared.record(tape, 1.0 + i));
    }
  });
  BOOST_TEST(equal(alone[0], together[0]));
  BOOST_TEST(equal(alone[1], together[1]));
}

BOOST_AUTO_TEST_CASE(plans_that_share_leaves) {
  const Shared shared;
  Tape<double> tape;
  const auto outputs = shared.record(tape, 1);
  const auto expected = copies(outputs);
  std::vector<Plan<double>> plans;
  for (int i = 0; i < 3; ++i) plans.push_back(plan(outputs));
  std::array<std::vector<Tensor<double>>, 3> found;
  side_by_side(3, [&](int i) {
    Plan<double>& mine = plans[static_cast<std::size_t>(i)];
    KinkSides sides;
    for (int step = 0; step < 50; ++step) mine.run(step % 2 ? &sides : nullptr);
    for (const Var<double>& v : outputs) {
      found[static_cast<std::size_t>(i)].emplace_back(mine.value(v));
    }
  });
  for (const auto& values : found) BOOST_TEST(equal(values, expected));
}

// A tape and its plans are handed from thread to thread: clear() takes the tape over.
BOOST_AUTO_TEST_CASE(a_tape_that_is_handed_on) {
  const Shared shared;
  Tape<double> tape;
  std::vector<Tensor<double>> first, second;
  std::thread([&] {
    tape.clear();
    first = copies(shared.record(tape, 2));
  }).join();
  BOOST_CHECK_THROW(tape.constant(1), UsageError);
  tape.clear();
  second = copies(shared.record(tape, 2));
  BOOST_TEST(equal(first, second));
}

// Whoever uses another thread's tape is told so, and writes to nothing of it: no data race, although
// its owner is recording.
BOOST_AUTO_TEST_CASE(a_tape_that_is_being_used) {
  const Shared shared;
  Tape<double> tape;
  const Var<double> x = tape.input(shared.x);
  std::atomic<bool> done = false;
  std::atomic<int> refused = 0;
  std::thread other([&] {
    while (!done) {
      try {
        tape.constant(1);
      } catch (const UsageError&) {
        ++refused;
      }
      try {
        static_cast<void>(x.value());
      } catch (const UsageError&) {
        ++refused;
      }
    }
  });
  while (refused < 10) {
    exp(x);
    std::this_thread::yield();
  }
  done = true;
  other.join();
  BOOST_TEST(refused >= 10);
}

// Size: nothing recurses, so that a million nodes need no stack; repetition needs no more memory.
#include <chainrule/ops/ops.hpp>

#include <pthread.h>
#include <exception>
#include <functional>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

/// Runs `f` on a thread with a stack of 256 KiB.
void on_a_small_stack(std::function<void()> f) {
  struct Job {
    std::function<void()> run;
    std::exception_ptr error;
  } job{std::move(f), nullptr};
  pthread_attr_t attributes;
  BOOST_REQUIRE(pthread_attr_init(&attributes) == 0);
  BOOST_REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  const auto body = [](void* pointer) -> void* {
    Job& the_job = *static_cast<Job*>(pointer);
    try {
      the_job.run();
    } catch (...) {
      the_job.error = std::current_exception();
    }
    return nullptr;
  };
  BOOST_REQUIRE(pthread_create(&thread, &attributes, body, &job) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_chain_of_a_million_operations) {
  constexpr int length = 1'000'000;
  double value = 1, slope = 1, recorded = 0, derivative = 0, replayed = 0, replayed_slope = 0;
  on_a_small_stack([&] {
    Tape<double> tape;
    Tensor<double> start({}, {1});
    const Var<double> x = tape.input(start);
    Var<double> y = x;
    for (int i = 0; i < length; ++i) {
      const double factor = i % 2 ? 1.0000001 : 0.9999999;
      y = i % 4 == 3 ? y + 1e-6 : y * factor;
      value = i % 4 == 3 ? value + 1e-6 : value * factor;
    }
    for (int i = length; i-- > 0;) {
      if (i % 4 != 3) slope *= i % 2 ? 1.0000001 : 0.9999999;
    }
    const Var<double> dx = gradients(y, {x})[0];
    recorded = y.item(), derivative = dx.item();
    Plan<double> p = plan({y, dx});
    tape.clear();
    p.run();
    replayed = p.item(y), replayed_slope = p.item(dx);
  });
  BOOST_TEST(recorded == value);
  BOOST_TEST(derivative == slope);
  BOOST_TEST(replayed == value);
  BOOST_TEST(replayed_slope == slope);
}

// Two ways from each node to the next are 2^20000 ways through: whoever walks ways does not return.
BOOST_AUTO_TEST_CASE(a_ladder_of_diamonds) {
  on_a_small_stack([] {
    Tape<double> tape;
    const Var<double> x = tape.constant(1);
    Var<double> y = x;
    for (int i = 0; i < 20'000; ++i) y = (y + y) * 0.5;
    const Var<double> dx = gradients(y, {x})[0];
    BOOST_TEST(dx.item() == 1);
    BOOST_TEST(tape.size() < 200'000u);
    Plan<double> p = plan({dx});
    p.run();
    BOOST_TEST(p.item(dx) == 1);
  });
}

BOOST_AUTO_TEST_CASE(memory_is_flat_over_many_recordings) {
  Source source(5);
  const Tensor<float> x = source.tensor<float>({16, 20}), w = source.tensor<float>({20, 5});
  Tape<float> tape;
  std::size_t capacity = 0;
  for (int step = 0; step < 1000; ++step) {
    tape.clear();
    const Var<float> leaf = named(tape.input(w), "W");
    const Var<float> y = mean(tanh(matmul(tape.input(x), leaf)));
    const Var<float> g = gradients(y, {leaf})[0];
    gradients(sum(g * g), {leaf});
    if (step == 0) capacity = tape.capacity();
    BOOST_REQUIRE(tape.capacity() == capacity);
  }
}

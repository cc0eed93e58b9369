// Size: nothing recurses, so that a million nodes need no stack; repetition needs no more memory.
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <pthread.h>
#include <unistd.h>
#include <chainrule/autograd/dot.hpp>
#include <exception>
#include <fstream>
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

/// Memory of this process that is resident, in bytes.
std::int64_t resident() {
  std::int64_t total = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * sysconf(_SC_PAGESIZE);
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

// Two ways from each node to the next are 2^100000 ways through: whoever walks ways does not return.
BOOST_AUTO_TEST_CASE(a_ladder_of_diamonds) {
  on_a_small_stack([] {
    Tape<double> tape;
    const Var<double> x = tape.constant(1);
    Var<double> y = x;
    for (int i = 0; i < 100'000; ++i) y = (y + y) * 0.5;
    const Var<double> dx = gradients(y, {x})[0];
    BOOST_TEST(dx.item() == 1);
    BOOST_TEST(tape.size() < 1'000'000u);
    Plan<double> p = plan({dx});
    p.run();
    BOOST_TEST(p.item(dx) == 1);
  });
}

BOOST_AUTO_TEST_CASE(a_scalar_that_fans_out_a_hundred_thousand_times) {
  on_a_small_stack([] {
    constexpr int fans = 100'000;
    Tape<double> tape;
    const Tensor<double> start({}, {3});
    const Var<double> x = tape.input(start);
    Var<double> y = x;
    for (int i = 1; i < fans; ++i) y = y + x;  // fans x
    const auto first = gradients(y * y, {x});  // 2 fans^2 x
    BOOST_TEST(first[0].item() == 6.0 * fans * fans);
    Plan<double> p = plan({first[0], y});
    p.run();
    BOOST_TEST(p.item(first[0]) == 6.0 * fans * fans);
    BOOST_TEST(gradients(first[0], {x})[0].item() == 2.0 * fans * fans);
  });
}

// What walks the list for people: a name for each node, the table, the picture.
BOOST_AUTO_TEST_CASE(names_and_pictures_of_a_long_chain) {
  constexpr int length = 100'000;
  std::size_t lines = 0, arrows = 0, names = 0;
  on_a_small_stack([&] {
    Tape<double> tape;
    Var<double> y = named(tape.constant(0), "y0");
    for (int i = 1; i <= length; ++i) y = named(y + 1, fmt::format("y{}", i));
    gradients(y, {tape.find("y0")});
    BOOST_TEST(tape.find(fmt::format("y{}", length)).item() == length);
    BOOST_TEST((tape.find("dy0").item() == 1));
    names = tape.names().size();
    const std::string table = to_string(tape);
    lines = static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n'));
    BOOST_TEST(lines >= tape.size());
    const std::string picture = to_dot(tape);
    for (auto at = picture.find("->"); at != std::string::npos; at = picture.find("->", at + 1)) {
      ++arrows;
    }
    const std::string value = to_string(y);
    BOOST_TEST(value.find("shift") != std::string::npos);
  });
  BOOST_TEST(names >= static_cast<std::size_t>(length) + 1);
  BOOST_TEST(arrows >= static_cast<std::size_t>(length));
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

// What the process holds: ten thousand steps recorded anew and run by a plan, with second derivatives,
// names, an error and a new plan now and then. AddressSanitizer keeps back what is freed, up to 256 MB,
// so there what the process holds says nothing (what is lost, LeakSanitizer reports).
BOOST_AUTO_TEST_CASE(the_process_does_not_grow_over_ten_thousand_steps) {
#ifdef __SANITIZE_ADDRESS__
  constexpr int steps = 1'000;
  constexpr std::int64_t slack = 256 << 20;
#else
  constexpr int steps = 10'000;
  constexpr std::int64_t slack = 1 << 20;
#endif
  Source source(6);
  const Tensor<float> x = source.tensor<float>({4, 6}), w = source.tensor<float>({6, 3});
  Tape<float> tape;
  std::int64_t warm = 0, most = 0;
  std::size_t capacity = 0;
  for (int step = 0; step < 1'000 + steps; ++step) {
    tape.clear();
    const Var<float> leaf = named(tape.input(w), "W");
    const Var<float> y = named(mean(tanh(matmul(tape.input(x), leaf))), "Y");
    const Var<float> g = gradients(y, {leaf})[0];
    gradients(sum(g * g), {leaf});
    BOOST_REQUIRE_THROW(matmul(leaf, leaf), ShapeError);
    Plan<float> p = plan({y, g});
    p.run();
    BOOST_REQUIRE(p.item(y) == y.item());
    if (step == 1000) warm = most = resident(), capacity = tape.capacity();
    if (step > 1000 && step % 100 == 0) most = std::max(most, resident());
  }
  BOOST_TEST(most - warm <= slack, "grown by " << most - warm << " bytes");
  BOOST_TEST(tape.capacity() == capacity);
}

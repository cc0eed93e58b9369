// The vectorised form against the element-by-element form, on hundreds of random networks.
#include <boost/test/unit_test.hpp>

#include <array>
#include <map>

#include "tests/reference/problems.hpp"

using namespace problems;

namespace {

Problem<double> draw(Source& source, int round, Weights weights) {
  Network network{{source.between(2, 64)},
                  activations[round % 4],
                  source.between(0, 1) == 1,
                  source.between(0, 1) == 1 ? Layout::columns : Layout::rows};
  const std::int64_t depth = source.between(0, 6);
  for (std::int64_t l = 0; l < depth; ++l) network.widths.push_back(source.between(2, 64));
  network.widths.push_back(source.between(2, 20));
  const double mass = std::array{0.5, 1.0, 3.0}[static_cast<std::size_t>(source.between(0, 2))];
  const std::int64_t samples = source.between(1, 33);
  return random_problem(source, network, samples, weights, source.between(0, 1) == 1, mass);
}

// The largest distance over all values of one pass, forward and backward, and the loss.
double compare(const Problem<double>& p) {
  const auto expected = derive(p.network, p.inputs());
  Vectorised<double> v(p);
  double worst = std::abs(v.run() - expected.loss) / std::abs(expected.loss);
  expected.for_each([&](const std::string& name, const std::vector<double>& value) {
    BOOST_REQUIRE(v.backpropagation.value(name).size() == static_cast<std::int64_t>(value.size()));
    worst = std::max(worst, distance<double>(v.backpropagation.value(name), value));
  });
  return worst;
}

void check_many(Weights weights, double tolerance) {
  Source source(weights == Weights::fan_in ? 31 : 32);
  double worst = 0;
  for (int round = 0; round < 400; ++round) {
    const auto p = draw(source, round, weights);
    const double d = compare(p);
    BOOST_TEST(d <= tolerance,
               "round " << round << ", depth " << p.network.layers() - 1 << ": " << d);
    worst = std::max(worst, d);
  }
  BOOST_TEST_MESSAGE("worst " << worst);
}

}  // namespace

BOOST_AUTO_TEST_CASE(agrees_with_the_element_form_for_fan_in_weights) {
  check_many(Weights::fan_in, 1e-13);
}

BOOST_AUTO_TEST_CASE(agrees_with_the_element_form_for_uniform_weights) {
  check_many(Weights::uniform, 1e-12);
}

BOOST_AUTO_TEST_CASE(both_layouts_agree) {
  Source source(33);
  for (int round = 0; round < 60; ++round) {
    const auto p = draw(source, round, Weights::fan_in);
    const auto q = flipped(p);
    Vectorised<double> a(p), b(q);
    BOOST_TEST(a.run() == b.run(), boost::test_tools::tolerance(1e-13));
    const auto ea = derive(p.network, p.inputs()), eb = derive(q.network, q.inputs());
    BOOST_TEST(ea.loss == eb.loss, boost::test_tools::tolerance(1e-15));
    for (const std::string& name : a.backpropagation.names()) {
      const auto va = a.backpropagation.value(name), vb = b.backpropagation.value(name);
      if (va.shape().rank() == 1) {
        BOOST_TEST(distance<double>(va, vb) <= 1e-13);
        continue;
      }
      BOOST_TEST(distance<double>(va, transposed<double>(vb.span(), vb.shape())) <= 1e-13);
      // the element form sums in the same order in both layouts: the same bits
      BOOST_TEST((ea.value(name) == transposed<double>(eb.value(name), vb.shape())));
    }
  }
}

BOOST_AUTO_TEST_CASE(float_agrees_with_double) {
  Source source(34);
  double worst = 0;
  for (int round = 0; round < 60; ++round) {
    // both start from the same float numbers
    const auto single = draw(source, round, Weights::fan_in).cast<float>();
    Vectorised<float> a(single);
    Vectorised<double> b(single.cast<double>());
    BOOST_TEST(a.run() == b.run(), boost::test_tools::tolerance(1e-5));
    for (const std::string& name : a.backpropagation.names()) {
      const double d =
          distance<double>(a.backpropagation.value(name), b.backpropagation.value(name));
      BOOST_TEST(d <= 1e-4, name << " in round " << round << ": " << d);
      worst = std::max(worst, d);
    }
  }
  BOOST_TEST_MESSAGE("worst " << worst);
}

BOOST_AUTO_TEST_CASE(forward_and_loss_leave_the_gradients_of_the_last_run) {
  Source source(35);
  auto p = draw(source, 1, Weights::fan_in);
  Vectorised<double> v(p);
  auto& b = v.backpropagation;
  const double run = v.run();
  const Tensor<double> gradient(b.dW(1)), yhat(b.yhat());
  BOOST_TEST(b.loss(v.X, v.Y, v.w_views, v.b_views) == run);
  for (double& x : v.X) x += 1;
  const auto moved = b.forward(v.X, v.w_views, v.b_views);
  BOOST_TEST(moved.data() == b.yhat().data());
  BOOST_TEST(distance<double>(moved, yhat) > 1e-6);
  BOOST_TEST(distance<double>(b.dW(1), gradient) == 0);
}

BOOST_AUTO_TEST_CASE(a_run_forgets_the_runs_before) {
  Source source(36);
  for (const Layout layout : {Layout::rows, Layout::columns}) {
    const Network network{{5, 4, 6, 3}, Activation::tanh, true, layout};
    Vectorised<double> v(random_problem(source, network, 7, Weights::fan_in, false, 1));
    const double first = v.run();
    std::map<std::string, Tensor<double>> values;
    for (const auto& name : v.backpropagation.names()) {
      values.emplace(name, Tensor<double>(v.backpropagation.value(name)));
    }
    for (double& x : v.X) x = -x;
    v.run();
    BOOST_TEST(distance<double>(v.backpropagation.db(1), values.at("db1")) > 1e-6);
    for (double& x : v.X) x = -x;
    BOOST_TEST(v.run() == first);
    for (const auto& [name, value] : values) {
      BOOST_TEST(distance<double>(v.backpropagation.value(name), value) == 0);
    }
  }
}

// Parameter counts of the reports' topologies, names, and errors before anything is computed.
#include <boost/test/unit_test.hpp>

#include <chainrule/autograd/storage/error.hpp>
#include <string>

#include "tests/reference/problems.hpp"

using namespace problems;

namespace {

Network network(std::vector<std::int64_t> widths, bool biases = false) {
  return {std::move(widths), Activation::sigmoid, biases, Layout::rows};
}

template <class E, class F>
std::string message(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

Network ten_layers(std::int64_t inputs, bool biases) {
  std::vector<std::int64_t> widths(12, 64);
  widths.front() = inputs, widths.back() = 10;
  return network(widths, biases);
}

}  // namespace

BOOST_AUTO_TEST_CASE(parameter_counts_of_the_reports_topologies) {
  BOOST_TEST(network({785, 64, 10}).parameter_count() == 50'880);
  BOOST_TEST(network({784, 64, 10}, true).parameter_count() == 50'890);
  BOOST_TEST(network({785, 32, 10}).parameter_count() == 25'440);
  BOOST_TEST(network({785, 128, 10}).parameter_count() == 101'760);
  // 000 adds these up to 51,360 (erratum E8)
  BOOST_TEST(network({785, 60, 60, 10}).parameter_count() == 51'300);
  // 004 calls this "approximately the same number" as 50,880 (E10)
  BOOST_TEST(network({785, 32, 32, 10}).parameter_count() == 26'464);
  BOOST_TEST(network({784, 64, 64, 10}, true).parameter_count() == 55'050);
  // 002 arrives at 88,448 (E9)
  BOOST_TEST(ten_layers(785, false).parameter_count() == 87'744);
  BOOST_TEST(ten_layers(784, true).parameter_count() == 88'330);
  BOOST_TEST(network({785, 10}).parameter_count() == 7'850);
}

BOOST_AUTO_TEST_CASE(shapes_of_both_layouts) {
  Network n = network({785, 64, 10}, true);
  BOOST_TEST(to_string(n.unit_shape(0, 32)) == "(32, 785)");
  BOOST_TEST(to_string(n.weight_shape(1)) == "(785, 64)");
  BOOST_TEST(to_string(n.bias_shape(2)) == "(10,)");
  n.layout = Layout::columns;
  BOOST_TEST(to_string(n.unit_shape(2, 32)) == "(10, 32)");
  BOOST_TEST(to_string(n.weight_shape(1)) == "(64, 785)");
}

BOOST_AUTO_TEST_CASE(names_in_the_order_of_computation) {
  const Backpropagation<double> b(network({3, 2, 4}, true), 5);
  const std::vector<std::string> expected = {"Z1",  "A1",  "Z2",  "Yhat", "dZ2", "dW2",
                                             "db2", "dA1", "dZ1", "dW1",  "db1"};
  BOOST_TEST(b.names() == expected, boost::test_tools::per_element());
  BOOST_TEST(b.value("dW1").data() == b.dW(1).data());
  BOOST_TEST(b.value("dA1").data() == b.dA(1).data());
  BOOST_TEST(b.value("Yhat").data() == b.yhat().data());
  BOOST_TEST(to_string(b.value("dW2").shape()) == "(2, 4)");
  BOOST_TEST(message<NameError>([&] { b.value("dA2"); }) ==
             "[reference::Values] no value is called 'dA2': expected one of Z1, A1, Z2, Yhat, dZ2, "
             "dW2, db2, dA1, dZ1, dW1, db1");
}

BOOST_AUTO_TEST_CASE(an_invalid_network_is_refused) {
  BOOST_TEST(message<UsageError>([] { network({5}).validate(); }) ==
             "[reference::Network] 1 widths: expected at least 2, the input's and the classes'");
  BOOST_TEST(message<UsageError>([] {
               Backpropagation<float>(network({5, 0, 3}), 1);
             }) == "[reference::Network] width 0 of layer 1: expected at least 1");
  BOOST_TEST(message<UsageError>([] {
               Backpropagation<float>(network({5, 3}), 0);
             }) == "[reference::Backpropagation] 0 samples: expected at least 1");
}

BOOST_AUTO_TEST_CASE(inputs_that_do_not_fit_are_named) {
  Source source(1);
  const auto p = random_problem(source, network({5, 4, 3}, true), 2, Weights::fan_in, true, 1);
  Vectorised<double> v(p);
  auto& b = v.backpropagation;
  v.run();
  const double before = b.Z(1)[0];
  const auto check = [&](auto f, const char* expected) {
    BOOST_TEST(message<ShapeError>(f) == expected);
  };
  const Tensor<double> wrong(Shape{4, 5});
  auto w = v.w_views;
  w[0] = wrong;
  check([&] { b.run(wrong, v.Y, v.w_views, v.b_views); },
        "[reference::run] X is (4, 5): expected (2, 5)");
  check([&] { b.run(v.X, v.X, v.w_views, v.b_views); },
        "[reference::run] Y is (2, 5): expected (2, 3)");
  check([&] { b.loss(v.X, v.Y, w, v.b_views); }, "[reference::loss] W1 is (4, 5): expected (5, 4)");
  check([&] { b.forward(v.X, v.w_views, v.w_views); },
        "[reference::forward] b1 is (5, 4): expected (4,)");
  check([&] { b.forward(v.X, v.w_views); }, "[reference::forward] 0 tensors b: expected 2");
  BOOST_TEST(b.Z(1)[0] == before);

  auto short_w = p;
  short_w.W[1].pop_back();
  check([&] { derive(p.network, short_w.inputs()); },
        "[reference::forward] W2 has 11 entries: expected 12 for (4, 3)");
  auto short_y = p;
  short_y.Y.pop_back();
  check([&] { loss(p.network, short_y.inputs()); },
        "[reference::forward] Y has 5 entries: expected 6 for (2, 3)");
  auto extra = p;
  extra.W.push_back({});
  check([&] { loss(p.network, extra.inputs()); }, "[reference::forward] 3 tensors W: expected 2");
}

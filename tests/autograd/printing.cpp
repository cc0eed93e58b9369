// What tensors, Vars and tapes print. The texts of tensors were printed by NumPy 2.4 with
// np.set_printoptions(precision=4).
#include <fmt/format.h>
#include <chainrule/ops/ops.hpp>

#include <limits>
#include <sstream>

#include "tests/support.hpp"

using namespace chainrule;
using namespace support;

namespace {

constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

template <class T = double>
Tensor<T> range(const Shape& shape, double scale = 1, double start = 0) {
  Tensor<T> result(shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<T>((start + static_cast<double>(i)) * scale);
  }
  return result;
}

template <class V>
std::string streamed(const V& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_stand_in_columns) {
  using D = Tensor<double>;
  BOOST_TEST(to_string(D({3}, {1, 0.5, -2.25})) == "[ 1.    0.5  -2.25]");
  BOOST_TEST(to_string(D({2, 2}, {1, 2, 3, 4})) == "[[1. 2.]\n [3. 4.]]");
  BOOST_TEST(to_string(range({2, 2, 3, 2})) ==
             "[[[[ 0.  1.]\n   [ 2.  3.]\n   [ 4.  5.]]\n\n  [[ 6.  7.]\n   [ 8.  9.]\n   [10. "
             "11.]]]\n\n\n [[[12. 13.]\n   [14. 15.]\n   [16. 17.]]\n\n  [[18. 19.]\n   [20. "
             "21.]\n   [22. 23.]]]]");
  BOOST_TEST(to_string(range({30}, 0.125, -15)) ==
             "[-1.875 -1.75  -1.625 -1.5   -1.375 -1.25  -1.125 -1.    -0.875 -0.75\n -0.625 -0.5  "
             " -0.375 -0.25  -0.125  0.     0.125  0.25   0.375  0.5\n  0.625  0.75   0.875  1.    "
             " 1.125  1.25   1.375  1.5    1.625  1.75 ]");
  // A fifteenth number would fill 75 characters, and leave no room for the bracket.
  BOOST_TEST(to_string(range({16}, 1, 100)) ==
             "[100. 101. 102. 103. 104. 105. 106. 107. 108. 109. 110. 111. 112. 113.\n 114. 115.]");
}

BOOST_AUTO_TEST_CASE(exponents_are_written_where_numbers_differ_widely) {
  using D = Tensor<double>;
  using F = Tensor<float>;
  BOOST_TEST(to_string(D({3}, {1. / 3, 1e-5, 123})) == "[3.3333e-01 1.0000e-05 1.2300e+02]");
  BOOST_TEST(to_string(D({2}, {5e-324, 1e308})) == "[5.e-324 1.e+308]");
  BOOST_TEST(to_string(F({3}, {0.1f, 16777216, 1.f / 3})) == "[1.0000e-01 1.6777e+07 3.3333e-01]");
  BOOST_TEST(to_string(F({2}, {1e6f, 2})) == "[1.e+06 2.e+00]");
  BOOST_TEST(to_string(F({2}, {999999, 2000})) == "[999999.   2000.]");
  BOOST_TEST(to_string(F({2}, {0.1f, 0.2f})) == "[0.1 0.2]");  // no digits that float does not have
}

BOOST_AUTO_TEST_CASE(special_numbers_and_no_numbers) {
  using D = Tensor<double>;
  BOOST_TEST(to_string(D({5}, {NaN, inf, -inf, -0.0, 1.5})) == "[ nan  inf -inf -0.   1.5]");
  BOOST_TEST(to_string(D({2}, {NaN, -inf})) == "[ nan -inf]");
  BOOST_TEST(to_string(D::filled({1, 1, 1}, -0.0)) == "[[[-0.]]]");
  BOOST_TEST(to_string(D({}, {0.6853521})) == "0.6854");
  BOOST_TEST(to_string(D({}, {-2})) == "-2.0");
  BOOST_TEST(to_string(D({}, {NaN})) == "nan");
  BOOST_TEST(to_string(D({}, {-inf})) == "-inf");
  for (const Shape& shape : {Shape{0}, Shape{3, 0}, Shape{0, 3, 2, 1}}) {
    BOOST_TEST(to_string(D(shape)) == "[]");
  }
  BOOST_TEST(to_string(D()) == "[]");
  BOOST_TEST(streamed(Shape{2, 3}) == "(2, 3)");
  BOOST_TEST(streamed(Shape{}) == "()");
}

BOOST_AUTO_TEST_CASE(large_tensors_are_summarised) {
  BOOST_TEST(to_string(range({1001})) == "[   0.    1.    2. ...  998.  999. 1000.]");
  BOOST_TEST(to_string(range({1000})).find("...") == std::string::npos);
  BOOST_TEST(to_string(range({30, 40}, 1. / 7)) ==
             "[[0.0000e+00 1.4286e-01 2.8571e-01 ... 5.2857e+00 5.4286e+00 5.5714e+00]\n"
             " [5.7143e+00 5.8571e+00 6.0000e+00 ... 1.1000e+01 1.1143e+01 1.1286e+01]\n"
             " [1.1429e+01 1.1571e+01 1.1714e+01 ... 1.6714e+01 1.6857e+01 1.7000e+01]\n"
             " ...\n"
             " [1.5429e+02 1.5443e+02 1.5457e+02 ... 1.5957e+02 1.5971e+02 1.5986e+02]\n"
             " [1.6000e+02 1.6014e+02 1.6029e+02 ... 1.6529e+02 1.6543e+02 1.6557e+02]\n"
             " [1.6571e+02 1.6586e+02 1.6600e+02 ... 1.7100e+02 1.7114e+02 1.7129e+02]]");
  // Columns fit what is shown: the entries between do not count.
  Tensor<double> hidden({2000});
  hidden[1000] = -1e9;
  BOOST_TEST(to_string(hidden) == "[0. 0. 0. ... 0. 0. 0.]");
}

BOOST_AUTO_TEST_CASE(tensors_and_views_print_alike) {
  Tensor<float> x({2}, {1, 2});
  const Tensor<float>& constant = x;
  for (const std::string& text : {streamed(x), streamed(constant), streamed(x.view()),
                                  streamed(constant.view()), to_string(x.view())}) {
    BOOST_TEST(text == "[1. 2.]");
  }
}

BOOST_AUTO_TEST_CASE(a_var_prints_its_name_operation_shape_and_value) {
  Tape<double> tape;
  const Tensor<double> x({2, 2}, {1, 2, 3, 4});
  const Var<double> leaf = named(tape.input(x), "x"), y = leaf * leaf;
  BOOST_TEST(to_string(leaf) == "x = input (2, 2)\n[[1. 2.]\n [3. 4.]]");
  BOOST_TEST(streamed(y) == "mul (2, 2)\n[[ 1.  4.]\n [ 9. 16.]]");
  BOOST_TEST(streamed(named(sum(y), "loss")) == "loss = sum () 30.0");
  tape.clear();
  BOOST_TEST(message_of<UsageError>([&] { to_string(y); }).find("a stale Var is used") !=
             std::string::npos);
  BOOST_TEST(message_of<UsageError>([&] { to_string(Var<double>()); }).find("never assigned") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_tape_prints_a_node_a_line) {
  Tape<double> tape;
  const Tensor<double> x({3, 2}), w({2, 4});
  const Var<double> a = named(tape.input(x), "X"), b = named(tape.input(w), "W\n1");
  const Var<double> z = named(matmul(a, b), "Z"), loss = sum(tanh(z));
  gradients(loss, {b});
  BOOST_TEST(streamed(tape) ==
             "id  name   operation         shape   recorded by the rule of\n"
             "%0  X      input             (3, 2)\n"
             "%1  W\\n1   input             (2, 4)\n"
             "%2  Z      matmul(X, W\\n1)   (3, 4)\n"
             "%3         tanh(Z)           (3, 4)\n"
             "%4         sum(%3)           ()\n"
             "%5         constant          ()\n"
             "%6         broadcast_to(%5)  (3, 4)  %4 (sum)\n"
             "%7         sech_squared(Z)   (3, 4)  %3 (tanh)\n"
             "%8  dZ     mul(%6, %7)       (3, 4)  %3 (tanh)\n"
             "%9  dW\\n1  matmul(X, dZ)     (2, 4)  Z (matmul)\n");
  BOOST_TEST(to_string(Tape<float>()) == "id  name  operation  shape  recorded by the rule of\n");
}

BOOST_AUTO_TEST_CASE(ten_thousand_nodes_print_as_as_many_lines) {
  Tape<float> tape;
  Var<float> y = tape.constant(1);
  std::vector<Var<float>> all{y};
  while (tape.size() < 9999) all.push_back(y = -y);
  tape.record(*tape.node(y.id()).op, {named(y, "π")});
  const std::vector<std::string> lines = lines_of(to_string(tape));
  BOOST_TEST_REQUIRE(lines.size() == 10001u);
  BOOST_TEST(lines[1] == "   %0        constant    ()");
  BOOST_TEST(lines[9999] == "%9998  π     neg(%9997)  ()");
  BOOST_TEST(lines[10000] == "%9999        neg(π)      ()");
}

// What several test programs share: random tensors, the message of an expected error, a state of a
// tape to compare, and plain central differences.
#pragma once

#include <chainrule/autograd/parameter.hpp>
#include <chainrule/autograd/storage/random.hpp>
#include <chainrule/autograd/tape.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

namespace support {

using Precisions = std::tuple<float, double>;

/// A stream of random numbers for one test.
class Source {
 public:
  explicit Source(std::uint64_t seed) : random_(seed, chainrule::Purpose::test) {}
  double uniform(double low = -1, double high = 1) { return random_.uniform(next_++, low, high); }
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(random_.below(next_++, static_cast<std::uint64_t>(count)));
  }
  template <class T = double>
  chainrule::Tensor<T> tensor(const chainrule::Shape& shape, double low = -1, double high = 1) {
    chainrule::Tensor<T> result(shape);
    for (T& x : result) x = static_cast<T>(uniform(low, high));
    return result;
  }

 private:
  chainrule::Random random_;
  std::uint64_t next_ = 0;
};

/// A parameter with memory and a version of its own.
template <class T>
struct OwnedParameter {
  OwnedParameter(std::string name, chainrule::Tensor<T> start)
      : value(std::move(start)),
        gradient(value.shape()),
        parameter(std::move(name), value, gradient, &version) {}
  chainrule::Tensor<T> value, gradient;
  std::uint64_t version = 0;
  chainrule::Parameter<T> parameter;
};

/// Whether two tensors are equal in shape and in every bit.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  return a.shape() == b.shape() &&
         (a.size() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(*a.data())) ==
              0);
}

/// |a - b| / |b| in the 2-norm; infinite where shapes differ.
template <class A, class B>
double relative_error(const A& a, const B& b) {
  if (a.shape() != b.shape()) return HUGE_VAL;
  double difference = 0, norm = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

/// The message of the error of type E that `f` must throw; "" (and a failure) where it does not.
template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    BOOST_ERROR("another error was thrown: " << error.what());
    return {};
  }
  BOOST_ERROR("nothing was thrown");
  return {};
}

/// `f` throws E; its message has `part` in it, and names the file and line of this call (give or
/// take the lines into which one statement is broken).
template <class E, class F>
void check_error(F f, std::string_view part,
                 chainrule::SourceLocation here = chainrule::SourceLocation::current()) {
  const std::string text = message_of<E>([&] {
    try {
      f();
    } catch (const E& error) {
      BOOST_TEST(std::string(error.location().file()) == here.file());
      BOOST_TEST(
          std::abs(static_cast<int>(error.location().line()) - static_cast<int>(here.line())) <= 4);
      throw;
    }
  });
  BOOST_TEST(text.find(part) != std::string::npos, "'" << text << "' has no '" << part << "'");
}

/// What an error must leave as it was: the number of nodes, their names, and the names taken.
template <class T>
std::vector<std::string> state_of(chainrule::Tape<T>& tape) {
  std::vector<std::string> state;
  for (chainrule::NodeId id = 0; id < tape.size(); ++id) {
    state.push_back(std::string(tape.node(id).op->name) + " " + std::string(tape.node(id).name));
  }
  for (const auto& [name, var] : tape.names()) {
    state.push_back(name + " = " + std::to_string(var.id()));
  }
  return state;
}

/// The derivative of f() with respect to each entry of x, by central differences.
template <class F>
chainrule::Tensor<double> central_differences(chainrule::Tensor<double>& x, F f, double h = 1e-5) {
  chainrule::Tensor<double> result(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double centre = x[i];
    x[i] = centre + h;
    const double above = f();
    x[i] = centre - h;
    const double below = f();
    x[i] = centre;
    result[i] = (above - below) / (2 * h);
  }
  return result;
}

}  // namespace support

// FlushSubnormals: what it does to arithmetic, to whom, and for how long.
#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/subnormals.hpp>
#include <limits>
#include <thread>
#include <tuple>

using namespace chainrule;
using Scalars = std::tuple<float, double>;

namespace {

/// At run time, by the processor.
template <class T>
T product(T a, T b) {
  volatile T x = a, y = b;
  return x * y;
}
template <class T>
constexpr T smallest = std::numeric_limits<T>::min();

template <class T>
bool keeps_subnormals() {
  const bool as_result = product(smallest<T>, T(0.5)) > 0;
  const bool as_operand = product(std::numeric_limits<T>::denorm_min(), 1 / smallest<T>) > 0;
  BOOST_TEST(as_result == as_operand);
  return as_result;
}

}  // namespace

#if defined(__x86_64__) || defined(__aarch64__)
BOOST_AUTO_TEST_CASE_TEMPLATE(subnormal_numbers_are_zero_while_it_lives, T, Scalars) {
  BOOST_TEST(keeps_subnormals<T>());
  {
    const FlushSubnormals flush;
    BOOST_TEST(!keeps_subnormals<T>());
    BOOST_TEST(product(smallest<T>, T(1)) == smallest<T>);  // normal numbers stay
    {
      const FlushSubnormals again;
      BOOST_TEST(!keeps_subnormals<T>());
    }
    BOOST_TEST(!keeps_subnormals<T>());
  }
  BOOST_TEST(keeps_subnormals<T>());
}

BOOST_AUTO_TEST_CASE(other_threads_keep_theirs) {
  std::thread other([] {
    const FlushSubnormals flush;
    BOOST_TEST(!keeps_subnormals<float>());
  });
  other.join();
  BOOST_TEST(keeps_subnormals<float>());
}
#endif

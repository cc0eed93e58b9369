// CSV: what is written reads back as the same numbers, and no failure passes in silence.
#include <chainrule/data/csv.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>

#include <sys/resource.h>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {
using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Columns = std::vector<Column>;
}  // namespace

BOOST_FIXTURE_TEST_SUITE(csv, TemporaryDirectory)

BOOST_AUTO_TEST_CASE(writes_columns) {
  const auto path = *this / "a.csv";
  const double inf = std::numeric_limits<double>::infinity();
  write_csv(path, Columns{{"step", Integers{0, 125, -9007199254740993}},
                          {"loss, mean", Doubles{0.1, -std::nan(""), 1e-300}},
                          {"a \"name\"\nof two lines", Doubles{inf, -inf, 3}}});
  BOOST_TEST(read(path) ==
             "step,\"loss, mean\",\"a \"\"name\"\"\nof two lines\"\n"
             "0,0.1,inf\n125,nan,-inf\n-9007199254740993,1e-300,3\n");
  write_csv(path, Columns{{"x", Doubles{}}, {"y", Integers{}}});
  BOOST_TEST(read(path) == "x,y\n");
}

BOOST_AUTO_TEST_CASE(numbers_read_back_as_they_were) {
  Doubles values{0.0,  -0.0, 1.0 / 3,  5e-324, 1.7976931348623157e308, 33.55274553571429,
                 1e22, 1e23, 0.1 + 0.2};
  double x = 1;
  for (int i = 0; i < 500; ++i) values.push_back(x = std::fmod(x * 1103.515245 + 0.12345, 977.0));
  const auto path = *this / "b.csv";
  write_csv(path, Columns{{"x", values}});
  const std::string text = read(path);
  const char* at = text.c_str() + 2;
  for (const double value : values) {
    char* end = nullptr;
    const double back = std::strtod(at, &end);
    BOOST_TEST(back == value);
    BOOST_TEST(std::signbit(back) == std::signbit(value));
    BOOST_REQUIRE(*end == '\n');
    at = end + 1;
  }
  BOOST_TEST(*at == '\0');
}

BOOST_AUTO_TEST_CASE(rejects_what_is_no_table) {
  const auto path = *this / "c.csv";
  BOOST_CHECK_EXCEPTION(write_csv(path, Columns{}), UsageError, says("no columns", "csv.cpp"));
  BOOST_CHECK_EXCEPTION(write_csv(path, Columns{{"x", Doubles{1, 2}}, {"y", Integers{1}}}),
                        ShapeError,
                        says("column 'y' has 1 values, expected 2 as in column 'x'", "csv.cpp"));
  BOOST_CHECK_EXCEPTION(write_csv(path, Columns{{"x", Doubles{1, 2}}, {"y", Integers{1, 2, 3}}}),
                        ShapeError, says("column 'y' has 3 values, expected 2 as in column 'x'"));
  BOOST_TEST(!fs::exists(path));
}

BOOST_AUTO_TEST_CASE(says_why_a_file_cannot_be_written) {
  const Columns columns{{"x", Doubles(5000, 0.123456789)}};
  const auto missing = *this / "no" / "folder.csv";
  BOOST_CHECK_EXCEPTION(write_csv(missing, columns), FileError,
                        says("[write_csv]", missing.string(), "No such file or directory"));
  BOOST_CHECK_EXCEPTION(write_csv(path(), columns), FileError, says("Is a directory"));

  // A file that may not grow: the write fails, not the opening.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit little{100, before.rlim_max};
  // 5000 numbers fail in the write, 20 still fit the buffer and fail when it is flushed.
  for (const std::size_t count : {5000, 20}) {
    const auto full = *this / "full.csv";
    std::string message;
    BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &little) == 0);
    try {
      write_csv(full, Columns{{"x", Doubles(count, 0.123456789)}});
    } catch (const FileError& error) {
      message = error.what();
    }
    BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    BOOST_TEST(message == "[write_csv] " + full.string() + ": cannot be written: File too large");
  }
}

BOOST_AUTO_TEST_SUITE_END()

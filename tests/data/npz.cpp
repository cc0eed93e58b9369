// .npz and .npy: what NumPy wrote is read as it was, in either memory order, stored or deflated; no
// damaged file is taken. The files of numpy/ were written by numpy/make_arrays.py, which is run
// again where NumPy is installed.
#include <chainrule/data/npz.hpp>

#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/error.hpp>
#include <cstdlib>
#include <map>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

const fs::path numpy_files = fs::path(CHAINRULE_SOURCE_DIR) / "tests/data/numpy";

/// That the tensor is the script's: entry i is i / 4 - 3, or i for uint8.
void check_values(const NamedTensor& tensor) {
  const bool bytes = tensor.name.ends_with("bytes");
  std::visit(
      [&](const auto& value) {
        for (std::int64_t i = 0; i < value.size(); ++i) {
          const double expected = bytes ? static_cast<double>(i) : static_cast<double>(i) / 4 - 3;
          BOOST_TEST(static_cast<double>(value[i]) == expected, tensor.name << " " << i);
        }
      },
      tensor.value);
}

void check_arrays(const fs::path& path) {
  const std::map<std::string, std::pair<const char*, bool>> expected{
      {"single", {"(3, 4)", true}},       {"double", {"(3, 4)", false}},
      {"bytes", {"(2, 3)", true}},        {"fortran", {"(3, 4)", false}},
      {"fortran3", {"(2, 3, 4)", true}},  {"fortran_bytes", {"(2, 3)", true}},
      {"scalar", {"()", false}},          {"vector", {"(5,)", true}},
      {"rank4", {"(2, 1, 3, 2)", false}}, {"empty", {"(0, 3)", false}}};
  const auto tensors = read_npz(path);
  BOOST_TEST(tensors.size() == expected.size());
  BOOST_TEST(tensors.front().name == "single");
  for (const NamedTensor& tensor : tensors) {
    BOOST_TEST_REQUIRE(expected.contains(tensor.name), tensor.name);
    const auto& [shape, single] = expected.at(tensor.name);
    BOOST_TEST(to_string(tensor.shape()) == shape);
    BOOST_TEST((tensor.value.index() == 0) == single, tensor.name);
    check_values(tensor);
  }
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string result;
  for (int i = 0; i < bytes; ++i, value >>= 8) result += static_cast<char>(value & 255);
  return result;
}

/// An .npy file of version 1 from its dictionary and numbers.
std::string npy(const std::string& dictionary, const std::string& numbers) {
  return "\x93NUMPY" + std::string("\1\0", 2) + little_endian(dictionary.size(), 2) + dictionary +
         numbers;
}

/// A zip archive of one stored member; every number can be set wrong.
struct Zip {
  std::string name = "X.npy",
              data = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
                         std::string("\0\0\x80\x3f", 4));
  std::uint16_t flags = 0, method = 0;
  std::uint64_t size = data.size();
  std::uint32_t crc = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
  int copies = 1;

  std::string bytes() const {
    const std::string common = little_endian(flags, 2) + little_endian(method, 2) +
                               little_endian(0, 4) + little_endian(crc, 4) +
                               little_endian(data.size(), 4) + little_endian(size, 4) +
                               little_endian(name.size(), 2) + little_endian(0, 2);
    const std::string local = "PK\3\4" + little_endian(20, 2) + common + name + data;
    std::string directory;
    for (int i = 0; i < copies; ++i) {
      directory += "PK\1\2" + little_endian(20, 2) + little_endian(20, 2) + common +
                   little_endian(0, 14) + name;
    }
    return local + directory + "PK\5\6" + little_endian(0, 4) + little_endian(copies, 2) +
           little_endian(copies, 2) + little_endian(directory.size(), 4) +
           little_endian(local.size(), 4) + little_endian(0, 2);
  }
};

template <class Read>
void refused(Read read, const fs::path& path, const char* part) {
  BOOST_CHECK_EXCEPTION(read(path), FileError, says(path.string(), part));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(npz, TemporaryDirectory)

BOOST_AUTO_TEST_CASE(reads_what_numpy_wrote) {
  check_arrays(numpy_files / "stored.npz");
  check_arrays(numpy_files / "deflated.npz");
  const NamedTensor single = read_npy(numpy_files / "fortran.npy");
  BOOST_TEST(single.name == "fortran");
  BOOST_TEST(to_string(single.shape()) == "(3, 4)");
  check_values(single);
}

BOOST_AUTO_TEST_CASE(reads_what_the_installed_numpy_writes) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0) {
    BOOST_TEST_MESSAGE("skipped: NumPy is not installed");
    return;
  }
  const std::string command =
      "python3 '" + (numpy_files / "make_arrays.py").string() + "' '" + path().string() + "'";
  BOOST_REQUIRE(std::system(command.c_str()) == 0);
  check_arrays(*this / "stored.npz");
  check_arrays(*this / "deflated.npz");
}

BOOST_AUTO_TEST_CASE(reads_an_archive_by_hand) {
  const auto tensors = read_npz(write(*this / "a.npz", Zip{}.bytes()));
  BOOST_REQUIRE(tensors.size() == 1u);
  BOOST_TEST(tensors[0].name == "X");
  BOOST_TEST(std::get<Tensor<float>>(tensors[0].value)[0] == 1);
}

BOOST_AUTO_TEST_CASE(refuses_archives) {
  const auto archive = [&](const Zip& zip, const char* part) {
    refused(read_npz, write(*this / "bad.npz", zip.bytes()), part);
  };
  archive({.crc = 1}, "damaged: member 'X.npy' has not the CRC-32 that the directory says");
  archive({.flags = 1}, "member 'X.npy' is encrypted");
  archive({.method = 12}, "compressed by method 12, expected stored (0) or deflated (8)");
  archive({.size = 7}, "is stored in ");
  archive({.method = 8}, "does not unpack to");
  archive({.method = 8, .size = 4'000'000'000}, "to 4000000000");
  archive({.copies = 2}, "the member 'X.npy' stands twice");
  archive({.name = "readme.txt"}, "member 'readme.txt': expected an .npy file");
  refused(read_npz, write(*this / "empty.npz", ""), "0 bytes: not a zip archive");
  refused(read_npz, write(*this / "text.npz", "this is some text, not an archive"),
          "it does not begin as a zip archive does");
  refused(read_npz, *this / "none.npz", "");
  refused(read_npz, numpy_files / "integers.npz",
          "member 'X.npy': dtype '<i8', expected uint8 (|u1), float32 (<f4) or float64 (<f8)");
}

BOOST_AUTO_TEST_CASE(refuses_arrays) {
  const std::string four(4, '\0');
  const auto array = [&](const std::string& dictionary, const std::string& numbers,
                         const char* part) {
    refused(read_npy, write(*this / "bad.npy", npy(dictionary, numbers)), part);
  };
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
  BOOST_TEST(read_npy(write(*this / "good.npy", npy(good, four))).shape().size() == 1);
  array(good, "abc", "3 bytes of numbers, expected 4 for <f4 of shape (1)");
  array(good, "abcde", "5 bytes of numbers, expected 4");
  array(good + "x", four, "header: 'x' after the dictionary");
  array("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", four, "dtype '>f4', expected");
  array("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", four, "structured");
  array("{'descr': '<f4', 'shape': (1,), }", four, "header: 'fortran_order' is missing");
  array("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", four, "'descr' stands twice");
  array("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", four, "expected True or False");
  array("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", four, "a dimension at '-1");
  array("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1), }", four, "of rank 5");
  array("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", four,
        "more elements than can be addressed");
  array("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", four, "unknown key 'x'");
  refused(read_npy, write(*this / "t.npy", "\x93NUMPY"), "truncated: 6 bytes");
  refused(read_npy, write(*this / "v.npy", "\x93NUMPY" + std::string("\4\0\0\0\0\0", 6)),
          "version 4.0 of the format");
  refused(read_npy, write(*this / "l.npy", "\x93NUMPY" + std::string("\1\0\x50\0  ", 6)),
          "truncated: 2 bytes after the header's length, expected 80");
  refused(read_npy, write(*this / "m.npy", "something else"),
          "does not begin as an .npy file does");
}

// Each prefix of a real archive, and each byte of it changed, is refused or, where the byte says
// nothing about the arrays (a time, an attribute), read as it was.
BOOST_AUTO_TEST_CASE(no_damage_goes_unseen) {
  const fs::path path = *this / "damaged.npz";
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::string whole = read(numpy_files / name);
    for (std::size_t size = 0; size < whole.size(); size += 13) {
      write(path, whole.substr(0, size));
      BOOST_CHECK_THROW(read_npz(path), FileError);
    }
    int refusals = 0, rounds = 0;
    for (std::size_t i = 0; i < whole.size(); i += 3) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
      write(path, damaged);
      ++rounds;
      try {
        const auto tensors = read_npz(path);
        for (const NamedTensor& tensor : tensors) check_values(tensor);
      } catch (const FileError&) {
        ++refusals;
      }
    }
    BOOST_TEST(refusals > rounds / 2);
  }
}

BOOST_AUTO_TEST_SUITE_END()

// safetensors: what is written reads back bit for bit, the layout is the format's byte for byte,
// and no damaged file is taken.
#include <chainrule/data/safetensors.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

using Tensors = std::vector<NamedTensor>;

/// The 8 bytes of the length, the header as it is given, and `size` bytes of numbers.
std::string file_of(std::string_view header, std::size_t size) {
  std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(length & 255);
    length >>= 8;
  }
  return bytes.append(header).append(size, '\x3f');
}

bool same(const NamedTensor& a, const NamedTensor& b) {
  if (a.name != b.name || a.value.index() != b.value.index()) return false;
  return std::visit(
      [&](const auto& value) {
        const auto& other = std::get<std::decay_t<decltype(value)>>(b.value);
        return value.shape() == other.shape() &&
               (value.size() == 0 ||
                std::memcmp(value.data(), other.data(), value.span().size_bytes()) == 0);
      },
      a.value);
}

template <class T>
Tensor<T> special() {
  using Limits = std::numeric_limits<T>;
  return Tensor<T>({2, 5}, {T{0}, -T{0}, Limits::infinity(), -Limits::infinity(),
                            Limits::quiet_NaN(), -Limits::quiet_NaN(), Limits::denorm_min(),
                            Limits::max(), Limits::lowest(), T{1} / 3});
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(safetensors, TemporaryDirectory)

BOOST_AUTO_TEST_CASE(reads_back_bit_for_bit) {
  const Tensors tensors{{"double", special<double>()},
                        {"single", special<float>()},
                        {"scalar", Tensor<float>(Shape{}, {-1.5f})},
                        {"empty", Tensor<float>({3, 0, 2})},
                        {"of rank 4", Tensor<float>::filled({2, 3, 1, 5}, 0.1f)},
                        {"", Tensor<float>::filled({7}, 2)},
                        {"quote \" backslash \\ line\n, é", Tensor<float>({1})}};
  const auto path = *this / "a.safetensors";
  write_safetensors(path, tensors);
  const Tensors back = read_safetensors(path);
  BOOST_REQUIRE(back.size() == tensors.size());
  for (std::size_t i = 0; i < back.size(); ++i) BOOST_TEST(same(back[i], tensors[i]), back[i].name);

  write_safetensors(path, Tensors{});
  BOOST_TEST(read_safetensors(path).empty());
}

// Written by hand from the format's description.
BOOST_AUTO_TEST_CASE(the_file_is_the_formats) {
  const auto path = *this / "b.safetensors";
  write_safetensors(path, Tensors{{"b", Tensor<float>({3}, {1, 2, -2})},
                                  {"a", Tensor<double>({1, 2}, {0.5, -1})}});
  const std::string header = R"({"a":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]},)"
                             R"("b":{"dtype":"F32","shape":[3],"data_offsets":[16,28]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string numbers(
      "\0\0\0\0\0\0\xe0\x3f"
      "\0\0\0\0\0\0\xf0\xbf"
      "\0\0\x80\x3f"
      "\0\0\0\x40"
      "\0\0\0\xc0",
      28);
  BOOST_TEST(read(path) == file_of(padded, 0) + numbers);
}

// Whatever the names, numbers begin at a multiple of eight bytes.
BOOST_AUTO_TEST_CASE(numbers_are_aligned) {
  const auto path = *this / "aligned.safetensors";
  for (std::size_t length = 1; length <= 8; ++length) {
    write_safetensors(path, Tensors{{std::string(length, 'n'), Tensor<double>({1}, {0.5})}});
    const std::string bytes = read(path);
    BOOST_TEST(bytes.size() % 8 == 0u);
    BOOST_TEST((bytes.substr(bytes.size() - 8) == std::string_view("\0\0\0\0\0\0\xe0\x3f", 8)));
  }
}

// A length of 0x8b1f makes the first two bytes those of gzip.
BOOST_AUTO_TEST_CASE(a_length_that_looks_like_gzip_is_a_length) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const auto path =
      write(*this / "c.safetensors", file_of(header + std::string(0x8b1f - header.size(), ' '), 4));
  BOOST_TEST(read(path).substr(0, 2) == "\x1f\x8b");
  BOOST_TEST(read_safetensors(path).size() == 1);
}

BOOST_AUTO_TEST_CASE(order_metadata_and_padding_do_not_matter) {
  const auto tensors = read_safetensors(
      write(*this / "d.safetensors",
            file_of("{\"late\" : {\"data_offsets\":[4,8],\"shape\":[1,1],\"dtype\":\"F32\"},\n"
                    "\"__metadata__\":{\"format\":\"pt\",\"\":\"\"},"
                    "\"none\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[4,4]},"
                    "\"early\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ",
                    8)));
  BOOST_REQUIRE(tensors.size() == 3);
  BOOST_TEST(tensors[0].name == "early");
  BOOST_TEST(tensors[1].name == "none");
  BOOST_TEST(tensors[2].name == "late");
  BOOST_TEST(tensors[2].shape() == Shape({1, 1}));
}

BOOST_AUTO_TEST_CASE(damaged_headers_are_rejected) {
  const auto rejects = [&](std::string_view header, std::size_t size, auto... parts) {
    const auto path = write(*this / "bad.safetensors", file_of(header, size));
    BOOST_TEST_CONTEXT(header) {
      BOOST_CHECK_EXCEPTION(read_safetensors(path), FileError,
                            says("[read_safetensors] ", path.string(), parts...));
    }
  };
  const auto entry = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return "{\"x\":{\"dtype\":" + std::string(dtype) + ",\"shape\":" + std::string(shape) +
           ",\"data_offsets\":" + std::string(offsets) + "}}";
  };
  const std::string good = entry("\"F32\"", "[2]", "[0,8]");
  BOOST_TEST(read_safetensors(write(*this / "good.safetensors", file_of(good, 8))).size() == 1);

  // Not JSON, or not an object of tensors.
  rejects("", 0, "does not begin with '{'");
  rejects(" " + good, 8, "does not begin with '{'");
  rejects("[]", 0, "does not begin with '{'");
  rejects("{", 0, "not JSON at byte");
  rejects(good.substr(0, good.size() - 1), 8, "not JSON");
  rejects(good + "{}", 8, "not JSON");
  rejects(good + std::string(1, '\0'), 8, "not JSON");
  rejects("{\"x\xff\":{}}", 0, "not JSON", "UTF-8");
  rejects("{\"x\":{},}", 0, "no dtype");
  rejects("{\"x\":1}", 0, "the number 1 as the value of 'x', expected an object");
  rejects("{\"x\":[]}", 0, "an array as the value of 'x', expected an object");
  rejects("{\"x\":null}", 0, "null as the value of 'x'");
  rejects("{\"x\":{\"x\":{}}}", 0, "tensor 'x': unknown key 'x', expected dtype");
  rejects("{\"x\":{\"dtype\":\"F32\",\"shape\":[0]}}", 0, "tensor 'x': no data_offsets");
  rejects("{\"__metadata__\":{\"a\":1}}", 0, "the number 1 in __metadata__, expected a string");
  rejects("{\"__metadata__\":{\"a\":{}}}", 0, "an object in __metadata__");
  rejects("{\"__metadata__\":true}", 0, "true as the value of '__metadata__', expected an object");

  // Keys twice.
  rejects(good.substr(0, good.size() - 1) + "," + good.substr(1), 8, "the key 'x' stands twice");
  rejects("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' stands twice");
  rejects("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "'a' stands twice in __metadata__");
  rejects("{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "'x': the key 'dtype' stands twice");

  // Types and shapes.
  rejects(entry("\"F16\"", "[2]", "[0,4]"), 4, "tensor 'x': dtype F16, expected F32 or F64");
  rejects(entry("\"I64\"", "[1]", "[0,8]"), 8, "dtype I64, expected F32 or F64");
  rejects(entry("32", "[2]", "[0,8]"), 8, "the number 32 as dtype, expected a string");
  rejects(entry("[\"F32\"]", "[2]", "[0,8]"), 8, "an array as dtype, expected a string");
  rejects(entry("\"F32\"", "2", "[0,8]"), 8, "the number 2 as shape, expected an array");
  rejects(entry("\"F32\"", "[[2]]", "[0,8]"), 8, "an array in shape, expected integers");
  rejects(entry("\"F32\"", "[\"2\"]", "[0,8]"), 8, "the string '2' in shape, expected integers");
  rejects(entry("\"F32\"", "[-2]", "[0,8]"), 8, "the negative number -2 in shape");
  rejects(entry("\"F32\"", "[2.0]", "[0,8]"), 8, "the number 2.0 in shape, expected integers");
  rejects(entry("\"F32\"", "[18446744073709551616]", "[0,8]"), 8, "18446744073709551616 in shape");
  rejects(entry("\"F32\"", "[1,1,1,1,2]", "[0,8]"), 8, "of rank 5, expected at most 4");
  rejects(entry("\"F32\"", "[18446744073709551615]", "[0,8]"), 8, "more elements than can be");
  rejects(entry("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "more elements than can be");
  rejects(entry("\"F32\"", "[0,9223372036854775807,3]", "[0,0]"), 0, "more elements than can be");
  rejects(entry("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, "more elements than can be");
  rejects(entry("\"F32\"", "[72057594037927936]", "[0,8]"), 8, "hold 8 bytes, expected 288230376");

  // Offsets.
  rejects(entry("\"F32\"", "[2]", "[0]"), 8, "1 data_offsets, expected 2");
  rejects(entry("\"F32\"", "[2]", "[0,8,16]"), 8, "3 data_offsets, expected 2");
  rejects(entry("\"F32\"", "[2]", "[8,0]"), 8, "data_offsets [8, 0] run backwards");
  rejects(entry("\"F32\"", "[3]", "[0,8]"), 8, "hold 8 bytes, expected 12 for F32 of shape [3]");
  rejects(entry("\"F64\"", "[2]", "[0,8]"), 8, "hold 8 bytes, expected 16 for F64 of shape [2]");
  rejects(entry("\"F32\"", "[2]", "[0,12]"), 12, "hold 12 bytes, expected 8 for F32 of shape [2]");
  rejects(entry("\"F32\"", "[2]", "[4,12]"), 12, "'x' begins at byte 4, expected 0: a hole");
  rejects(good, 7, "truncated: 7 bytes after the header, expected 8");
  rejects(good, 0, "truncated: 0 bytes after the header, expected 8");
  rejects(good, 9, "trailing bytes: 9 after the header, expected 8");
  rejects("{}", 1, "trailing bytes: 1 after the header, expected 0");
  const auto two = [&](std::string_view offsets) {
    return good.substr(0, good.size() - 1) +
           ",\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" + std::string(offsets) +
           "}}";
  };
  BOOST_TEST(
      read_safetensors(write(*this / "good.safetensors", file_of(two("[8,16]"), 16))).size() == 2);
  rejects(two("[0,8]"), 8, "'y' begins at byte 0, expected 8: it overlaps");
  rejects(two("[4,12]"), 12, "'y' begins at byte 4, expected 8: it overlaps");
  rejects(two("[12,20]"), 20, "'y' begins at byte 12, expected 8: a hole");
  rejects(two("[18446744073709551608,18446744073709551615]"), 16, "hold 7 bytes, expected 8");
}

BOOST_AUTO_TEST_CASE(damaged_lengths_are_rejected) {
  const auto path = *this / "short.safetensors";
  const auto rejects = [&](std::string_view bytes, auto... parts) {
    write(path, bytes);
    BOOST_CHECK_EXCEPTION(read_safetensors(path), FileError, says(path.string(), parts...));
  };
  rejects("", "truncated: 0 bytes, expected at least the 8");
  rejects("\x02\0\0\0", "truncated: ");
  rejects(file_of("{}", 0).substr(0, 9),
          "truncated: 1 bytes after the header's length, expected 2");
  rejects(std::string(8, '\xff'), "18446744073709551615 bytes, expected at most 100000000");
  rejects(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), "100000001 bytes, expected at most");
  rejects(std::string("\x00\xe1\xf5\x05\0\0\0\0", 8), "truncated: 0 bytes", "expected 100000000");
  BOOST_CHECK_EXCEPTION(read_safetensors(*this / "none"), FileError, says("cannot be opened"));
  BOOST_CHECK_EXCEPTION(read_safetensors(this->path()), FileError, says(this->path().string()));
}

// Whatever one byte of a file becomes, reading ends in tensors or in a FileError.
BOOST_AUTO_TEST_CASE(no_altered_byte_does_worse_than_an_error) {
  const auto path = *this / "e.safetensors";
  write_safetensors(path, Tensors{{"a", Tensor<float>({2, 2})}, {"b", Tensor<double>({1})}});
  const std::string good = read(path);
  const std::size_t header_end = good.size() - 24;
  int rejected = 0;
  for (std::size_t i = 0; i < header_end; ++i) {
    for (const char byte : {'\0', '"', '0', '9', '-', '}', '\xff'}) {
      std::string bad = good;
      if (bad[i] == byte) continue;
      bad[i] = byte;
      try {
        read_safetensors(write(path, bad));
      } catch (const FileError&) {
        ++rejected;
      }
    }
  }
  BOOST_TEST(rejected > 600);
  for (std::size_t length = 0; length < good.size(); ++length) {
    write(path, good.substr(0, length));
    BOOST_CHECK_THROW(read_safetensors(path), FileError);
  }
}

BOOST_AUTO_TEST_CASE(names_that_the_format_cannot_hold) {
  const auto path = *this / "f.safetensors";
  const Tensor<float> x({1});
  const auto rejects = [&](Tensors tensors, auto... parts) {
    BOOST_CHECK_EXCEPTION(write_safetensors(path, tensors), NameError,
                          says(path.string(), "safetensors.cpp:", parts...));
    BOOST_TEST(fs::is_empty(this->path()));
  };
  rejects({{"x", x}, {"y", x}, {"x", x}}, "the name 'x' is given twice");
  rejects({{"__metadata__", x}}, "'__metadata__' is reserved");
  rejects({{"\xff", x}}, "not UTF-8");
}

BOOST_AUTO_TEST_CASE(bytes_become_floats_where_they_are_taken) {
  const auto path = *this / "bytes.safetensors";
  write(path,
        file_of(R"({"x":{"dtype":"U8","shape":[1,2],"data_offsets":[0,2]}})", 0) + "\x01\xff");
  const Tensors tensors = read_safetensors(path, Bytes::as_float);
  BOOST_REQUIRE(tensors.size() == 1u);
  BOOST_TEST(same(tensors[0], {"x", Tensor<float>({1, 2}, {1, 255})}));
  BOOST_CHECK_EXCEPTION(read_safetensors(path), FileError, says("dtype U8, expected F32 or F64"));
  write(path, file_of(R"({"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8));
  BOOST_CHECK_EXCEPTION(read_safetensors(path, Bytes::as_float), FileError,
                        says("dtype I64, expected F32, F64 or U8"));
  write(path, file_of(R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,2]}})", 2));
  BOOST_CHECK_EXCEPTION(read_safetensors(path, Bytes::as_float), FileError,
                        says("hold 2 bytes, expected 3 for U8"));
}

BOOST_AUTO_TEST_SUITE_END()

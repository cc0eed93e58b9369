// The IDX reader: good files in every spelling, and every kind of bad one, by type and message.
#include <chainrule/data/idx.hpp>

#include <fmt/format.h>
#include <zlib.h>
#include <boost/test/unit_test.hpp>

#include <tests/data/temporary.hpp>

using namespace chainrule;

namespace {

std::string word(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}
std::string header(int type, std::initializer_list<std::uint32_t> dimensions) {
  std::string text = {0, 0, static_cast<char>(type), static_cast<char>(dimensions.size())};
  for (const auto dimension : dimensions) text += word(dimension);
  return text;
}
std::string counting(std::size_t count, int modulus) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(i * 7 % modulus);
  return text;
}
const std::string images = header(8, {5, 3, 4}) + counting(60, 256);
const std::string labels = header(8, {5}) + counting(5, 10);

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  BOOST_REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string result(deflateBound(&stream, bytes.size()) + 32, '\0');
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  BOOST_REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

struct Files : TemporaryDirectory {
  fs::path file(std::string_view bytes) const { return write(*this / "file", bytes); }
  template <class... Parts>
  void rejects(std::string_view bytes, Parts... parts) const {
    const auto path = file(bytes);
    BOOST_CHECK_EXCEPTION(read_idx_images(path), FileError,
                          says("[read_idx]", path.string(), parts...));
  }
};

void check_good(const Images& read) {
  BOOST_TEST(read.count == 5);
  BOOST_TEST(read.rows == 3);
  BOOST_TEST(read.columns == 4);
  BOOST_REQUIRE(read.pixels.size() == 60u);
  for (std::size_t i = 0; i < 60; ++i) BOOST_TEST(read.pixels[i] == i * 7 % 256);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(idx, Files)

BOOST_AUTO_TEST_CASE(reads_plain_and_gzip) {
  check_good(read_idx_images(file(images)));
  check_good(read_idx_images(file(gzip(images))));
  for (const auto& bytes : {labels, gzip(labels)}) {
    const std::vector<std::int32_t> expected{0, 7, 4, 1, 8};
    BOOST_TEST(read_idx_labels(file(bytes)) == expected, boost::test_tools::per_element());
  }
  const auto none = read_idx_images(file(header(8, {0, 28, 28})));
  BOOST_TEST(none.count == 0);
  BOOST_TEST(none.pixels.empty());
}

BOOST_AUTO_TEST_CASE(reads_several_gzip_members_as_one_file) {
  for (const std::size_t cut : {1, 9, 16, 40, 75}) {
    check_good(read_idx_images(file(gzip(images.substr(0, cut)) + gzip(images.substr(cut)))));
  }
}

BOOST_AUTO_TEST_CASE(reads_files_larger_than_its_buffers) {
  const auto pixels = counting(3000 * 28 * 28, 251);
  const auto bytes = header(8, {3000, 28, 28}) + pixels;
  for (const auto& stored :
       {bytes, gzip(bytes), gzip(bytes.substr(0, 99)) + gzip(bytes.substr(99))}) {
    const auto read = read_idx_images(file(stored));
    BOOST_TEST(
        std::equal(read.pixels.begin(), read.pixels.end(), pixels.begin(), pixels.end(),
                   [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
  }
}

BOOST_AUTO_TEST_CASE(rejects_wrong_headers) {
  rejects("PNG something", "not an IDX file: begins with 50 4e 47 20, expected 00 00 08 03");
  rejects(header(13, {5, 3, 4}) + counting(60, 256), "element type 0x0d, expected 0x08");
  rejects(labels, "1 dimensions, expected 3 (images)");
  BOOST_CHECK_EXCEPTION(read_idx_labels(file(images)), FileError,
                        says("3 dimensions, expected 1 (labels)"));
  rejects(header(8, {5, 0, 4}), "dimension 1 is 0, expected at least 1");
  rejects(header(8, {0xffffffff, 0xffffffff, 0xffffffff}), "dimensions 4294967295 x 4294967295",
          "more than 2^63 - 1 bytes");
  // 2^62 can be counted, and four times that comes round to 0.
  rejects(header(8, {0x80000000, 0x80000000, 4}), "more than 2^63 - 1 bytes");
  // Either of the first two bytes says that it is no IDX file.
  for (const std::size_t place : {0, 1}) {
    std::string one_byte = images;
    one_byte[place] = 1;
    rejects(one_byte, "not an IDX file: begins with");
  }
  // 4 terabytes that are not there: refused for that, not for want of memory.
  rejects(header(8, {0xffffffff, 32, 32}) + "abc", "truncated: 3 bytes", "expected 4398046510080");
  rejects(gzip(header(8, {0xffffffff, 32, 32}) + "abc"), "truncated: 3 bytes");
}

BOOST_AUTO_TEST_CASE(rejects_trailing_bytes) {
  rejects(images + "x", "trailing bytes after the 60 expected for dimensions 5 x 3 x 4");
  rejects(gzip(images + "x"), "trailing bytes after the 60 expected");
  rejects(gzip(images) + "x", "trailing bytes after the gzip stream");
  rejects(gzip(images) + std::string(512, '\0'), "trailing bytes after the gzip stream");
  rejects(gzip(images) + gzip("x"), "trailing bytes after the 60 expected");
}

BOOST_AUTO_TEST_CASE(rejects_every_truncation) {
  for (const auto& whole :
       {images, gzip(images), gzip(images.substr(0, 30)) + gzip(images.substr(30))}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      BOOST_TEST_INFO_SCOPE("length " << length << " of " << whole.size());
      rejects(whole.substr(0, length), "truncated");
    }
  }
  const auto compressed = gzip(labels);
  for (std::size_t length = 0; length < compressed.size(); ++length) {
    BOOST_CHECK_EXCEPTION(read_idx_labels(file(compressed.substr(0, length))), FileError,
                          says("truncated"));
  }
}

BOOST_AUTO_TEST_CASE(never_takes_damage_for_data) {
  // A flipped bit is found, or (in gzip's time stamp and the like) changes nothing.
  const auto whole = gzip(images);
  int found = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {1, 16, 128}) {
      auto damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      try {
        check_good(read_idx_images(file(damaged)));
      } catch (const FileError&) {
        ++found;
      }
    }
  }
  BOOST_TEST(found > 3 * (static_cast<int>(whole.size()) - 10));
  auto damaged = whole;
  damaged[whole.size() - 8] = static_cast<char>(damaged[whole.size() - 8] ^ 1);
  rejects(damaged, "damaged gzip stream: incorrect data check");
  damaged = whole;
  damaged[whole.size() - 4] = static_cast<char>(damaged[whole.size() - 4] ^ 1);
  rejects(damaged, "damaged gzip stream: incorrect length check");
}

BOOST_AUTO_TEST_CASE(rejects_labels_out_of_range) {
  const auto path = file(header(8, {3}) + std::string{1, 10, 2});
  BOOST_CHECK_EXCEPTION(read_idx_labels(path), LabelError,
                        says(path.string(), "label 10 at index 1, expected 0 to 9"));
  BOOST_TEST(read_idx_labels(path, 11).size() == 3u);
}

BOOST_AUTO_TEST_CASE(rejects_what_cannot_be_read) {
  BOOST_CHECK_EXCEPTION(read_idx_images(*this / "nothing"), FileError,
                        says("nothing: cannot be opened: No such file"));
  BOOST_CHECK_EXCEPTION(read_idx_images(path()), FileError, says("Is a directory"));
}

BOOST_AUTO_TEST_CASE(rejects_counts_that_differ) {
  const auto pictures = write(*this / "images", images);
  const auto path = write(*this / "labels", header(8, {4}) + counting(4, 10));
  BOOST_CHECK_EXCEPTION(
      read_idx_pair(pictures, path), FileError,
      says(path.string(), "4 labels, expected 5, as many as images in", pictures.string()));
}

BOOST_AUTO_TEST_CASE(finds_mnist_in_every_spelling) {
  write(*this / "train-images-idx3-ubyte", images);
  write(*this / "train-labels.idx1-ubyte", labels);
  write(*this / "t10k-images.idx3-ubyte.gz", gzip(header(8, {1, 3, 4}) + counting(12, 256)));
  BOOST_CHECK_EXCEPTION(
      read_mnist(path()), FileError,
      says("[read_mnist]", path().string(), "has no t10k-labels-idx1-ubyte, plain or .gz"));
  write(*this / "t10k-labels-idx1-ubyte.gz", gzip(header(8, {1}) + std::string{3}));

  const auto mnist = read_mnist(path());
  check_good(mnist.train.images);
  BOOST_TEST(mnist.train.source == "MNIST, training set");
  BOOST_TEST(mnist.validation.images.count == 1);
  BOOST_TEST(mnist.validation.labels.at(0) == 3);

  write(*this / "t10k-images.idx3-ubyte.gz", gzip(header(8, {1, 4, 4}) + counting(16, 256)));
  BOOST_CHECK_EXCEPTION(read_mnist(path()), FileError,
                        says("training images of 3 x 4, test images of 4 x 4"));
  BOOST_CHECK_EXCEPTION(read_mnist(*this / "elsewhere"), FileError,
                        says("elsewhere is not a directory"));
}

BOOST_AUTO_TEST_CASE(takes_the_first_images) {
  const auto pair = read_idx_pair(write(*this / "images", images), write(*this / "labels", labels));
  const auto two = pair.head(2);
  BOOST_TEST(two.images.count == 2);
  BOOST_TEST(two.images.pixels.size() == 24u);
  BOOST_TEST(two.images.pixels.back() == 23 * 7);
  BOOST_TEST(two.labels.size() == 2u);
  BOOST_TEST(two.source == "images, the first 2");
  BOOST_TEST(pair.head(5).source == "images");
  BOOST_CHECK_EXCEPTION(pair.head(6), UsageError, says("the first 6 images of 5", "idx.cpp"));
  BOOST_CHECK_EXCEPTION(pair.head(-1), UsageError, says("expected 0 to 5"));
}

BOOST_AUTO_TEST_SUITE_END()

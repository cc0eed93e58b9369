#include <chainrule/data/safetensors_header.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>
#include <utility>

namespace chainrule::detail {

namespace {

using Json = nlohmann::json;

/// What nlohmann-json's parser calls as it reads: true goes on, false stops. The DOM parser would
/// keep the last of two equal keys and hide the first.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  explicit Reader(SafetensorsHeader& header) : header_(header) {}

  bool key(string_t& name) override {
    switch (place_) {
      case Place::header:
        if (!keys_.insert(name).second) return stop(fmt::format("the key '{}' stands twice", name));
        if (name == "__metadata__") {
          awaited_ = Place::metadata;
        } else {
          awaited_ = Place::tensor;
          header_.entries.push_back({name, {}, {}, {}});
        }
        return true;
      case Place::metadata:
        if (inner_keys_.insert(name).second) return true;
        return stop(fmt::format("the key '{}' stands twice in __metadata__", name));
      default:
        field_ = name;
        if (name != "dtype" && name != "shape" && name != "data_offsets") {
          return stop(fmt::format("{}: unknown key '{}', expected dtype, shape and data_offsets",
                                  tensor(), name));
        }
        if (inner_keys_.insert(name).second) return true;
        return stop(fmt::format("{}: the key '{}' stands twice", tensor(), name));
    }
  }

  bool start_object(std::size_t) override {
    if (place_ != Place::outside && place_ != Place::header) return unexpected("an object");
    place_ = place_ == Place::outside ? Place::header : awaited_;
    inner_keys_.clear();
    count_ = 0;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::header) {
      place_ = Place::outside;
      return true;
    }
    if (place_ == Place::tensor) {
      for (const char* field : {"dtype", "shape", "data_offsets"}) {
        if (!inner_keys_.contains(field)) {
          return stop(fmt::format("{}: no {}", tensor(), field));
        }
      }
    }
    place_ = Place::header;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") return unexpected("an array");
    place_ = field_ == "shape" ? Place::shape : Place::offsets;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && count_ != 2) {
      return stop(fmt::format("{}: {} data_offsets, expected 2", tensor(), count_));
    }
    place_ = Place::tensor;
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata) return true;
    if (place_ != Place::tensor || field_ != "dtype") {
      return unexpected(fmt::format("the string '{}'", text));
    }
    entry().dtype = std::move(text);
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (place_ == Place::shape) {
      entry().shape.push_back(number);
      return true;
    }
    if (place_ != Place::offsets) return unexpected(fmt::format("the number {}", number));
    // A third is counted, and rejected at the end of the array.
    if (count_ < 2) entry().offsets[count_] = number;
    ++count_;
    return true;
  }
  bool number_integer(number_integer_t number) override {
    return unexpected(fmt::format("the negative number {}", number));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return unexpected(fmt::format("the number {}", text));
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The library's own words begin with an identifier in brackets, as ours do.
    const std::string_view what = error.what();
    const std::size_t end = what.find("] ");
    return stop(fmt::format("not JSON at byte {}: {}", position,
                            end == std::string_view::npos ? what : what.substr(end + 2)));
  }

 private:
  enum class Place { outside, header, metadata, tensor, shape, offsets };

  SafetensorsEntry& entry() { return header_.entries.back(); }
  std::string tensor() const { return fmt::format("tensor '{}'", header_.entries.back().name); }

  bool stop(std::string problem) {
    header_.problem = std::move(problem);
    return false;
  }

  bool unexpected(std::string_view what) {
    switch (place_) {
      case Place::outside:
        return stop(fmt::format("{}, expected an object of tensors", what));
      case Place::header:
        return stop(fmt::format("{} as the value of '{}', expected an object", what,
                                awaited_ == Place::metadata ? "__metadata__" : entry().name));
      case Place::metadata:
        return stop(fmt::format("{} in __metadata__, expected a string", what));
      case Place::tensor:
        return stop(fmt::format("{}: {} as {}, expected {}", tensor(), what, field_,
                                field_ == "dtype"   ? "a string"
                                : field_ == "shape" ? "an array of dimensions"
                                                    : "an array of two offsets"));
      default:
        return stop(fmt::format("{}: {} in {}, expected integers from 0 to 2^64 - 1", tensor(),
                                what, field_));
    }
  }

  SafetensorsHeader& header_;
  Place place_ = Place::outside;
  Place awaited_ = Place::tensor;            // where the object after a key of the header leads
  std::set<std::string, std::less<>> keys_;  // of the header
  std::set<std::string, std::less<>> inner_keys_;  // of the object in it
  std::string field_;
  std::size_t count_ = 0;  // of data_offsets
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text) {
  SafetensorsHeader header;
  // nlohmann-json takes a zero byte for the end, and would not see what follows.
  if (const auto zero = text.find('\0'); zero != std::string_view::npos) {
    header.problem = fmt::format("not JSON at byte {}: a zero byte", zero + 1);
    return header;
  }
  Reader reader(header);
  if (!Json::sax_parse(text, &reader) && header.problem.empty()) header.problem = "not JSON";
  return header;
}

std::optional<std::string> json_string(std::string_view text) {
  try {
    return Json(std::string(text)).dump();
  } catch (const Json::type_error&) {  // the only error of dump(): not UTF-8
    return std::nullopt;
  }
}

}  // namespace chainrule::detail

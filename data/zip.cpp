#include <chainrule/data/zip.hpp>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <set>
#include <stdexcept>

namespace chainrule::detail {

namespace {

using Bytes = std::span<const std::uint8_t>;

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw std::runtime_error(fmt::format(format, std::forward<Args>(args)...));
}

/// Little-endian numbers from front to back.
class Cursor {
 public:
  Cursor(Bytes bytes, std::uint64_t offset, const char* what) : what_(what) {
    if (offset > bytes.size()) fail("truncated: {} should begin at byte {}", what, offset);
    rest_ = bytes.subspan(offset);
  }
  Bytes take(std::size_t size) {
    if (size > rest_.size()) fail("truncated in {}", what_);
    const Bytes result = rest_.first(size);
    rest_ = rest_.subspan(size);
    return result;
  }
  template <class Unsigned>
  Unsigned number() {
    std::uint64_t value = 0;
    const Bytes bytes = take(sizeof(Unsigned));
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
    return static_cast<Unsigned>(value);
  }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  void expect_signature(std::uint32_t signature) {
    if (u32() != signature) fail("damaged: {} does not begin with its signature", what_);
  }
  std::size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
  const char* what_;
};

// Where a number of 32 bits does not suffice, it is this, and a field of 64 bits has it (zip64).
constexpr std::uint32_t elsewhere = std::numeric_limits<std::uint32_t>::max();

struct Entry {
  std::string name;
  std::uint16_t flags, method;
  std::uint32_t crc;
  std::uint64_t packed, size, offset;  // of the local header
};

struct Directory {
  std::uint64_t entries, offset, size, end;  // end: where the records behind it begin
};

/// Sizes of zip64 from an extra field, in their order, each only where the header says "elsewhere".
void read_zip64(Bytes extra, std::initializer_list<std::uint64_t*> numbers, const char* what) {
  Cursor fields(extra, 0, what);
  while (fields.left() > 0) {
    const std::uint16_t kind = fields.u16(), size = fields.u16();
    const Bytes content = fields.take(size);
    if (kind != 1) continue;
    Cursor cursor(content, 0, what);
    for (std::uint64_t* number : numbers) {
      if (*number == elsewhere) *number = cursor.u64();
    }
    return;
  }
}

/// The end record is the last one, and is found from behind: a comment may follow it.
Directory find_directory(Bytes archive) {
  constexpr std::size_t record = 22, locator = 20;
  const auto text = [](Bytes bytes) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  if (archive.size() < record) fail("{} bytes: not a zip archive", archive.size());
  if (!text(archive).starts_with("PK")) fail("it does not begin as a zip archive does");
  std::size_t end = archive.size() - record;
  const auto is_end = [&](std::size_t at) {
    return text(archive).substr(at, 4) == "PK\5\6" &&
           Cursor(archive, at + 20, "the end record").u16() == archive.size() - at - record;
  };
  const std::size_t lowest = end - std::min<std::size_t>(end, 0xFFFF);
  while (!is_end(end)) {
    if (end == lowest) fail("truncated: it has no end record");
    --end;
  }
  Cursor cursor(archive, end, "the end record");
  cursor.u32();
  const std::uint16_t disk = cursor.u16(), directory_disk = cursor.u16();
  cursor.u16();
  Directory directory{cursor.u16(), 0, cursor.u32(), end};
  directory.offset = cursor.u32();
  if (disk != directory_disk) fail("an archive of several parts");
  const bool zip64 =
      directory.entries == 0xFFFF || directory.size == elsewhere || directory.offset == elsewhere;
  if (zip64 && end >= locator) {
    Cursor where(archive, end - locator, "the zip64 locator");
    where.expect_signature(0x07064b50);
    where.u32();
    directory.end = where.u64();
    Cursor large(archive, directory.end, "the zip64 end record");
    large.expect_signature(0x06064b50);
    large.take(8 + 2 + 2 + 4 + 4 + 8);
    directory.entries = large.u64(), directory.size = large.u64(), directory.offset = large.u64();
  }
  if (directory.offset > directory.end || directory.size > directory.end - directory.offset) {
    fail("damaged: its directory does not end before the end record");
  }
  return directory;
}

std::vector<Entry> read_directory(Bytes archive) {
  const Directory directory = find_directory(archive);
  Cursor cursor(archive.subspan(directory.offset, directory.size), 0, "the directory");
  std::vector<Entry> entries;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    cursor.expect_signature(0x02014b50);
    cursor.take(4);  // versions
    Entry entry{};
    entry.flags = cursor.u16(), entry.method = cursor.u16();
    cursor.take(4);  // time
    entry.crc = cursor.u32(), entry.packed = cursor.u32(), entry.size = cursor.u32();
    const std::uint16_t name = cursor.u16(), extra = cursor.u16(), comment = cursor.u16();
    cursor.take(8);  // disk and attributes
    entry.offset = cursor.u32();
    const Bytes text = cursor.take(name);
    entry.name.assign(text.begin(), text.end());
    read_zip64(cursor.take(extra), {&entry.size, &entry.packed, &entry.offset}, "the directory");
    cursor.take(comment);
    if (!names.insert(entry.name).second) fail("the member '{}' stands twice", entry.name);
    entries.push_back(std::move(entry));
  }
  if (cursor.left() > 0) fail("damaged: {} bytes behind the last directory entry", cursor.left());
  return entries;
}

/// The packed bytes of a member, behind its local header.
Bytes packed_bytes(Bytes archive, const Entry& entry) {
  Cursor cursor(archive, entry.offset, "a member");
  cursor.expect_signature(0x04034b50);
  cursor.take(2);
  const std::uint16_t flags = cursor.u16(), method = cursor.u16();
  cursor.take(4);  // time
  const std::uint32_t crc = cursor.u32();
  std::uint64_t packed = cursor.u32(), size = cursor.u32();
  const std::uint16_t name = cursor.u16(), extra = cursor.u16();
  const Bytes text = cursor.take(name);
  read_zip64(cursor.take(extra), {&size, &packed}, "a member");
  // With bit 3 the numbers stand behind the data, and those of the directory hold.
  const bool same_numbers =
      (flags & 8) != 0 || (crc == entry.crc && packed == entry.packed && size == entry.size);
  if (std::string(text.begin(), text.end()) != entry.name || method != entry.method ||
      flags != entry.flags || !same_numbers) {
    fail("damaged: member '{}' is not what the directory says", entry.name);
  }
  return cursor.take(entry.packed);
}

/// zlib's state for raw deflate.
struct Inflater {
  Inflater() {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("zlib cannot begin");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
};

std::vector<std::uint8_t> inflate_all(Bytes packed, std::uint64_t size, const std::string& name) {
  // A deflated byte stands for at most 1032; one more to see what is too long.
  if (size / 1032 > packed.size()) {
    fail("damaged: member '{}' would unpack {} bytes to {}", name, packed.size(), size);
  }
  std::vector<std::uint8_t> bytes(size + 1);
  Inflater inflater;
  z_stream& stream = inflater.stream;
  constexpr std::size_t most = std::numeric_limits<uInt>::max();
  std::size_t in = 0, out = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t available = std::min(packed.size() - in, most);
    const std::size_t room = std::min(bytes.size() - out, most);
    stream.next_in = const_cast<Bytef*>(packed.data() + in);
    stream.avail_in = static_cast<uInt>(available);
    stream.next_out = bytes.data() + out;
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);
    in += available - stream.avail_in, out += room - stream.avail_out;
  }
  if (status != Z_STREAM_END || in != packed.size() || out != size) {
    fail("damaged: member '{}' does not unpack to {} bytes", name, size);
  }
  bytes.resize(size);
  return bytes;
}

std::uint32_t crc_of(Bytes bytes) {
  return static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), bytes.data(), bytes.size()));
}

}  // namespace

std::vector<ZipMember> read_zip(Bytes archive) {
  std::vector<ZipMember> members;
  for (const Entry& entry : read_directory(archive)) {
    if ((entry.flags & 1) != 0) fail("member '{}' is encrypted", entry.name);
    if (entry.method != 0 && entry.method != 8) {
      fail("member '{}' is compressed by method {}, expected stored (0) or deflated (8)",
           entry.name, entry.method);
    }
    const Bytes packed = packed_bytes(archive, entry);
    ZipMember member{entry.name, {}};
    if (entry.method == 0 && entry.size != entry.packed) {
      fail("damaged: member '{}' is stored in {} bytes, and has {}", entry.name, entry.packed,
           entry.size);
    }
    try {
      member.bytes = entry.method == 8 ? inflate_all(packed, entry.size, entry.name)
                                       : std::vector<std::uint8_t>(packed.begin(), packed.end());
    } catch (const std::bad_alloc&) {
      fail("member '{}': not enough memory for {} bytes", entry.name, entry.size);
    }
    if (crc_of(member.bytes) != entry.crc) {
      fail("damaged: member '{}' has not the CRC-32 that the directory says", entry.name);
    }
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace chainrule::detail

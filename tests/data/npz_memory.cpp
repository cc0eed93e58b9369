// read_npz where memory runs out: each allocation fails once, and the error names file, member and
// size.
#include <chainrule/data/npz.hpp>
#include <chainrule/data/zip.hpp>

#include <boost/test/unit_test.hpp>
#include <chainrule/autograd/storage/error.hpp>
#include <cstdint>
#include <set>
#include <span>
#include <string>

#include "tests/data/temporary.hpp"
#include "tests/failing_allocations.hpp"

using namespace chainrule;

BOOST_AUTO_TEST_CASE(memory_that_runs_out_is_said_with_file_member_and_size) {
  const fs::path folder = fs::path(CHAINRULE_SOURCE_DIR) / "tests/data/numpy";
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const fs::path path = folder / name;
    const std::size_t members = read_npz(path).size();
    std::set<std::string> said;  // which members
    const long failed = fail_every_allocation(
        [&] {
          try {
            read_npz(path);
          } catch (const FileError& error) {
            until_failure = -1;
            const std::string text = error.what();
            BOOST_TEST(text.find(path.string() + ": ") != std::string::npos, text);
            const std::size_t memory = text.find("not enough memory for "),
                              member = text.find("member '");
            BOOST_TEST(memory != std::string::npos, text);
            BOOST_TEST(std::stol(text.substr(memory + 22)) > 80, text);  // a header and numbers
            if (member != std::string::npos) said.insert(text.substr(member, memory - member));
            throw std::bad_alloc();
          }
        },
        [](long) {});
    BOOST_TEST(failed > 5 * static_cast<long>(members));
    BOOST_TEST(said.size() == members);
  }
}

// Unpacking is where a small file may ask for much.
BOOST_AUTO_TEST_CASE(so_it_is_while_unpacking) {
  const fs::path folder = fs::path(CHAINRULE_SOURCE_DIR) / "tests/data/numpy";
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::string text = read(folder / name);
    const std::span archive(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    std::set<std::string> said, expected;
    for (const detail::ZipMember& member : detail::read_zip(archive)) {
      expected.insert("member '" + member.name + "': not enough memory for " +
                      std::to_string(member.bytes.size()) + " bytes");
    }
    fail_every_allocation(
        [&] {
          try {
            detail::read_zip(archive);
          } catch (const std::runtime_error& error) {
            until_failure = -1;
            said.insert(error.what());
            throw std::bad_alloc();
          }
        },
        [](long) {});
    BOOST_TEST((said == expected));
  }
}

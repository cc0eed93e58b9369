// The catalogue of diagnose against what the reference plants, and against docs/diagnosis.md: its
// table of mistakes, its confusion matrix and its identities. With CHAINRULE_CATALOGUE_OUT the
// table of mistakes is written to that file.
#include <boost/test/unit_test.hpp>
#include <chainrule/check/mistakes.hpp>
#include <chainrule/reference/mistakes.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace {

const auto page_path = std::filesystem::path(CHAINRULE_SOURCE_DIR) / "docs/diagnosis.md";

std::string page() {
  std::ifstream file(page_path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What stands between `marker` and the next "<!-- end -->" or heading.
std::string section(const std::string& marker) {
  const std::string text = page();
  const std::size_t begin = text.find(marker);
  BOOST_REQUIRE(begin != std::string::npos);
  const std::size_t after = begin + marker.size();
  const std::size_t end = std::min(text.find("<!-- end -->", after), text.find("\n## ", after));
  return text.substr(after, end - after);
}

/// The rows of a Markdown table behind its heading, as cells without spaces around them.
std::vector<std::vector<std::string>> rows(const std::string& table) {
  std::vector<std::vector<std::string>> result;
  std::istringstream lines(table);
  bool body = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("|---")) {
      body = true;
    } else if (!line.starts_with("|")) {
      body = false;
    } else if (body) {
      result.emplace_back();
      std::istringstream cells(line.substr(1));
      for (std::string cell; std::getline(cells, cell, '|');) {
        const std::size_t first = cell.find_first_not_of(' ');
        const std::size_t last = cell.find_last_not_of(' ');
        result.back().push_back(first == std::string::npos ? ""
                                                           : cell.substr(first, last - first + 1));
      }
    }
  }
  return result;
}

std::set<std::string> planted_ids() {
  std::set<std::string> ids;
  for (const auto mistake : chainrule::reference::all_mistakes()) {
    ids.emplace(chainrule::reference::id(mistake));
  }
  return ids;
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_is_planted_has_an_entry) {
  std::set<std::string> known;
  for (const chainrule::Mistake& mistake : chainrule::all_mistakes()) {
    BOOST_TEST(known.emplace(mistake.id).second, mistake.id << " stands twice");
    BOOST_TEST((!mistake.text.empty() && !mistake.wrong.empty() && !mistake.right.empty()));
  }
  for (const std::string& id : planted_ids()) BOOST_TEST(known.contains(id), id);
}

BOOST_AUTO_TEST_CASE(the_page_has_the_catalogue) {
  std::string table = "\n| id | what | you have | it should be | needs |\n|---|---|---|---|---|\n";
  for (const chainrule::Mistake& mistake : chainrule::all_mistakes()) {
    table += fmt::format("| {} | {} | {} | {} | {} |\n", mistake.id, mistake.text, mistake.wrong,
                         mistake.right, mistake.needs);
  }
  if (const char* out = std::getenv("CHAINRULE_CATALOGUE_OUT")) {
    std::ofstream file(out);
    file << table;
    BOOST_REQUIRE(file.flush().good());
  }
  BOOST_TEST(section("<!-- catalogue -->\n") == table + "\n");
}

// What the page prints is a run in which every set and every layer was right; each mistake stood
// alone 20 times, or is among those that always coincide with another.
BOOST_AUTO_TEST_CASE(the_page_has_a_matrix_that_is_the_identity) {
  const std::string text = section("<!-- confusion -->");
  BOOST_TEST(text.find(" 0 sets or layers differ") != std::string::npos);
  std::set<std::string> identities, seen;
  const std::string coincide = section("## Mistakes that coincide");
  for (const auto& row : rows(coincide.substr(0, coincide.find("On some networks")))) {
    std::istringstream ids(row.at(0));
    for (std::string id; std::getline(ids, id, ',');) {
      identities.insert(id.substr(id.find_first_not_of(' ')));
    }
  }
  BOOST_TEST(identities.size() >= 10u);
  for (const auto& row : rows(text)) {
    BOOST_REQUIRE(row.size() >= 7u);
    seen.insert(row[0]);
    const int plants = std::stoi(row[1]), skipped = std::stoi(row[2]), alone = std::stoi(row[3]);
    const std::string all = fmt::format("{}/{}", plants - skipped, plants - skipped);
    BOOST_TEST(row[4] == all, row[0]);
    BOOST_TEST(row[5] == all, row[0]);
    BOOST_TEST((alone >= 20 || identities.contains(row[0])), row[0] << " stood alone " << alone);
  }
  BOOST_TEST((seen == planted_ids()));
}

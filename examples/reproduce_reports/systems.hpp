// The systems that the reports describe, and the figures that they publish.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "../protocol/experiment.hpp"

namespace reproduce {

/// A row that 003 publishes: scores at the stop of one run. Stop epochs count from 0.
struct Published {
  double stop_epoch, train_loss, train_accuracy, validation_loss, validation_accuracy;
};

struct System {
  std::string id;     // "R9-32"
  std::string group;  // "R9", as --only names it
  std::string description;
  protocol::Experiment experiment;
  std::optional<Published> published;
  bool own_statistics = false;  // each set normalised by its own, as the course's solution does
};

/// All that are trained, in the order of the table.
std::vector<System> all_systems();
/// What --only takes: the groups of all_systems, and "R13".
std::vector<std::string> groups();
/// The system of that id. Throws std::out_of_range.
const System& find_system(const std::vector<System>& systems, const std::string& id);

}  // namespace reproduce

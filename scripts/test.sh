#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests.
#
#   scripts/test.sh             the release build
#   scripts/test.sh sanitize    the build with AddressSanitizer and UndefinedBehaviorSanitizer
#   scripts/test.sh debug       without optimisation
#
# Tests on the real MNIST need CHAINRULE_DATA, the absolute path of a directory with its files; they
# are skipped, and say so, without it.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
scripts/install_dependencies.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset" -j "$(nproc)"

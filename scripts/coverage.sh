#!/usr/bin/env bash
# Line coverage: a build without optimisation, the tests of autograd/, ops/ and check/, and gcovr's count
# of the lines in these folders. Exit status 0 when each of the three, and all together, reach 97 %.
#
#   scripts/coverage.sh          build, run, report
#   scripts/coverage.sh report   only the report of the last run, with every line that was not reached
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh gcovr
build=build/coverage
if [ "${1:-}" != report ]; then
  if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  # Their own tests alone: what only a model, an example or a benchmark runs counts as not covered.
  cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O0 -g1" \
    -DCMAKE_CXX_FLAGS="--coverage -fprofile-update=atomic" -DCHAINRULE_BUILD_BENCH=OFF \
    -DCHAINRULE_BUILD_EXAMPLES=OFF
  cmake --build "$build" -j "${CHAINRULE_JOBS:-$(nproc)}" \
    --target tests/autograd/all tests/ops/all tests/check/all
  find "$build" -name '*.gcda' -delete
  ctest --test-dir "$build" -R '^(autograd|ops|check)/' -j "${CHAINRULE_JOBS:-$(nproc)}" \
    --output-on-failure
fi
gcovr --root . --filter '(autograd|ops|check)/' --json -o "$build/lines.json" "$build"
status=0
for folder in autograd ops check 'autograd|ops|check'; do
  gcovr --root . --add-tracefile "$build/lines.json" --filter "($folder)/" --txt -o "$build/table.txt"
  awk -v folder="${folder//|/ + }" '/^TOTAL/ {
    printf "%-22s %.1f %%: %d of %d lines\n", folder, 100 * $3 / $2, $3, $2
    exit 100 * $3 < 97 * $2
  }' "$build/table.txt" || status=1
done
[ "${1:-}" != report ] || cat "$build/table.txt"
exit $status

#!/usr/bin/env bash
# ThreadSanitizer on the tests that use threads: tapes, plans and whole training runs side by side, OpenBLAS
# on one thread each. Exit status 0 when they pass and it reports nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh
build=build/tsan
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" \
  -DCHAINRULE_SANITIZE=thread -DCHAINRULE_BUILD_BENCH=OFF -DCHAINRULE_BUILD_EXAMPLES=OFF >/dev/null
# Every test program that starts a thread, itself or by an option of gradcheck.
mapfile -t sources < <(git ls-files 'tests/*.cpp' | grep -v '^tests/examples/' |
  xargs grep -lE '#include <thread>|\.threads = ')
targets=()
for source in "${sources[@]}"; do
  name=${source%.cpp}
  targets+=("test_$(echo "${name#tests/}" | tr / _)")
done
[ ${#targets[@]} -gt 0 ] || { echo "tsan.sh: no test starts a thread" >&2; exit 1; }
cmake --build "$build" -j "${CHAINRULE_JOBS:-$(nproc)}" --target "${targets[@]}"
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" OPENBLAS_NUM_THREADS=1
# The case that gives OpenBLAS two threads: they are its own, and ThreadSanitizer does not see how it
# synchronises them.
skip=('--run_test=!threads_are_one_until_the_program_says_otherwise')
# Those of its cases that do; the others take long.
threaded=(--run_test=the_report_does_not_depend_on_the_number_of_threads,the_users_tape_and_memory_are_only_read)
bad=0
for target in "${targets[@]}"; do
  # Without a random layout: GCC 12's runtime cannot place its memory under the kernel's newer ones.
  arguments=()
  case $target in
    test_autograd_storage_blas) arguments=("${skip[@]}") ;;
    test_check_networks) arguments=("${threaded[@]}") ;;
  esac
  if setarch "$(uname -m)" -R "$(find "$build/tests" -type f -name "$target")" "${arguments[@]}"; then
    echo "clean: $target"
  else
    echo "NOT clean: $target"
    bad=$((bad + 1))
  fi
done
echo "${#targets[@]} programs, $bad not clean"
[ $bad -eq 0 ]

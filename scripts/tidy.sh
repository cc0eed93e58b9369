#!/usr/bin/env bash
# clang-tidy over the library, the examples and the benchmark, with the checks of .clang-tidy. Exit status
# 0 when it finds nothing.
#
#   scripts/tidy.sh            everything
#   scripts/tidy.sh FILE ...   some files
#
# CLANG_TIDY names another clang-tidy than Debian's own.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_dependencies.sh clang clang-tidy
tidy=${CLANG_TIDY:-clang-tidy}
cmake -G Ninja -S . -B build/tidy -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCHAINRULE_BUILD_TESTS=OFF >build/tidy.log ||
  { cat build/tidy.log >&2; exit 1; }
files=("$@")
[ ${#files[@]} -gt 0 ] ||
  mapfile -t files < <(git ls-files '*.cpp' | grep -v '^tests/')
echo "$("$tidy" --version | grep -o 'version [0-9.]*'), ${#files[@]} files"
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "${CHAINRULE_JOBS:-$(nproc)}" "$tidy" -p build/tidy --quiet
echo "nothing found in ${#files[@]} files"

#!/usr/bin/env bash
# clang-tidy over the library, the examples and the benchmark, with the checks of .clang-tidy. Exit status
# 0 when it finds nothing.
#
#   scripts/tidy.sh             everything
#   scripts/tidy.sh FILE ...    some files, each by itself
#
# A file by itself takes over a minute, nearly all of it in the headers that it includes. So the files of a
# folder are checked together, as one text that includes them, whose headers are then seen once. Those that
# cannot follow the others in one text (names of their own that an earlier file has too) make up a second
# text, and so on. A program's main is main_1, main_2, ... there. CLANG_TIDY names another clang-tidy than
# Debian's own.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scripts/install_dependencies.sh clang clang-tidy
tidy=${CLANG_TIDY:-clang-tidy}
build=build/tidy
cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCHAINRULE_BUILD_TESTS=OFF >build/tidy.log ||
  { cat build/tidy.log >&2; exit 1; }
version=$("$tidy" --version | grep -o 'version [0-9.]*')

if [ $# -gt 0 ]; then
  echo "$version, $# files, each by itself"
  printf '%s\0' "$@" |
    xargs -0 -n 1 -P "${CHAINRULE_JOBS:-$(nproc)}" "$tidy" -p "$build" --quiet
  echo "nothing found in $# files"
  exit
fi

# What any file is compiled with: all include directories and definitions together.
eval "flags=($(grep '"command"' "$build/compile_commands.json" | sed 's/\\\\\\"/\\"/g' |
  grep -oE -- '-(isystem |[ID])[^ ]+' | sort -u | tr '\n' ' '))"
flags+=(-std=c++20 -O2)

mapfile -t files < <(git ls-files '*.cpp' | grep -v '^tests/')
mapfile -t folders < <(printf '%s\n' "${files[@]}" | xargs -n 1 dirname | sort -u)
echo "$version, ${#files[@]} files in ${#folders[@]} folders"
rm -rf "$build/together" "$build/planted"
mkdir -p "$build/together"
# The checks of .clang-tidy, but an included .cpp is what this is about; and any main is still one.
cat >"$build/together/.clang-tidy" <<END
InheritParentConfig: true
Checks: -bugprone-suspicious-include
CheckOptions:
  - key: bugprone-exception-escape.FunctionsThatShouldNotThrow
    value: $(seq -s , -f 'main_%g' ${#files[@]})
END
# include FILE ...: the text of them.
include() {
  local file number=1
  for file in "$@"; do
    printf '#define main main_%d\n#include "%s"\n#undef main\n' "$number" "$root/$file"
    number=$((number + 1))
  done
}
# Whether what stands in an included file is looked at: the static analyser does so only where the name of the
# including file begins with UnifiedSource.
mkdir "$build/planted"
echo 'int planted(const int* p) { return p == nullptr ? *p : 0; }' >"$build/planted/planted.cpp"
echo '#include "planted.cpp"' >"$build/planted/UnifiedSource.cpp"
"$tidy" --quiet "$build/planted/UnifiedSource.cpp" -- >"$build/planted/log" 2>&1 || true
grep -q core.NullDereference "$build/planted/log" ||
  { echo "tidy.sh: a planted mistake is not found" >&2; exit 1; }
texts=()
for folder in "${folders[@]}"; do
  left=() number=1
  for file in "${files[@]}"; do [ "$(dirname "$file")" != "$folder" ] || left+=("$file"); done
  while [ ${#left[@]} -gt 0 ]; do
    text=$build/together/UnifiedSource_${folder//\//_}_$number.cpp
    log=${text%.cpp}.log
    taken=("${left[@]}") left=()
    # Until it compiles: what an error stands in is left for the next text.
    while include "${taken[@]}" >"$text" &&
          ! clang++ "${flags[@]}" -w -ferror-limit=0 -fsyntax-only "$text" 2>"$log"; do
      fitting=()
      for file in "${taken[@]}"; do
        if grep -qE "^$root/$file:[0-9]+:[0-9]+: (fatal )?error" "$log"; then
          left+=("$file")
        else
          fitting+=("$file")
        fi
      done
      if [ ${#fitting[@]} -eq ${#taken[@]} ] || [ ${#fitting[@]} -eq 0 ]; then
        cat "$log" >&2
        echo "tidy.sh: ${taken[*]} cannot be compiled together" >&2
        exit 1
      fi
      taken=("${fitting[@]}")
    done
    texts+=("$text")
    number=$((number + 1))
  done
done

check() {
  local text=$1 files started=$SECONDS status=0
  files=$(grep -c include "$text")
  "$tidy" --quiet "$text" -- "${flags[@]}" >"${text%.cpp}.log" 2>&1 || status=$?
  grep -vE '^[0-9]+ warnings? (and [0-9]+ errors? )?(generated|treated as)' "${text%.cpp}.log" || true
  text=$(basename "$text" .cpp)
  echo "${text#UnifiedSource_}: $files files, $((SECONDS - started)) s$(
    [ $status -eq 0 ] || echo ", NOT clean")"
  return $status
}
running=0 bad=0
for text in "${texts[@]}"; do
  if [ $running -ge "${CHAINRULE_JOBS:-$(nproc)}" ]; then
    wait -n || bad=$((bad + 1))
    running=$((running - 1))
  fi
  check "$text" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do
  wait -n || bad=$((bad + 1))
  running=$((running - 1))
done
echo "${#files[@]} files in ${#texts[@]} texts, $bad texts not clean, $SECONDS s"
[ $bad -eq 0 ]

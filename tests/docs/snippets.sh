#!/usr/bin/env bash
# snippets.sh <project> <build> <cmake>: what README.md, CONTRIBUTING.md and docs/*.md show is what there is.
#
# Before each fenced block stands a comment, which GitHub does not show, that says how the block is
# checked: <!-- test: CLAIM; CLAIM -->. A block without one fails. The claims:
#
#   file PATH          the block is that file, without the comment that opens it
#   in PATH            the block's lines stand in that file, one after the other
#   at most N lines    the block is no longer
#   run [with ARGS]    the commands end well, in a scratch directory and with ARGS behind each program
#   output [of CMD]    the block is what CMD prints, or else what the run before it printed
#     within R           numbers may differ by a factor 1 +- R (1e-6, and whole numbers not at all)
#     of any size        numbers may differ: times
#     lines REGEX        only lines that match are compared
#   ctest NAMES        the tests of those names cover it
#   programs           too long to run: each line starts with a program of the project
#
# Numbers below 1e-9 are rounding, and equal. A run has the project's scripts and the programs as they are
# built. Nothing is downloaded (fetch_mnist.sh gives what CHAINRULE_DATA names; data/fetch_mnist tests it)
# nor built again: cmake and ctest say whether preset, target and options exist. Each path in a code span
# must exist, too.
set -euo pipefail
project=$1 build=$2 cmake=$(command -v "$3")
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$work/blocks" "$work/scratch" "$work/scratch/build" "$work/bin"
cp -R "$project/scripts" "$project/CMakePresets.json" "$work/scratch"
ln -s "$project/tests" "$project/bench" "$project/examples" "$work/scratch"
ln -s "$build" "$work/scratch/build/release"
"$cmake" -E chdir "$build" ctest -N | sed -n 's/^ *Test *#[0-9]*: //p' >"$work/tests"

# What a run may not do for real: install packages, download, build.
printf '#!/bin/sh\necho installed\n' >"$work/bin/dpkg-query"
cat >"$work/scratch/scripts/fetch_mnist.sh" <<'SH'
#!/bin/sh
exec ln -s -- "$CHAINRULE_TEST_MNIST" "$1"
SH
cat >"$work/bin/cmake" <<'SH'
#!/usr/bin/env bash
# A stand-in: says whether presets, targets and options exist, and builds nothing.
previous=
for argument; do
  case $previous in
    --preset) grep -q "\"name\": \"$argument\"" "$CHAINRULE_TEST_PROJECT/CMakePresets.json" ||
      { echo "no preset $argument" >&2; exit 1; } ;;
    --target) "$CHAINRULE_TEST_CMAKE" --build "$CHAINRULE_TEST_BUILD" --target help | grep -qw -e "$argument" ||
      { echo "no target $argument" >&2; exit 1; } ;;
  esac
  case $argument in
    -DCHAINRULE_*) name=${argument#-D}
      grep -q "^${name%%=*}:" "$CHAINRULE_TEST_BUILD/CMakeCache.txt" ||
        { echo "no option ${name%%=*}" >&2; exit 1; } ;;
  esac
  previous=$argument
done
SH
cp "$work/bin/cmake" "$work/bin/ctest"
chmod +x "$work"/bin/*
export CHAINRULE_TEST_PROJECT=$project CHAINRULE_TEST_BUILD=$build CHAINRULE_TEST_CMAKE=$cmake
export CHAINRULE_TEST_MNIST=${CHAINRULE_DATA:-}
unset CHAINRULE_DATA

cd "$project"
pages=(README.md CONTRIBUTING.md docs/*.md)
# Each block becomes three files: its text, its claim, and where it stands. Formulas (```math) are the
# business of equations.sh.
awk -v out="$work/blocks/" '
  FNR == 1 { claim = ""; inside = 0 }
  inside && $0 ~ "^ *```$" { inside = 0; close(text); claim = ""; next }
  inside { if (text != "") print substr($0, indent + 1) > text; next }
  match($0, /^ *```/) {
    inside = 1; indent = RLENGTH - 3; text = ""
    if ($0 ~ /```math$/) next
    name = sprintf("%s%03d", out, ++count); text = name ".text"
    printf "" > text
    print claim > (name ".claim"); close(name ".claim")
    print FILENAME ":" FNR > (name ".place"); close(name ".place")
    next
  }
  match($0, /^ *<!-- test: .* -->$/) { claim = $0; gsub(/^ *<!-- test: | -->$/, "", claim); next }
  NF { claim = "" }' "${pages[@]}"

failed=0 skipped=0
fail() {
  echo "$place: $1" >&2
  failed=$((failed + 1))
}

# run ARGS: the block's commands, one after the other.
run() {
  local script="$work/commands" extra=$1
  # Lines that go on are joined, and ARGS put behind each program of the build, not behind cmake.
  sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' "$text" |
    sed -E "/^(scripts\/train_mnist|build\/)/ s|( *#.*)?$| $extra|" >"$script"
  if grep -q fetch_mnist "$script" && [ -z "$CHAINRULE_TEST_MNIST" ]; then
    echo "$place: skipped, CHAINRULE_DATA is not set"
    skipped=$((skipped + 1))
  elif ! (cd "$work/scratch" && PATH="$work/bin:$PATH" bash -euo pipefail "$script") \
    >"$work/printed" 2>"$work/errors" </dev/null; then
    fail "a command fails"
    tail -n 5 "$work/errors" >&2
  fi
}

# output SPECIFICATION: see above.
output() {
  local rest=$1 command= tolerance=1e-6 lines=.
  if [[ $rest =~ (.*)\ lines\ (.*) ]]; then rest=${BASH_REMATCH[1]} lines=${BASH_REMATCH[2]}; fi
  if [[ $rest =~ (.*)\ of\ any\ size$ ]]; then rest=${BASH_REMATCH[1]} tolerance=any; fi
  if [[ $rest =~ (.*)\ within\ ([^ ]+)$ ]]; then rest=${BASH_REMATCH[1]} tolerance=${BASH_REMATCH[2]}; fi
  if [[ $rest =~ ^\ of\ (.*) ]]; then
    command=${BASH_REMATCH[1]}
    if ! (cd "$work/scratch" && bash -c "$command") >"$work/printed" 2>"$work/errors"; then
      fail "'$command' fails"
      return
    fi
  elif [ -n "$rest" ]; then
    fail "'output$rest' is no claim"
    return
  fi
  grep -E -e "$lines" "$text" >"$work/shown" || true
  grep -E -e "$lines" "$work/printed" >"$work/real" || true
  [ -s "$work/shown" ] || fail "no line is compared"
  awk -v tolerance="$tolerance" -f "$here/same_output.awk" "$work/shown" "$work/real" >&2 ||
    fail "shows another output"
}

for claim_file in "$work"/blocks/*.claim; do
  text=${claim_file%.claim}.text place=$(<"${claim_file%.claim}.place") claims=$(<"$claim_file")
  [ -n "$claims" ] || fail "a block without <!-- test: ... -->: see tests/docs/snippets.sh"
  while [ -n "$claims" ]; do
    claim=${claims%%; *}
    if [ "$claim" = "$claims" ]; then claims=; else claims=${claims#*; }; fi
    case $claim in
      "file "*)
        awk 'opening != 1 && /^\/\// { next } { opening = 1; print }' "${claim#file }" |
          diff -u --label "$place" --label "${claim#file }" "$text" - >&2 || fail "is not ${claim#file }" ;;
      "in "*)
        source=$(<"${claim#in }") lines=$(<"$text")
        if [ -z "$lines" ] || [[ $'\n'"$source"$'\n' != *$'\n'"$lines"$'\n'* ]]; then
          fail "does not stand in ${claim#in }"
        fi ;;
      "at most "*" lines")
        most=${claim#at most } most=${most% lines}
        [ "$(wc -l <"$text")" -le "$most" ] || fail "has more than $most lines" ;;
      run) run "" ;;
      "run with "*) run "${claim#run with }" ;;
      output*) output "${claim#output}" ;;
      "ctest "*)
        for name in ${claim#ctest }; do
          grep -qxF -e "$name" "$work/tests" || fail "there is no test $name"
        done ;;
      programs)
        while read -r program _; do
          [ -x "$program" ] && [ -f "$program" ] || fail "there is no program $program"
        done <"$text" ;;
      *) fail "'$claim' is no claim" ;;
    esac
  done
done
blocks=$(find "$work/blocks" -name '*.claim' | wc -l)
[ "$blocks" -ge 15 ] || { place=snippets.sh; fail "only $blocks blocks found"; }

# Paths in code spans outside the blocks: folders of the project, and programs of the build.
while IFS=: read -r page line span; do
  place="$page:$line" path=${span//\`/} path=${path%% *}
  case $path in *[*{}\<\>]* | */NAME*) continue ;; esac
  case $path in
    build/release/*) [ -e "$build/${path#build/release/}" ] || fail "names $path, which is not built" ;;
    autograd/* | ops/* | models/* | data/* | optim/* | reference/* | check/* | tests/* | scripts/* | bench/* | docs/* | examples/*)
      # or a source or a test without its ending
      [ -e "$path" ] || [ -e "$path.cpp" ] || [ -e "$path.hpp" ] || [ -e "tests/$path.cpp" ] || fail "names $path, which does not exist" ;;
  esac
done < <(for page in "${pages[@]}"; do
  awk -v page="$page" '/^ *```/ { inside = !inside; next } !inside {
    rest = $0
    while (match(rest, /`[^`]+`/)) { print page ":" FNR ":" substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH) }
  }' "$page"
done)

echo "$blocks blocks, $skipped skipped, $failed failures"
[ "$failed" -eq 0 ]

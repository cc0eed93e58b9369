#!/usr/bin/env bash
# readme.sh <project> <quickstart>: what the README shows is what there is.
#
# Its ```cpp block is examples/quickstart.cpp without the opening comment; the ```text block behind it
# is that program's output; and each command in a ```sh block names a script that exists.
set -euo pipefail
project=$1 quickstart=$2
failed=0

# block <language> <n>: the n-th fenced block of that language in the README
block() {
  awk -v fence="\`\`\`$1" -v wanted="$2" '
    $0 == fence { count++; inside = count == wanted; next }
    $0 == "```" { inside = 0 }
    inside' "$project/README.md"
}

same() {
  if ! diff -u --label "README.md" --label "$1" <(printf '%s\n' "$2") <(printf '%s\n' "$3"); then
    echo "README.md shows another $1 than there is" >&2
    failed=1
  fi
}

[ -n "$(block cpp 1)" ] || { echo "README.md has no cpp block" >&2; exit 1; }
same "quickstart.cpp" "$(block cpp 1)" "$(sed '1{/^\/\//d}' "$project/examples/quickstart.cpp")"
# Errors and noise are rounding: their digits depend on the processor that OpenBLAS finds.
without_rounding() { sed -E 's/[0-9]\.[0-9]e-[0-9]+/#.#e-##/g'; }
same "output of quickstart" "$(block text 1 | without_rounding)" \
  "$("$quickstart" | without_rounding)"

lines=$(wc -l <"$project/examples/quickstart.cpp")
if [ "$lines" -gt 20 ]; then
  echo "examples/quickstart.cpp has $lines lines: at most 20" >&2
  failed=1
fi

commands=0
while read -r command _; do
  case "$command" in
    scripts/*)
      commands=$((commands + 1))
      [ -x "$project/$command" ] || { echo "README.md names $command, which is no program" >&2; failed=1; } ;;
  esac
done < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$project/README.md")
if [ "$commands" -lt 2 ]; then
  echo "README.md names $commands commands: expected the main job's and the tests' at the least" >&2
  failed=1
fi
exit "$failed"

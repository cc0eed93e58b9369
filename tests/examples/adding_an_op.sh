#!/usr/bin/env bash
# adding_an_op.sh <project> <custom_op>: docs/adding-an-op.md shows what there is.
#
# Each of its ```cpp blocks stands, line by line, in examples/custom_op.cpp, which is compiled; its
# ```text block is that program's output; and an operation takes fewer than 15 lines.
set -euo pipefail
project=$1 custom_op=$2
page="$project/docs/adding-an-op.md"
source=$(<"$project/examples/custom_op.cpp")
failed=0

# block <language> <n>: the n-th fenced block of that language
block() {
  awk -v fence="\`\`\`$1" -v wanted="$2" '
    $0 == fence { count++; inside = count == wanted; next }
    $0 == "```" { inside = 0 }
    inside' "$page"
}

count=$(grep -c '^```cpp$' "$page")
[ "$count" -ge 3 ] || { echo "$page has $count cpp blocks: expected at least 3" >&2; exit 1; }
for n in $(seq "$count"); do
  text=$(block cpp "$n")
  if [ -z "$text" ] || [[ $'\n'"$source"$'\n' != *$'\n'"$text"$'\n'* ]]; then
    printf 'cpp block %d of %s is not in examples/custom_op.cpp:\n%s\n' "$n" "$page" "$text" >&2
    failed=1
  fi
  lines=$(printf '%s\n' "$text" | wc -l)
  if [ "$lines" -ge 15 ]; then
    echo "cpp block $n of $page has $lines lines: an operation takes fewer than 15" >&2
    failed=1
  fi
done

# Errors, noise and late digits are rounding: they depend on the processor.
without_rounding() { sed -E 's/[0-9]\.[0-9]e-[0-9]+/#.#e-##/g; s/([0-9]\.[0-9]{7})[0-9]+/\1/g'; }
output=$("$custom_op")  # its exit status says whether all is as expected
if ! diff -u --label "$page" --label "output of custom_op" \
  <(block text 1 | without_rounding) <(printf '%s\n' "$output" | without_rounding); then
  echo "$page shows another output than custom_op's" >&2
  failed=1
fi
exit "$failed"

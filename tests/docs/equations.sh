#!/usr/bin/env bash
# equations.sh <project>: docs/derivation.md, the code and the tests name the same equations.
#
# Each numbered equation of the page, a ```math block with \text{(1a.1)}, is followed by a line
#   code: [`FILE`](../FILE) `FUNCTION`; test: `FOLDER/TEST` `CASE`
# where FILE defines FUNCTION and has the number in a comment, and tests/FOLDER/TEST.cpp, which CTest runs,
# has the case. And each number in reference/ stands on the page, once.
set -euo pipefail
project=$1
page="$project/docs/derivation.md"
number='\((1[ab]\.[0-9]+|3b)\)'
failed=0
fail() {
  echo "docs/derivation.md: $1" >&2
  failed=$((failed + 1))
}

# One line an equation: its number, the file, the function, the test, the case; "-" for what is missing.
equations=$(awk '
  function flush() { if (equation != "") print equation, "- - - -"; equation = "" }
  /^```math$/ { flush(); inside = 1; next }
  inside && /^```$/ { inside = 0; next }
  inside {
    if (match($0, /[\\]text[{]\((1[ab]\.[0-9]+|3b)\)[}]/)) equation = substr($0, RSTART + 6, RLENGTH - 7)
    next
  }
  /^code: / {
    line = $0
    if (equation == "") { print "?", line; next }
    if (line !~ /^code: \[`[^`]+`\]\(\.\.\/[^)]+\) `[^`]+`; test: `[^`]+` `[^`]+`$/) { flush(); next }
    split(line, part, "`")
    target = part[3]; sub(/^\]\(\.\.\//, "", target); sub(/\).*/, "", target)
    print equation, (target == part[2] ? target : "-"), part[4], part[6], part[8]
    equation = ""
    next
  }
  NF { flush() }
  END { flush() }' "$page")

while read -r equation file function folder_test case; do
  [ "$equation" != "?" ] || { fail "a line without an equation: $file $function ..."; continue; }
  [ "$case" != - ] && [ "$file" != - ] ||
    { fail "$equation: no line 'code: [\`FILE\`](../FILE) \`FUNCTION\`; test: \`FOLDER/TEST\` \`CASE\`' below it"; continue; }
  if [ ! -f "$project/$file" ]; then
    fail "$equation: there is no $file"
  else
    grep -qF -e "$equation" "$project/$file" || fail "$equation: $file does not name it"
    # A definition: a type, perhaps a class, the name, and what follows opens a body.
    awk -v name="$function" '
      $0 ~ "^ *[A-Za-z_][A-Za-z_0-9:<>&* ]* [&*]?([A-Za-z_]+<T>::)?" name "\\(" && $0 !~ /^ *(return|else) / { text = "" ; open = 1 }
      open { text = text $0 }
      open && /[{]/ { found = 1; exit }
      open && /;/ { open = 0 }
      END { exit !found }' "$project/$file" || fail "$equation: $file does not define $function"
  fi
  folder=${folder_test%/*} test=${folder_test##*/}
  source="$project/tests/$folder_test.cpp"
  grep -q -E "^chainrule_add_test\($test " "$project/tests/$folder/CMakeLists.txt" 2>/dev/null ||
    fail "$equation: there is no test $folder_test"
  grep -q -E "^BOOST_(AUTO|DATA)_TEST_CASE(_TEMPLATE)?\($case[,)]" "$source" 2>/dev/null ||
    fail "$equation: $folder_test has no case $case"
done <<<"$equations"

here=$(cut -d ' ' -f 1 <<<"$equations" | grep -E "^$number$" | sort)
there=$(grep -hoE "$number" "$project"/reference/*.hpp "$project"/reference/*.cpp | sort -u)
[ "$(wc -l <<<"$there")" -ge 19 ] || fail "reference/ has fewer than 19 equations"
if [ "$here" != "$there" ]; then
  diff <(echo "$here") <(echo "$there") >&2 || true
  fail "has other equations (<) than reference/ (>)"
fi
echo "$(wc -l <<<"$here") equations, $failed failures"
[ "$failed" -eq 0 ]

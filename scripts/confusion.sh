#!/usr/bin/env bash
# The confusion matrix of diagnose with 20 seeds, 10,000 right derivations and 1,000 corruptions;
# writes the matrix into docs/diagnosis.md. Takes some minutes.
#   scripts/confusion.sh [build directory, default build/release]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
page=docs/diagnosis.md

if [ ! -f "$build/build.ninja" ]; then
  cmake --preset release
fi
cmake --build "$build" --target test_check_confusion test_check_false_alarms test_check_corruptions

table=$(mktemp)
trap 'rm -f "$table" "$table.page"' EXIT
status=0
CHAINRULE_CONFUSION_SEEDS=20 CHAINRULE_CONFUSION_OUT="$table" \
  "$build/tests/check/test_check_confusion" || status=1
for test in "false_alarms 10000" "corruptions 1000"; do
  read -r name rounds <<<"$test"
  echo "=== $name, $rounds rounds"
  CHAINRULE_ROUNDS=$rounds "$build/tests/check/test_check_$name" --log_level=message || status=1
done

# Between the markers stands what the test wrote.
awk -v table="$table" '
  /^<!-- confusion -->$/ { print; print ""; while ((getline line < table) > 0) print line; print ""; skip = 1; next }
  /^<!-- end -->$/ { skip = 0 }
  !skip { print }
' "$page" >"$table.page"
cat "$table.page" >"$page"
exit "$status"

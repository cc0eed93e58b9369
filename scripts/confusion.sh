#!/usr/bin/env bash
# The confusion matrix of diagnose with 20 seeds, 10,000 right derivations and 1,000 corruptions;
# writes the matrix into docs/diagnosis.md. Takes some minutes.
#   scripts/confusion.sh [build directory, default build/release]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}

if [ ! -f "$build/build.ninja" ]; then
  cmake --preset release
fi
cmake --build "$build" --target \
  test_check_confusion test_check_false_alarms test_check_corruptions test_check_catalogue \
  check_derivation

table=$(mktemp)
trap 'rm -f "$table"' EXIT
status=0
CHAINRULE_CONFUSION_SEEDS=20 CHAINRULE_CONFUSION_OUT="$table" \
  "$build/tests/check/test_check_confusion" || status=1
for test in "false_alarms 10000" "corruptions 1000"; do
  read -r name rounds <<<"$test"
  echo "=== $name, $rounds rounds"
  CHAINRULE_ROUNDS=$rounds "$build/tests/check/test_check_$name" --log_level=message || status=1
done

scripts/diagnosis_page.py "$build" "$table"
exit "$status"

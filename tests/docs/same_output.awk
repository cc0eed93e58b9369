# same_output.awk -v tolerance=R SHOWN REAL: exit status 1, and a message, unless the two files are equal
# but for spaces and for numbers that differ by rounding. See snippets.sh.
function abs(x) { return x < 0 ? -x : x }
function next_number(text) { return match(text, /[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/) }
function same_number(a, b,    larger) {
  if (a == b || tolerance == "any") return 1
  if (tolerance == "1e-6" && a !~ /[.e]/ && b !~ /[.e]/) return 0  # whole numbers are exact by default
  larger = abs(a + 0) > abs(b + 0) ? abs(a + 0) : abs(b + 0)
  if (larger < 1e-9) return 1
  return abs(a - b) <= tolerance * larger
}
function same(a, b,    na, nb) {
  gsub(/[ \t]+/, " ", a); gsub(/[ \t]+/, " ", b)
  gsub(/^ | $/, "", a); gsub(/^ | $/, "", b)
  while (next_number(a)) {
    na = substr(a, RSTART, RLENGTH); ra = substr(a, RSTART + RLENGTH); ta = substr(a, 1, RSTART - 1)
    if (!next_number(b)) return 0
    nb = substr(b, RSTART, RLENGTH)
    if (ta != substr(b, 1, RSTART - 1) || !same_number(na, nb)) return 0
    a = ra; b = substr(b, RSTART + RLENGTH)
  }
  return a == b
}
FILENAME == ARGV[1] { shown[FNR] = $0; count = FNR; next }
{
  real = FNR
  if (!same(shown[FNR], $0)) { print "shown: " shown[FNR] "\nreal:  " $0; different = 1 }
}
END {
  if (real != count) { print count " lines are shown, " real + 0 " are real"; different = 1 }
  exit different
}

#!/usr/bin/env bash
# Mutation testing: breaks the library in one place after another, and asks whether a test sees it.
#
#   scripts/mutants.sh                     every mutant of tests/mutants/*.txt
#   scripts/mutants.sh --list FILE         those of one list (may stand several times, as may --only)
#   scripts/mutants.sh --only ID           one mutant, whether it was tried before or not
#   scripts/mutants.sh --shard 1/2         every second one, in a tree and a build of its own
#   scripts/mutants.sh --again             those that have survived so far, once more
#   scripts/mutants.sh --quick             with the tests of the mutants' own folders only
#   scripts/mutants.sh --check             only whether the lists fit the source (seconds)
#   scripts/mutants.sh --summary           only the results so far
#
# A mutant in a list (tests/mutants/README.md has an example) is a place and a change: text that the
# file has exactly once, and what stands there instead. It is tried in a copy of the tree, under
# build/mutants: one library is built again (libraries are shared there, so no test is linked anew),
# the tests of the mutant's own folder run first, and those of all others if it survives these.
# What has been tried is in build/mutants/results.tsv, and is not tried again while the mutant's
# text stands; delete the file to begin anew, as after a change to the library or its tests.
#
# Exit status: 0 when every mutant is killed or marked as equivalent, and none of the latter was
# killed; 1 when not; 2 when a list does not fit the source.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=${CHAINRULE_MUTANTS:-$root/build/mutants}
results=$work/results.tsv

say() { echo "mutants.sh: $*" >&2; }
die() { say "$*"; exit 2; }

lists=() only=() shard=1/1 mode=run again=0 quick=0
while [ $# -gt 0 ]; do
  case $1 in
    --list) lists+=("${2:?--list needs a file}"); shift ;;
    --only) only+=("${2:?--only needs an id}"); shift ;;
    --shard) shard=${2:?--shard needs i/n}; shift ;;
    --again) again=1 ;;
    --quick) quick=1 ;;
    --check) mode=check ;;
    --summary) mode=summary ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
[[ $shard =~ ^([1-9][0-9]*)/([1-9][0-9]*)$ ]] || die "--shard $shard: expected i/n"
part=${BASH_REMATCH[1]} parts=${BASH_REMATCH[2]}
[ "$part" -le "$parts" ] || die "--shard $shard: expected i <= n"
[ ${#lists[@]} -gt 0 ] || lists=(tests/mutants/*.txt)

# --- the lists -----------------------------------------------------------------------------------

ids=() stale=0
declare -A file_of folder_of old_of new_of why_of equivalent_of key_of

# The text before the newline that ends it; "" when no such line was read.
chomp() { printf '%s' "${1%$'\n'}"; }

# Leaves in $before and $after what stands around the only place of a mutant in its file.
split_file() {
  local id=$1 path=$2 content problem=''
  content=$(cat "$path" 2>/dev/null && printf x) || problem="cannot be read"
  content=${content%x}
  before=${content%%"${old_of[$id]}"*}
  after=${content#*"${old_of[$id]}"}
  if [ -n "$problem" ]; then
    :
  elif [[ $content != *"${old_of[$id]}"* ]]; then
    problem="does not have its text"
  elif [[ $after == *"${old_of[$id]}"* ]]; then
    problem="has its text more than once"
  fi
  [ -z "$problem" ] || { say "[$id]: ${file_of[$id]} $problem"; return 1; }
}

finish_mutant() {
  [ -n "$id" ] || return 0
  old_of[$id]=$(chomp "$old") new_of[$id]=$(chomp "$new")
  [ -n "${old_of[$id]}" ] || die "[$id]: no text to replace"
  [ "${old_of[$id]}" != "${new_of[$id]}" ] || die "[$id]: changes nothing"
  [ -n "${why_of[$id]:-}" ] || die "[$id]: no line 'why:'"
  key_of[$id]=$(printf '%s\n' "${file_of[$id]}" "${old_of[$id]}" "${new_of[$id]}" |
                sha256sum | cut -c1-12)
  split_file "$id" "${file_of[$id]}" || stale=1
  ids+=("$id")
}

for list in "${lists[@]}"; do
  [ -f "$list" ] || die "no such list: $list"
  id='' old='' new='' number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    case $line in
      '['*)
        finish_mutant
        [[ $line =~ ^\[([a-z0-9_.-]+)\]\ ([^ ]+)\ ([^ ]+)$ ]] ||
          die "$list:$number: expected '[id] file folder-of-tests'"
        id=${BASH_REMATCH[1]} old='' new=''
        [ -z "${file_of[$id]:-}" ] || die "$list:$number: [$id] stands twice"
        file_of[$id]=${BASH_REMATCH[2]} folder_of[$id]=${BASH_REMATCH[3]}
        [ -d "tests/${folder_of[$id]}" ] || die "$list:$number: no folder tests/${folder_of[$id]}"
        ;;
      'why: '*) why_of[$id]=${line#why: } ;;
      'equivalent: '*) equivalent_of[$id]=${line#equivalent: } ;;
      '- '* | -) line=${line#-} old+=${line# }$'\n' ;;
      '+ '* | +) line=${line#+} new+=${line# }$'\n' ;;
      '#'* | '') ;;
      *) die "$list:$number: expected [id], why:, equivalent:, '- ', '+ ', a comment or nothing" ;;
    esac
  done <"$list"
  finish_mutant
done
[ $stale -eq 0 ] || exit 2
for id in "${only[@]}"; do [ -n "${file_of[$id]:-}" ] || die "no mutant [$id]"; done

if [ $mode = check ]; then
  echo "${#ids[@]} mutants, each in one place of the source"
  exit 0
fi

# --- results -------------------------------------------------------------------------------------

# Verdict and detail of a mutant, or nothing when it has not been tried as it stands.
verdict_of() {
  [ -f "$results" ] || return 0
  awk -F'\t' -v id="$1" -v key="${key_of[$1]}" '$1 == id && $2 == key { last = $3 "\t" $4 }
    END { print last }' "$results"
}

summarise() {
  local killed=0 survived=0 equivalent=0 unbuilt=0 wrong=0 missing=0 verdict id
  for id in "${ids[@]}"; do
    verdict=$(verdict_of "$id")
    case ${verdict%%$'\t'*} in
      killed)
        if [ -n "${equivalent_of[$id]:-}" ]; then
          wrong=$((wrong + 1))
          echo "[$id] is marked as equivalent, and ${verdict#*$'\t'} kills it"
        else
          killed=$((killed + 1))
        fi ;;
      survived)
        if [ -n "${equivalent_of[$id]:-}" ]; then
          equivalent=$((equivalent + 1))
        else
          survived=$((survived + 1))
          echo "[$id] survived: ${file_of[$id]}: ${why_of[$id]}"
        fi ;;
      escaped) missing=$((missing + 1)); echo "[$id] escaped ${verdict#*$'\t'}, not tried with all" ;;
      unbuilt) unbuilt=$((unbuilt + 1)); echo "[$id] does not build" ;;
      *) missing=$((missing + 1)) ;;
    esac
  done
  echo "${#ids[@]} mutants: $killed killed, $survived survived, $equivalent equivalent," \
       "$wrong wrongly marked as equivalent, $unbuilt do not build, $missing not tried"
  [ $((survived + wrong + unbuilt + missing)) -eq 0 ]
}

if [ $mode = summary ]; then
  summarise
  exit
fi

# --- a tree and a build of its own ---------------------------------------------------------------

tree=$work/tree-$part-of-$parts build=$work/build-$part-of-$parts log=$work/log-$part-of-$parts
mkdir -p "$tree"
exec {lock}>"$work/lock-$part-of-$parts"
flock --nonblock "$lock" || die "shard $shard is already being run"
# The tree as it stands, with what is not committed. Files that are the same keep their time.
while IFS= read -r -d '' path; do
  if [ -f "$path" ] && ! cmp -s "$path" "$tree/$path"; then
    mkdir -p "$tree/$(dirname "$path")"
    cp -p "$path" "$tree/$path" && touch "$tree/$path"
  fi
done < <(git ls-files -z --cached --others --exclude-standard)
while IFS= read -r -d '' path; do
  [ -e "$root/$path" ] || rm -f "$tree/$path"
done < <(cd "$tree" && find . -type f -printf '%P\0')

if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
export CCACHE_BASEDIR=$tree CCACHE_NOHASHDIR=1
export BOOST_TEST_CATCH_SYSTEM_ERRORS=no
# A little optimisation: tests are slow without any, and more takes long to compile.
cmake -G Ninja -S "$tree" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
  -DBUILD_SHARED_LIBS=ON -DCMAKE_LINK_DEPENDS_NO_SHARED=ON -DCHAINRULE_BUILD_BENCH=OFF >"$log" ||
  { cat "$log" >&2; die "cmake failed"; }

# A mutant may loop, or ask for all memory.
ulimit -v 4000000
jobs=${CHAINRULE_MUTANTS_JOBS:-1}
build_target() { ninja -C "$build" -j "$jobs" "$1" >"$log" 2>&1; }
# What does not look at the library's numbers, or takes minutes: packaging, documents, real MNIST.
skipped='^(package|architecture|bench)/|fetch_mnist|_on_mnist|make_pytorch|readme|draw_graph|adding_an'
run_tests() {  # <regular expression of names>
  ctest --test-dir "$build" -R "$1" -E "$skipped" --stop-on-failure --timeout 120 \
    --no-tests=error >"$log" 2>&1
}
# "ops/values (Failed)": the first test that failed.
first_failure() { sed -n '/tests FAILED:/,$s/^[[:space:]]*[0-9]* - \([^ ]* (.*)\).*/\1/p' "$log" | head -1; }

# Without a change the tests must pass: else a failure would say nothing. Tried when first needed, for a
# folder, or with '' for all.
state=$(cd "$tree" && find . -type f ! -name '*.md' ! -path './tests/mutants/*' ! -path './scripts/*' \
        -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
expect_passing() {
  local target=${1:+tests/$1/all} passed=$work/passed-$part-of-$parts
  ! grep -qsFx "$state ${1:-all}" "$passed" || return 0
  echo "Building, and running ${1:-all} tests without any change ..."
  build_target "${target:-all}" || { tail -40 "$log" >&2; die "the library does not build"; }
  run_tests "${1:+^$1/}." || { tail -40 "$log" >&2; die "a test fails without any change"; }
  echo "$state ${1:-all}" >>"$passed"
}

# --- the mutants ---------------------------------------------------------------------------------

original=$work/original-$part-of-$parts
restore() {
  [ -n "${mutated:-}" ] || return 0
  cp "$original" "$tree/$mutated"  # with a new time, so that it is built again
  mutated=''
}
trap restore EXIT

try() {  # <id> <folder, or '' for all>
  local id=$1 folder=$2 verdict detail='' target
  target=${folder:+tests/$folder/all}
  expect_passing "$folder"
  mutated=${file_of[$id]}
  cp "$tree/$mutated" "$original"
  split_file "$id" "$tree/$mutated" || exit 2
  printf '%s' "$before${new_of[$id]}$after" >"$tree/$mutated"
  if ! build_target "${target:-all}"; then
    verdict=unbuilt detail=$(grep -m1 'error' "$log" | tr '\t' ' ' || true)
  elif ! run_tests "${folder:+^$folder/}."; then
    verdict=killed detail=$(first_failure)
    [ -n "$detail" ] || { tail -40 "$log" >&2; die "[$id]: the tests did not run"; }
  elif [ -n "$folder" ]; then
    verdict=escaped detail="tests/$folder"
  else
    verdict=survived
  fi
  restore
  printf '%s\t%s\t%s\t%s\n' "$id" "${key_of[$id]}" "$verdict" "$detail" >>"$results"
  echo "[$id] $verdict${detail:+: $detail}"
}

# First each with its own folder, then those that escaped with all tests.
selected=() count=0
for id in "${ids[@]}"; do
  count=$((count + 1))
  [ $(((count - 1) % parts + 1)) -eq "$part" ] || continue
  if [ ${#only[@]} -gt 0 ]; then
    [[ " ${only[*]} " == *" $id "* ]] || continue
  fi
  selected+=("$id")
done
for id in "${selected[@]}"; do
  verdict=$(verdict_of "$id")
  if [ ${#only[@]} -gt 0 ] || [ -z "$verdict" ] || [[ $again -eq 1 && $verdict == survived* ]]; then
    try "$id" "${folder_of[$id]}"
  fi
done
[ $quick -eq 1 ] || for id in "${selected[@]}"; do
  [[ $(verdict_of "$id") != escaped* ]] || try "$id" ''
done
summarise

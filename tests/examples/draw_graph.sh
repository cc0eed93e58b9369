#!/bin/sh
# draw_graph.sh SOURCE_DIR DRAW_GRAPH: docs/mlp_step.svg shows what examples/draw_graph.cpp draws,
# node for node and edge for edge. Graphviz is not needed; where there is one, it must accept the
# drawing without a word.
set -eu
svg="$1/docs/mlp_step.svg"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$2" > "$directory/step.dot"

# Titles of nodes and edges in the picture: n3, and n0&#45;&gt;n3 for n0 -> n3.
sed -n 's/^ *\(n[0-9]*\) \[label.*/\1/p; s/^ *\(n[0-9]*\) -> \(n[0-9]*\) \[.*/\1\&#45;\&gt;\2/p' \
  "$directory/step.dot" | sort > "$directory/drawn"
sed -n 's/.*<title>\(n[0-9].*\)<\/title>.*/\1/p' "$svg" | sort > "$directory/shown"
test "$(wc -l < "$directory/drawn")" -gt 40
diff "$directory/drawn" "$directory/shown"

# Every name and operation that the drawing has, the picture has.
sed -n 's/^ *n[0-9]* \[label=<\(.*\)>, shape=.*/\1/p' "$directory/step.dot" |
  sed 's/<BR\/>/\n/g; s/<[^>]*>//g' |
  sed 's/<[^>]*>//g' | sort > "$directory/words"
while IFS= read -r word; do
  grep -qF ">$word<" "$svg" || { echo "the picture lacks '$word'"; exit 1; }
done < "$directory/words"

if command -v dot > /dev/null; then
  dot -Tsvg "$directory/step.dot" -o "$directory/step.svg" 2> "$directory/messages"
  test ! -s "$directory/messages"
fi

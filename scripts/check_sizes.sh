#!/bin/sh
# Refuse files over 500 kB: results and data sets do not belong into git.
# Usage: scripts/check_sizes.sh FILE...
set -eu

large=0
for file in "$@"; do
  size=$(wc -c <"$file")
  if [ "$size" -gt 500000 ]; then
    echo "$file: $size bytes, more than 500000" >&2
    large=1
  fi
done
exit $large

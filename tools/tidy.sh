#!/usr/bin/env bash
# clang-tidy over every source of src/, or with --changed over those that differ from HEAD. Not over
# tests: what it finds there is not worth their time.
#
#   tools/tidy.sh BUILD_FOLDER JOBS [--changed]
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
jobs=$2
if [[ ${3:-} == --changed ]]; then
  mapfile -t files < <({
    git diff --name-only --diff-filter=d HEAD -- 'src/*.cc' 2>/dev/null || git ls-files 'src/*.cc'
    git ls-files --others --exclude-standard 'src/*.cc'
  } | sort -u)
else
  mapfile -t files < <(find src -name '*.cc' | sort)
fi
mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -v '_test\.cc$')
if [[ ${#files[@]} -eq 0 ]]; then
  echo "clang-tidy: nothing to check"
  exit 0
fi
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$jobs" clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' 2>&1 |
  sed '/ warnings\? generated\.$/d'
echo "clang-tidy: ${#files[@]} files clean"

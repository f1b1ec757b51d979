#!/usr/bin/env bash
# Runs every fuzzer, fuzz/NAME_fuzz.cc, one after the other from its corpus on, fuzz/corpus/NAME.
# New inputs stay below the build folder; a crash is left there too and fails the run.
#
#   tools/run_fuzzers.sh BUILD_FOLDER SECONDS_EACH
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
seconds=$2
shopt -s nullglob
sources=(fuzz/*_fuzz.cc)
if [[ ${#sources[@]} -eq 0 ]]; then
  echo "run_fuzzers.sh: no fuzz/*_fuzz.cc" >&2
  exit 1
fi
for source in "${sources[@]}"; do
  program=$(basename "$source" .cc)
  name=${program%_fuzz}
  found=$build/corpus/$name
  mkdir -p "$found" "$build/crashes"
  corpus=("$found")
  [[ -d fuzz/corpus/$name ]] && corpus+=("fuzz/corpus/$name")
  options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1
    -artifact_prefix="$build/crashes/$name-")
  [[ -f fuzz/$name.dict ]] && options+=(-dict="fuzz/$name.dict")
  echo "fuzzing $name for $seconds s"
  log=$build/$name.log
  if ! "$build/$program" "${options[@]}" "${corpus[@]}" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log"
    echo "fuzzing $name failed; the input is in $build/crashes" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units|new_units_added' "$log" || true
done
echo "${#sources[@]} fuzzers passed"

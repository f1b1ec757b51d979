#!/usr/bin/env bash
# Runs every fuzzer, fuzz/NAME_fuzz.cc, as many at once as there are CPUs, from its corpus on,
# fuzz/corpus/NAME. New inputs stay below the build folder; a crash is left there too and fails the
# run.
#
#   tools/run_fuzzers.sh BUILD_FOLDER SECONDS_EACH
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
seconds=$2

fuzz() {
  local name=$1
  local found=$build/corpus/$name
  mkdir -p "$found" "$build/crashes"
  local corpus=("$found")
  [[ -d fuzz/corpus/$name ]] && corpus+=("fuzz/corpus/$name")
  local options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1
    -artifact_prefix="$build/crashes/$name-")
  [[ -f fuzz/$name.dict ]] && options+=(-dict="fuzz/$name.dict")
  local log=$build/$name.log
  if ! "$build/${name}_fuzz" "${options[@]}" "${corpus[@]}" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log"
    echo "fuzzing $name failed; the input is in $build/crashes" >&2
    return 1
  fi
  echo "fuzzed $name for $seconds s: $(awk '/number_of_executed_units/ {print $2}' "$log") inputs"
}

shopt -s nullglob
sources=(fuzz/*_fuzz.cc)
if [[ ${#sources[@]} -eq 0 ]]; then
  echo "run_fuzzers.sh: no fuzz/*_fuzz.cc" >&2
  exit 1
fi
jobs=()
failed=false
for source in "${sources[@]}"; do
  name=$(basename "$source" _fuzz.cc)
  if [[ ${#jobs[@]} -ge $(nproc) ]]; then
    wait "${jobs[0]}" || failed=true
    jobs=("${jobs[@]:1}")
  fi
  fuzz "$name" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job" || failed=true
done
if $failed; then exit 1; fi
echo "${#sources[@]} fuzzers passed"

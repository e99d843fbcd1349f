#!/bin/sh
# Fuzzes the option parser and the tables of signals: checks/fuzz.sh [SECONDS]. Debian: clang-19 libclang-rt-19-dev.
# It begins with checks/corpus; an input that it finds to be wrong is printed, and is kept as crash-* where it was started.
set -e
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
clang-19 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I"$root" -o "$build/fuzz" \
	"$root/checks/fuzz-options.c" "$root/src/options.c" "$root/src/signals.c" "$root/src/text.c"
mkdir "$build/found"
"$build/fuzz" -max_total_time="${1:-30}" -max_len=1024 -dict="$root/checks/options.dict" -print_final_stats=1 \
	"$build/found" "$root/checks/corpus" 2>&1

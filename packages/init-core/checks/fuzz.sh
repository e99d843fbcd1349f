#!/bin/sh
# Fuzzes the option parser: checks/fuzz.sh [SECONDS]. Debian: clang-19 libclang-rt-19-dev.
set -e
cd "$(dirname "$0")/.."
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
clang-19 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$build/fuzz" \
	checks/fuzz-options.c src/options.c src/signals.c src/text.c
mkdir "$build/corpus"
printf 'initwrap\0-gv\0--stop-plan=TERM:1.5s,INT:300ms,KILL\0--rewrite\0HUP:0,RTMIN+3:RTMAX-1\0--\0x\0\0INITWRAP_GRACE=5m\0' >"$build/corpus/own"
printf 'tini\0-e\0143\0-p\0SIGKILL\0-wgs\0x\0\0TINI_VERBOSITY=3\0' >"$build/corpus/tini"
printf 'dumb-init\0-c\0-r15:2\0--verbose\0x\0\0DUMB_INIT_SETSID=0\0' >"$build/corpus/dumb-init"
"$build/fuzz" -max_total_time="${1:-30}" -max_len=512 -print_final_stats=1 "$build/corpus"

#!/usr/bin/env bash
# Fetches crane, which Debian has in sid only, with the libraries it was linked with, and prints the variable that names it.
# It runs through its own loader, as the engines' clients do (up.sh).
set -euo pipefail
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}/crane
mkdir -p "$work"
exec 9>"$work/lock"
flock 9
if [ ! -x "$work/crane" ]; then
  root=$work/root
  rm -rf "$root"
  mmdebstrap --quiet --variant=extract --mode=root --include=crane \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' sid "$root" >&2
  loader=$(find "$root" -name 'ld-linux*.so.*' | head -1)
  libraries=$(find "$root/usr/lib" -maxdepth 1 -name '*-linux-gnu*' | head -1)
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libraries" "$root/usr/bin/crane" \
    >"$work/crane.new"
  chmod 755 "$work/crane.new"
  mv "$work/crane.new" "$work/crane"
fi
echo "INITWRAP_TEST_CRANE=$work/crane"

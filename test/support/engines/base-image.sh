#!/usr/bin/env bash
# Makes the tests' base image as a root file system tarball: a usr-merged Debian with Python, as `python:3-slim` has it.
# Prints its path.
set -euo pipefail
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
mkdir -p "$work/images"
tarball=$work/images/debian-python.tar
if [ ! -s "$tarball" ]; then
  SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --variant=essential --mode=root --include=python3-minimal \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    bookworm "$tarball.new.tar" >&2
  mv "$tarball.new.tar" "$tarball"
fi
echo "INITWRAP_TEST_BASE=$tarball"

#!/usr/bin/env bash
# Makes the stand-in for the official images that generated Dockerfiles are built from: one Debian with Python, nginx and
# Go at the places where those images have them. Node and npm are added by the test. Prints its path.
set -euo pipefail
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
mkdir -p "$work/images"
tarball=$work/images/generate-base.tar
exec 9>"$work/generate-base.lock"
flock 9
if [ ! -s "$tarball" ]; then
  SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --variant=minbase --mode=root \
    --include=ca-certificates,libstdc++6,python3,python3-venv,nginx-light,golang-go \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
    --customize-hook='printf "#!/bin/sh\nset -e\nexec \"\$@\"\n" | tee "$1/docker-entrypoint.sh" >"$1/usr/local/bin/docker-entrypoint.sh"' \
    --customize-hook='chmod 755 "$1/docker-entrypoint.sh" "$1/usr/local/bin/docker-entrypoint.sh"' \
    --customize-hook='chroot "$1" useradd --uid 1000 --user-group --create-home node' \
    --customize-hook='chroot "$1" useradd --system --uid 101 --user-group --no-create-home nginx' \
    --customize-hook='mkdir -p "$1/usr/share/nginx/html" "$1/go" && rm -f "$1/usr/share/nginx/html/"*' \
    trixie "$tarball.new.tar" >&2
  mv "$tarball.new.tar" "$tarball"
fi
echo "$tarball"

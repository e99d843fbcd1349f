#!/usr/bin/env bash
# Builds Docker's own external frontend, the program of the image docker/dockerfile, and prints where it is.
#
# From the source of BuildKit in Debian's docker.io (trixie), with Debian's Go packages, as one static file; once, for it takes
# some minutes. The package itself leaves this program out. What Debian's patch does to two files for the version of
# grpc-middleware that it ships is done here by grpc's own functions of the same purpose.
# Needs: Linux, root, and Debian's mmdebstrap.
set -euo pipefail
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
program=$work/peers/dockerfile-frontend
if [ ! -x "$program" ]; then
  mkdir -p "$work/peers"
  scratch=$(mktemp -d "$work/peers/build-XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  cat >"$scratch/build.sh" <<'BUILD'
set -e
mkdir -p /src /go/src/github.com/moby
cd /src
# A package's description may be newer than a mirror's copy of it; the archives are checked by apt in any case.
apt-get source --download-only docker.io || true
tar -xf ./*.orig-buildkit.tar.xz -C /go/src/github.com/moby
cd /go/src/github.com/moby/buildkit
sed -i -E '/grpc_middleware "/d
  s/grpc\.WithUnaryInterceptor\(grpc_middleware\.ChainUnaryClient\((.*)\)\)\)/grpc.WithChainUnaryInterceptor(\1))/
  s/grpc\.WithStreamInterceptor\(grpc_middleware\.ChainStreamClient\((.*)\)\)\)/grpc.WithChainStreamInterceptor(\1))/
  s/grpc\.UnaryInterceptor\(grpc_middleware\.ChainUnaryServer\((.*)\)\)\)/grpc.ChainUnaryInterceptor(\1))/
  s/grpc\.StreamInterceptor\(grpc_middleware\.ChainStreamServer\((.*)\)\)\)/grpc.ChainStreamInterceptor(\1))/
' session/grpc.go session/session.go
export GO111MODULE=off GOPATH=/go:/usr/share/gocode CGO_ENABLED=0 HOME=/root
go build -trimpath -ldflags '-s -w' -o /dockerfile-frontend ./frontend/dockerfile/cmd/dockerfile-frontend
BUILD
  packages=ca-certificates,dpkg-dev,golang-go,golang-github-docker-docker-dev,golang-github-google-shlex-dev
  packages=$packages,golang-github-gofrs-flock-dev,golang-github-vbatts-tar-split-dev,golang-github-agext-levenshtein-dev
  mmdebstrap --quiet --variant=minbase --mode=root --format=null --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --customize-hook="copy-in '$scratch/build.sh' /" --customize-hook='chroot "$1" sh /build.sh' \
    --customize-hook="copy-out /dockerfile-frontend '$scratch'" trixie /dev/null \
    'deb http://deb.debian.org/debian trixie main' 'deb-src http://deb.debian.org/debian trixie main' >&2
  mv "$scratch/dockerfile-frontend" "$program"
fi
echo "$program"

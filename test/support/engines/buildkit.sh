#!/usr/bin/env bash
# Builds programs of BuildKit that Debian does not package, and prints the folder they are in.
#
#   buildkit.sh dockerfile-frontend     Docker's own external frontend, the program of the image docker/dockerfile
#   buildkit.sh buildkitd buildctl      the daemon of a remote builder, with the worker that runs runc, and its client
#
# From the source of BuildKit in Debian's docker.io (trixie), with Debian's Go packages, each as one static file; once, for it takes
# some minutes. Debian's patch for the version of grpc-middleware that it ships covers the files it builds itself; here grpc's own
# functions of the same purpose are used. Left out of the daemon for want of a package: containerd's worker, and Jaeger.
# Needs: Linux, root, and Debian's mmdebstrap.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: buildkit.sh PROGRAM..." >&2; exit 2; }
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
folder=$work/buildkit
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
missing=()
for program; do [ -x "$folder/$program" ] || missing+=("$program"); done
if [ ${#missing[@]} -gt 0 ]; then
  scratch=$(mktemp -d "$folder/build-XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  cat >"$scratch/build.sh" <<'BUILD'
set -e
mkdir -p /src /go/src/github.com/moby /programs
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
  s/(unary|stream) := grpc_middleware\.Chain(Unary|Stream)Server\((.*)\)$/\1 := grpc.Chain\2Interceptor(\3)/
  s/grpc\.UnaryInterceptor\(unary\), grpc\.StreamInterceptor\(stream\)/unary, stream/
' session/grpc.go session/session.go cmd/buildkitd/main.go
sed -i '/util\/tracing\/detect\/jaeger"/d' cmd/buildkitd/main.go cmd/buildctl/main.go
rm cmd/buildkitd/main_containerd_worker.go
export GO111MODULE=off GOPATH=/go:/usr/share/gocode CGO_ENABLED=0 HOME=/root
for program; do
  case $program in
  dockerfile-frontend) package=./frontend/dockerfile/cmd/dockerfile-frontend ;;
  buildkitd | buildctl) package=./cmd/$program ;;
  *) echo "buildkit.sh: no program is called $program" >&2; exit 2 ;;
  esac
  go build -trimpath -ldflags "-s -w" -o "/programs/$program" "$package"
done
BUILD
  packages=ca-certificates,dpkg-dev,golang-go,golang-github-docker-docker-dev,golang-github-google-shlex-dev
  packages=$packages,golang-github-gofrs-flock-dev,golang-github-vbatts-tar-split-dev,golang-github-agext-levenshtein-dev
  # Two of the daemon's caches.
  packages=$packages,golang-github-aws-aws-sdk-go-v2-dev,golang-github-dimchansky-utfbom-dev
  mmdebstrap --quiet --variant=minbase --mode=root --format=null --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --customize-hook="copy-in '$scratch/build.sh' /" --customize-hook="chroot \"\$1\" sh /build.sh ${missing[*]}" \
    --customize-hook="sync-out /programs '$scratch'" trixie /dev/null \
    'deb http://deb.debian.org/debian trixie main' 'deb-src http://deb.debian.org/debian trixie main' >&2
  for program in "${missing[@]}"; do mv "$scratch/$program" "$folder/$program"; done
fi
echo "$folder"

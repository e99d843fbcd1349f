#!/usr/bin/env bash
# Starts one container engine for the tests, from a Debian root file system of its own, and prints the variables to use it.
#
#   up.sh NAME       modern        Docker 26.1, BuildKit, containerd image store
#                    modern-graph  Docker 26.1, BuildKit, overlay2 graph driver
#                    classic       Docker 20.10, classic builder as well, overlay2 graph driver
#                    newest        Docker 28.5, whose builder has checks of its own (docker build --check), and Compose
#   up.sh registry   a registry server on a free loopback port
#   down.sh          ends them all
#
# The engine runs in its own mount namespace with its own data root and socket, so nothing of the host changes and the
# host needs no docker. pivot_root and not chroot, for runc makes "/" a slave mount, which a chroot refuses. A bridge with
# no way out, for without any bridge the builder cannot run a RUN step. The client comes from the same root file system
# and runs through its own loader: the host's libc may be older than what it was linked with.
# Needs: Linux, root, and Debian's mmdebstrap and iproute2 (scripts/test.mjs installs them where it may).
set -euo pipefail
name=${1:?usage: up.sh modern|modern-graph|classic|newest|registry}
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
mkdir -p "$work"
exec 9>"$work/$name.lock"
flock 9

case $name in
modern) suite=trixie store=true octet=81 ;;
modern-graph) suite=trixie store=false octet=82 ;;
classic) suite=bookworm store=false octet=83 ;;
newest) suite=sid store=true octet=84 ;;
registry) suite= ;;
*) echo "up.sh: no engine is called $name" >&2; exit 2 ;;
esac
run=$work/$name

if [ "$name" = registry ]; then
  mkdir -p "$run/data"
  if ! { [ -s "$run/port" ] && curl -fs "http://127.0.0.1:$(cat "$run/port")/v2/" >/dev/null; }; then
    port=$((20000 + RANDOM % 10000))
    cat >"$run/config.yml" <<YML
version: 0.1
storage: { filesystem: { rootdirectory: $run/data }, delete: { enabled: true } }
http: { addr: 127.0.0.1:$port }
log: { level: error }
YML
    setsid docker-registry serve "$run/config.yml" >"$run/log" 2>&1 </dev/null 9>&- &
    echo $! >"$run/pid"
    for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep .1; done
    curl -fs "http://127.0.0.1:$port/v2/" >/dev/null || { tail -5 "$run/log" >&2; exit 1; }
    echo "$port" >"$run/port"
  fi
  echo "INITWRAP_TEST_REGISTRY=127.0.0.1:$(cat "$run/port")"
  exit 0
fi

root=$work/rootfs-$suite sock=$run/docker.sock bridge=iwt-$octet
mkdir -p "$run/data" "$run/config/cli-plugins" "$run/bin"
answers() { curl -fs --max-time 5 --unix-socket "$sock" http://engine/_ping >/dev/null 2>&1; }

# Two engines may have one root file system, and be started at the same time.
exec 8>"$root.lock"
flock 8
if [ ! -e "$root/.complete" ]; then
  rm -rf "$root"
  packages=ca-certificates,docker.io,containerd,runc
  [ "$suite" = bookworm ] || packages=$packages,docker-buildx,docker-cli
  [ "$suite" != sid ] || packages=$packages,docker-compose
  # With ps, by which `docker top` lists processes; the engines of the other suites have none.
  [ "$suite" != trixie ] || packages=$packages,procps
  mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt=force-unsafe-io "$suite" "$root" >&2
  touch "$root/.complete"
fi

# A root file system of before these were asked for gets them.
add() { { chroot "$root" apt-get -q update && chroot "$root" apt-get -qy install --no-install-recommends "$1"; } >&2; }
[ "$suite" != sid ] || [ -e "$root/usr/libexec/docker/cli-plugins/docker-compose" ] || add docker-compose
[ "$suite" != trixie ] || [ -e "$root/usr/bin/ps" ] || add procps
exec 8>&-

# The client and its plugins, each behind a two-line wrapper that runs it with the loader and libraries it was linked with.
loader=$(find "$root"/lib64/ "$root"/lib/ -maxdepth 1 -name 'ld-linux*.so.*' | head -1)
libraries=$(find "$root/usr/lib" -maxdepth 1 -name '*-linux-gnu*' | head -1)
wrapper() {
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libraries" "$1" >"$2.new"
  chmod 755 "$2.new"
  mv "$2.new" "$2"
}
wrapper "$root/usr/bin/docker" "$run/bin/docker"
for plugin in docker-buildx docker-compose; do
  [ ! -e "$root/usr/libexec/docker/cli-plugins/$plugin" ] ||
    wrapper "$root/usr/libexec/docker/cli-plugins/$plugin" "$run/config/cli-plugins/$plugin"
done

if ! answers; then
  cat >"$run/enter.sh" <<'ENTER'
set -e
root=$1 run=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$run" "$root/.old"
mount --bind "$run" "$root$run"
cd "$root"
pivot_root . .old
cd /
umount -l /.old
exec "$@"
ENTER
  echo "{\"features\":{\"containerd-snapshotter\":$store}}" >"$run/daemon.json"
  # An engine that was killed leaves its pid files, and a new one believes them.
  rm -rf "$run/pid" "$run/exec" "$sock"
  ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
  ip addr replace "10.$octet.0.1/24" dev "$bridge"
  ip link set "$bridge" up
  setsid unshare --mount --propagation private bash "$run/enter.sh" "$root" "$run" \
    dockerd --config-file "$run/daemon.json" --bridge="$bridge" --iptables=false --ip6tables=false --ip-forward=false \
    --ip-masq=false --data-root "$run/data" --exec-root "$run/exec" --pidfile "$run/pid" -H "unix://$sock" \
    >"$run/log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 600); do answers && break; sleep .1; done
  answers || { echo "up.sh: $name did not start" >&2; tail -20 "$run/log" >&2; exit 1; }
fi
variable=$(echo "$name" | tr 'a-z-' 'A-Z_')
echo "INITWRAP_TEST_DOCKER_$variable=unix://$sock,$run/bin/docker,$run/config"

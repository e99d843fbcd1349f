#!/usr/bin/env bash
# Makes the stand-ins for the official images that generated Dockerfiles are built from: a Debian with the programs at the
# places where those images have them. Prints the tarball's path.
#
#   generate-base.sh base       Python, nginx and Go; Node and npm are added by the test
#   generate-base.sh ruby-php   Ruby with Bundler, PHP in Apache, and Composer
#   generate-base.sh python     Python with pip and Poetry, and Gunicorn and Bottle to make wheels of
#   generate-base.sh rust       Cargo
#   generate-base.sh java       a JDK with Maven, its plugins, and Gradle
set -euo pipefail
work=${INITWRAP_ENGINES:-/var/tmp/initwrap-engines}
name=generate-${1:-base}
mkdir -p "$work/images"
tarball=$work/images/$name.tar
exec 9>"$work/$name.lock"
flock 9
options=(
  --quiet --variant=minbase --mode=root
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"'
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*'
  --dpkgopt='path-exclude=/usr/share/man/*'
)
entrypoint='#!/bin/sh\nset -e\nexec "$@"\n'
case $name in
generate-base)
  options+=(
    --include=ca-certificates,libstdc++6,python3,python3-venv,nginx-light,golang-go
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"'
    --customize-hook="printf '$entrypoint' | tee \"\$1/docker-entrypoint.sh\" >\"\$1/usr/local/bin/docker-entrypoint.sh\""
    --customize-hook='chmod 755 "$1/docker-entrypoint.sh" "$1/usr/local/bin/docker-entrypoint.sh"'
    --customize-hook='chroot "$1" useradd --uid 1000 --user-group --create-home node'
    --customize-hook='chroot "$1" useradd --system --uid 101 --user-group --no-create-home nginx'
    --customize-hook='mkdir -p "$1/usr/share/nginx/html" "$1/go" && rm -f "$1/usr/share/nginx/html/"*'
  )
  ;;
generate-ruby-php)
  # As php's image has it: a configuration to choose, and Apache that any user may run, in the foreground.
  apache='#!/bin/sh\nset -e\n. /etc/apache2/envvars\nexec apache2 -DFOREGROUND "$@"\n'
  options+=(
    --include=ca-certificates,ruby,ruby-bundler,apache2,libapache2-mod-php,composer
    --customize-hook='mkdir -p "$1/usr/local/bundle" "$1/usr/local/etc/php" && touch "$1/usr/local/etc/php/php.ini-production"'
    --customize-hook="printf '$entrypoint' >\"\$1/usr/local/bin/docker-php-entrypoint\""
    --customize-hook="printf '$apache' >\"\$1/usr/local/bin/apache2-foreground\""
    --customize-hook='chmod 755 "$1/usr/local/bin/docker-php-entrypoint" "$1/usr/local/bin/apache2-foreground"'
    --customize-hook='rm -f "$1/var/www/html/"* && chmod 1777 "$1/var/www/html"'
  )
  ;;
generate-python)
  # python's image lets pip install for the whole machine.
  options+=(
    --include=ca-certificates,python3,python3-venv,python3-pip,python3-poetry,python3-httpx,python3-zstandard,python3-gunicorn,python3-bottle
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python" && rm "$1"/usr/lib/python3*/EXTERNALLY-MANAGED'
  )
  ;;
generate-rust)
  options+=(--include=ca-certificates,cargo)
  ;;
generate-java)
  # The JDK's packages put links beside their manual pages, whether there are any or not.
  options+=(
    --essential-hook='mkdir -p "$1/usr/share/man/man1"'
    --include=ca-certificates,openjdk-21-jdk-headless,maven,gradle
    --include=libmaven-compiler-plugin-java,libmaven-jar-plugin-java,libmaven-resources-plugin-java
    --include=libmaven-shade-plugin-java,libsurefire-java,libcommons-lang3-java
  )
  ;;
*)
  echo "generate-base.sh: no stand-in is called ${1:-}" >&2
  exit 2
  ;;
esac
if [ ! -s "$tarball" ]; then
  SOURCE_DATE_EPOCH=0 mmdebstrap "${options[@]}" trixie "$tarball.new.tar" >&2
  mv "$tarball.new.tar" "$tarball"
fi
echo "$tarball"

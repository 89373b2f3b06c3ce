#!/bin/sh
# apt-install.sh PACKAGE... - install packages into an image layer and leave nothing else behind.
#
# Runs inside the build, in the toolchain stage and in the runtime stage. Lists, logs and caches go in the same
# step that made them, so that no layer holds them.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "$@"
# A base without the docker-clean setting would keep the downloaded packages.
apt-get clean
# docker-clean in the base keeps .deb files away; the rest is what apt, dpkg and ldconfig write beside the packages.
# Files only: a removed folder of the base would stay in the layer as a mark that it is gone.
rm -f /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
find /var/lib/apt/lists /var/log -type f -exec rm -f {} +

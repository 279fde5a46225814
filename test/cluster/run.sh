#!/usr/bin/env bash
# Three gateways behind nginx with one PostgreSQL, one Redis and one S3, all real, each of which is killed and comes back under load.
# Usage: test/cluster/run.sh [--seconds 60] [--rate 10]; memory is judged from some 300 s on. Installs what is missing from Debian; needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/deploy/debian.sh
. test/s3/services.sh
if ! has_all radosgw ceph-mon ceph-osd curl redis-server || ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl radosgw ceph-mon ceph-osd redis-server postgresql-15
fi
POSTGRES_BIN=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -1)")
trap 'end_services "$scratch"/ceph/run/*.pid; rm -rf "$scratch"' EXIT
NGINX=$(program_of nginx nginx)
CEPH=$scratch/ceph
export POSTGRES_BIN NGINX CEPH
mkdir -p "$CEPH/run"
# shellcheck source=/dev/null
. test/s3/ceph.sh "$CEPH"
npm run --silent build
node --enable-source-maps dist/test/cluster/run.js "$@" &
cluster=$!
trap 'kill "$cluster" && wait "$cluster"' INT TERM
wait "$cluster"

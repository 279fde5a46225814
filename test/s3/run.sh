#!/usr/bin/env bash
# The picture store on two real services that speak S3: Ceph's gateway and OpenStack Swift. Installs them from Debian where they are missing; needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v radosgw swift-proxy-server memcached curl >/dev/null || ! command -v ceph-mon ceph-osd >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl radosgw ceph-mon ceph-osd \
    swift-proxy swift-account swift-container swift-object memcached
fi
npm run --silent build
folder=$(mktemp -d)
stop() {
  for file in "$folder"/*/run/*.pid; do
    if [ -e "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
  done
  sleep 1
  rm -rf "$folder"
}
trap stop EXIT
for service in ceph swift; do
  mkdir -p "$folder/$service/run"
  printf '\n== %s\n' "$service"
  # shellcheck source=/dev/null
  . "test/s3/$service.sh" "$folder/$service"
  node_modules/.bin/mocha --no-config --timeout 60000 dist/test/s3/s3.js
done

#!/usr/bin/env bash
# The picture store on two real services that speak S3: Ceph's gateway and OpenStack Swift. Installs them from Debian where they are missing; needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/s3/services.sh
if ! has_all radosgw ceph-mon ceph-osd swift-proxy-server memcached curl; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl radosgw ceph-mon ceph-osd \
    swift-proxy swift-account swift-container swift-object memcached
fi
npm run --silent build
folder=$(mktemp -d)
trap 'end_services "$folder"/*/run/*.pid; rm -rf "$folder"' EXIT
for service in ceph swift; do
  mkdir -p "$folder/$service/run"
  printf '\n== %s\n' "$service"
  # shellcheck source=/dev/null
  . "test/s3/$service.sh" "$folder/$service"
  node_modules/.bin/mocha --no-config --timeout 60000 dist/test/s3/s3.js
done

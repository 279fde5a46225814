#!/usr/bin/env bash
# Two gateways that share a real Redis, which is killed and comes back. Installs Debian's redis-server where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v redis-server >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends redis-server
fi
npm run --silent build
node_modules/.bin/mocha --no-config --timeout 20000 dist/test/redis/redis.js

#!/usr/bin/env bash
# The console in Debian's Chromium. Installs it where it is not there, which only root can. --shots FOLDER takes pictures of it instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v chromium >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "chromium is not here, and only root on Debian can install it: apt-get install chromium" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
fi
npm run --silent build
CHROMIUM=$(command -v chromium)
export CHROMIUM
if [ "${1:-}" = --shots ]; then
  exec node --enable-source-maps dist/test/console/shots.js "${2:?the folder for the pictures}"
fi
node_modules/.bin/mocha --no-config --timeout 30000 --node-option enable-source-maps dist/test/console/{console,look}.js
node dist/test/console/speed.js

#!/usr/bin/env bash
# Tries the gateway behind Debian's nginx and Caddy. Usage: test/deploy/proxies.sh [SECONDS], how long the slow picture takes, 3 when omitted.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/deploy/debian.sh
nginx=$(program_of nginx nginx)
caddy=$(program_of caddy caddy)
npm run --silent build
node dist/test/deploy/proxies.js "$nginx" "$caddy" "${1:-3}"

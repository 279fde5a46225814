#!/usr/bin/env bash
# The ledger on a real PostgreSQL, which is killed and comes back, and gateways that share it and are killed. Installs Debian's postgresql-15 where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql-15
fi
POSTGRES_BIN=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | tail -1)")
export POSTGRES_BIN
npm run --silent build
node_modules/.bin/mocha --no-config --timeout 60000 --node-option enable-source-maps dist/test/postgres/ledger.js dist/test/postgres/budgets.js dist/test/postgres/take-over.js dist/test/postgres/keys.js
node dist/test/outlive/run.js --database postgres --runs 5

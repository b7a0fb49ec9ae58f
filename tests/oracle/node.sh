#!/bin/sh
# Runs one node script of this folder; installs its packages first when they are missing.
set -eu
cd "$(dirname "$0")"
if ! cmp -s package-lock.json node_modules/.installed-lock 2>/dev/null; then
	npm ci --ignore-scripts --loglevel=error >/dev/null
	cp package-lock.json node_modules/.installed-lock
fi
cd ../..
exec node "$@"

#!/bin/sh
# autogen.sh - makes configure in a fresh clone.
set -e
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf -fi

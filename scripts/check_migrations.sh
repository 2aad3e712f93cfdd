#!/bin/sh
# Migrate an empty database of its own, then compare it with the tables in code.
# Usage: scripts/check_migrations.sh PATH_OF_ALEMBIC
set -eu

EFSNAS_HOME=$(mktemp -d)
export EFSNAS_HOME EFSNAS_DATABASE_URL=
trap 'rm -rf "$EFSNAS_HOME"' EXIT

"$1" upgrade head
"$1" check

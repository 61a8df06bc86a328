#!/usr/bin/env bash
# generated.sh check|write: compares what is written from the code with the code, or writes it anew.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${CARGO_TARGET_DIR:-target}/debug/lakewright
status=0
each() {
  local file=$1
  shift
  case $mode in
    write) "$@" >"$file" ;;
    check)
      if ! "$@" | diff -u "$file" - >&2; then
        echo "$file is not what the code says: run make docs" >&2
        status=1
      fi
      ;;
  esac
}

mode=${1:?check or write}
each docs/stack.schema.json "$program" schema
each docs/kinds.md "$program" schema --kinds
exit $status

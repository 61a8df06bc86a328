#!/usr/bin/env bash
# Runs the tests that need built programs: the account judged by AWS's own clients, the log's suite on a real Kafka, and the
# pipeline end to end. `make test` builds first. Arguments go to pytest: tests/run.sh -k kills
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
venv=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/venv
pytest=("$venv/bin/python" -m pytest -q --durations=5 -p no:cacheprovider)

if (($# == 0)); then
  # The Spark job's decoder, by the cases that the stream agent's tests read too.
  mvn -B -q -f agents/stream-spark/pom.xml -pl decoder test -Dlakewright.target="$CARGO_TARGET_DIR/stream-spark"
fi
"${pytest[@]}" --timeout=300 tests/account "$@"
if (($# == 0)); then
  port=$(python3 tests/ports.py)
  tests/kafka/real-kafka.sh test "$port"
fi
# Two files at a time: they mostly wait, and have ports and folders of their own.
"${pytest[@]}" -n 2 --dist loadfile --timeout=600 tests/e2e "$@"

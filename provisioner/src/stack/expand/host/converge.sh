#!/bin/bash
# Brings this host to the release and the settings that its stack has published. Runs at boot and every two minutes.
set -euo pipefail
source /etc/lakewright-host
exec 9>/run/lakewright-converge.lock
flock 9

binary=/usr/local/bin/lakewright-agent
settings=/etc/lakewright
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { aws s3 cp --only-show-errors "s3://$ARTIFACTS/$1" "$2"; }

install -d -o root -g lakewright -m 0750 "$settings"
fetch "hosts/$HOST/release" "$work/release"
read -r release <"$work/release"
[[ $release =~ ^[0-9a-f]{64}$ ]] || { echo "hosts/$HOST/release holds no SHA-256" >&2; exit 1; }

restart=""
if ! echo "$release  $binary" | sha256sum --check --status 2>/dev/null; then
  fetch "$RELEASES/$release/lakewright-agent" "$work/agent"
  echo "$release  $work/agent" | sha256sum --check --quiet
  install -m 0755 "$work/agent" "$binary.new"
  mv -f "$binary.new" "$binary"
  restart=$AGENTS
fi

failed=0
for agent in $AGENTS; do
  install -d -o lakewright -g lakewright -m 0750 "/var/log/lakewright/$agent"
  fetch "hosts/$HOST/$agent.json" "$work/$agent.json"
  cmp --silent "$work/$agent.json" "$settings/$agent.json" && continue
  # Settings that the agent refuses stay out: it goes on with those that it has.
  if ! "$binary" check "$agent" --config "$work/$agent.json"; then
    failed=1
    continue
  fi
  install -o root -g lakewright -m 0640 "$work/$agent.json" "$settings/$agent.json"
  restart="$restart $agent"
done

for agent in $(printf '%s\n' $restart | sort -u); do
  systemctl enable --quiet "lakewright-$agent.service"
  systemctl restart --no-block "lakewright-$agent.service"
done
exit "$failed"

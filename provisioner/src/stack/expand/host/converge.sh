#!/bin/bash
# Brings this host to the release and the settings that its stack has published. Runs at boot and every two minutes.
set -euo pipefail
source "${SETTINGS:=/etc/lakewright-host}"
: "${BINARY:=/usr/local/bin/lakewright-agent}" "${FOLDER:=/etc/lakewright}"
exec 9<"$SETTINGS"
flock 9

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() {
  aws s3api get-object --bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT" --key "$1" "$2" >/dev/null
}
# Root runs nothing that was fetched, not even to ask whether it takes its settings.
takes() {
  setpriv --reuid "lakewright-$1" --regid "lakewright-$1" --clear-groups --no-new-privs \
    timeout 60 "$BINARY" check "$1" --config "$2" 9<&-
}

fetch "hosts/$HOST/release" "$work/release"
read -r release <"$work/release"
[[ $release =~ ^[0-9a-f]{64}$ ]] || { echo "hosts/$HOST/release holds no SHA-256" >&2; exit 1; }

restart=""
if ! echo "$release  $BINARY" | sha256sum --check --status 2>/dev/null; then
  fetch "$RELEASES/$release/lakewright-agent" "$work/agent"
  echo "$release  $work/agent" | sha256sum --check --quiet
  install -m 0755 "$work/agent" "$BINARY.new"
  mv -f "$BINARY.new" "$BINARY"
  restart=$AGENTS
fi

failed=0
for agent in $AGENTS; do
  settings=$FOLDER/$agent.json
  fetch "hosts/$HOST/$agent.json" "$work/$agent.json"
  cmp --silent "$work/$agent.json" "$settings" && continue
  install -o root -g "lakewright-$agent" -m 0640 "$work/$agent.json" "$settings.new"
  # Settings that the agent refuses stay out: it goes on with those that it has.
  if ! takes "$agent" "$settings.new"; then
    failed=1
    continue
  fi
  mv -f "$settings.new" "$settings"
  restart="$restart $agent"
done

for agent in $AGENTS; do
  unit=lakewright-$agent.service
  if [[ " $restart " == *" $agent "* ]]; then
    action=restart
  elif systemctl is-failed --quiet "$unit"; then
    # It ended too often in a row for systemd to start it again.
    action=start
  else
    continue
  fi
  systemctl enable --quiet "$unit"
  systemctl reset-failed "$unit" 2>/dev/null || true
  systemctl "$action" --no-block "$unit"
done
exit "$failed"

#!/bin/bash
# Writes this host's private address into the A record that bears its name.
# Without an argument it tries until Route 53 has taken it; `once` tries once.
set -euo pipefail
source "${SETTINGS:=/etc/lakewright-name}"
: "${METADATA:=http://169.254.169.254/latest}" "${PAUSE:=10}"

if [[ ${1-} != once ]]; then
  until "$0" once; do sleep "$PAUSE"; done
  exit
fi

token=$(curl -sSf -m 10 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" "$METADATA/api/token")
address=$(curl -sSf -m 10 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/local-ipv4")
aws route53 change-resource-record-sets --hosted-zone-id "$ZONE" --output text --change-batch \
  "Changes=[{Action=UPSERT,ResourceRecordSet={Name=$NAME,Type=A,TTL=30,ResourceRecords=[{Value=$address}]}}]" >/dev/null
echo "$NAME is $address"

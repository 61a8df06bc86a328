#!/bin/bash
# Attaches this host's data volume, makes a file system if it has none, mounts it and lets it fill the volume.
# Without an argument it tries until that is done; `once` tries once.
set -euo pipefail
source "${SETTINGS:=/etc/lakewright-volume}"
: "${DISKS:=/dev}" "${LOCK:=/run/lakewright-volume.lock}" "${METADATA:=http://169.254.169.254/latest}" "${PAUSE:=10}"

if [[ ${1-} != once ]]; then
  until "$0" once; do sleep "$PAUSE"; done
  exit
fi

# The service and the timer must not make a file system at the same time.
exec 9>"$LOCK"
flock 9

if ! mountpoint --quiet "$MOUNT"; then
  token=$(curl -sSf -m 10 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" "$METADATA/api/token")
  self=$(curl -sSf -m 10 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/instance-id")
  found=$(aws ec2 describe-volumes --output text \
    --filters "Name=tag:lakewright:stack,Values=$STACK" "Name=tag:lakewright:address,Values=$ADDRESS" \
      Name=status,Values=creating,available,in-use \
    --query 'Volumes[].[VolumeId, State, Attachments[0].InstanceId]')
  if [[ $found != *vol-* || $found == *$'\n'* ]]; then
    echo "$ADDRESS is not exactly one volume: ${found:-none}" >&2
    exit 1
  fi
  read -r volume state holder <<<"$found"
  if [[ $state == available ]]; then
    aws ec2 attach-volume --volume-id "$volume" --instance-id "$self" --device /dev/sdf >/dev/null
  elif [[ $holder != "$self" ]]; then
    echo "$volume is $state at $holder: waiting for it" >&2
    exit 1
  fi

  # Nitro shows the volume's id as the serial number, Xen the name that was asked for.
  device=$(lsblk --nodeps --noheadings --output PATH,SERIAL | awk -v serial="${volume/-/}" '$2 == serial {print $1}')
  [[ -n $device || ! -e $DISKS/xvdf ]] || device=$DISKS/xvdf
  [[ -n $device ]] || { echo "$volume doesn't show yet" >&2; exit 1; }

  # Nothing at all on the device: 2. Whatever else it says, there may be data. mkfs.xfs itself overwrites nothing.
  code=0
  blkid --probe "$device" >/dev/null || code=$?
  if ((code == 2)); then
    mkfs.xfs -L lakewright "$device"
  elif ((code != 0)); then
    echo "blkid says $code of $device: not touched" >&2
    exit 1
  fi
  mkdir -p "$MOUNT"
  mount -o noatime,nodev,noexec,nosuid "$device" "$MOUNT"
  # The host before may have had another number for the same user.
  if [[ -n ${OWNER-} && $(stat -c %U:%G "$MOUNT") != "$OWNER" ]]; then
    chown -R "$OWNER" "$MOUNT"
  fi
  echo "$volume is mounted at $MOUNT"
fi

case $(findmnt --noheadings --output FSTYPE "$MOUNT") in
  xfs) xfs_growfs "$MOUNT" >/dev/null ;;
  ext*) resize2fs "$(findmnt --noheadings --output SOURCE "$MOUNT")" ;;
esac

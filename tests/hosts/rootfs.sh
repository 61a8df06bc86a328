#!/usr/bin/env bash
# rootfs.sh: makes the root file system of a test host once, and prints where it is. Needs root, mmdebstrap and systemd-container.
# It is Debian with systemd and cloud-init, the AWS command line where Amazon Linux has it, and says to cloud-init that it is on EC2.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/hosts
packages=systemd,systemd-sysv,dbus,libpam-systemd,cloud-init,iproute2,procps,curl,ca-certificates,netbase,udev,logrotate,python3,libssl3
made_from=$(cat "$0" | sha256sum | cut -c1-12)
root=$cache/rootfs-$made_from

command -v mmdebstrap systemd-nspawn >/dev/null || {
  echo "mmdebstrap or systemd-nspawn is missing: apt-get install -y mmdebstrap systemd-container" >&2
  exit 1
}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ ! -e $root/.complete ]]; then
  rm -rf "$cache"/rootfs-*
  # The machine's own sources, so that a mirror which it needs is used.
  mmdebstrap --quiet --variant=minbase --mode=root --format=directory --include=$packages \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    bookworm "$root" /etc/apt/sources.list.d/debian.sources >&2
  # By the Python of the tests, which has pip.
  "$(dirname "$cache")/venv/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$root/opt/awscli" 'awscli>=1.45,<2' >&2
  printf '#!/bin/sh\nPYTHONPATH=/opt/awscli exec /usr/bin/python3 -m awscli "$@"\n' >"$root/usr/local/bin/aws"
  chmod 0755 "$root/usr/local/bin/aws"
  cat >"$root/etc/cloud/cloud.cfg.d/99-test.cfg" <<'CONFIG'
datasource_list: [Ec2]
datasource: {Ec2: {strict_id: false, max_wait: 30, timeout: 5}}
network: {config: disabled}
locale: C.UTF-8
CONFIG
  # In a container cloud-init does not look at the firmware's tables, and without them it takes no EC2 for one: two lines of
  # its reader point it to tables made here, after which it asks the metadata service as on EC2, with tokens.
  sed -i 's#^DMI_SYS_PATH = .*#DMI_SYS_PATH = "/etc/test-dmi"#; s#^    if is_container():#    if False:#' \
    "$root/usr/lib/python3/dist-packages/cloudinit/dmi.py"
  mkdir "$root/etc/test-dmi"
  for table in product_uuid product_serial; do echo ec2f63a1-5c1e-4c55-9d0e-0123456789ab >"$root/etc/test-dmi/$table"; done
  for table in sys_vendor chassis_asset_tag; do echo 'Amazon EC2' >"$root/etc/test-dmi/$table"; done
  echo t3.medium >"$root/etc/test-dmi/product_name"
  rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root"/etc/systemd/system/timers.target.wants/apt-daily*
  # The package repositories of Amazon Linux are not here: what a host installs from them is said to be there.
  printf '#!/bin/sh\nexit 0\n' >"$root/usr/local/sbin/apt-get"
  chmod 0755 "$root/usr/local/sbin/apt-get"
  mkdir -p "$root/opt/aws/amazon-cloudwatch-agent/bin" "$root/etc/pki/tls/certs"
  printf '#!/bin/sh\necho "$@" >>/var/log/cloudwatch-agent-ctl\n' >"$root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
  chmod 0755 "$root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
  cp "$root/etc/ssl/certs/ca-certificates.crt" "$root/etc/pki/tls/certs/ca-bundle.crt"
  touch "$root/.complete"
fi
echo "$root"

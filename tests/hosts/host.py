"""A throw-away EC2 host: systemd as process 1, cloud-init, a metadata service, in a network of its own.

The root file system lies read-only below an overlay in memory, so that a host that is cut off keeps its disk and a new one is
clean. The account runs in the same network as the host: it is the only thing that the host can reach.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 120
METADATA = "169.254.169.254"
# The script that starts the container: systemd wants control groups of version 2 alone, which the machine may not have at their usual
# place. The guest may ask for a reboot, which is exit code 133.
NSPAWN = """
set -e
echo $$ >"$0/nspawn.pid"
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$1/payload"
echo $$ >"/sys/fs/cgroup/$1/payload/cgroup.procs"
exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --boot --register=no --keep-unit --settings=no \
  --directory="$0/root" --machine="$1" --network-namespace-path="/run/netns/$1" --resolv-conf=off --timezone=off \
  --link-journal=no --console=read-only --system-call-filter=bpf --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN
"""


class Host:
    """One host, and the network that it stands in."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.name = f"lakewright-{os.getpid()}"
        self.started, self.nspawn = [], None
        self.root = self.folder / "root"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{METADATA}/32", "dev", "lo"]):
            subprocess.run(["ip", "-n", self.name, *words], check=True)

    def in_network(self, *command):
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, command)]

    def start(self, *command, **more):
        """Starts a program beside the host."""
        process = subprocess.Popen(self.in_network(*command), stdin=subprocess.DEVNULL, **more)
        self.started.append(process)
        return process

    def prepare(self, user_data, environment, credentials):
        """Makes the disk, and the metadata service with the user data, and with the credentials that an account gives out at a URL.
        The environment is that of all services on the host."""
        rootfs = subprocess.run([HERE / "rootfs.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        disk = self.folder / "disk"
        disk.mkdir()
        self.root.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g,mode=755", "host", disk], check=True)
        (disk / "upper").mkdir()
        (disk / "work").mkdir()
        options = f"lowerdir={rootfs},upperdir={disk}/upper,workdir={disk}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        (self.root / "etc/machine-id").write_text("")
        drop_in = self.root / "etc/systemd/system/service.d"
        drop_in.mkdir(parents=True)
        lines = "".join(f"Environment={name}={value}\n" for name, value in environment.items())
        (drop_in / "test.conf").write_text(f"[Service]\n{lines}")
        (self.folder / "user-data").write_bytes(user_data)
        log = open(self.folder / "metadata.log", "wb")
        words = [self.folder / "user-data", "i-0123456789abcdef0", METADATA, credentials]
        self.start(sys.executable, HERE / "imds.py", *words, stdout=log, stderr=log)

    def boot(self):
        (self.folder / "nspawn.pid").unlink(missing_ok=True)
        console = open(self.folder / "console.log", "ab")
        self.nspawn = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", NSPAWN, self.folder, self.name],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )
        self.wait("systemd", "test", "-S", "/run/systemd/private")
        self.wait("cloud-init", "test", "-e", "/run/cloud-init/result.json")

    def leader(self):
        """The host's process 1, seen from here."""
        nspawn = (self.folder / "nspawn.pid").read_text().strip()
        return Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()[0]

    def run(self, *command):
        """Runs a command on the host."""
        try:
            inside = ["nsenter", "-t", self.leader(), "-a", "--", "/usr/bin/env", "-i", "HOME=/root",
                      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *command]
        except (FileNotFoundError, IndexError):
            return subprocess.CompletedProcess(command, 97, "", "the host is off")
        return subprocess.run(inside, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def text(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def wait(self, what, *command):
        end = time.monotonic() + PATIENCE
        while self.run(*command).returncode != 0:
            assert time.monotonic() < end, f"{what} did not come within {PATIENCE} s\n{self.told()}"
            time.sleep(0.2)

    def told(self):
        """What the host said, for messages."""
        console = (self.folder / "console.log").read_text(errors="replace")[-2000:]
        journal = self.run("journalctl", "--no-pager", "-n", "60", "-u", "lakewright-*", "-u", "cloud-*").stdout
        return f"{console}\n{journal}"

    def reboot(self):
        """Shuts down in order and starts again, as the guest asks for it."""
        self.run("systemctl", "--no-block", "reboot")
        assert self.nspawn.wait(timeout=PATIENCE) == 133, self.told()
        self.boot()

    def power_cut(self):
        """Ends everything on the host at once, and starts it again from the same disk."""
        os.kill(int(self.leader()), signal.SIGKILL)
        self.nspawn.wait(timeout=PATIENCE)
        self.boot()

    def remove(self):
        try:
            os.kill(int(self.leader()), signal.SIGKILL)
        except (FileNotFoundError, IndexError, ProcessLookupError):
            pass
        if self.nspawn:
            self.nspawn.wait(timeout=PATIENCE)
        for process in self.started:
            process.kill()
            process.wait()
        for place in (self.root, self.folder / "disk"):
            subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.name])
        for groups in (f"/sys/fs/cgroup/unified/{self.name}", f"/sys/fs/cgroup/{self.name}"):
            for group, _, _ in os.walk(groups, topdown=False):
                os.rmdir(group)



def copied_stack(root, folder, replaced):
    """A copy of the shop with some texts replaced, each of which must be there."""
    shutil.copytree(root / "stacks", folder / "stacks")
    stack = folder / "stacks" / "shop.toml"
    text = stack.read_text()
    for old, new in replaced.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    stack.write_text(text)
    return stack


def read_json(process):
    """The line of JSON that a server says when it is ready."""
    return json.loads(process.stdout.readline())

"""The script by which a host takes over its data volume, run against fakes of what it calls."""

import os
import subprocess

import pytest

import fakes
from conftest import ROOT

SCRIPT = ROOT / "provisioner/src/stack/expand/host/volume.sh"
FREE, OURS, THEIRS = "vol-0abc\tavailable\tNone", "vol-0abc\tin-use\ti-self", "vol-0abc\tin-use\ti-old"

# Each fake notes how it was called; what it answers stands in files of the world.
FAKES = {
    "mountpoint": '[[ -e $WORLD/mounted ]]',
    "curl": '[[ $* == *PUT* ]] && echo token || echo i-self',
    "aws": """
case $2 in
  describe-volumes) cat "$WORLD/volumes" ;;
  attach-volume)
    if [[ -e $WORLD/refused ]]; then rm "$WORLD/refused"; exit 254; fi
    printf 'vol-0abc\\tin-use\\ti-self\\n' >"$WORLD/volumes"
    [[ -e $WORLD/slow ]] || touch "$WORLD/device" ;;
esac""",
    "lsblk": 'echo "/dev/nvme0n1 vol0root"; [[ ! -e $WORLD/device ]] || echo "/dev/nvme1n1 vol0abc"',
    "blkid": 'exit "$(cat "$WORLD/blkid")"',
    "mkfs.xfs": 'echo 0 >"$WORLD/blkid"',
    "mount": 'touch "$WORLD/mounted"',
    "findmnt": 'echo xfs',
    "xfs_growfs": "",
    "stat": 'echo root:root',
    "chown": "",
    # Time passes: the next thing that was to happen happens.
    "sleep": """
next=$(ls "$WORLD/later" | head -n 1)
[[ -n $next ]] || exit 99
bash "$WORLD/later/$next"
rm "$WORLD/later/$next" """,
}


class World:
    """The machine as the script sees it."""

    def __init__(self, folder):
        self.folder = folder
        self.mount = folder / "data"
        (folder / "bin").mkdir()
        (folder / "later").mkdir()
        fakes.put(folder, FAKES)
        (folder / "calls").touch()
        self.says("volumes", FREE)
        self.says("blkid", "2")

    def says(self, name, text=""):
        (self.folder / name).write_text(f"{text}\n")

    def later(self, script):
        """What happens while the script pauses, one thing each time."""
        folder = self.folder / "later"
        (folder / f"{len(list(folder.iterdir())):03}").write_text(script)

    def run(self, *words, owner=""):
        settings = self.folder / "settings"
        settings.write_text(f"STACK=shop\nADDRESS=volume.search-0\nMOUNT={self.mount}\nOWNER={owner}\n")
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "WORLD": str(self.folder), "SETTINGS": str(settings),
            "LOCK": str(self.folder / "lock"), "DISKS": str(self.folder / "dev"),
        }
        script = self.folder / "bin" / "lakewright-volume"
        script.write_text(SCRIPT.read_text())
        script.chmod(0o755)
        return subprocess.run([script, *words], env=environment, capture_output=True, text=True, timeout=60)

    def calls(self, *names):
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] in names or line.split()[1:2] and " ".join(line.split()[:3]) in names]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_bash_reads_it():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_an_empty_volume_is_attached_formatted_and_mounted(world):
    done = world.run(owner="elasticsearch:elasticsearch")
    assert done.returncode == 0, done.stderr
    assert world.calls("aws ec2 attach-volume") == [
        "aws ec2 attach-volume --volume-id vol-0abc --instance-id i-self --device /dev/sdf"
    ]
    (asked,) = world.calls("aws ec2 describe-volumes")
    assert "Name=tag:lakewright:stack,Values=shop Name=tag:lakewright:address,Values=volume.search-0" in asked
    assert world.calls("mkfs.xfs", "mount", "chown", "xfs_growfs") == [
        "mkfs.xfs -L lakewright /dev/nvme1n1",
        f"mount -o noatime,nodev,noexec,nosuid /dev/nvme1n1 {world.mount}",
        f"chown -R elasticsearch:elasticsearch {world.mount}",
        f"xfs_growfs {world.mount}",
    ]


def test_what_is_on_a_volume_stays(world):
    world.says("blkid", "0")
    assert world.run().returncode == 0
    assert not world.calls("mkfs.xfs") and world.calls("mount")


@pytest.mark.parametrize("code", ["8", "4", "1"])
def test_a_volume_that_blkid_cant_tell_is_not_touched(world, code):
    world.says("blkid", code)
    done = world.run("once")
    assert done.returncode == 1 and "not touched" in done.stderr
    assert not world.calls("mkfs.xfs", "mount")


def test_a_volume_that_the_host_before_still_holds_is_waited_for(world):
    world.says("volumes", THEIRS)
    world.says("blkid", "0")
    world.later("true")
    world.later(f'printf "{FREE}" >"$WORLD/volumes"')
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert "vol-0abc is in-use at i-old: waiting for it" in done.stderr
    assert len(world.calls("sleep")) == 2 and len(world.calls("aws ec2 attach-volume")) == 1
    assert not world.calls("mkfs.xfs")


def test_a_volume_of_another_host_is_not_taken(world):
    world.says("volumes", THEIRS)
    assert world.run("once").returncode == 1
    assert not world.calls("aws ec2 attach-volume") and not world.calls("mount")


def test_a_volume_that_shows_late_is_not_attached_twice(world):
    world.says("slow")
    world.later("true")
    world.later('touch "$WORLD/device"')
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert "doesn't show yet" in done.stderr and len(world.calls("aws ec2 attach-volume")) == 1


def test_an_attachment_that_aws_refuses_is_tried_again(world):
    world.says("refused")
    world.later("true")
    assert world.run().returncode == 0
    assert len(world.calls("aws ec2 attach-volume")) == 2 and len(world.calls("mount")) == 1


def test_a_host_that_restarts_goes_on_from_there(world):
    world.says("volumes", OURS)
    world.says("device")
    world.says("blkid", "0")
    assert world.run().returncode == 0
    assert not world.calls("aws ec2 attach-volume") and not world.calls("mkfs.xfs") and world.calls("mount")


def test_a_mounted_volume_is_grown_and_nothing_else(world):
    world.says("mounted")
    assert world.run("once").returncode == 0
    assert not world.calls("aws", "mkfs.xfs", "mount", "curl")
    assert world.calls("xfs_growfs") == [f"xfs_growfs {world.mount}"]


@pytest.mark.parametrize("found", ["", f"{FREE}\n{THEIRS.replace('0abc', '0def')}"])
def test_none_and_two_volumes_are_waited_out(world, found):
    world.says("volumes", found)
    done = world.run("once")
    assert done.returncode == 1 and "not exactly one volume" in done.stderr
    assert not world.calls("aws ec2 attach-volume")


def test_a_xen_host_has_it_by_its_name(world):
    world.says("slow")
    (world.folder / "dev").mkdir()
    (world.folder / "dev/xvdf").touch()
    assert world.run().returncode == 0
    assert world.calls("mkfs.xfs") == [f"mkfs.xfs -L lakewright {world.folder}/dev/xvdf"]

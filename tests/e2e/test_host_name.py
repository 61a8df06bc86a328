"""The script by which the search host writes its own DNS record, run against fakes of what it calls."""

import os
import shutil
import subprocess

import pytest

import fakes
from account import ACCOUNT, REGION, Account
from conftest import ROOT, SECRET

SCRIPT = ROOT / "provisioner/src/stack/expand/host/name.sh"

# Each fake notes how it was called. `sleep` is where time passes: what was missing until then is there.
FAKES = {
    "curl": """
[[ ! -e $WORLD/no-metadata ]] || exit 22
[[ $* == *PUT* ]] && echo token || cat "$WORLD/address" """,
    "aws": """
[[ ! -e $WORLD/refused ]] || { echo "An error occurred (AccessDenied)" >&2; exit 254; }
[[ -z ${REAL-} ]] || exec "$REAL" "$@" """,
    "sleep": 'rm -f "$WORLD/no-metadata" "$WORLD/refused"',
}
RECORD = "Changes=[{Action=UPSERT,ResourceRecordSet={Name=search.shop.internal,Type=A,TTL=30,ResourceRecords=[{Value=10.0.0.7}]}}]"


class World:
    """The machine as the script sees it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        fakes.put(folder, FAKES)
        (folder / "calls").touch()
        self.has("address", "10.0.0.7")

    def has(self, name, text=""):
        (self.folder / name).write_text(f"{text}\n")

    def run(self, *words, zone="Z1", **more):
        self.has("settings", f"ZONE={zone}\nNAME=search.shop.internal")
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "WORLD": str(self.folder),
            "SETTINGS": str(self.folder / "settings"), **more,
        }
        script = self.folder / "bin" / "lakewright-name"
        script.write_text(SCRIPT.read_text())
        script.chmod(0o755)
        return subprocess.run([script, *words], env=environment, capture_output=True, text=True, timeout=60)

    def calls(self, name):
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.split()[0] == name]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_it_writes_its_private_address(world):
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "search.shop.internal is 10.0.0.7\n"
    assert world.calls("aws") == [
        f"aws route53 change-resource-record-sets --hosted-zone-id Z1 --output text --change-batch {RECORD}"
    ]
    assert world.calls("curl")[1].endswith("-H X-aws-ec2-metadata-token: token http://169.254.169.254/latest/meta-data/local-ipv4")


@pytest.mark.parametrize("trouble", ["no-metadata", "refused"])
def test_it_tries_until_it_is_written(world, trouble):
    world.has(trouble)
    done = world.run("once")
    assert done.returncode != 0 and "is 10.0.0.7" not in done.stdout
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert len(world.calls("sleep")) == 1


@pytest.mark.skipif(not shutil.which("aws"), reason="the AWS command line isn't installed")
def test_route_53_takes_it(world, tmp_path_factory):
    account = Account(tmp_path_factory.mktemp("account"))
    vpc = account.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    client = account.client("route53")
    zone = client.create_hosted_zone(
        Name="shop.internal", CallerReference="one", VPC={"VPCRegion": REGION, "VPCId": vpc}
    )["HostedZone"]["Id"]
    real = {
        # Version 2 reads the one name of the region, version 1 the other.
        "REAL": shutil.which("aws"), "AWS_ENDPOINT_URL": account.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": str(world.folder),
    }
    for address in ["10.0.0.7", "10.0.0.8"]:
        world.has("address", address)
        done = world.run("once", zone=zone.split("/")[-1], **real)
        assert done.returncode == 0, done.stderr
    sets = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (own,) = [one for one in sets if one["Type"] == "A"]
    assert (own["Name"], own["TTL"], own["ResourceRecords"]) == ("search.shop.internal.", 30, [{"Value": "10.0.0.8"}])
    account.stop()

"""The script by which a host follows what its stack has published, run against fakes of what it calls."""

import hashlib
import json
import os
import subprocess

import pytest

import fakes
from conftest import ROOT

SCRIPT = ROOT / "provisioner/src/stack/expand/host/converge.sh"
AGENTS = ["producer", "stream"]
# The agents' program: it notes who runs it, and refuses settings that say so.
PROGRAM = """#!/bin/bash
echo "program as ${AS:-root}: $*" >>"$WORLD/calls"
! grep -q wrong "$4"
"""
# Each fake notes how it was called.
FAKES = {
    "aws": """
[[ $1 == s3api && $2 == get-object && $3 == --bucket && $5 == --expected-bucket-owner && $7 == --key ]] || exit 252
[[ $6 == 123456789012 ]] || { echo "An error occurred (AccessDenied)" >&2; exit 254; }
cp "$WORLD/bucket/$8" "$9" && echo '{"ContentLength": 1}' """,
    # Becomes nobody, and remembers who it should have become.
    "setpriv": """
[[ $1 == --reuid && $3 == --regid && $2 == "$4" && $5 == --clear-groups && $6 == --no-new-privs ]] || exit 9
AS=$2 exec "${@:7}" """,
    "systemctl": '[[ $1 != is-failed ]] || [[ -e $WORLD/failed-$3 ]]',
    "install": fakes.INSTALL,
}


class World:
    """The machine as the script sees it."""

    def __init__(self, folder):
        self.folder, self.owner = folder, "123456789012"
        self.binary, self.settings = folder / "program", folder / "etc"
        for name in ["bin", "etc"]:
            (folder / name).mkdir()
        fakes.put(folder, FAKES)
        self.publish_release(PROGRAM)
        for agent in AGENTS:
            self.publish(agent, {"rate": 1})

    def put(self, key, text):
        path = self.folder / "bucket" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def publish_release(self, program):
        release = hashlib.sha256(program.encode()).hexdigest()
        self.put("hosts/app/release", f"{release}\n")
        self.put(f"releases/{release}/lakewright-agent", program)
        return release

    def publish(self, agent, settings):
        self.put(f"hosts/app/{agent}.json", json.dumps(settings))

    def run(self):
        """Runs the script; what it called."""
        host = self.folder / "host"
        host.write_text(f'ACCOUNT={self.owner}\nARTIFACTS=shop\nRELEASES=releases\nHOST=app\nAGENTS="{" ".join(AGENTS)}"\n')
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "WORLD": str(self.folder), "SETTINGS": str(host),
            "BINARY": str(self.binary), "FOLDER": str(self.settings),
        }
        done = subprocess.run(["bash", SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
        return done, calls.read_text().splitlines()

    def installed(self, agent):
        return json.loads((self.settings / f"{agent}.json").read_text())


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def of(calls, *names):
    return [call for call in calls if call.startswith(names)]


def test_a_new_host_installs_the_release_and_the_settings_and_starts_the_agents(world):
    done, calls = world.run()
    assert done.returncode == 0, done.stderr
    assert world.binary.read_text() == PROGRAM and world.binary.stat().st_mode & 0o777 == 0o755
    for agent in AGENTS:
        assert world.installed(agent) == {"rate": 1}
        assert (world.settings / f"{agent}.json").stat().st_mode & 0o777 == 0o640
        assert of(calls, f"install -o root -g lakewright-{agent} -m 0640")
    # What wasn't known before has nothing to be reset; that is no reason to stop.
    assert of(calls, "systemctl") == [
        f"systemctl {words.format(agent)}"
        for agent in AGENTS
        for words in ["enable --quiet lakewright-{}.service", "reset-failed lakewright-{}.service", "restart --no-block lakewright-{}.service"]
    ]
    done, calls = world.run()
    assert done.returncode == 0 and not of(calls, "program", "install", "systemctl restart", "systemctl start")


def test_what_was_fetched_runs_as_the_agents_user_and_never_as_root(world):
    world.publish("stream", {"rate": "wrong"})
    _, calls = world.run()
    ran = of(calls, "program")
    assert ran == [
        f"program as lakewright-{agent}: check {agent} --config {world.settings}/{agent}.json.new" for agent in AGENTS
    ]


def test_settings_that_an_agent_refuses_stay_out_and_the_others_arrive(world):
    world.run()
    world.publish("producer", {"rate": "wrong"})
    world.publish("stream", {"rate": 2})
    done, calls = world.run()
    assert done.returncode == 1
    assert world.installed("producer") == {"rate": 1} and world.installed("stream") == {"rate": 2}
    assert of(calls, "systemctl restart") == ["systemctl restart --no-block lakewright-stream.service"]


def test_a_release_that_is_not_what_was_named_is_not_installed(world):
    world.run()
    release = world.publish_release(PROGRAM + "# newer\n")
    world.put(f"releases/{release}/lakewright-agent", "#!/bin/bash\ntouch $WORLD/evil\n")
    done, calls = world.run()
    assert done.returncode != 0 and world.binary.read_text() == PROGRAM
    assert not (world.folder / "evil").exists() and not of(calls, "systemctl restart")


def test_a_bucket_of_somebody_elses_gives_nothing(world):
    world.owner = "999999999999"
    done, calls = world.run()
    assert done.returncode != 0 and "AccessDenied" in done.stderr
    assert not world.binary.exists() and not of(calls, "program", "systemctl")


def test_an_agent_that_gave_up_is_started_again(world):
    world.run()
    (world.folder / "failed-lakewright-stream.service").touch()
    done, calls = world.run()
    assert done.returncode == 0
    assert of(calls, "systemctl reset-failed", "systemctl start", "systemctl restart") == [
        "systemctl reset-failed lakewright-stream.service", "systemctl start --no-block lakewright-stream.service",
    ]

"""What hosts run at their first boot, held against the programs that will read it: cloud-init, systemd, bash."""

import json
import shutil
import subprocess

import pytest

from account import Account
from conftest import ROOT

STACK = ROOT / "tests/e2e/stacks/hosts.toml"
SEARCH = """
[search]
host = "search"

[hosts.search]
data_volume_gib = 20
"""


@pytest.fixture(scope="module")
def user_data(tmp_path_factory):
    """The user data of each kind of host: with agents and volume, with nothing, with the search index on a volume."""
    folder = tmp_path_factory.mktemp("user-data")
    account = Account(folder)
    shutil.copytree(STACK.parent / "hosts-models", folder / "hosts-models")
    stack = folder / "hosts.toml"
    stack.write_text(STACK.read_text() + SEARCH)
    plan = json.loads(account.run("plan", stack, "--format", "json", code=0).stdout)
    account.stop()
    steps = {step["address"]: {line["path"]: line["after"] for line in step["changes"]} for step in plan["steps"]}
    return {name: steps[f"launch_template.{name}"].get("user_data", "") for name in ["data-0", "plain", "search-0"]}


def files(text):
    """The files that a cloud-config writes."""
    found, path = {}, None
    for line in text.splitlines():
        if line.startswith("  - path: "):
            path = line.removeprefix("  - path: ")
            found[path] = []
        elif path and line.startswith("      "):
            found[path].append(line[6:])
        elif path and not line:
            found[path].append("")
        elif not line.startswith("    "):
            path = None
    return {path: "\n".join(lines) + "\n" for path, lines in found.items()}


def test_scripts_are_bash(user_data, tmp_path):
    scripts = [text for own in user_data.values() for path, text in files(own).items() if "/sbin/" in path]
    assert len(scripts) == 5
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_search_host_gives_itself_its_name(user_data):
    own = files(user_data["search-0"])
    assert own["/etc/lakewright-name"] == "ZONE=${private_zone.search.id}\nNAME=search.hosts.internal\n"
    assert "systemctl enable --now --no-block lakewright-name.service" in user_data["search-0"]
    assert not [name for name in ["data-0", "plain"] if "lakewright-name" in user_data[name]]


def test_no_secret_stands_in_it(user_data):
    for text in user_data.values():
        assert len(text.encode()) <= 16_384
        # A script reads them where they are.
        own = {path: body for path, body in files(text).items() if not path.startswith("/usr/local/sbin/")}
        assert not [line for body in own.values() for line in body.lower().splitlines() if "password" in line or "secret" in line]


def test_the_search_host_asks_for_logins_over_tls(user_data):
    own = files(user_data["search-0"])
    elasticsearch = own["/etc/elasticsearch/elasticsearch.yml"].splitlines()
    for side in ["http", "transport"]:
        assert f"xpack.security.{side}.ssl.enabled: true" in elasticsearch
    assert {"xpack.security.enabled: true", "xpack.security.authc.reserved_realm.enabled: false"} <= set(elasticsearch)
    assert {"server.ssl.enabled: true", 'elasticsearch.hosts: ["https://localhost:9200"]'} <= set(
        own["/etc/lakewright-kibana.yml"].splitlines()
    )
    settings = own["/etc/lakewright-search"].splitlines()
    # No host of this stack runs a shipper.
    assert {"NAME=search.hosts.internal", 'USERS="admin:superuser"', "LOGINS=lakewright/hosts/search-"} <= set(settings)
    # It starts both when they have what they need.
    assert "systemctl enable --now --no-block lakewright-search.timer" in user_data["search-0"]
    assert "elasticsearch.service kibana.service" not in user_data["search-0"].split("runcmd:")[1]
    assert not [name for name in ["data-0", "plain"] if "lakewright-search" in user_data[name]]


def laid_out(user_data, host, folder):
    """Puts a host's files where they belong below a folder; the names of its units."""
    own = files(user_data[host])
    for agent in ["stream"] if host == "data-0" else []:
        own[f"/etc/systemd/system/lakewright-{agent}.service"] = own["/usr/local/lib/lakewright-agent.service"]
    units = [path for path in own if path.startswith("/etc/systemd/system/")]
    assert any(path.endswith("/volume.conf") for path in units)
    for path, text in own.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755 if "bin/" in path else 0o644)
    return [path.rsplit("/", 1)[1] for path in units if path.endswith((".service", ".timer"))]


# The most that `systemd-analyze security` may say of a unit, of 10.
EXPOSURES = {
    "lakewright-stream.service": 1.2, "lakewright-converge.service": 2.5, "lakewright-name.service": 2.5,
    "lakewright-volume.service": 5, "lakewright-volume-grow.service": 5, "lakewright-search.service": 2.5,
}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed")
@pytest.mark.parametrize("host", ["data-0", "search-0"])
def test_no_unit_may_do_what_it_does_not_need(user_data, host, tmp_path):
    services = [name for name in laid_out(user_data, host, tmp_path) if name.endswith(".service")]
    for name in services:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={tmp_path}",
             f"--threshold={int(EXPOSURES[name] * 10)}", name],
            capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert {"data-0": 4, "search-0": 4}[host] == len(services)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed")
@pytest.mark.parametrize("host", ["data-0", "search-0"])
def test_systemd_takes_the_units(user_data, host, tmp_path):
    names = laid_out(user_data, host, tmp_path)
    # What units start must be there.
    for program in ["usr/local/bin/lakewright-agent", "bin/true"]:
        target = tmp_path / program
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("#!/bin/sh\n")
        target.chmod(0o755)
    for name in ["sysinit.target", "basic.target", "multi-user.target", "network-online.target", "timers.target", "shutdown.target"]:
        (tmp_path / "etc/systemd/system" / name).write_text("[Unit]\nDescription=stands for systemd's own\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={tmp_path}", *names],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("cloud-init"), reason="cloud-init isn't installed")
@pytest.mark.parametrize("host", ["data-0", "search-0"])
def test_cloud_init_takes_it(user_data, host, tmp_path):
    path = tmp_path / "user-data"
    path.write_text(user_data[host])
    done = subprocess.run(["cloud-init", "schema", "--config-file", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

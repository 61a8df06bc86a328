"""The script by which a search host gets its certificate and its users, run against fakes of what it calls."""

import base64
import hashlib
import json
import os
import subprocess

import pytest

import fakes
from conftest import ROOT

SCRIPT = ROOT / "provisioner/src/stack/expand/host/search.sh"
NAME = "search.shop.internal"
PASSWORDS = {"admin": "A" * 32, "shipper": "B" * 32}
# Each fake notes how it was called.
FAKES = {
    "aws": """
[[ ! -e $WORLD/refused ]] || { echo "An error occurred (AccessDenied)" >&2; exit 254; }
case $2 in
get-object)
  [[ $4 == shop && $6 == 123456789012 && $8 == search/authority.pem && -e $WORLD/published ]] || exit 254
  cp "$WORLD/published" "$9" ;;
put-object) [[ ! -e $WORLD/unpublished && $4 == shop && $6 == 123456789012 && $8 == search/authority.pem ]] && cp "${10}" "$WORLD/published" ;;
get-secret-value) [[ $4 == lakewright/shop/search-* ]] && cat "$WORLD/secret-${4##*-}" ;;
*) exit 252 ;;
esac""",
    "systemctl": """
case $1 in
is-enabled) [[ -e $WORLD/enabled-$3 ]] ;;
is-active) [[ -e $WORLD/active-$3 ]] ;;
enable) touch "$WORLD/enabled-$3" ;;
start | restart) touch "$WORLD/active-$3" ;;
esac""",
    "install": fakes.INSTALL,
}


class World:
    """The machine as the script sees it."""

    def __init__(self, folder):
        self.folder, self.etc = folder, folder / "etc"
        for name in ["bin", "etc/elasticsearch", "etc/kibana"]:
            (folder / name).mkdir(parents=True)
        # As Elastic's packages make them.
        for name in ["elasticsearch", "kibana"]:
            (self.etc / name).chmod(0o2750)
        fakes.put(folder, FAKES)
        for user, password in PASSWORDS.items():
            self.holds(user, password)
        (self.etc / "lakewright-kibana.yml").write_text("server.host: 127.0.0.1\n")

    def holds(self, user, password):
        (self.folder / f"secret-{user}").write_text(json.dumps({"username": user, "password": password}) + "\n")

    def run(self, users="admin:superuser shipper:shipper"):
        settings = self.folder / "settings"
        settings.write_text(
            f'ACCOUNT=123456789012\nARTIFACTS=shop\nNAME={NAME}\nAUTHORITY=search/authority.pem\n'
            f'LOGINS=lakewright/shop/search-\nUSERS="{users}"\n'
        )
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "WORLD": str(self.folder), "SETTINGS": str(settings),
            "ETC": str(self.etc), "HOME": str(self.folder),
        }
        done = subprocess.run(["bash", SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
        return done, calls.read_text().splitlines()

    def read(self, path):
        return (self.etc / path).read_text()

    def users(self):
        return dict(line.split(":", 1) for line in self.read("elasticsearch/users").splitlines())

    def tls(self, name):
        return self.etc / "elasticsearch/lakewright" / name


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def of(calls, *names):
    return [call for call in calls if call.startswith(names)]


def is_of(hashed, password):
    """Whether a hash, as Elasticsearch's PBKDF2 has it, is a password's."""
    mark, rest = hashed[:8], hashed[8:]
    cost, salt, key = rest.split("$")
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(cost), 32)
    return mark == "{PBKDF2}" and base64.b64decode(key) == made


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)


def test_a_new_host_has_a_certificate_and_users_and_starts(world):
    done, calls = world.run()
    assert done.returncode == 0, done.stderr
    users = world.users()
    assert list(users) == ["kibana-server", "admin", "shipper"]
    for user, password in PASSWORDS.items():
        assert is_of(users[user], password)
    assert world.read("elasticsearch/users_roles").splitlines() == [
        "kibana_system:kibana-server", "superuser:admin", "shipper:shipper",
    ]
    kibana = world.read("kibana/kibana.yml").splitlines()
    assert kibana[:2] == ["server.host: 127.0.0.1", "elasticsearch.username: kibana-server"]
    assert is_of(users["kibana-server"], kibana[2].split('"')[1])
    assert of(calls, "systemctl enable", "systemctl start", "systemctl restart") == [
        "systemctl enable --quiet elasticsearch.service", "systemctl start --no-block elasticsearch.service",
        "systemctl enable --quiet kibana.service", "systemctl restart --no-block kibana.service",
    ]
    # What is published is what signed the certificate, for the name by which the shipper asks.
    published = world.folder / "published"
    assert openssl("verify", "-CAfile", published, "-verify_hostname", NAME, world.tls("host.crt")).returncode == 0
    assert openssl("verify", "-CAfile", published, "-verify_hostname", "other.internal", world.tls("host.crt")).returncode
    assert "PRIVATE" not in published.read_text()
    for name in ["elasticsearch/users", "elasticsearch/lakewright/host.key", "kibana/kibana.yml", "kibana/lakewright.json"]:
        assert (world.etc / name).stat().st_mode & 0o777 == 0o640, name
    # The unit lets nobody set the bit that the folders above hand on.
    for name in ["elasticsearch", "kibana"]:
        assert (world.etc / name).stat().st_mode & 0o7777 == 0o2750, name
        assert (world.etc / name / "lakewright").stat().st_mode & 0o7777 == 0o750, name


def test_the_authority_signs_nothing_else(world):
    world.run()
    # Nobody has its key.
    keys = [path for path in world.etc.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]
    assert {path.name for path in keys} == {"host.key"}
    assert "CA:FALSE" in openssl("x509", "-noout", "-text", "-in", world.tls("host.crt")).stdout


def test_a_second_run_changes_nothing(world):
    world.run()
    before = {path: path.read_bytes() for path in world.etc.rglob("*") if path.is_file()}
    done, calls = world.run()
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in world.etc.rglob("*") if path.is_file()} == before
    assert not of(calls, "aws s3api put-object", "systemctl enable", "systemctl start", "systemctl restart")


def test_a_rotated_password_is_taken_up_and_the_others_stay(world):
    world.run()
    before = world.users()
    world.holds("shipper", "C" * 32)
    done, calls = world.run()
    after = world.users()
    assert done.returncode == 0 and is_of(after["shipper"], "C" * 32) and not is_of(after["shipper"], PASSWORDS["shipper"])
    assert {user: word for user, word in after.items() if user != "shipper"} == {
        user: word for user, word in before.items() if user != "shipper"
    }
    # Elasticsearch reads it by itself.
    assert not of(calls, "systemctl restart", "systemctl start")


def test_a_user_that_left_the_stack_logs_in_no_more(world):
    world.run()
    done, _ = world.run(users="admin:superuser")
    assert done.returncode == 0 and list(world.users()) == ["kibana-server", "admin"]
    assert "shipper" not in world.read("elasticsearch/users_roles")


def test_a_host_that_takes_anothers_place_publishes_its_own_authority(world, tmp_path_factory):
    world.run()
    published = (world.folder / "published").read_text()
    other = World(tmp_path_factory.mktemp("other"))
    (other.folder / "published").write_text(published)
    done, calls = other.run()
    assert done.returncode == 0 and len(of(calls, "aws s3api put-object")) == 1
    assert (other.folder / "published").read_text() == other.tls("authority.crt").read_text() != published


def test_a_certificate_that_ends_soon_is_made_anew(world):
    world.run()
    old = world.tls("host.crt").read_text()
    made = openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 20, "-subj", "/CN=x",
        "-keyout", world.folder / "k", "-out", world.tls("host.crt"),
    )
    assert made.returncode == 0, made.stderr
    done, calls = world.run()
    assert done.returncode == 0 and world.tls("host.crt").read_text() != old
    assert len(of(calls, "aws s3api put-object")) == 1 and of(calls, "systemctl restart --no-block kibana.service")
    assert openssl("verify", "-CAfile", world.folder / "published", world.tls("host.crt")).returncode == 0


UNTAKEN = ["", "no JSON", "[]", '{"username": "admin"}', '{"username": 7, "password": "%s"}' % ("x" * 32),
           '{"username": "a:b", "password": "%s"}' % ("x" * 32), '{"username": "admin", "password": "short"}',
           '{"username": "admin", "password": "%s\\n"}' % ("x" * 32), None]


def hold(world, held):
    path = world.folder / "secret-admin"
    path.unlink() if held is None else path.write_text(held)


@pytest.mark.parametrize("held", UNTAKEN)
def test_a_secret_that_is_none_keeps_its_user_and_stops_nobody_else(world, held):
    world.run()
    before = world.users()
    hold(world, held)
    world.holds("shipper", "C" * 32)
    done, calls = world.run()
    after = world.users()
    assert done.returncode == 1 and after["admin"] == before["admin"] and is_of(after["shipper"], "C" * 32)
    assert "superuser:admin" in world.read("elasticsearch/users_roles").splitlines()
    assert "`lakewright rotate secret.search-admin`" in done.stderr and "24 printable ASCII" in done.stderr
    assert "x" * 32 not in done.stderr + done.stdout
    assert not of(calls, "systemctl restart", "systemctl start")


@pytest.mark.parametrize("held", UNTAKEN)
def test_a_new_host_starts_without_the_user_whose_secret_is_none(world, held):
    hold(world, held)
    done, calls = world.run()
    assert done.returncode == 1 and list(world.users()) == ["kibana-server", "shipper"]
    assert "superuser" not in world.read("elasticsearch/users_roles")
    assert (world.folder / "active-elasticsearch.service").exists() and (world.folder / "active-kibana.service").exists()
    world.holds("admin", PASSWORDS["admin"])
    done, _ = world.run()
    assert done.returncode == 0 and is_of(world.users()["admin"], PASSWORDS["admin"])


def test_a_password_may_hold_any_printable_character(world):
    password = "".join(map(chr, range(32, 127)))
    world.holds("admin", password)
    done, _ = world.run()
    assert done.returncode == 0 and is_of(world.users()["admin"], password), done.stderr


def test_without_the_account_the_index_starts_and_the_next_run_goes_on(world):
    (world.folder / "refused").touch()
    done, _ = world.run()
    assert done.returncode == 1 and list(world.users()) == ["kibana-server"]
    assert (world.folder / "active-elasticsearch.service").exists()
    (world.folder / "refused").unlink()
    done, calls = world.run()
    assert done.returncode == 0 and len(of(calls, "aws s3api put-object")) == 1
    assert list(world.users()) == ["kibana-server", "admin", "shipper"]


def test_an_authority_that_may_not_be_published_keeps_nobody_out(world):
    (world.folder / "unpublished").touch()
    for _ in range(2):
        done, _ = world.run()
        assert done.returncode == 1 and "isn't published" in done.stderr
    assert list(world.users()) == ["kibana-server", "admin", "shipper"]
    assert (world.folder / "active-elasticsearch.service").exists()
    (world.folder / "unpublished").unlink()
    done, _ = world.run()
    assert done.returncode == 0 and (world.folder / "published").exists()


def test_no_password_stands_in_a_command_line(world):
    done, calls = world.run()
    assert done.returncode == 0
    kibana = json.loads(world.read("kibana/lakewright.json"))["password"]
    assert not [call for call in calls for word in [*PASSWORDS.values(), kibana] if word in call]

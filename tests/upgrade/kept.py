"""An account of this machine as lines of JSON: what stands in its folder, and the folder that this makes again."""

import base64
import json
import os
import time
from pathlib import Path

HERE = Path(__file__).parent
STACKS = HERE / "stacks"
# What calls with client tokens were answered: an hour later nobody asks for it.
LEFT_OUT = {"tokens"}
# The tag that holds a record.
APPLIED = "lakewright:applied"
# What the folder is read by: the account's version of its layout.
LAYOUT = "1"


def documents(state):
    """All documents of an account: those of its snapshot, as the journal has changed them."""
    found, generation = {}, 0

    def replay(line):
        for account, region, collection, name, *document in line:
            key = (account, region, collection, name)
            if document and document[0] is not None:
                found[key] = document[0]
            else:
                found.pop(key, None)

    snapshot = state / "snapshot.jsonl"
    if snapshot.exists():
        first, *lines = snapshot.read_text().splitlines()
        generation = json.loads(first)["generation"]
        for line in lines:
            replay(json.loads(line))
    for line in (state / f"journal-{generation}.jsonl").read_text().splitlines():
        replay(json.loads(line))
    return {key: found[key] for key in sorted(found) if key[2] not in LEFT_OUT}


def pack(data, path):
    """Writes what a folder of `lakewright-local serve --data` holds into a file: what the account knows, the bytes of its
    objects, and which topics its Kafka has. Records are left out."""
    assert (data / "account" / "VERSION").read_text().strip() == LAYOUT
    lines = [{"topics": json.loads((data / "kafka" / "catalog.json").read_text())}]
    for key, document in documents(data / "account" / "state").items():
        lines.append({"document": [*key, document]})
    objects = {}
    for file in sorted((data / "account" / "s3").rglob("*")):
        if file.is_file():
            objects.setdefault(file.read_bytes(), []).append(file.name)
    # Versions of an object have the same bytes mostly.
    lines += [{"object": [names, encoded(content)]} for content, names in objects.items()]
    path.write_text("".join(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n" for line in lines))


def unpack(path, data):
    """Makes the folder again."""
    before = os.umask(0o077)
    try:
        state, objects, kafka = data / "account" / "state", data / "account" / "s3", data / "kafka"
        for folder in (state, objects, kafka):
            folder.mkdir(parents=True)
        (data / "account" / "VERSION").write_text(f"{LAYOUT}\n")
        snapshot = [json.dumps({"generation": 1})]
        for line in path.read_text().splitlines():
            ((kind, value),) = json.loads(line).items()
            if kind == "topics":
                (kafka / "catalog.json").write_text(json.dumps(value))
            elif kind == "document":
                if value[2] == "sns/subscription":
                    # One that nobody has confirmed goes after two days.
                    value[4]["since"] = int(time.time() * 1000)
                snapshot.append(json.dumps([value]))
            else:
                names, text = value
                for name in names:
                    (objects / name[:2]).mkdir(exist_ok=True)
                    (objects / name[:2] / name).write_bytes(decoded(text))
        (state / "snapshot.jsonl").write_text("\n".join(snapshot) + "\n")
    finally:
        os.umask(before)


def encoded(content):
    """The bytes as text where they are some, else in base64."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def decoded(text):
    return base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode()


def agent(folder):
    """What stands for the agents' program: the same on every machine, by its header for x86_64."""
    path = folder / "lakewright-agent"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\0" + b"the agents, whatever their version\n")
    path.chmod(0o755)
    return path


def records(value):
    """The records of what was last applied in documents of any form: the values of all tags `lakewright:applied`."""
    if isinstance(value, list):
        return [record for one in value for record in records(one)]
    if not isinstance(value, dict):
        return []
    found = [record for one in value.values() for record in records(one)]
    if APPLIED in value:
        found.append(value[APPLIED])
    elif APPLIED in value.values():
        # A tag as an object of its own: its key, and beside it its value.
        found += value.values()
    return [one for one in found if isinstance(one, str) and one != APPLIED]

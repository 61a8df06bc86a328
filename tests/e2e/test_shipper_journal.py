"""The journal from `journalctl` to index and backup: each entry once, whoever is killed or breaks, and wherever the journal begins by now."""

import base64
import os
import sys
import time
from pathlib import Path

import pytest

from shipping import INDEX, Shipping, once

HERE = Path(__file__).parent
DOCUMENTS = f"{INDEX}-system-2*"


class Journal:
    """What the stand-in for `journalctl` gives, which comes first on the PATH."""

    def __init__(self, folder):
        self.folder = folder / "journal"
        (self.folder / "bin").mkdir(parents=True)
        self.entries, self.written = self.folder / "entries", 0
        self.entries.touch()
        program = self.folder / "bin" / "journalctl"
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {HERE / 'fake_journalctl.py'} \"$@\"\n")
        program.chmod(0o755)
        self.environment = {
            "JOURNAL": str(self.folder), "JOURNAL_BEGAN_AT": str(int(time.time() * 10**6)),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    @staticmethod
    def message(number):
        """Lines, and what the export format has no line for: several of them, control characters, bytes that are no text."""
        kinds = {3: b"a trace\n\tat Shop.sell\n\tat Shop.serve", 5: b"\x1b[31mred\x1b[0m", 7: b"caf\xe9", 8: b"", 9: b"MESSAGE=\n\n__CURSOR=x"}
        return kinds.get(number % 10, b"started") + b" %d" % number

    def append(self, count):
        with self.entries.open("a") as file:
            for number in range(self.written, self.written + count):
                file.write(f"{number} {base64.b64encode(self.message(number)).decode()}\n")
        self.written += count

    def vacuum(self, first):
        """Entries before that one are gone."""
        lines = self.entries.read_text().splitlines(keepends=True)
        rest = self.folder / "rest"
        rest.write_text("".join(line for line in lines if int(line.split()[0]) >= first))
        rest.rename(self.entries)

    def calls(self):
        return [line.split(" ", 1) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def shipping(tmp_path):
    shipping = Shipping(tmp_path)
    yield shipping
    shipping.close()


def exact(shipping, numbers):
    """Index and backup have these entries once, as they were written."""
    documents = [source for _, source in shipping.documents(DOCUMENTS, "log_offset")]
    lines = shipping.backup()
    once("documents", [source["log_offset"] for source in documents], numbers)
    once("lines", [line["log_offset"] for line in lines], numbers)
    for record in [*documents, *(line["record"] | {"log_offset": line["log_offset"]} for line in lines)]:
        message = Journal.message(record["log_offset"]).decode(errors="replace")
        assert (record["MESSAGE"], record["SYSLOG_IDENTIFIER"]) == (message, "shop")
    assert all(source["log_path"] == "journal" for source in documents)


def test_each_entry_stands_once_in_index_and_backup(shipping, tmp_path):
    journal = Journal(tmp_path)
    shipping.prepare(sources={"system": {"from": {"journal": {}}}})
    shipping.start(journal.environment)
    shipping.write(journal.append)
    shipping.move_on()
    # While one end is away the other goes on; then all is killed with entries in hand.
    shipping.index.behave("refuse")
    before = len(shipping.objects())
    shipping.wait("the backup goes on", lambda: len(shipping.objects()) > before + 1)
    orphans = [pid for pid, _ in journal.calls()]
    shipping.kill()
    shipping.index.behave(None)
    shipping.start(journal.environment)
    shipping.wait("the children of the one that was killed end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    # A journalctl that ends is started again.
    (journal.folder / "break").touch()
    shipping.wait("another child", lambda: len(journal.calls()) >= 5)
    shipping.end_writing()
    shipping.settle({DOCUMENTS: journal.written})
    exact(shipping, set(range(journal.written)))
    assert "Failed to iterate through journal: Bad message" in shipping.log()
    cursors = [words for _, words in journal.calls() if "--cursor=" in words]
    assert len(cursors) >= 3, journal.calls()

    # The journal begins after the entry that was read last: nothing that there was is lost, and nothing comes again.
    read = journal.written
    journal.append(100)
    journal.vacuum(read)
    shipping.start(journal.environment)
    shipping.wait("what came since", lambda: shipping.count(DOCUMENTS) >= read + 100)
    assert shipping.metrics()["lost_records_total"] == 0
    # Here twenty are gone that nobody has read: that is said and counted, of each pipe.
    shipping.settle({DOCUMENTS: journal.written})
    exact(shipping, set(range(journal.written)))
    gone = journal.written
    journal.append(50)
    journal.vacuum(gone + 20)
    shipping.start(journal.environment)
    shipping.wait("what is there", lambda: shipping.count(DOCUMENTS) >= gone + 30)
    shipping.wait("what is lost", lambda: shipping.metrics().get("lost_records_total") == 40)
    shipping.settle({DOCUMENTS: gone + 30})
    exact(shipping, set(range(gone)) | set(range(gone + 20, gone + 50)))
    assert "up to 20 entries are lost" in shipping.log()

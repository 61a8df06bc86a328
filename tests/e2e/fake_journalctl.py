"""`journalctl` as the shipper calls it, on a journal that is a file: `number MESSAGE-in-Base64` a line, which a test writes.

As the real one it gives the export format, with fields that aren't lines of text by their length; begins at the entry of `--cursor`,
or at the next one that is there where that is gone; follows; and ends when nobody reads.
"""

import base64
import os
import sys
import time
from pathlib import Path

SOURCE, BOOT = "5a2dbf44f66a4e26a6d6d4b2d3fbd0e5", "6c7c6013a26343b29e964691ff25d04c"
KNOWN = ["--output=export", "--all", "--follow", "--no-tail", "--no-pager", "--quiet"]
# When the entry of number 0 was written, in microseconds since 1970.
BEGAN_AT = int(os.environ["JOURNAL_BEGAN_AT"])


def cursor(number):
    return f"s={SOURCE};i={number:x};b={BOOT};m={number:x};t={BEGAN_AT + number:x};x={number:x}"


def is_plain(value):
    """Whether the export format has it as a line."""
    return all(byte >= 32 or byte == 9 for byte in value)


def exported(number, message):
    fields = [
        ("__CURSOR", cursor(number).encode()), ("__REALTIME_TIMESTAMP", b"%d" % (BEGAN_AT + number * 1000)),
        ("__MONOTONIC_TIMESTAMP", b"%d" % number), ("_BOOT_ID", BOOT.encode()), ("PRIORITY", b"6"), ("_PID", b"1"),
        ("SYSLOG_IDENTIFIER", b"shop"), ("MESSAGE", message),
    ]
    text = b""
    for name, value in fields:
        if is_plain(value):
            text += name.encode() + b"=" + value + b"\n"
        else:
            text += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return text + b"\n"


def main():
    folder = Path(os.environ["JOURNAL"])
    with (folder / "calls").open("a") as calls:
        calls.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\n")
    given = -1
    for word in sys.argv[1:]:
        if word.startswith("--cursor="):
            given = int(word.partition(";i=")[2].partition(";")[0], 16) - 1
        elif word not in KNOWN:
            sys.exit(f"journalctl: unrecognized option '{word}'")
    while os.getppid() != 1:
        for line in (folder / "entries").read_text().splitlines(keepends=True):
            number, _, message = line.partition(" ")
            # A line without its end is being written.
            if line.endswith("\n") and int(number) > given:
                given = int(number)
                sys.stdout.buffer.write(exported(given, base64.b64decode(message)))
        sys.stdout.buffer.flush()
        if (folder / "break").exists():
            (folder / "break").unlink()
            sys.exit("Failed to iterate through journal: Bad message")
        time.sleep(0.05)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)

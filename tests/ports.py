"""Ports in a row for a server that takes some: below the range from which outgoing connections get theirs."""

import contextlib
import random
import socket


def row(count):
    """The first of so many ports that nobody has."""
    while True:
        port = random.randrange(20000, 30000)
        try:
            with contextlib.ExitStack() as stack:
                for offset in range(count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port
        except OSError:
            continue


if __name__ == "__main__":
    print(row(2))

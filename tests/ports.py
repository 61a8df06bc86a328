"""Two ports in a row for a server that takes two: below the range from which outgoing connections get theirs."""

import random
import socket


def pair():
    """The first of two ports that nobody has."""
    while True:
        port = random.randrange(20000, 30000)
        try:
            with socket.socket() as one, socket.socket() as other:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 1))
            return port
        except OSError:
            continue


if __name__ == "__main__":
    print(pair())

"""Logging in to a Kafka by SCRAM over TLS, by what RFC 5802 and Kafka's protocol say and by nothing of this repository."""

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct

API_VERSIONS, METADATA, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 3, 17, 36
OK, AUTHENTICATION_FAILED = 0, 58


class Client:
    """One connection."""

    def __init__(self, address, ca):
        host, port = address.rsplit(":", 1)
        trust = ssl.create_default_context(cafile=ca)
        self.stream = trust.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host)

    def ask(self, key, version, body):
        """The answer's body; none when the connection ends instead."""
        head = struct.pack(">hhih", key, version, 7, -1)
        self.stream.sendall(struct.pack(">i", len(head + body)) + head + body)
        try:
            (size,) = struct.unpack(">i", self.read(4))
            answer = self.read(size)
        except (ConnectionError, ssl.SSLError):
            return None
        assert answer[:4] == struct.pack(">i", 7)
        return answer[4:]

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.stream.recv(size - len(data))
            if not more:
                raise ConnectionError("the other side ended the connection")
            data += more
        return data

    def say(self, message):
        """A step of the login: the error code, and the server's message or the error's text."""
        answer = self.ask(SASL_AUTHENTICATE, 0, struct.pack(">i", len(message)) + message.encode())
        code, length = struct.unpack(">hh", answer[:4])
        rest = answer[4 + max(length, 0) :]
        return code, (answer[4 : 4 + length] if code else rest[4:]).decode()

    def log_in(self, user, password, name="sha512"):
        """The code of the last step."""
        mechanism = f"SCRAM-SHA-{name[3:]}".encode()
        answer = self.ask(SASL_HANDSHAKE, 1, struct.pack(">h", len(mechanism)) + mechanism)
        assert answer[:2] == b"\0\0", answer
        first = f"n={user},r={secrets.token_hex(12)}"
        code, challenge = self.say(f"n,,{first}")
        if code:
            return code
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        sign = lambda key, text: hmac.digest(key, text, name)
        key = sign(salted, b"Client Key")
        last = f"c=biws,r={parts['r']}"
        said = f"{first},{challenge},{last}".encode()
        signature = sign(hashlib.new(name, key).digest(), said)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        code, answer = self.say(f"{last},p={base64.b64encode(proof).decode()}")
        if not code:
            own = base64.b64encode(sign(sign(salted, b"Server Key"), said)).decode()
            assert answer == f"v={own}", "the server doesn't know the password"
        return code


def log_in(address, ca, user, password, **more):
    return Client(address, ca).log_in(user, password, **more)

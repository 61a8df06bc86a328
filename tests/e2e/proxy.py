"""An HTTP proxy: in front of the account it loses or holds back what one agent commits; elsewhere it asks for a password, or is away."""

import base64
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

UPDATE = "AWSGlue.UpdateTable"
# What belongs to one connection and not to the message.
OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Proxy:
    """Passes everything on; `decide` says of each UpdateTable what becomes of it.

    "pass"     it is answered
    "lose"     it takes effect and its answer is lost: the connection just closes
    "drop"     it has no effect, and the connection just closes
    "timeout"  it takes effect, and OperationTimeoutException is the answer
    """

    def __init__(self, upstream, decide=lambda: "pass", user=None):
        self.address = urlsplit(upstream).netloc
        self.decide = decide
        self.authorization = user and "Basic " + base64.b64encode(user.encode()).decode()
        self.lock = threading.Lock()
        # Of the updates whose answers were lost: what the account answered.
        self.lost = []
        self.dropped = 0
        self.hold = None
        # What becomes of everything, as `behave` has it, and of how many requests something else than an answer became.
        self.away, self.spoiled = None, 0
        self.listen(0)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def listen(self, port):
        self.server = Server(("127.0.0.1", port), type("Handler", (Handler,), {"proxy": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def behave(self, away):
        """From now on everything is passed on (None), is answered by 503 ("503"), takes effect without an answer ("lose"), or
        finds nobody who listens ("refuse"); connections that are there close at their next request then."""
        before, self.away = self.away, away
        if away == "refuse":
            self.server.shutdown()
            self.server.server_close()
        elif before == "refuse":
            self.listen(int(self.url.rpartition(":")[2]))

    def hold_next(self, executed):
        """Holds back the next update, or the answer to the next that takes effect; `held` is set when it is there."""
        self.hold = Hold(executed)
        return self.hold

    def close(self):
        if self.hold:
            self.hold.release.set()
        if self.away == "refuse":
            return
        self.server.shutdown()
        self.server.server_close()

    def forward(self, request):
        length = int(request.headers.get("content-length", 0))
        upstream = http.client.HTTPConnection(self.address, timeout=60)
        try:
            # The names of the headers are signed, and so is the host that the client believes to speak to.
            upstream.putrequest(request.command, request.path, skip_accept_encoding=True)
            upstream.putheader("x-forwarded-host", request.headers["host"])
            for name, value in request.headers.items():
                if name.lower() not in OWN:
                    upstream.putheader(name, value)
            body = request.rfile.read(length)
            upstream.putheader("content-length", str(length))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()


class Hold:
    def __init__(self, executed):
        self.executed = executed
        # Whether the answer is lost in the end.
        self.lose = False
        self.held, self.release, self.done = threading.Event(), threading.Event(), threading.Event()
        self.status = self.body = None

    def wait(self):
        self.held.set()
        self.release.wait()

    def judged(self, status, body):
        self.status, self.body = status, body
        self.done.set()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Agents that are killed leave connections; what else goes wrong shows in the agents."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def spoil(self, away):
        """Lets happen to a request what happens to all."""
        self.proxy.spoiled += 1
        if away == "503":
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(503)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if away == "lose":
            self.proxy.forward(self)
        self.close_connection = True

    def relay(self):
        assert "transfer-encoding" not in self.headers, "the agents send lengths"
        proxy = self.proxy
        if proxy.authorization not in (None, self.headers.get("authorization")):
            self.close_connection = True
            self.send_error(401)
            return
        if proxy.away is not None:
            self.spoil(proxy.away)
            return
        fate, hold = "pass", None
        update = self.headers.get("x-amz-target") == UPDATE
        if update:
            with proxy.lock:
                fate = proxy.decide()
                if proxy.hold and not proxy.hold.executed:
                    hold, proxy.hold = proxy.hold, None
        if fate == "drop":
            self.rfile.read(int(self.headers.get("content-length", 0)))
            proxy.dropped += 1
            self.close_connection = True
            return
        if hold:
            hold.wait()
        status, headers, body = proxy.forward(self)
        if hold:
            hold.judged(status, body)
        elif update and status == 200:
            with proxy.lock:
                hold, proxy.hold = proxy.hold, None
            if hold:
                hold.judged(status, body)
                hold.wait()
                fate = "lose" if hold.lose else fate
        if fate == "lose":
            proxy.lost.append(status)
            self.close_connection = True
            return
        if fate == "timeout" and status == 200:
            proxy.lost.append(status)
            status, body = 400, b'{"__type": "OperationTimeoutException", "Message": "the operation timed out"}'
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in OWN or (name.lower() == "content-length" and self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay

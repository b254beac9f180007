"""HTTP for the recordings: a stand-in server that answers from a table, and curl as the client."""

import re
import time


def reply(status=200, body="", kind="text/html; charset=utf-8", server="nginx/1.22.1", **headers):
    return {"status": status, "body": body.encode() if isinstance(body, str) else body, "kind": kind, "server": server, "headers": headers}


def json(body, status=200, server="Apache-Coyote/1.1", **headers):
    return reply(status, body, "application/json", server, **headers)


REASONS = {100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently", 302: "Found",
           400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}


def site(host, port, routes, otherwise=None, family=None):
    """Serve `routes`, a list of (regular expression over "METHOD target", reply); not found otherwise."""
    routes = [(re.compile(p), r) for p, r in routes]
    otherwise = otherwise or reply(404, "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>")

    def handle(c):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = c.recv(65536)
                if not more:
                    return
                data += more
            head, data = data.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            fields = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
            if "100-continue" in fields.get("expect", ""):
                c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            want = int(fields.get("content-length", 0))
            while len(data) < want:
                more = c.recv(65536)
                if not more:
                    return
                data += more
            data = data[want:]
            method, target = (lines[0].split(" ") + ["", ""])[:2]
            answer = next((r for p, r in routes if p.search(f"{method} {target}")), otherwise)
            out = [f"HTTP/1.1 {answer['status']} {REASONS.get(answer['status'], 'Status')}", f"Server: {answer['server']}",
                   "Date: " + time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())]
            if answer["status"] != 101:
                out += [f"Content-Type: {answer['kind']}", f"Content-Length: {len(answer['body'])}"]
            out += [f"{k.replace('_', '-')}: {v}" for k, v in answer["headers"].items()]
            body = b"" if method == "HEAD" else answer["body"]
            c.sendall(("\r\n".join(out) + "\r\n\r\n").encode("latin-1") + body)
            if fields.get("connection", "").lower() == "close" or answer["status"] == 101:
                return

    if family is None:
        host.listen(port, handle)
    else:
        host.listen(port, handle, family)


def curl(host, url, body=None, method=None, headers=(), agent="curl/7.88.1", more=()):
    """One request from `host`, sent as written: nothing normalised, nothing globbed."""
    argv = ["curl", "-s", "-S", "-g", "--path-as-is", "-m", "8", "-o", "/dev/null"]
    if agent is not None:
        argv += ["-A", agent]
    if method == "HEAD":
        argv += ["-I"]
    elif method:
        argv += ["-X", method]
    for h in headers:
        argv += ["-H", h]
    if body is not None:
        argv += ["--data-binary", "@-"]
        if not any(h.lower().startswith("expect") for h in headers):
            argv += ["-H", "Expect:"]
    return host.run(*argv, *more, url, stdin=body if body is not None else b"")

"""Small servers for the data tier's client libraries: MongoDB, Kafka and Cassandra, from their public protocol descriptions."""

import struct
import time

from .data_stores import bson, op_msg


def exactly(c, size):
    data = b""
    while len(data) < size:
        more = c.recv(size - len(data))
        if not more:
            return None
        data += more
    return data


def mongod(host, port=27017):
    """Answers the handshake of a driver (OP_QUERY or OP_MSG) and says that every command went well."""

    def handle(c):
        while head := exactly(c, 16):
            size, number, _, code = struct.unpack("<iiii", head)
            body = exactly(c, size - 16)
            if code == 2004:
                hello = bson({"ismaster": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 1000, "maxWireVersion": 9, "minWireVersion": 0, "ok": 1.0})
                answer = struct.pack("<iqii", 8, 0, 0, 1) + hello
                c.sendall(struct.pack("<iiii", len(answer) + 16, 1000 + number, number, 1) + answer)
                continue
            answer = {"ok": 1.0}
            if b"listDatabases\0" in body:
                answer = {"databases": [{"name": "shop", "sizeOnDisk": 81920.0, "empty": False}], "totalSize": 81920.0, "ok": 1.0}
            elif b"find\0" in body or b"listCollections\0" in body:
                answer = {"cursor": {"firstBatch": [{"sku": "A-1", "stock": 4}], "id": 0, "ns": "shop.items"}, "ok": 1.0}
            elif b"insert\0" in body:
                answer = {"n": 1, "ok": 1.0}
            elif b"saslStart\0" in body:
                answer = {"ok": 0.0, "errmsg": "Authentication failed.", "code": 18, "codeName": "AuthenticationFailed"}
            c.sendall(op_msg(answer, 1000 + number, number))

    host.listen(port, handle)


def kafka(host, topics, port=9092):
    """A broker of one node: versions, metadata, produce, fetch, offsets, topics made and deleted."""
    supported = {0: 2, 1: 4, 2: 1, 3: 1, 18: 0, 19: 1, 20: 1}

    def text(value):
        return struct.pack(">h", len(value)) + value.encode()

    def many(items):
        return struct.pack(">i", len(items)) + b"".join(items)

    def names(body, at):
        count, at = struct.unpack(">i", body[at:at + 4])[0], at + 4
        for _ in range(max(count, 0)):
            size = struct.unpack(">h", body[at:at + 2])[0]
            yield body[at + 2:at + 2 + size].decode()
            at += 2 + size

    def handle(c):
        while head := exactly(c, 4):
            message = exactly(c, struct.unpack(">i", head)[0])
            key, version, correlation, size = struct.unpack(">hhih", message[:10])
            body = message[10 + max(size, 0):]
            if key == 18:
                answer = struct.pack(">h", 0) + many([struct.pack(">hhh", k, 0, v) for k, v in supported.items()])
            elif key == 3:
                asked = list(names(body, 0)) or topics
                nodes = many([struct.pack(">i", 0) + text(host.ip) + struct.pack(">i", port) + (struct.pack(">h", -1) if version else b"")])
                parts = many([struct.pack(">hii", 0, 0, 0) + many([struct.pack(">i", 0)]) + many([struct.pack(">i", 0)])])
                answer = nodes + (struct.pack(">i", 0) if version else b"") + many([struct.pack(">h", 0) + text(t) + (b"\0" if version else b"") + parts for t in asked])
            elif key == 0:
                name = next(n for n in topics if n.encode() in body)
                answer = many([text(name) + many([struct.pack(">ihqq", 0, 0, 7, -1)])]) + struct.pack(">i", 0)
            elif key == 1:
                time.sleep(0.25)  # nothing new, and asked again at once
                name = next((n for n in topics if n.encode() in body), topics[0])
                partition = struct.pack(">ihq", 0, 0, 0) + (struct.pack(">qi", 0, -1) if version >= 4 else b"") + struct.pack(">i", 0)
                answer = struct.pack(">i", 0) + many([text(name) + many([partition])])
            elif key == 2:
                name = next((n for n in topics if n.encode() in body), topics[0])
                answer = many([text(name) + many([struct.pack(">ihqq", 0, 0, -1, 0)])])
            elif key == 19:
                answer = many([text(next(names(body, 0))) + struct.pack(">hh", 0, -1)])
            else:
                answer = many([text(n) + struct.pack(">h", 0) for n in names(body, 0)])
                if version:
                    answer = struct.pack(">i", 0) + answer
            c.sendall(struct.pack(">ii", len(answer) + 4, correlation) + answer)

    host.listen(port, handle)


def cassandra(host, port=9042):
    """A node of a cluster of one, version 4 of the protocol; whoever signs in is believed."""

    def text(value):
        return struct.pack(">H", len(value)) + value.encode()

    def value(data):
        return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data

    def rows(table, columns, *lines):
        specs = b"".join(text(name) + struct.pack(">H", kind) for name, kind, _ in columns)
        out = struct.pack(">iii", 2, 1, len(columns)) + text("system") + text(table) + specs + struct.pack(">i", len(lines))
        return out + b"".join(value(cell) for line in lines for cell in line)

    VARCHAR, INET, UUID = 13, 16, 12
    address = bytes(int(part) for part in host.ip.split("."))
    local = [("key", VARCHAR, b"local"), ("cluster_name", VARCHAR, b"shop"), ("data_center", VARCHAR, b"dc1"), ("rack", VARCHAR, b"r1"),
             ("partitioner", VARCHAR, b"org.apache.cassandra.dht.Murmur3Partitioner"), ("release_version", VARCHAR, b"3.11.13"), ("cql_version", VARCHAR, b"3.4.4"),
             ("rpc_address", INET, address), ("broadcast_address", INET, address), ("host_id", UUID, b"\x11" * 16), ("schema_version", UUID, b"\x22" * 16)]

    def answer(code, body):
        if code == 5:
            return 6, struct.pack(">H", 2) + text("CQL_VERSION") + struct.pack(">H", 1) + text("3.4.4") + text("COMPRESSION") + struct.pack(">H", 0)
        if code == 1:
            return 3, text("org.apache.cassandra.auth.PasswordAuthenticator")
        if code == 15:
            return 16, struct.pack(">i", -1)
        if code == 11:
            return 2, b""
        if b"peers_v2" in body:
            return 0, struct.pack(">i", 0x2200) + text("unconfigured table peers_v2")
        if b"system.local" in body:
            return 8, rows("local", local, [cell for _, _, cell in local])
        if b"system.peers" in body:
            return 8, rows("peers", local[2:])
        if b"CREATE FUNCTION" in body.upper():
            return 0, struct.pack(">i", 0x2200) + text("User-defined functions are disabled in cassandra.yaml - set enable_user_defined_functions=true to enable")
        if b"USE " in body:
            return 8, struct.pack(">i", 3) + text("shop")
        return 8, struct.pack(">i", 1)

    def handle(c):
        while head := exactly(c, 9):
            version, _, stream, code, size = struct.unpack(">BBhBi", head)
            body = exactly(c, size) if size else b""
            if version != 4:
                kind, body = 0, struct.pack(">i", 0x0A) + text("Invalid or unsupported protocol version; the lowest supported version is 3 and the greatest is 4")
            else:
                kind, body = answer(code, body)
            c.sendall(struct.pack(">BBhBi", 0x84, 0, stream, kind, len(body)) + body)

    host.listen(port, handle)

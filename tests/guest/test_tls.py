"""TLS as the host's programs meet it: who may come, who holds up whom, what arrives to the end."""

import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from certificates import FUTURE, PAST, Certificates
from guestkit import CHARDEV, PATIENCE, Deadline, Late, Peer, stream, wait_fds, wait_file
from serving import Domain, memory_kib
from test_faults import refusal

KIB = 1024
MIB = 1024 * KIB
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HANDSHAKE_SECONDS = 10  # what a peer has until it must be done
MAX_UNREADY = 64  # how many may be at it at once


# ---- certificates --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(module_kit):
    """Everybody the tests need, by name."""
    made = Certificates(module_kit.path("authority"))
    for who, subject, purpose, *when in [
            ("server", "/CN=server", "server"),
            ("elsewhere", "/CN=server", "elsewhere"),
            ("late-server", "/CN=server", "server", PAST),
            ("early-server", "/CN=server", "server", FUTURE),
            ("revoked-server", "/CN=server", "server"),
            ("client-here", "/CN=server", "client-here"),
            ("alice", "/O=Example/CN=alice", "client"),
            ("bob", "/O=Example/CN=bob", "client"),
            ("late-alice", "/CN=alice", "client", PAST),
            ("early-alice", "/CN=alice", "client", FUTURE),
            ("revoked-alice", "/CN=alice", "client")]:
        made.sign(who, subject, purpose, *when)
    made.make_revocations("revoked-server", "revoked-alice")
    made.make_revocations(name="old-crl.pem", when=(
        "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20210101000000Z"))
    return made


@pytest.fixture(scope="module")
def stranger(module_kit):
    """An authority that the other does not know; its people have the same names."""
    made = Certificates(module_kit.path("stranger"), "stranger")
    made.sign("server", "/CN=server", "server")
    made.sign("alice", "/O=Example/CN=alice", "client")
    made.make_revocations()
    return made


@pytest.fixture(scope="module")
def own(module_kit, authority):
    """The directory of a device whose own certificates, a server's and a client's, are good."""
    return authority.directory(module_kit.path("own"), revocations=True, server="server", client="alice")


@pytest.fixture(scope="module")
def trial(module_kit):
    """What chardev tls init makes."""
    path = module_kit.path("trial")
    subprocess.run([CHARDEV, "tls", "init", path], stdout=subprocess.DEVNULL, check=True)
    return path


def context(server, version=None, ca=None, pair=None):
    """How Python speaks TLS: as a server or a client, by one version, trusting ca, as the pair."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if ca:
        made.load_verify_locations(ca)
    if server and ca:
        made.verify_mode = ssl.CERT_REQUIRED
    if pair:
        made.load_cert_chain(*pair)
    return made


def trial_client(trial, version=None):
    names = [os.path.join(trial, name) for name in ("ca-cert.pem", "client-cert.pem", "client-key.pem")]
    return context(False, version, names[0], names[1:])


# ---- both ends -----------------------------------------------------------------------------------


class TlsPeer(Peer):
    """A Peer through Python's TLS. An end without close_notify is an error."""

    @classmethod
    def shake(cls, sock, tls_context):
        """After the handshake, as a server or a client as the context says."""
        server = tls_context.protocol == ssl.PROTOCOL_TLS_SERVER
        sock.settimeout(PATIENCE)
        sock = tls_context.wrap_socket(sock, server_side=server, suppress_ragged_eofs=False,
                                       server_hostname=None if server else "localhost")
        sock.setblocking(False)
        return cls.of(sock, "TLS")

    def attempt(self, what, deadline):
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                wait_fds({self.rfd: select.POLLIN}, deadline, "TLS input (have ...%r)"
                         % bytes(self.buffer[-200:]))
            except ssl.SSLWantWriteError:
                wait_fds({self.rfd: select.POLLOUT}, deadline, "room for TLS output")

    def fill(self, deadline):
        try:
            data = self.attempt(lambda: self.owner.recv(1 << 16), deadline)
        except ssl.SSLZeroReturnError:
            return False
        self.buffer += data
        return bool(data)

    def write(self, data, seconds=None):
        deadline = Deadline(seconds)
        view = memoryview(data)
        while view:
            view = view[self.attempt(lambda v=view: self.owner.send(v), deadline):]

    def end_output(self):
        """Sends close_notify, and does not wait for the other side's."""
        with pytest.raises(ssl.SSLWantReadError):
            self.owner.unwrap()


class Served:
    """One device of a chardev run, with the VMM's end of it."""

    def __init__(self, kit, device, **options):
        self.domain = Domain(kit, device)
        self.process = self.domain.serve(**options)
        self.stopped = False
        self.vmm = kit.keep(self.domain.vmm("serial0"))

    def connect(self):
        """A plain connection to a tcp server."""
        source = self.domain.live_source("serial0")
        return socket.create_connection((source.get("host"), int(source.get("service"))), PATIENCE)

    def client(self, tls_context):
        return TlsPeer.shake(self.connect(), tls_context)

    def log(self):
        return self.process.log().splitlines()

    def told(self, sentence, seconds=10):
        """Waits for a line on its standard error, given as an expression."""
        line = re.compile("chardev: serial0: " + sentence)
        try:
            wait_file(self.process.log_path, lambda path: any(map(line.fullmatch, self.log())), seconds)
        except Late:
            raise Late("%r was not told, but: %s" % (line.pattern, self.process.log())) from None

    def told_refused(self, sock_name, reason):
        """... of a client of a tcp server: who, and why."""
        self.told("127.0.0.1:%d was refused: %s" % (sock_name[1], reason))

    def told_unusable(self, server, reason):
        """... of the server that it is a client of."""
        self.told("cannot use the connection to %s: %s" % (server, reason))

    def serves(self, peer, seed=1):
        """Bytes pass both ways, and nobody else's are among them."""
        peer.write(stream(seed, 1000))
        assert self.vmm.read_exactly(1000) == stream(seed, 1000)
        self.vmm.write(stream(seed + 1, 1000))
        assert peer.read_exactly(1000) == stream(seed + 1, 1000)

    def stop(self):
        if not self.stopped:
            self.process.signal(signal.SIGTERM)
        self.stopped = True

    def end(self):
        """It ends in order, whatever has happened; the sanitizers' complaints count."""
        self.stop()
        assert self.process.wait() == 0, self.process.log()


@pytest.fixture
def serve(kit):
    """serve(DEVICE): it is served, and in the end it must leave in order."""
    all_served = []

    def start(device, **options):
        all_served.append(Served(kit, device, **options))
        return all_served[-1]

    yield start
    for served in all_served:
        served.end()


def tls(path, more=""):
    return "<chardev:tls dir='%s' %s/>" % (path, more)


def tcp_server(path, more="", extra=""):
    return ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/>"
            "<protocol type='tls'/>%s%s</serial>" % (tls(path, more), extra))


def tcp_client(sock, path):
    return ("<serial type='tcp'><source mode='connect' host='127.0.0.1' service='%d'/>"
            "<protocol type='tls'/>%s</serial>" % (sock.getsockname()[1], tls(path)))


def unix(mode, at, path, more=""):
    return ("<serial type='unix'><source mode='%s' path='%s'/>%s</serial>" % (mode, at, tls(path, more)))


@pytest.fixture
def listening(kit):
    """A server's plain socket, for a device that connects."""
    sock = kit.keep(socket.create_server(("127.0.0.1", 0)))
    sock.settimeout(PATIENCE)
    return sock


def name_of(listening):
    return "127\\.0\\.0\\.1:%d" % listening.getsockname()[1]


def alert_of(sock, tls_context):
    """Python's name for how the other side ends TLS; by then "intruder" was sent if it could be."""
    with pytest.raises(ssl.SSLError) as caught:
        peer = TlsPeer.shake(sock, tls_context)
        try:
            peer.write(b"intruder")
        except ConnectionError:
            pass  # it is gone already; its alert is still to be read
        peer.read_exactly(1)
    return caught.value.reason


def closing(sock):
    """What a plain peer still reads until the other side has closed."""
    try:
        return Peer.of(sock).read_to_end()
    except ConnectionError:
        return b""


# ---- who may come --------------------------------------------------------------------------------

# Of our server: who comes, what is told, and the alert that he gets ({dir} is the server's).
CLIENTS_REFUSED = [
    ("late-alice", "its certificate has expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("early-alice", "its certificate is not valid yet", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("strange-alice", "its certificate is not signed by the authority in {dir}/ca-cert.pem",
     "TLSV1_ALERT_UNKNOWN_CA"),
    ("revoked-alice", "its certificate is revoked by {dir}/ca-crl.pem", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
    ("bob", "CN=bob,O=Example is not in <chardev:tls allow=>", "TLSV1_ALERT_ACCESS_DENIED"),
    ("server", "its certificate is not for a client", "SSLV3_ALERT_BAD_CERTIFICATE"),
    # RFC 5246, 7.4.6, and RFC 8446, 4.4.2.4.
    (None, "it sent no certificate", {"1.2": "SSLV3_ALERT_HANDSHAKE_FAILURE",
                                      "1.3": "TLSV13_ALERT_CERTIFICATE_REQUIRED"}),
]

# Of our client: whom it finds, likewise.
SERVERS_REFUSED = [
    ("late-server", "its certificate has expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("early-server", "its certificate is not valid yet", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("strange-server", "its certificate is not signed by the authority in {dir}/ca-cert.pem",
     "TLSV1_ALERT_UNKNOWN_CA"),
    ("revoked-server", "its certificate is revoked by {dir}/ca-crl.pem", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
    ("elsewhere", "its certificate is not for host 127.0.0.1", "SSLV3_ALERT_BAD_CERTIFICATE"),
    ("client-here", "its certificate is not for a server", "SSLV3_ALERT_BAD_CERTIFICATE"),
]


def pair_of(who, authority, stranger):
    if not who:
        return None
    return stranger.pair(who[8:]) if who.startswith("strange-") else authority.pair(who)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who, reason, alert", CLIENTS_REFUSED,
                         ids=[row[0] or "nobody" for row in CLIENTS_REFUSED])
def test_a_client_with_such_a_certificate_is_refused(serve, authority, stranger, own, version, who, reason,
                                                     alert):
    """Both sides learn why, nothing passes, and who may come is served afterwards."""
    served = serve(tcp_server(own, "allow='CN=alice'"))
    served.vmm.write(b"for alice only")
    sock = served.connect()
    name = sock.getsockname()
    seen = alert_of(sock, context(False, version, authority.authority, pair_of(who, authority, stranger)))
    assert seen == (alert if isinstance(alert, str) else alert[version])
    served.told_refused(name, re.escape(reason.format(dir=own)))
    alice = served.client(context(False, version, authority.authority, authority.pair("alice")))
    assert alice.read_exactly(14) == b"for alice only"
    served.serves(alice)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who, reason, alert", SERVERS_REFUSED, ids=[row[0] for row in SERVERS_REFUSED])
def test_a_server_with_such_a_certificate_is_refused(serve, listening, authority, stranger, own, version, who,
                                                     reason, alert):
    """As its clients are; the device tries again, and finds the right server."""
    served = serve(tcp_client(listening, own))
    served.vmm.write(b"for the server only")
    assert alert_of(listening.accept()[0], context(True, version, pair=pair_of(
        who, authority, stranger))) == alert
    served.told_unusable(name_of(listening), re.escape(reason.format(dir=own)))
    server = TlsPeer.shake(listening.accept()[0], context(
        True, version, authority.authority, authority.pair("server")))
    assert server.read_exactly(19) == b"for the server only"
    served.serves(server)


def test_a_server_without_a_certificate_comes_to_nothing(serve, listening, authority, own):
    """There is no anonymous TLS; it says so itself."""
    served = serve(tcp_client(listening, own))
    assert alert_of(listening.accept()[0], context(True, "1.2")) == "NO_SHARED_CIPHER"
    served.told_unusable(name_of(listening), "it ended TLS: Handshake failed")
    served.serves(TlsPeer.shake(listening.accept()[0], context(True, "1.2", pair=authority.pair("server"))))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_refuses_our_certificate_is_told_of(serve, authority, stranger, own, version):
    served = serve(tcp_server(own))
    sock = served.connect()
    name = sock.getsockname()
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsPeer.shake(sock, context(False, version, stranger.authority, authority.pair("alice")))
    served.told_refused(name, "it refused our certificate: CA is unknown.*")
    served.serves(served.client(context(False, version, authority.authority, authority.pair("alice"))))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_refuses_our_certificate_is_told_of(serve, listening, authority, stranger, own, version):
    """In TLS 1.3 the refusal comes when we think that the handshake is over."""
    served = serve(tcp_client(listening, own))
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsPeer.shake(listening.accept()[0], context(
            True, version, stranger.authority, authority.pair("server")))
    served.told_unusable(name_of(listening), "it refused our certificate: CA is unknown")
    server = TlsPeer.shake(listening.accept()[0], context(
        True, version, authority.authority, authority.pair("server")))
    served.serves(server)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_wants_a_certificate_that_we_lack_is_told_of(kit, serve, listening, authority, version):
    directory = authority.directory(kit.path("nothing"))
    served = serve(tcp_client(listening, directory))
    with pytest.raises(ssl.SSLError) as caught:
        TlsPeer.shake(listening.accept()[0], context(
            True, version, authority.authority, authority.pair("server")))
    assert caught.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    # In TLS 1.2 it may mean anything (RFC 5246, 7.4.6).
    served.told_unusable(name_of(listening), {
        "1.2": "it refused us, who have no %s/client-cert.pem: Handshake failed",
        "1.3": "(it refused us, who have no %s/client-cert.pem): Certificate is required",
    }[version] % re.escape(directory))
    # A server that does not ask has us as we are.
    served.serves(TlsPeer.shake(listening.accept()[0], context(
        True, version, pair=authority.pair("server"))))


@pytest.mark.parametrize("version", VERSIONS)
def test_verify_no_lets_everybody_in(serve, authority, stranger, own, version):
    """Without a certificate, and with one that would not do."""
    served = serve(tcp_server(own, "verify='no'"))
    served.serves(served.client(context(False, version, authority.authority)), 3)
    served.serves(served.client(context(False, version, authority.authority, stranger.pair("alice"))), 5)


@pytest.mark.parametrize("allow, names", [
    ("CN=alice", ["alice"]),
    ("CN=carol; CN=bob", ["bob"]),
    ("CN=alice,O=Example; CN=nobody", ["alice"]),
    ("CN=*,O=Example", ["alice", "bob"]),
])
def test_allow_lets_in_whom_it_names_and_nobody_else(serve, authority, own, allow, names):
    served = serve(tcp_server(own, "allow='%s'" % allow))
    for who in ("alice", "bob"):
        tls_context = context(False, None, authority.authority, authority.pair(who))
        if who in names:
            served.serves(served.client(tls_context))
        else:
            assert alert_of(served.connect(), tls_context) == "TLSV1_ALERT_ACCESS_DENIED"


@pytest.mark.parametrize("protocol", ["", "<protocol type='raw'/>", "<protocol type='telnet'/>",
                                      "<protocol type='tls'/>", "<protocol type='telnets'/>"])
def test_tls_yes_is_tls_below_whatever_is_spoken(serve, trial, protocol):
    device = tcp_server(trial).replace(" service='0'", " service='0' tls='yes'").replace(
        "<protocol type='tls'/>", protocol)
    assert "tls='yes'" in device and protocol in device
    served = serve(device)
    client = served.client(trial_client(trial))
    if "telnet" in protocol:
        assert client.read_exactly(3) == b"\xff\xfb\x01"  # IAC WILL ECHO
        client.write(b"typed")
        assert served.vmm.read_exactly(5) == b"typed"
    else:
        served.serves(client)
    plain = served.connect()
    plain.sendall(b"intruder\n")
    assert closing(plain)[:1] == b"\x15"  # an alert, and nothing of the guest's


def test_telnets_is_telnet_within_tls(serve, authority, own):
    """Escaped as telnet has it, and to be seen only by who may come."""
    served = serve(tcp_server(own).replace("'tls'", "'telnets'"))
    assert alert_of(served.connect(), context(False, None, authority.authority)) is not None
    alice = served.client(context(False, None, authority.authority, authority.pair("alice")))
    alice.write(b"one\xff\xfftwo")
    assert served.vmm.read_exactly(7) == b"one\xfftwo"
    served.vmm.write(b"three\xfffour")
    alice.read_until(b"three\xff\xfffour")


# ---- what makes no device ------------------------------------------------------------------------


def overwrite(path, text):
    with open(path, "w") as f:
        f.write(text)


def copy_from(certificates, source, name):
    return lambda path: shutil.copy(certificates.file(source), os.path.join(path, name))


def faults(authority, stranger):
    """(role, what is done to a good directory, what is told): each names the file and what to do."""
    def remove(name):
        return lambda path: os.unlink(os.path.join(path, name))

    def garbage(name):
        return lambda path: overwrite(os.path.join(path, name), "-----BEGIN RUBBISH-----\n")

    def put(source, name):
        return copy_from(authority, source, name)

    missing = r"TLS needs {dir}/%s, which does not exist; put it there, .*chardev tls init DIR.*"
    no = r"{dir}/%s is no %s in PEM format; replace it .*"
    until = r"the certificate in {dir}/%s has expired on 2021-01-01; replace it with a new one"
    since = r"the certificate in {dir}/%s is valid from 2090-01-01 on; set the clock, or replace it"
    rows = []
    for role, mine in (("server", "server"), ("client", "alice")):
        cert, key = role + "-cert.pem", role + "-key.pem"
        rows += [
            (role, remove("ca-cert.pem"), missing % "ca-cert.pem"),
            (role, remove(key), missing % key),
            (role, garbage("ca-cert.pem"), no % ("ca-cert.pem", "certificate")),
            (role, garbage("ca-crl.pem"), no % ("ca-crl.pem", "revocation list")),
            (role, garbage(cert), no % (cert, "certificate")),
            (role, garbage(key), no % (key, "private key")),
            (role, put("ca-key.pem", key), "the key in {dir}/%s does not belong to the certificate in "
             "{dir}/%s; put the two files of one pair there" % (key, cert)),
            (role, put("late-%s-cert.pem" % mine, cert), until % cert),
            (role, put("early-%s-cert.pem" % mine, cert), since % cert),
        ]
    return rows + [
        ("server", remove("server-cert.pem"), missing % "server-cert.pem"),
        ("server", put("old-crl.pem", "ca-crl.pem"),
         "the revocation list {dir}/ca-crl.pem was to be renewed on 2021-01-01; fetch a new one .*"),
        ("server", copy_from(stranger, "ca-crl.pem", "ca-crl.pem"), "the revocation list {dir}/ca-crl.pem is "
         "not signed by an authority of {dir}/ca-cert.pem; fetch the list that belongs to it"),
        ("server", lambda path: shutil.rmtree(path), missing % "ca-cert.pem"),
    ]


def device_with(role, path):
    mode, service = {"server": ("bind", 0), "client": ("connect", 9)}[role]
    return ("<serial type='pty'/><serial type='tcp'><source mode='%s' host='127.0.0.1' service='%d'/>"
            "<protocol type='tls'/>%s</serial>" % (mode, service, tls(path)))


def test_what_cannot_prove_anything_is_one_sentence(kit, authority, stranger):
    """chardev run exits with 1, names the file and what to do, and leaves nothing behind."""
    for number, (role, damage, words) in enumerate(faults(authority, stranger)):
        path = authority.directory(kit.path("set%d" % number), revocations=True, server="server",
                                   client="alice")
        damage(path)
        sentence = refusal(Domain(kit, device_with(role, path)))
        expected = "chardev: serial1: %s\n" % words.format(dir=re.escape(path))
        assert re.fullmatch(expected, sentence), (sentence, expected)


def test_a_unix_device_that_cannot_speak_tls_makes_no_socket(kit, authority):
    path = authority.directory(kit.path("set"), client="alice")
    at = kit.path("sock")
    sentence = refusal(Domain(kit, unix("bind", at, path)))
    assert sentence.startswith("chardev: serial0: TLS needs %s/server-cert.pem, which does not" % path)
    assert not os.path.lexists(at)


def test_what_another_user_may_not_read_is_one_sentence(kit, authority):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run(user + [CHARDEV, "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        pytest.skip("%s cannot be executed by another user" % CHARDEV)
    os.chmod(kit.directory, 0o755)
    for number, name in enumerate(("ca-cert.pem", "ca-crl.pem", "server-cert.pem", "server-key.pem")):
        path = authority.directory(kit.path("set%d" % number), revocations=True, server="server")
        for file in os.listdir(path):
            os.chmod(os.path.join(path, file), 0 if file == name else 0o644)
        base = kit.path("own%d" % number)
        os.mkdir(base)
        domain = Domain(kit, device_with("server", path), directory=base)
        os.chown(base, 65534, 65534)
        assert refusal(domain, user) == (
            "chardev: serial1: cannot open %s/%s: Permission denied; let this user read it\n" % (path, name))


# ---- who is not through takes no place -----------------------------------------------------------


def hello_of(tls_context):
    """The first bytes of a client."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls_context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


RUBBISH = [
    (b"\n", "it does not speak TLS"),
    (bytes(100), "it does not speak TLS"),
    (b"GET / HTTP/1.0\r\n\r\n", "it does not speak TLS"),
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", "it does not speak TLS"),
    (b"\xff\xfd\x18\xff\xfd\x20", "it does not speak TLS"),
    (stream(1, 200000), "it does not speak TLS"),
    (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "it does not speak TLS"),
    (b"\x17\x03\x03\x00\x05hello", "it does not speak TLS"),
    (b"\x16\x03\x01\xff\xff" + bytes(70000), "it does not keep to TLS: .+"),
    (b"\x16\x03\x03\x00\x08\x02\x00\x00\x04abcd", "it does not keep to TLS: .+"),
    (b"\x16\x03\x03\x00\x06\x01\x00\x00\x02ab", "it .+"),
    (b"\x15\x03\x03\x00\x02\x02\x28", "it ended TLS: Handshake failed"),
]


def test_rubbish_is_refused_at_once(serve, trial):
    """With the reason, an alert where TLS can be said at all, and without taking the only place."""
    served = serve(tcp_server(trial, extra="<chardev:clients max='1'/>"))
    began = time.monotonic()
    for rubbish, reason in RUBBISH:
        sock = served.connect()
        name = sock.getsockname()
        try:
            sock.sendall(rubbish)
        except ConnectionError:
            pass
        answer = closing(sock)
        if len(rubbish) < 100 and rubbish[:1] != b"\x15":
            assert answer[:1] == b"\x15", (rubbish, answer)
        served.told_refused(name, reason)
        sock.close()
    sock = served.connect()
    name = sock.getsockname()
    sock.close()
    served.told_refused(name, "it closed the connection without a word of TLS")
    # A reset may come before it is accepted: then nobody knows whose it was.
    sock = served.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    served.told("127.0.0.1:[0-9]+ was refused: "
                "the connection broke during TLS's handshake: Connection reset by peer")
    assert time.monotonic() - began < HANDSHAKE_SECONDS
    served.serves(served.client(trial_client(trial)))


def test_who_stalls_takes_no_place_and_is_closed_in_ten_seconds(serve, trial, report):
    """Silent ones, one that stops in the middle, and one that gives a byte a second."""
    served = serve(tcp_server(trial, extra="<chardev:clients max='1'/>"))
    hello = hello_of(trial_client(trial))
    given = 1
    beginnings = {"silent": b"", "mute": b"", "half": hello[:len(hello) // 2], "slow": hello[:given]}
    socks, names, began = {}, {}, {}
    for kind, beginning in beginnings.items():
        sock = socks[kind] = served.connect()
        began[kind] = time.monotonic()
        names[kind] = sock.getsockname()
        sock.sendall(beginning)
        # Apart from each other: of what is refused in one turn of the loop, the last is told.
        with pytest.raises(Late):
            wait_fds({sock.fileno(): select.POLLIN}, Deadline(0.2), "its end")

    good = served.client(trial_client(trial))
    served.serves(good)
    assert time.monotonic() - began["silent"] < HANDSHAKE_SECONDS / 2
    # Now the place is taken, and another is told so when it has proved who it is.
    sock = served.connect()
    name = sock.getsockname()
    late = TlsPeer.shake(sock, trial_client(trial))
    assert late.read_to_end() == b""
    served.told_refused(name, "1 clients are connected, and <chardev:clients max=> allows no more")

    waiting = {sock.fileno(): kind for kind, sock in socks.items()}
    lasted = {}
    while waiting:
        assert time.monotonic() - began["slow"] < 2 * HANDSHAKE_SECONDS, waiting.values()
        try:
            ready = wait_fds({fd: select.POLLIN for fd in waiting}, Deadline(1), "")
        except Late:
            ready = []
            served.serves(good, given)
            if "slow" not in lasted:
                given += socks["slow"].send(hello[given:given + 1])
        for fd, _ in ready:
            kind = waiting.pop(fd)
            assert closing(socks[kind]) == b""
            lasted[kind] = time.monotonic() - began[kind]
    report("stalled handshakes lasted", ", ".join("%s %.1f s" % item for item in lasted.items()))
    for kind, seconds in lasted.items():
        assert HANDSHAKE_SECONDS - 1 < seconds < HANDSHAKE_SECONDS + 4, lasted
        served.told_refused(names[kind], "no answer within 10 s" if kind in ("silent", "mute")
                            else "it was not done with TLS's handshake within 10 s")
    served.serves(good)


@pytest.fixture
def many_files():
    """Descriptors for a thousand connections of the test itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 1500:
        pytest.skip("needs 1500 open files, and the hard limit is %d" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1500) if soft >= 0 else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_silent_connections_cost_a_good_client_nothing(many_files, serve, trial, report):
    count = 1000
    # A sanitizer keeps what was freed, which says nothing of the program.
    options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=0",
                                     "thread_local_quarantine_size_kb=0"]))
    served = serve(tcp_server(trial, extra="<chardev:clients max='2'/>"),
                   env=dict(os.environ, ASAN_OPTIONS=options))
    witness = served.client(trial_client(trial))
    served.serves(witness)

    def descriptors():
        return len(os.listdir("/proc/%d/fd" % served.process.pid))

    before, memory = descriptors(), memory_kib(served.process.pid)
    began = time.monotonic()
    silent = [served.connect() for _ in range(count)]
    connected = time.monotonic()
    good = served.client(trial_client(trial))
    served.serves(witness)
    assert good.read_exactly(1000) == stream(2, 1000)
    served.serves(good, 7)
    witness.read_exactly(1000)
    served_after = time.monotonic() - connected
    assert served_after < HANDSHAKE_SECONDS / 2
    assert descriptors() <= before + MAX_UNREADY + 1
    grown = memory_kib(served.process.pid) - memory
    # The oldest gave way to the younger ones, and nobody else had to.
    waiting = {sock.fileno(): select.POLLIN for sock in silent}
    deadline = Deadline()
    while len(waiting) > MAX_UNREADY:
        for fd, _ in wait_fds(waiting, deadline, "the end of %d" % (len(waiting) - MAX_UNREADY)):
            del waiting[fd]
    assert len(waiting) >= MAX_UNREADY - 1
    served.told("127.0.0.1:[0-9]+ was refused: too many others came before it was ready")
    for sock in silent:
        if sock.fileno() not in waiting:
            assert closing(sock) == b""
        sock.close()
    good.close()
    # Each round trip is a turn of its loop, by which more of them are closed.
    deadline = Deadline()
    while descriptors() > before:
        served.serves(witness)
        assert deadline.milliseconds() > 1, "%d descriptors, %d before" % (descriptors(), before)
    assert descriptors() == before
    report("1000 silent connections, then a good client", "%.2f s, %.2f s" % (
        connected - began, served_after))
    report("VmRSS for %d handshakes under way" % MAX_UNREADY, "+%d KiB, +%d KiB after" % (
        grown, memory_kib(served.process.pid) - memory))
    assert grown < 16 * KIB


# ---- UNIX sockets --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_unix_server_speaks_tls(kit, serve, authority, own, version):
    """With all that TCP has: plain bytes and who has no certificate are refused."""
    served = serve(unix("bind", kit.path("sock"), own))

    def connect():
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(kit.path("sock"))
        return sock

    us = "pid %d uid %d was refused: " % (os.getpid(), os.geteuid())
    plain = connect()
    plain.sendall(b"intruder\n")
    assert closing(plain)[:1] == b"\x15"
    served.told(us + "it does not speak TLS")
    alert_of(connect(), context(False, version, authority.authority))
    served.told(us + "it sent no certificate")
    for seed in (1, 3):
        alice = TlsPeer.shake(connect(), context(
            False, version, authority.authority, authority.pair("alice")))
        served.serves(alice, seed)
        alice.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_unix_client_speaks_tls(kit, serve, authority, own, version):
    """Its server is localhost, and must prove it; one that speaks plain is refused."""
    listener = kit.listen("sock")
    served = serve(unix("connect", listener.path, own))
    plain = listener.accept()
    plain.write(b"intruder\n")
    plain.read_to_end()
    served.told_unusable(re.escape(listener.path), "it does not speak TLS")
    assert alert_of(listener.accept().owner, context(
        True, version, pair=authority.pair("elsewhere"))) == "SSLV3_ALERT_BAD_CERTIFICATE"
    served.told_unusable(re.escape(listener.path), "its certificate is not for host localhost")
    served.serves(TlsPeer.shake(listener.accept().owner, context(
        True, version, authority.authority, authority.pair("server"))))


# ---- the bytes -----------------------------------------------------------------------------------


def test_two_clients_see_everything_and_one_that_stops_holds_up_nobody(serve, trial, report):
    served = serve(tcp_server(trial, extra="<chardev:overflow policy='drop' patience='500ms'/>"
                              "<chardev:history size='64KiB'/>"))
    stuck, reader = (served.client(trial_client(trial, version)) for version in ("1.2", "1.3"))
    served.vmm.write(stream(1, 50000))
    for client in (stuck, reader):
        assert client.read_exactly(50000) == stream(1, 50000)
    for seed, client in enumerate((stuck, reader)):
        client.write(stream(seed, 500))
        assert served.vmm.read_exactly(500) == stream(seed, 500)

    # More than one who reads nothing has sockets for.
    size, step = 16 * MIB, 64 * KIB
    data = stream(2, size)
    began = time.monotonic()
    for at in range(0, size, step):
        served.vmm.write(data[at:at + step])
        assert reader.read_exactly(step) == data[at:at + step]
    took = time.monotonic() - began
    report("16 MiB past a TLS client that does not read", "%.1f s" % took)
    served.vmm.write(b"the end")
    reader.read_until(b"the end")
    # It is still there, its records are whole, and it has missed something in the middle.
    late = stuck.read_until(b"the end")
    assert late.startswith(data[:step]) and len(late) < size
    stuck.write(b"and on")
    assert served.vmm.read_exactly(6) == b"and on"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("where", ["tcp", "unix"])
@pytest.mark.parametrize("end", ["close_notify", "close"])
def test_who_writes_and_ends_is_heard_to_the_end(kit, serve, trial, version, where, end):
    """With TLS's own end or without; and whoever comes next starts anew."""
    served = serve(tcp_server(trial) if where == "tcp" else unix("bind", kit.path("sock"), trial))
    for seed in (4, 5):
        if where == "tcp":
            sock = served.connect()
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(kit.path("sock"))
        client = TlsPeer.shake(sock, trial_client(trial, version))
        client.write(stream(seed, 100000))
        if end == "close_notify":
            client.end_output()
        client.close()
        assert served.vmm.read_exactly(100000) == stream(seed, 100000)
    assert "refused" not in served.process.log()


@pytest.mark.parametrize("version", VERSIONS)
def test_who_ends_only_its_output_goes_on_reading(serve, trial, version):
    """close_notify ends one direction (RFC 8446, 6.1); the other with ours, when all has been quiet for a moment."""
    served = serve(tcp_server(trial))
    client = served.client(trial_client(trial, version))
    client.write(stream(6, 100000))
    client.end_output()
    assert served.vmm.read_exactly(100000) == stream(6, 100000)
    served.vmm.write(stream(7, 20000))
    assert client.read_exactly(20000) == stream(7, 20000)
    assert client.read_to_end() == b""
    served.serves(served.client(trial_client(trial, version)))


def test_our_client_hears_its_server_to_the_end(serve, listening, authority, own):
    """All that a server has sent before it ends arrives; then the device comes again."""
    served = serve(tcp_client(listening, own))
    tls_context = context(True, None, authority.authority, authority.pair("server"))
    for seed, orderly in ((8, True), (9, False)):
        server = TlsPeer.shake(listening.accept()[0], tls_context)
        server.write(stream(seed, 100000))
        if orderly:
            server.end_output()
        server.close()
        assert served.vmm.read_exactly(100000) == stream(seed, 100000)
    served.serves(TlsPeer.shake(listening.accept()[0], tls_context))


# ---- versions ------------------------------------------------------------------------------------


def ancient(tls_context):
    """Speaks TLS 1.0 and 1.1 only, and does not mind how weak that is."""
    tls_context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        tls_context.minimum_version = ssl.TLSVersion.TLSv1
        tls_context.maximum_version = ssl.TLSVersion.TLSv1_1
    return tls_context


def test_a_client_of_old_versions_is_refused(serve, trial):
    served = serve(tcp_server(trial))
    sock = served.connect()
    name = sock.getsockname()
    assert alert_of(sock, ancient(trial_client(trial))) == "TLSV1_ALERT_PROTOCOL_VERSION"
    served.told_refused(name, "it speaks neither TLS 1.3 nor TLS 1.2")
    served.serves(served.client(trial_client(trial)))


def test_a_server_of_old_versions_is_refused(serve, listening, authority, own):
    served = serve(tcp_client(listening, own))
    assert alert_of(listening.accept()[0], ancient(context(
        True, pair=authority.pair("server")))) == "UNSUPPORTED_PROTOCOL"
    served.told_unusable(name_of(listening), "it ended TLS: Error in protocol version")
    served.serves(TlsPeer.shake(listening.accept()[0], context(
        True, None, authority.authority, authority.pair("server"))))


class OpenSsl:
    """openssl s_client or s_server, with its commands of one letter."""

    def __init__(self, kit, *words):
        self.process = kit.spawn("openssl", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def type(self, line):
        self.process.input.write(line + b"\n")
        self.process.input.flush()

    def reads(self, text):
        self.process.output.read_until(text)

    def command(self, letter, answer):
        """Until it says so: what is typed at once goes as one text."""
        count = self.process.log().count(answer)
        self.type(letter)
        wait_file(self.process.log_path, lambda path: self.process.log().count(answer) > count)


def s_client(kit, served, trial, version):
    port = served.domain.live_source("serial0").get("service")
    return OpenSsl(kit, "s_client", "-connect", "127.0.0.1:" + port, version,
                   "-CAfile", os.path.join(trial, "ca-cert.pem"),
                   "-cert", os.path.join(trial, "client-cert.pem"),
                   "-key", os.path.join(trial, "client-key.pem"))


def test_a_client_that_renegotiates_is_ended_cleanly(kit, serve, trial):
    """TLS 1.2: whoever tries is told no, and nobody else notices."""
    served = serve(tcp_server(trial))
    witness = served.client(trial_client(trial))
    client = s_client(kit, served, trial, "-tls1_2")
    client.type(b"hello")
    served.vmm.read_until(b"hello\n")
    served.vmm.write(b"welcome\n")
    client.reads(b"welcome\n")
    client.type(b"R")
    served.told(r"127\.0\.0\.1:\d+: it wants to renegotiate TLS, which is not safe")
    client.process.wait()
    assert witness.read_exactly(8) == b"welcome\n"
    served.serves(witness)


def test_a_server_that_renegotiates_is_left_cleanly(kit, serve, authority, own):
    """Our client does not go along; it comes back to a server that keeps to it."""
    path = kit.path("sock")
    pair = authority.pair("server")
    server = OpenSsl(kit, "s_server", "-unix", path, "-tls1_2", "-cert", pair[0], "-key", pair[1])
    server.reads(b"ACCEPT")
    served = serve(unix("connect", path, own))
    served.vmm.write(b"hello\n")
    server.reads(b"hello\n")
    server.type(b"r")
    served.told_unusable(re.escape(path), "it wants to renegotiate TLS, which is not safe")
    # It is there again by itself.
    served.vmm.write(b"hello again\n")
    server.reads(b"hello again\n")


def test_new_keys_in_a_session_are_taken(kit, serve, trial):
    """TLS 1.3: either side's keys may be renewed at any time (RFC 8446, 4.6.3)."""
    served = serve(tcp_server(trial))
    client = s_client(kit, served, trial, "-tls1_3")
    for command in (b"", b"k", b"K", b"K"):
        if command:
            client.command(command, "KEYUPDATE\n")
        client.type(b"hello")
        served.vmm.read_until(b"hello\n")
        served.vmm.write(b"welcome\n")
        client.reads(b"welcome\n")
    assert "serial0" not in served.process.log()

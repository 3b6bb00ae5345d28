"""The other side of what a tcp device speaks: TLS (Python's ssl) and telnet (a strict one of the tests' own).

Both are Peers upon a Peer, so TLS below telnet is one in the other; nothing is shared with what is
tested, neither GnuTLS nor libtelnet.

    peer = TlsPeer(domain.tcp("serial0"), certificates.client(), host="127.0.0.1")
    peer = TelnetPeer(peer)
"""

import os
import socket
import ssl
import subprocess

from guestkit import CHARDEV, Deadline, Gone, Listener, Peer

# RFC 854, 855.
IAC, DONT, DO, WONT, WILL, SB = 255, 254, 253, 252, 251, 250
GA, AO, BRK, DM, NOP, SE = 249, 245, 243, 242, 241, 240
NAMES = {WILL: "WILL", WONT: "WONT", DO: "DO", DONT: "DONT"}
# Options.
BINARY, ECHO, SGA, TERMINAL_TYPE, NAWS, COM_PORT = 0, 1, 3, 24, 31, 44
NOBODYS = 99  # one that is not assigned, so nobody may agree to it

# RFC 8446, 5.1.
ALERT, HANDSHAKE = 21, 22
CLIENT_HELLO = 1


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Server(Listener):
    """A TCP port. Until listen() it refuses connections, so none grows old in its queue."""

    def __init__(self, host):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.sock.bind((host, 0))
        self.port = self.sock.getsockname()[1]
        self.path = "tcp %s:%d" % (host, self.port)

    def listen(self):
        self.sock.listen(8)


class Certificates:
    """What `chardev tls init` makes, as the other side uses it."""

    def __init__(self, directory):
        subprocess.run([CHARDEV, "tls", "init", directory], stdout=subprocess.DEVNULL, check=True)
        self.directory = directory

    def context(self, protocol, side):
        context = ssl.SSLContext(protocol)
        context.load_verify_locations(os.path.join(self.directory, "ca-cert.pem"))
        context.load_cert_chain(os.path.join(self.directory, side + "-cert.pem"),
                                os.path.join(self.directory, side + "-key.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self):
        return self.context(ssl.PROTOCOL_TLS_CLIENT, "client")

    def server(self):
        return self.context(ssl.PROTOCOL_TLS_SERVER, "server")


class TlsPeer(Peer):
    """TLS upon another peer: as a client if it is given the server's name, else as a server."""

    def __init__(self, below, context, host=None):
        self.below = below
        self.name = "TLS on " + below.name
        self.buffer = bytearray()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=host is None,
                                    server_hostname=host)
        deadline = Deadline()
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                if not self.feed(deadline):
                    raise Gone("%s ended during the handshake" % self.name) from None
        self.flush()

    def flush(self, seconds=None):
        self.below.write(self.outgoing.read(), seconds)

    def feed(self, deadline):
        alive = self.below.fill(deadline)
        self.incoming.write(self.below.take(len(self.below.buffer)))
        if not alive:
            self.incoming.write_eof()
        return alive

    def decrypt(self):
        """False at a good end; one without a close_notify is ssl's SSLEOFError."""
        while True:
            try:
                self.buffer += self.tls.read(1 << 18)
            except ssl.SSLWantReadError:
                return True
            except ssl.SSLZeroReturnError:
                return False

    def fill(self, deadline):
        have = len(self.buffer)
        if not self.decrypt():  # what came together with the handshake, say
            return False
        if len(self.buffer) > have:
            return True
        self.feed(deadline)
        return self.decrypt()

    def write(self, data, seconds=None):
        self.tls.write(data)
        self.flush(seconds)

    def close(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:  # the other side's answer, which nobody waits for
            pass
        self.flush()
        self.below.close()


class TelnetPeer(Peer):
    """Telnet upon another peer. It agrees to what it is told to, and fails on whatever no
    agreement allows the other side to send. Its buffer holds the data as it is on the wire but
    for IAC IAC: the CRs of text are the test's to judge."""

    def __init__(self, below, agrees=(BINARY, SGA)):
        self.below = below
        self.name = "telnet on " + below.name
        self.buffer = bytearray()
        self.wire = bytearray()  # the beginning of a command
        self.agrees = frozenset(agrees)
        self.ours, self.theirs = set(), set()  # options that are on, here and there
        self.heard = []  # the other side's words, in order
        self.letters = []  # and its sub-negotiations

    # ---- input ----

    def fill(self, deadline):
        alive = self.below.fill(deadline)
        self.wire += self.below.take(len(self.below.buffer))
        data = bytes(self.wire)
        at = 0
        while at < len(data):
            used = self.command(data[at:at + 1024]) if data[at] == IAC else self.data(data, at)
            if used == 0:
                break
            at += used
        del self.wire[:at]
        assert alive or not self.wire, "%s ended within %r" % (self.name, bytes(self.wire))
        return alive

    def data(self, data, at):
        end = data.find(IAC, at)
        end = len(data) if end < 0 else end
        if BINARY in self.agrees:
            assert BINARY in self.theirs, "%s: data before BINARY: %r" % (self.name, data[at:end])
        self.buffer += data[at:end]
        return end - at

    def command(self, data):
        """How many bytes it has; 0 when more are to come."""
        if len(data) < 2:
            return 0
        code = data[1]
        if code == IAC:
            self.buffer.append(IAC)
            return 2
        if code in NAMES:
            if len(data) < 3:
                return 0
            self.negotiate(code, data[2])
            return 3
        assert code == SB, "%s: IAC %d" % (self.name, code)
        at, letter = 2, bytearray()
        while at + 1 < len(data):
            if data[at] != IAC:
                letter.append(data[at])
                at += 1
                continue
            assert data[at + 1] in (IAC, SE), "%s: IAC %d in IAC SB" % (self.name, data[at + 1])
            at += 2
            if data[at - 1] == SE:
                assert letter and letter[0] in self.ours | self.theirs, \
                    "%s: a sub-negotiation that nobody agreed to: %r" % (self.name, letter)
                self.letters.append(bytes(letter))
                return at
            letter.append(IAC)
        assert len(data) < 1024, "%s: IAC SB without an end" % self.name
        return 0

    def negotiate(self, code, option):
        """RFC 854: a change is agreed to or refused, and what is so already is not answered."""
        self.heard.append((NAMES[code], option))
        options, yes, no = ((self.theirs, DO, DONT) if code in (WILL, WONT)
                            else (self.ours, WILL, WONT))
        if code in (WILL, DO):
            if option not in self.agrees:
                self.say(no, option)
            elif option not in options:
                options.add(option)
                self.say(yes, option)
        elif option in options:
            options.remove(option)
            self.say(no, option)

    # ---- output ----

    def say(self, code, option):
        self.below.write(bytes([IAC, code, option]))

    def write(self, data, seconds=None):
        if BINARY in self.agrees:
            self.until(lambda: BINARY in self.ours, "our being asked for BINARY")
        self.below.write(data.replace(b"\xff", b"\xff\xff"), seconds)

    def until(self, condition, what):
        deadline = Deadline()
        while not condition():
            if not self.fill(deadline):
                raise Gone("%s ended before %s" % (self.name, what))

    def settle(self):
        """Returns when the other side has taken all that was written: it has refused an option
        that was asked for last."""
        count = self.heard.count(("WONT", NOBODYS))
        self.say(DO, NOBODYS)
        self.until(lambda: self.heard.count(("WONT", NOBODYS)) > count, "an answer")

    def close(self):
        self.below.close()


def tls_records(data):
    """[(type, content)] of bytes that must be whole records of TLS and nothing else."""
    records = []
    while data:
        assert len(data) >= 5 and data[0] in (ALERT, HANDSHAKE) and data[1] == 3, \
            "not a record of TLS: %r" % data[:80]
        size = 5 + int.from_bytes(data[3:5], "big")
        assert len(data) >= size, "half a record of TLS: %r" % data[:80]
        records.append((data[0], data[5:size]))
        data = data[size:]
    return records


def read_client_hello(peer):
    header = peer.read_exactly(5)
    (kind, content), = tls_records(header + peer.read_exactly(int.from_bytes(header[3:], "big")))
    assert (kind, content[0]) == (HANDSHAKE, CLIENT_HELLO)

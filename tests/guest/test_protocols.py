"""What a tcp device speaks: raw, telnet, telnets and tls, as server and as client, on IPv4 and IPv6.

1 MiB passes both ways through a virtio console of a real guest for each of the sixteen, eight on a
guest. Then what a telnet of text does to Enter; QEMU's faults with telnet, one by one; and that
TLS never becomes plain. The other sides are protocols.py's.
"""

import itertools

import pytest

from guestkit import crc, stream, wait_file
from protocols import (ALERT, AO, BINARY, BRK, COM_PORT, DM, DO, ECHO, GA, IAC, NAWS, NOP, SB, SE,
                       SGA, TERMINAL_TYPE, WILL, Certificates, Server, TelnetPeer, TlsPeer,
                       has_ipv6, read_client_hello, tls_records)
from serving import Domain

MIB = 1024 * 1024
HOST = "127.0.0.1"
CELLS = [(protocol, mode) for mode in ("bind", "connect")
         for protocol in ("raw", "telnet", "telnets", "tls")]


@pytest.fixture(scope="module")
def certificates(module_kit):
    return Certificates(module_kit.path("tls"))


def device(protocol, mode, host=HOST, port=0, certificates=None, kind="serial", more=""):
    """The element of a device."""
    if mode == "connect":
        more += "<source mode='connect' host='%s' service='%d'>" % (host, port)
        more += "<reconnect enabled='yes' timeout='1'/></source>"
    else:
        more += "<source mode='bind' host='%s' service='0'/>" % host
    if protocol in ("tls", "telnets"):
        more += "<chardev:tls dir='%s'/>" % certificates.directory
    return "<%s type='tcp'><protocol type='%s'/>%s</%s>" % (kind, protocol, more, kind)


def speak(peer, protocol, mode, certificates, host=HOST):
    """A connection, as the other side of a device of that protocol and mode has it."""
    if protocol in ("tls", "telnets"):
        peer = (TlsPeer(peer, certificates.client(), host) if mode == "bind"
                else TlsPeer(peer, certificates.server()))
    return TelnetPeer(peer) if protocol in ("telnet", "telnets") else peer


def same(data, expected):
    """assert data == expected, without a megabyte of explanation."""
    if data != expected:
        at = next(i for i, (a, b) in enumerate(itertools.zip_longest(data, expected)) if a != b)
        raise AssertionError("byte %d of %d: %r, not %r" % (
            at, len(expected), data[at:at + 16], expected[at:at + 16]))


# ---- every protocol, mode and family, through a real guest --------------------------------------

class Matrix:
    """A guest with a virtio console for each protocol and mode: eight, all that Linux has."""

    def __init__(self, kit, host, certificates):
        self.host = host
        self.certificates = certificates
        self.servers = {cell: kit.keep(Server(host)) for cell in CELLS if cell[1] == "connect"}
        self.domain = Domain(kit, "\n".join(self.console(cell) for cell in CELLS))
        self.guest = kit.boot(prefix=self.domain.run_prefix())
        wait_file(self.domain.runtime_path("live.xml"))

    def console(self, cell):
        port = self.servers[cell].port if cell in self.servers else 0
        return device(*cell, self.host, port, self.certificates, "console",
                      "<target type='virtio'/><chardev:overflow policy='block'/>")

    def connect(self, cell):
        if cell in self.servers:
            self.servers[cell].listen()
            peer = self.servers[cell].accept()
        else:
            peer = self.domain.tcp("console%d" % CELLS.index(cell))
        return speak(peer, *cell, self.certificates, self.host)


@pytest.fixture(scope="module", params=[HOST, "::1"])
def matrix(request, module_kit, certificates):
    if request.param == "::1" and not has_ipv6():
        pytest.skip("this host has no IPv6: nothing can listen on ::1")
    matrix = Matrix(module_kit, request.param, certificates)
    yield matrix
    assert matrix.guest.power_off() == 0, matrix.guest.process.log()


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_every_byte_passes_both_ways(matrix, cell):
    number, guest = CELLS.index(cell), matrix.guest
    hvc = "hvc%d" % number
    peer = matrix.connect(cell)
    guest.ask("open", hvc)
    # The second time shows that the first left nothing behind.
    for size in (MIB, 256):
        sent = guest.start("send", hvc, size, number)
        same(peer.read_exactly(size), stream(number, size))
        assert sent.result() == [str(size), crc(stream(number, size))]
        received = guest.start("recv", hvc, size, number + 100)
        peer.write(stream(number + 100, size))
        assert received.result() == [str(size), crc(stream(number + 100, size))]
    peer.close()


# ---- telnet, without a guest --------------------------------------------------------------------

@pytest.fixture
def serve(kit):
    """serve(DEVICE): the domain, and serial0 as its VMM has it."""
    processes = []

    def start(xml):
        domain = Domain(kit, xml)
        processes.append(domain.serve())
        return domain, kit.keep(domain.vmm("serial0"))

    yield start
    for process in processes:
        process.signal()
        assert process.wait() == 0, process.log()


@pytest.fixture
def server(kit):
    server = kit.keep(Server(HOST))
    server.listen()
    return server


@pytest.mark.parametrize("mode", ("bind", "connect"))
def test_text_has_cr_nul_for_cr(serve, server, mode):
    """Who refuses BINARY is sent text: CR LF as it is, and NUL after any other CR."""
    domain, vmm = serve(device("telnet", mode, port=server.port))
    peer = TelnetPeer(server.accept() if mode == "connect" else domain.tcp("serial0"),
                      agrees=(SGA,))
    peer.until(lambda: {("WILL", BINARY), ("DO", BINARY)} <= set(peer.heard), "its offers")
    peer.settle()
    vmm.write(b"a\rb\r\nc\r\r\nd\n\0e\xff\r\xff\r")
    wire = b"a\r\0b\r\nc\r\0\r\nd\n\0e\xff\r\0\xff\r"
    assert peer.read_exactly(len(wire)) == wire
    # Whether the last CR has a NUL depends on what follows.
    vmm.write(b"\nf\r")
    assert peer.read_exactly(3) == b"\nf\r"
    vmm.write(b"g")
    assert peer.read_exactly(2) == b"\0g"


def test_enter_in_text_is_one_cr(serve):
    """RFC 854 has a client send CR LF or CR NUL for Enter; a serial terminal's is CR alone."""
    domain, vmm = serve(device("telnet", "bind"))
    peer = TelnetPeer(domain.tcp("serial0"), agrees=(SGA,))
    peer.settle()
    peer.write(b"a\r\nb\r\0c\r\n\r\nd\ne\r\r\0f")
    assert vmm.read_exactly(12) == b"a\rb\rc\r\rd\ne\r\r"
    assert vmm.read_exactly(1) == b"f"
    # The same in pieces: the CR is not held back until the LF comes.
    peer.write(b"g\r")
    assert vmm.read_exactly(2) == b"g\r"
    peer.write(b"\nh")
    assert vmm.read_exactly(1) == b"h"


def test_a_servers_text_keeps_its_lines(serve, server):
    """What we are connected to ends lines by CR LF, which stays, and CR NUL is its CR."""
    domain, vmm = serve(device("telnet", "connect", port=server.port))
    peer = TelnetPeer(server.accept(), agrees=(SGA,))
    peer.settle()
    peer.write(b"a\r\nb\r\0c\xff")
    assert vmm.read_exactly(7) == b"a\r\nb\rc\xff"


# ---- QEMU's faults with telnet ------------------------------------------------------------------

def test_commands_eat_no_byte(serve):
    """QEMU takes IAC NOP and the byte after it for a command of three."""
    domain, vmm = serve(device("telnet", "bind"))
    client = domain.tcp("serial0")
    for code in (NOP, DM, AO, GA):
        client.write(b"a" + bytes([IAC, code]) + b"b" + bytes([IAC, code, IAC, code]) + b"cd")
        assert vmm.read_exactly(4) == b"abcd"


def test_sub_negotiations_are_not_typed(serve):
    """QEMU types the size of a client's window into the guest, and loses the byte after it."""
    domain, vmm = serve(device("telnet", "bind"))
    client = domain.tcp("serial0")
    for size in (b"\0P\0\x18", b"\0\xff\xff\0\x18", b"\xff\xff\xff\xff" * 2, b""):
        window = bytes([IAC, SB, NAWS]) + size + bytes([IAC, SE])
        client.write(b"a" + window + bytes([IAC, WILL, NAWS]) + b"b" + window + b"cd")
        assert vmm.read_exactly(4) == b"abcd"
    # One of an option that nobody agreed to, and longer than anything that is.
    client.write(bytes([IAC, SB, 86]) + b"x" * 20000 + bytes([IAC, SE]) + b"ef")
    assert vmm.read_exactly(2) == b"ef"


def test_an_output_of_0xff_is_doubled(serve):
    """QEMU does not, so a client takes it for a command. Seen by one that never says a word."""
    domain, vmm = serve(device("telnet", "bind"))
    client = domain.tcp("serial0")
    assert client.read_exactly(15) == bytes([
        IAC, WILL, ECHO, IAC, WILL, SGA, IAC, WILL, BINARY, IAC, DO, BINARY, IAC, DO, NAWS])
    vmm.write(stream(0, 4096) + b"\xff\xff\xff\n")
    wire = stream(0, 4096).replace(b"\xff", b"\xff\xff") + b"\xff\xff" * 3 + b"\n"
    same(client.read_exactly(len(wire)), wire)


HALVES = (b"\xff", b"\xff\xfd", b"\xff\xfa", b"\xff\xfa\x1f\0P", b"\xff\xfa\x1f\0P\xff")


@pytest.mark.parametrize("half", HALVES, ids=lambda half: half.hex())
def test_half_a_command_stays_its_clients(serve, half):
    """In QEMU, half an IAC of a client that went eats bytes of the next one."""
    domain, vmm = serve(device("telnet", "bind"))
    one, other = domain.tcp("serial0"), domain.tcp("serial0")
    one.write(b"one" + half)
    assert vmm.read_exactly(3) == b"one"
    other.write(b"KLM")  # while the first is still there
    assert vmm.read_exactly(3) == b"KLM"
    one.close()
    other.write(b"NOP")
    assert vmm.read_exactly(3) == b"NOP"
    other.close()
    last = domain.tcp("serial0")
    last.write(b"QRS")
    assert vmm.read_exactly(3) == b"QRS"


def test_a_client_negotiates(serve, server):
    """QEMU's telnet=on is without effect where it connects: a server's words are typed."""
    domain, vmm = serve(device("telnet", "connect", port=server.port))
    peer = TelnetPeer(server.accept(), agrees=(BINARY, SGA, ECHO, TERMINAL_TYPE))
    for code, option in ((WILL, ECHO), (DO, TERMINAL_TYPE), (DO, ECHO)):
        peer.say(code, option)
    peer.until(lambda: ("WILL", TERMINAL_TYPE) in peer.heard, "WILL TERMINAL-TYPE")
    peer.below.write(bytes([IAC, SB, TERMINAL_TYPE, 1, IAC, SE]))
    peer.settle()
    assert peer.heard[:4] == [("DO", SGA), ("WILL", BINARY), ("DO", BINARY), ("WILL", COM_PORT)]
    assert {("DO", ECHO), ("WONT", ECHO)} <= set(peer.heard)
    assert peer.letters == [bytes([TERMINAL_TYPE, 0]) + b"VT220"]
    peer.write(stream(1, 4096))
    same(vmm.read_exactly(4096), stream(1, 4096))
    vmm.write(stream(2, 4096))
    same(peer.read_exactly(4096), stream(2, 4096))


@pytest.mark.parametrize("mode", ("bind", "connect"))
def test_a_break_keeps_its_place(kit, server, mode):
    """QEMU delivers a BREAK before what was typed before it, here the b: SysRq would reboot."""
    domain = Domain(kit, device("telnet", mode, port=server.port))
    guest = kit.boot(prefix=domain.run_prefix(),
                     words="console=ttyS0 shell=ttyS0 sysrq_always_enabled")
    wait_file(domain.runtime_path("live.xml"))
    peer = TelnetPeer(server.accept() if mode == "connect" else domain.tcp("serial0"))
    peer.read_until(b"guest# ")
    peer.write(b"echo now; cat\r")
    peer.read_until(b"\nnow\r\n")  # the line is no longer the shell's to edit
    # In one write: text, BREAK, its key, text.
    peer.below.write(b"before\r" + bytes([IAC, BRK]) + b"hafter\r")
    # Each is echoed by the terminal, and written again by cat.
    text = b""
    while not (b"sysrq: HELP" in text and text.count(b"before\r\n") == 2
               and text.count(b"after\r\n") == 2):
        text += peer.read_until(b"\n")
    assert b"hafter" not in text  # the key was no text
    peer.close()
    assert guest.power_off() == 0


# ---- never plain --------------------------------------------------------------------------------

SECRET = b"the guest's words\n"
# Nothing is shorter than the head of a record: TLS would wait for the rest.
PLAIN = {
    "text": b"login: root\r\n",
    "telnet": bytes([IAC, WILL, BINARY, IAC, DO, BINARY]) + b"root\r\n",
    "data": b"\x17\x03\x03\0\x06root\r\n",  # a record of TLS that is not encrypted
}


@pytest.mark.parametrize("protocol", ("tls", "telnets"))
def test_a_tls_server_hears_no_plain_client(serve, certificates, protocol):
    """It is sent none of the guest's output, at most an alert, and what it types goes nowhere."""
    domain, vmm = serve(device(protocol, "bind", certificates=certificates))
    vmm.write(SECRET)
    for words in PLAIN.values():
        client = domain.tcp("serial0")
        client.write(words)
        assert all(kind == ALERT for kind, _ in tls_records(client.read_to_end()))
        client.close()
    client = domain.tcp("serial0")
    client.write(b"\n")
    client.end_output()
    assert all(kind == ALERT for kind, _ in tls_records(client.read_to_end()))
    # Who comes with a certificate is the first to see the output, and to type.
    client = speak(domain.tcp("serial0"), protocol, "bind", certificates)
    assert client.read_exactly(len(SECRET)) == SECRET
    client.write(b"mark")
    assert vmm.read_exactly(4) == b"mark"
    client.close()


@pytest.mark.parametrize("protocol", ("tls", "telnets"))
def test_a_tls_client_tells_a_plain_server_nothing(serve, server, certificates, protocol):
    """It sends a ClientHello and at most an alert, and so it does again when it comes back."""
    domain, vmm = serve(device(protocol, "connect", port=server.port, certificates=certificates))
    vmm.write(SECRET)
    for words in PLAIN.values():
        peer = server.accept()
        read_client_hello(peer)
        peer.write(words)
        assert all(kind == ALERT for kind, _ in tls_records(peer.read_to_end()))
        peer.close()
    # One that speaks first, and one that goes without a word.
    peer = server.accept()
    peer.write(PLAIN["text"])
    read_client_hello(peer)
    assert all(kind == ALERT for kind, _ in tls_records(peer.read_to_end()))
    peer.close()
    peer = server.accept()
    read_client_hello(peer)
    peer.close()
    peer = speak(server.accept(), protocol, "connect", certificates)
    assert peer.read_exactly(len(SECRET)) == SECRET
    peer.write(b"mark")
    assert vmm.read_exactly(4) == b"mark"
    peer.close()

"""Every host interface on every element: a real guest's bytes out and in, compared by checksum.

One guest per interface, with a serial port (16550), a parallel port, a virtio console and a channel
of that type, started by `chardev run`. 1 MiB passes through console and channel, 64 KiB through
the UART, 4 KiB through the parallel port, which only sends. Policies: the UART's and the channel's
are the defaults (drop after 1 s; block), the console's and the parallel port's are set to block.
`dev` has a file of its own, because its devices are in a guest.
"""

import os
import socket
import xml.etree.ElementTree as ET

import pytest

from guestkit import CHARDEV, Listener, Peer, crc, stream, wait_file, wait_size

KIB = 1024
MIB = 1024 * KIB

DOMAIN = """<domain type='qemu' xmlns:chardev='urn:chardev:1'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <serial type='{type}'>{serial}<target type='isa-serial' port='0'/></serial>
    <parallel type='{type}'>{parallel}<target port='0'/>
      <chardev:overflow policy='block'/></parallel>
    <console type='{type}'>{console}<target type='virtio' port='0'/>
      <chardev:overflow policy='block'/></console>
    <channel type='{type}'>{channel}<target type='virtio' name='org.chardev.0'/></channel>
  </devices>
</domain>
"""

KINDS = ("serial", "parallel", "console", "channel")
# The guest's name of each, and how much passes.
DEVICES = {
    "serial": ("ttyS0", 64 * KIB),
    "parallel": ("lp0", 4 * KIB),
    "console": ("hvc0", MIB),
    "channel": ("org.chardev.0", MIB),
}


def live_device(live, kind):
    """The element of that kind in a live document, and its alias."""
    for device in ET.parse(live).getroot().find("devices").findall(kind):
        target = device.find("target")
        if kind != "console" or target.get("type") == "virtio":
            return device, device.find("alias").get("name")
    raise AssertionError("no <%s> in %s" % (kind, live))


class Interface:
    """The host side of four devices of one type; a subclass a type and mode."""

    type = None
    input = True  # the host can send to the guest
    burst = MIB  # how much may be on its way without being asked for: lossy ones bear less

    def __init__(self, kit):
        self.kit = kit
        self.live = os.path.join(kit.path("run"), "matrix", "live.xml")

    def path(self, kind):
        return self.kit.path(kind)

    def source(self, kind):
        return ""

    def connect(self, kind):
        """A Peer to the device of that kind; called when the domain runs."""
        raise NotImplementedError

    def read(self, kind, peer, size):
        return peer.read_exactly(size)

    def fit(self, seed, size):
        """How much of a stream to send."""
        return size


class Null(Interface):
    type = "null"
    input = False

    def connect(self, kind):
        return None

    def read(self, kind, peer, size):
        return None


class File(Interface):
    type = "file"
    input = False

    def source(self, kind):
        return "<source path='%s'/>" % self.path(kind)

    def connect(self, kind):
        return None

    def read(self, kind, peer, size):
        return wait_size(self.path(kind), size)


class Stdio(File):
    """All four share the domain's log, one after the other."""

    type = "stdio"

    def __init__(self, kit):
        super().__init__(kit)
        self.seen = 0

    def source(self, kind):
        return "<chardev:log maxSize='0'/>"

    def path(self, kind):
        return os.path.join(self.kit.path("log"), "matrix.log")

    def fit(self, seed, size):
        # Devices that share the log write whole lines: the rest of one waits for its end.
        return stream(seed, size).rindex(b"\n") + 1

    def read(self, kind, peer, size):
        data = wait_size(self.path(kind), self.seen + size)[self.seen:]
        self.seen += size
        return data


class Pty(Interface):
    type = "pty"

    def connect(self, kind):
        _, alias = live_device(self.live, kind)
        return Peer.tty(os.path.join(os.path.dirname(self.live), alias + ".pty"))


class Pipe(Interface):
    type = "pipe"

    def source(self, kind):
        return "<source path='%s'/>" % self.path(kind)

    def connect(self, kind):
        return Peer.fifos(self.path(kind))


class OnePipe(Pipe):
    """A single FIFO at PATH carries output only."""

    input = False

    def source(self, kind):
        os.mkfifo(self.path(kind))
        return super().source(kind)

    def connect(self, kind):
        fd = os.open(self.path(kind), os.O_RDONLY | os.O_NONBLOCK)
        return Peer(fd, name=self.path(kind))


class UnixBind(Interface):
    type = "unix"

    def source(self, kind):
        return "<source mode='bind' path='%s'/>" % self.path(kind)

    def connect(self, kind):
        return Peer.unix(self.path(kind))


class UnixConnect(Interface):
    type = "unix"

    def source(self, kind):
        if not hasattr(self, "listeners"):
            self.listeners = {}
        self.listeners[kind] = self.kit.keep(Listener(self.path(kind)))
        return ("<source mode='connect' path='%s'><reconnect enabled='yes' timeout='1'/></source>"
                % self.path(kind))

    def connect(self, kind):
        return self.listeners[kind].accept()


class TcpBind(Interface):
    type = "tcp"
    host = "127.0.0.1"

    def source(self, kind):
        return "<source mode='bind' host='%s' service='0'/><protocol type='raw'/>" % self.host

    def connect(self, kind):
        device, _ = live_device(self.live, kind)
        return Peer.tcp(int(device.find("source").get("service")), self.host)


class TcpBind6(TcpBind):
    host = "::1"


class TcpListener(Listener):
    def __init__(self, host):
        self.sock = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host
                                         else socket.AF_INET)
        self.path = "tcp %s:%d" % (host, self.sock.getsockname()[1])


class TcpConnect(UnixConnect):
    type = "tcp"
    host = "127.0.0.1"

    def source(self, kind):
        if not hasattr(self, "listeners"):
            self.listeners = {}
        listener = self.listeners[kind] = self.kit.keep(TcpListener(self.host))
        return ("<source mode='connect' host='%s' service='%d'/><protocol type='raw'/>"
                % (self.host, listener.sock.getsockname()[1]))


class TcpConnect6(TcpConnect):
    host = "::1"


class Udp(Interface):
    type = "udp"
    burst = 32 * KIB  # nothing holds a sender of datagrams back: less than the input queue

    def source(self, kind):
        if not hasattr(self, "socks"):
            self.socks = {}
        sock = self.socks[kind] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Lossy by nature: the test's own end must not be what loses.
        sock.setsockopt(socket.SOL_SOCKET, 33, 32 * MIB)  # SO_RCVBUFFORCE
        sock.bind(("127.0.0.1", 0))
        return ("<source mode='bind' host='127.0.0.1' service='0'/>"
                "<source mode='connect' host='127.0.0.1' service='%d'/>" % sock.getsockname()[1])

    def connect(self, kind):
        device, _ = live_device(self.live, kind)
        bound = [s for s in device.findall("source") if s.get("mode") == "bind"][0]
        self.socks[kind].connect(("127.0.0.1", int(bound.get("service"))))
        return Datagrams.of(self.socks[kind])


class Datagrams(Peer):
    def write(self, data, seconds=None):
        for at in range(0, len(data), 1024):
            super().write(data[at:at + 1024], seconds)


INTERFACES = (Null, File, Stdio, Pty, Pipe, OnePipe, UnixBind, UnixConnect, TcpBind, TcpBind6,
              TcpConnect, TcpConnect6, Udp)


def run_prefix(kit, xml):
    return [CHARDEV, "run", xml, "--runtime-dir", kit.path("run"), "--log-dir", kit.path("log"),
            "--"]


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda i: i.__name__)
def test_bytes_pass_both_ways(kit, report, interface):
    host = interface(kit)
    xml = kit.path("domain.xml")
    with open(xml, "w") as f:
        f.write(DOMAIN.format(name="matrix", type=host.type,
                              **{kind: host.source(kind) for kind in KINDS}))
    guest = kit.boot(prefix=run_prefix(kit, xml))
    wait_file(host.live)
    for seed, kind in enumerate(KINDS):
        device, size = DEVICES[kind]
        size = host.fit(seed, size)
        peer = host.connect(kind)
        sent = guest.start("send", device, size, seed)
        data = host.read(kind, peer, size)
        assert sent.result() == [str(size), crc(stream(seed, size))]
        if data is not None:
            assert data == stream(seed, size), "%s: not what the guest sent" % kind
        if host.input and kind != "parallel":
            guest.ask("open", device)
            size = min(size, host.burst)
            received = guest.start("recv", device, size, seed + 10)
            peer.write(stream(seed + 10, size))
            assert received.result() == [str(size), crc(stream(seed + 10, size))]
    assert guest.power_off() == 0
    assert not os.path.exists(os.path.dirname(host.live)), "the runtime directory is left behind"

"""Programs of others at both ends of a tcp device: telnet, TLS, and serial ports over RFC 2217.

Each moves known bytes both ways and leaves; chardev must then have nothing to complain of. None of
them is ours: what they do is what people will meet.
"""

import re
import signal
import socket
import struct
import termios
import threading

import pytest

from guestkit import Peer, Qmp, stream
from peers import (Certificates, Device, Line, Monitor, Program, Terminal, free_port, program,
                   wait_log)
from serving import Domain

LOCAL = "127.0.0.1"


@pytest.fixture(scope="module")
def tls(module_kit):
    return Certificates(module_kit.path("pki"))


# ---- what the table says -------------------------------------------------------------------------


def offered_command(process):
    """What the table of chardev run gives to connect with to its only device."""
    column = len("ALIAS") + process.output.read_until(b"\n").decode().index("CONNECT")
    return process.output.read_until(b"\n").decode()[column:].strip()


@pytest.mark.parametrize("kind", ["raw", "tls", "telnet", "telnets", "unix", "unix with TLS"])
def test_the_command_of_the_table_connects(kit, tls, kind):
    """As a person would who copies it into a shell."""
    pki = "<chardev:tls dir='%s'/>" % tls.directory
    source, more, name, package = {
        "raw": ("", "", "socat", "socat"),
        "tls": ("", "<protocol type='tls'/>" + pki, "socat", "socat"),
        "telnet": ("", "<protocol type='telnet'/>", "telnet", "inetutils-telnet"),
        "telnets": ("", "<protocol type='telnets'/>" + pki, "telnet-ssl", "telnet-ssl"),
        "unix": ("unix", "", "socat", "socat"),
        "unix with TLS": ("unix", pki, "openssl", "openssl"),
    }[kind]
    program(name, package=package)
    source = ("unix'><source mode='bind' path='%s'/>" % kit.path("sock") if source else
              "tcp'><source mode='bind' host='127.0.0.1' service='0'/>")
    domain = Domain(kit, "<serial type='" + source + more + "</serial>")
    process = domain.serve()
    guest = domain.vmm("serial0")
    command = offered_command(process)
    assert command.startswith(name + " "), command
    terminal = Terminal(kit, "sh", "-c", "exec " + command)
    guest.write(b"login: ")
    terminal.read_until(b"login: ")
    terminal.type(b"root\r")
    # openssl leaves the terminal as it was: Enter is a line's end.
    assert guest.read_exactly(5) in (b"root\r", b"root\n")
    terminal.process.signal(signal.SIGKILL)
    terminal.process.wait()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


# ---- people with a telnet ------------------------------------------------------------------------

PROMPT = re.compile(rb"telnet(-ssl)?> ")


def window(guest):
    rows, columns = termios.tcgetwinsize(guest.rfd)
    return columns, rows


def sit_at(terminal, device, monitor, status=(0,)):
    """A person's session, from the first prompt to the last."""
    device.guest.write(b"login: ")
    terminal.read_until(b"login: ")
    terminal.type(b"root\r")
    assert device.guest.read_exactly(5) == b"root\r"
    # It has come by now, and was not typed.
    assert window(device.guest) == (91, 37)
    device.guest.write(b"Gr\xfc\xdfe \xff\r\n# ")
    assert terminal.read_until(b"# ") == b"Gr\xfc\xdfe \xff\r\n# "

    terminal.resize(100, 40)
    terminal.process.signal(signal.SIGWINCH)
    terminal.type(b"a")
    assert device.guest.read_exactly(1) == b"a"
    assert window(device.guest) == (100, 40)

    terminal.type(b"\x1d")
    terminal.read_until(PROMPT)
    terminal.type(b"send brk\r")
    monitor.read_break()
    terminal.type(b"\r\r")
    assert device.guest.read_exactly(2) == b"\r\r"

    terminal.type(b"\x1d")
    terminal.read_until(PROMPT)
    terminal.type(b"quit\r")
    assert terminal.process.wait() in status
    device.end()


def test_inetutils_telnet(kit):
    """Enter is one CR, the window's size arrives, `send brk` is a BREAK."""
    telnet = program("inetutils-telnet", package="inetutils-telnet")
    device = Device(kit, "telnet", guest="pty")
    monitor = Monitor(kit, device.domain)
    sit_at(Terminal(kit, telnet, LOCAL, device.port, columns=91, rows=37), device, monitor)


def test_telnet_ssl(kit, tls):
    """The same inside TLS, both sides having shown their certificates."""
    telnet = program("telnet-ssl", package="telnet-ssl")
    device = Device(kit, "telnets", tls=tls, guest="pty")
    monitor = Monitor(kit, device.domain)
    options = [word for option in ("ssl", "secure", "verify=2", "cacert=" + tls.ca,
                                   "cert=" + tls.cert("client"), "key=" + tls.key("client"))
               for word in ("-z", option)]
    # When it quits it writes once more to what it has closed itself.
    sit_at(Terminal(kit, telnet, *options, "localhost", device.port, columns=91, rows=37), device,
           monitor, status=(0, -signal.SIGPIPE))


def test_gensiot_speaks_telnet(kit):
    """Every byte passes, where COM-PORT-OPTION is not asked for."""
    gensiot = program("gensiot", package="gensio-bin")
    device = Device(kit, "telnet")
    client = Program(kit, gensiot, "telnet,tcp,%s,%d" % (LOCAL, device.port))
    device.exchange(client.peer)
    client.end()
    device.end()


# ---- TLS -----------------------------------------------------------------------------------------


def gnutls_cli(tls, port, *more):
    return [program("gnutls-cli", package="gnutls-bin"), "--x509cafile", tls.ca,
            "--logfile=/dev/stderr", *more, "-p", port, LOCAL]


def test_gnutls_cli(kit, tls):
    """It verifies our name, shows its certificate, and passes what it can: lines from its side."""
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, *gnutls_cli(
        tls, device.port, "--x509certfile", tls.cert("client"), "--x509keyfile", tls.key("client"),
        "--verify-hostname=localhost"))
    device.guest.write(stream(1, 20000))
    assert client.peer.read_exactly(20000) == stream(1, 20000)
    lines = b"".join(b"line %d\n" % i for i in range(100))
    client.peer.write(lines)
    assert device.guest.read_exactly(len(lines)) == lines
    client.end()
    device.end()


def test_gnutls_cli_without_a_certificate_is_refused(kit, tls):
    """It hears why, and we tell."""
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, *gnutls_cli(tls, device.port, "--verify-hostname=localhost"))
    assert client.process.wait() == 1
    assert "Certificate is required" in client.process.log()
    device.wait_said("was refused: it sent no certificate")
    device.end(trouble=1)


def test_gnutls_cli_with_another_name_refuses_us(kit, tls):
    """So that the name in the test above is seen to be looked at."""
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, *gnutls_cli(tls, device.port, "--verify-hostname=elsewhere.example"))
    assert client.process.wait() == 1
    assert "does not match" in client.process.log()
    device.wait_said(LOCAL)
    device.end(trouble=1)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client(kit, tls, version):
    """It verifies our name and shows its certificate."""
    openssl = program("openssl", package="openssl")
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, openssl, "s_client", "-connect", "%s:%d" % (LOCAL, device.port), version,
                     "-CAfile", tls.ca, "-cert", tls.cert("client"), "-key", tls.key("client"),
                     "-verify_return_error", "-verify_hostname", "localhost", "-quiet", "-no_ign_eof",
                     "-nocommands")
    device.exchange(client.peer)
    client.end()
    device.end()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_server(kit, tls, version):
    """Our client shows its certificate to one that insists on it."""
    openssl = program("openssl", package="openssl")
    port = free_port()
    server = Program(kit, openssl, "s_server", "-accept", "%s:%d" % (LOCAL, port), version,
                     "-CAfile", tls.ca, "-cert", tls.cert("server"), "-key", tls.key("server"),
                     "-Verify", "1", "-verify_return_error", "-quiet", "-naccept", "1")
    device = Device(kit, "tls", port=port, tls=tls)
    # It does not look at its input before the first byte has come.
    device.guest.write(b"login: ")
    assert server.peer.read_exactly(7) == b"login: "
    device.exchange(server.peer)
    device.end()
    assert server.process.wait() == 0, server.process.log()


def socat_tls(tls, side, other):
    return "cafile=%s,cert=%s,key=%s,verify=1,%s" % (
        tls.ca, tls.cert(side), tls.key(side), other)


def socat_port(process):
    """The port that a socat listens on."""
    return int(wait_log(process, r"listening on .*:(\d+)\n").group(1))


def test_socat_connects_to_tls(kit, tls):
    """Its end waits for the answer to its close_notify."""
    socat = program("socat", package="socat")
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, socat, "-", "openssl:%s:%d,%s" % (
        LOCAL, device.port, socat_tls(tls, "client", "commonname=localhost")))
    device.exchange(client.peer)
    client.end()
    device.end()


def test_socat_listens_with_tls(kit, tls):
    """It wants our client's certificate, and that name in it."""
    socat = program("socat", package="socat")
    server = Program(kit, socat, "-d", "-d", "-", "openssl-listen:0,bind=%s,%s" % (
        LOCAL, socat_tls(tls, "server", "commonname=chardev client")))
    device = Device(kit, "tls", port=socat_port(server.process), tls=tls)
    device.exchange(server.peer)
    device.end()
    assert server.process.wait() == 0, server.process.log()


def test_socat_connects_to_raw_tcp(kit):
    """The end of its input, a half-close, is not the end of ours."""
    socat = program("socat", package="socat")
    device = Device(kit, "raw")
    client = Program(kit, socat, "-", "tcp:%s:%d" % (LOCAL, device.port))
    device.exchange(client.peer)
    client.end()
    device.end()


def test_socat_listens_for_raw_tcp(kit):
    """It ends when our client does."""
    socat = program("socat", package="socat")
    server = Program(kit, socat, "-d", "-d", "-", "tcp-listen:0,bind=%s" % LOCAL)
    device = Device(kit, "raw", port=socat_port(server.process))
    device.exchange(server.peer)
    device.end()
    assert server.process.wait() == 0, server.process.log()


def test_gensiot_speaks_tls(kit, tls):
    """Its end waits for the answer to its close_notify, too."""
    gensiot = program("gensiot", package="gensio-bin")
    device = Device(kit, "tls", tls=tls)
    client = Program(kit, gensiot, "ssl(CA=%s,key=%s,cert=%s),tcp,%s,%d" % (
        tls.ca, tls.key("client"), tls.cert("client"), LOCAL, device.port))
    device.exchange(client.peer)
    client.end()
    device.end()


# ---- QEMU ----------------------------------------------------------------------------------------

NAME = "known-to-both-sides"


def qemu(kit, tls, endpoint, chardev, *more):
    """A QEMU that runs nothing, and whose monitor is on the other side of a TLS connection."""
    return kit.spawn(
        program("qemu-system-x86_64", package="qemu-system-x86"), "-accel", "tcg", "-machine", "none",
        "-display", "none", "-nodefaults", "-no-user-config", "-S", "-name", NAME, "-object",
        "tls-creds-x509,id=t,dir=%s,endpoint=%s,verify-peer=on" % (tls.directory, endpoint),
        "-chardev", "socket,id=c,host=%s,tls-creds=t,%s" % (LOCAL, chardev),
        "-mon", "chardev=c,mode=readline", *more)


def type_slowly(guest, line):
    """Key by key, each one's echo awaited: QEMU 7.2 forgets what else a record of TLS holds."""
    for key in line:
        guest.write(key.to_bytes())
        guest.read_until(b"\x1b[K")
    guest.write(b"\r")


def ask_name(guest):
    """What is typed reaches QEMU, and what it says comes back."""
    guest.read_until(b"(qemu) ")
    type_slowly(guest, b"info name")
    guest.read_until(b"\r\n" + NAME.encode() + b"\r\n(qemu) ")


def test_qemu_connects_to_our_tls(kit, tls):
    """Each has verified the other, QEMU by the address that it was given."""
    device = Device(kit, "tls", tls=tls)
    process = qemu(kit, tls, "client", "port=%d" % device.port)
    ask_name(device.guest)
    type_slowly(device.guest, b"quit")
    assert process.wait() == 0, process.log()
    device.guest.read_until(b"\r\n")
    device.end()


def test_qemu_listens_with_tls(kit, tls):
    """Each has verified the other, we by the address that we were given."""
    listener = kit.listen("qmp")
    process = qemu(kit, tls, "server", "port=0,server=on,wait=off", "-qmp", "unix:" + listener.path)
    qmp = Qmp(kit.keep(listener.accept(process=process)), process)
    [name] = [c["filename"] for c in qmp.command("query-chardev") if c["label"] == "c"]
    device = Device(kit, "tls", port=int(re.search(LOCAL + r":(\d+)", name).group(1)), tls=tls)
    ask_name(device.guest)
    device.end()
    qmp.command("quit")
    assert process.wait() == 0, process.log()


# ---- serial ports over RFC 2217 ------------------------------------------------------------------


def pyserial():
    reason = "pyserial is not installed for this Python (Debian package python3-serial)"
    pytest.importorskip("serial.rfc2217", reason=reason)
    return pytest.importorskip("serial", reason=reason)


class SerialPort:
    """pyserial's own client, with reads that end."""

    def __init__(self, kit, port, **settings):
        url = "rfc2217://%s:%d" % (LOCAL, port)
        self.serial = pyserial().serial_for_url(url, timeout=20, **settings)
        kit.keep(self.serial)

    def read_exactly(self, size):
        return self.serial.read(size)

    def write(self, data):
        self.serial.write(data)


SETTINGS = [("baudrate", (50, 9600, 115200, 4000000)), ("bytesize", (5, 6, 7, 8)),
            ("parity", "NEOMS"), ("stopbits", (1, 2, 1.5)), ("rtscts", (True, False)),
            ("xonxoff", (True, False)), ("dtr", (False, True)), ("rts", (False, True))]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:serial")
def test_pyserial_is_a_client(kit):
    """All that it can set is acknowledged as it was asked for, a BREAK and the modem's lines pass."""
    device = Device(kit, "telnet")
    monitor = Monitor(kit, device.domain)
    port = SerialPort(kit, device.port)
    device.exchange(port)
    for name, values in SETTINGS:
        for value in values:
            # It raises an exception where the answer is another value, or none in time.
            setattr(port.serial, name, value)
    line = port.serial
    assert (line.cts, line.dsr, line.cd, line.ri) == (True, True, True, False)
    line.break_condition = True
    monitor.read_break()
    line.break_condition = False
    line.send_break(0.01)
    monitor.read_break()
    line.reset_input_buffer()
    line.reset_output_buffer()
    device.exchange(port, seed=3)
    line.close()
    device.end()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:serial")
def test_pyserial_is_told_what_the_guest_has_set(kit):
    """The speed is the guest's own: a client that asks for another one is answered that."""
    device = Device(kit, "telnet", guest="pty")
    set_speed(device.guest, termios.B19200)
    port = SerialPort(kit, device.port, baudrate=19200)
    with pytest.raises(ValueError, match="rejected value for option 'baudrate'"):
        port.serial.baudrate = 9600
    device.exchange(port)
    port.serial.close()
    device.end()


def set_speed(guest, speed):
    settings = termios.tcgetattr(guest.rfd)
    settings[4] = settings[5] = speed
    termios.tcsetattr(guest.rfd, termios.TCSANOW, settings)


class PyserialServer:
    """pyserial's own server of a serial port to one client, as its example has it."""

    def __init__(self, kit, path):
        class Port(pyserial().Serial):
            """A pty has no modem lines."""
            cts = dsr = cd = True
            ri = False

        self.serial = Port(path, timeout=None)
        self.sock = None
        self.listener = socket.create_server((LOCAL, 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        kit.keep(self)

    def write(self, data):
        with self.lock:
            self.sock.sendall(data)

    def serve(self):
        self.sock, _ = self.listener.accept()
        with self.sock:
            manager = pyserial().rfc2217.PortManager(self.serial, self)
            reader = threading.Thread(target=self.pass_on, args=[manager])
            reader.start()
            while data := self.sock.recv(1024):
                self.serial.write(b"".join(manager.filter(data)))
            self.serial.cancel_read()
            reader.join()

    def pass_on(self, manager):
        while data := self.serial.read(self.serial.in_waiting or 1):
            self.write(b"".join(manager.escape(data)))

    def close(self):
        self.thread.join()
        self.listener.close()
        self.serial.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:serial")
def test_pyserial_is_a_server(kit):
    """What the guest makes of its own port is made of the serial port far away."""
    line = Line(kit)
    server = PyserialServer(kit, line.path)
    device = Device(kit, "telnet", port=server.port, guest="pty")
    device.exchange(line)
    set_speed(device.guest, termios.B1200)
    line.wait_speed(termios.B1200)
    device.exchange(line, seed=3)
    device.end()


def ser2net(kit, accepter, connector):
    """The serial ports here are ptys, so there is nothing to lock."""
    config = kit.path("ser2net.yaml")
    with open(config, "w") as f:
        f.write("%%YAML 1.1\n---\nconnection: &c\n  accepter: %s\n  connector: %s\n"
                % (accepter, connector))
    return kit.spawn(program("ser2net", package="ser2net"), "-n", "-u", "-c", config)


def test_ser2net_is_a_server(kit):
    """What the guest makes of its own port is made of the serial port far away."""
    line, port = Line(kit), free_port()
    ser2net(kit, "telnet(rfc2217),tcp,%s,%d" % (LOCAL, port), "serialdev,%s,115200n81,local" % line.path)
    device = Device(kit, "telnet", port=port, guest="pty")
    device.exchange(line)
    set_speed(device.guest, termios.B1200)
    line.wait_speed(termios.B1200)
    device.exchange(line, seed=3)
    device.end()


def test_ser2net_is_a_client(kit):
    """What comes from a serial port far away reaches the guest, and the other way round."""
    line = Line(kit)
    device = Device(kit, "telnet")
    process = ser2net(kit, "conacc,serialdev,%s,115200n81,local" % line.path,
                      "telnet(rfc2217),tcp,%s,%d" % (LOCAL, device.port))
    device.exchange(line)
    process.signal(signal.SIGTERM)
    process.wait()
    device.end()


BREAK = b"\xff\xf3"
WILL_COM_PORT = b"\xff\xfb\x2c"
BREAK_ON = 5


def com_port(command, value):
    return b"\xff\xfa\x2c" + bytes([command]) + value + b"\xff\xf0"


def test_ser2net_passes_on_what_its_own_client_asks(kit):
    """Through two servers of RFC 2217, of which we are the last: a speed and its answer, BREAKs."""
    listener = kit.keep(socket.create_server((LOCAL, 0)))
    device = Device(kit, "telnet")
    monitor = Monitor(kit, device.domain)
    process = ser2net(kit, "conacc,telnet(rfc2217,mode=server),tcp,%s,%d" % listener.getsockname(),
                      "telnet(rfc2217),tcp,%s,%d" % (LOCAL, device.port))
    listener.settimeout(20)
    client = kit.keep(Peer.of(listener.accept()[0], "ser2net"))
    client.write(WILL_COM_PORT + com_port(1, struct.pack(">I", 2400)))
    client.read_until(com_port(101, struct.pack(">I", 2400)))
    client.write(com_port(5, bytes([BREAK_ON])) + b"a")
    monitor.read_break()
    client.write(BREAK + b"b")
    monitor.read_break()
    assert device.guest.read_exactly(2) == b"ab"
    device.guest.write(b"c")
    client.read_until(b"c")
    process.signal(signal.SIGTERM)
    process.wait()
    device.end()


def test_gensiot_is_a_serial_terminal(kit):
    """Its keys for a BREAK, the speed, and the framing; its own dump of what we have answered."""
    gensiot = program("gensiot", package="gensio-bin")
    device = Device(kit, "telnet")
    monitor = Monitor(kit, device.domain)
    client = Program(kit, gensiot, "-e", "^\\", "telnet(rfc2217),tcp,%s,%d" % (LOCAL, device.port))
    client.peer.write(b"a")
    assert device.guest.read_exactly(1) == b"a"
    device.guest.write(b"b")
    assert client.peer.read_exactly(1) == b"b"
    client.peer.write(b"\x1cb")
    monitor.read_break()
    client.peer.write(b"\x1cs9600\n\x1ce\x1c7\x1c2\x1cd")
    said = client.peer.read_until(b"Speed: 9600E72\r\n")
    assert b"Signature: chardev\r\n" in said
    client.peer.write(b"\x1cq")
    assert client.process.wait() == 0
    device.end()

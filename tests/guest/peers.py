"""Programs of others at the other end of a tcp device: how they are started, typed into, and ended.

Nothing here knows a protocol; the programs do.
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import tty

import pytest

from guestkit import CHARDEV, Deadline, Gone, Peer, stream, wait_fds, wait_file
from serving import Domain

ALIAS = "serial0"


def program(*names, package):
    """The path of an installed program, under the first of its names; the test is skipped without."""
    for name in names:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if path:
            return path
    pytest.skip("%s is not installed (Debian package %s)" % (names[0], package))


def free_port():
    """A port of 127.0.0.1 for a program that cannot say which one it has chosen."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_log(process, pattern):
    """Waits until something matches in what a process has said, and returns the match."""
    found = []

    def look(_):
        found.append(re.search(pattern, process.log()))
        return found[-1]

    wait_file(process.log_path, look, 20)
    return found[-1]


class Certificates:
    """What "chardev tls init" makes, in a directory that serves both sides, as a trial would."""

    def __init__(self, directory):
        self.directory = directory
        subprocess.run([CHARDEV, "tls", "init", directory], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        self.ca = self.path("ca-cert.pem")

    def path(self, name):
        return os.path.join(self.directory, name)

    def cert(self, side):
        return self.path(side + "-cert.pem")

    def key(self, side):
        return self.path(side + "-key.pem")


class Device:
    """A chardev that serves one tcp serial port, and the test as its guest."""

    def __init__(self, kit, protocol, port=None, tls=None, guest="fifo"):
        source = "mode='bind' host='127.0.0.1' service='0'/>" if port is None else (
            "mode='connect' host='127.0.0.1' service='%d'>"
            "<reconnect enabled='yes' timeout='1'/></source>" % port)
        self.domain = Domain(kit, "<serial type='tcp'><source %s<protocol type='%s'/>%s"
                             "<chardev:guest type='%s'/></serial>"
                             % (source, protocol, "<chardev:tls dir='%s'/>" % tls.directory if tls
                                else "", guest))
        self.process = self.domain.serve()
        self.port = port or int(self.domain.live_source(ALIAS).get("service"))
        if guest == "pty":
            self.guest = Peer.tty(self.domain.runtime_path(ALIAS + ".guest"))
        else:
            self.guest = self.domain.vmm(ALIAS)

    def exchange(self, peer, seed=1, size=20000):
        """Known bytes, every value among them, from the peer to the guest and back."""
        peer.write(stream(seed, size))
        assert self.guest.read_exactly(size) == stream(seed, size), "not what the peer sent"
        self.guest.write(stream(seed + 1, size))
        assert peer.read_exactly(size) == stream(seed + 1, size), "not what the guest sent"

    def wait_said(self, what):
        """Waits until it has complained of that."""
        wait_log(self.process, re.escape("chardev: %s: " % ALIAS) + ".*" + re.escape(what))

    def end(self, trouble=0):
        """Ends; the guest had nothing more to read, and of so much trouble was told.

        A server that began to listen only after we had asked is no trouble: we ask again.
        """
        self.process.signal(signal.SIGTERM)
        assert self.process.wait() == 0, self.process.log()
        lines = [line for line in self.process.log().splitlines()
                 if not re.match("chardev: (serving |warning: .* not on tmpfs|%s: connection refused by )"
                                 % ALIAS, line)]
        assert len(lines) == trouble, lines
        assert self.guest.read_to_end() == b"", "typed into the guest by nobody"


class Program:
    """A program whose standard input and output are the bytes; what it says goes to its log."""

    def __init__(self, kit, *args, **options):
        self.process = kit.spawn(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self.peer = Peer(self.process.output.rfd, self.process.input.fileno(), self.process.args[0])

    def end(self):
        """The end of its input ends it."""
        self.process.input.close()
        assert self.process.wait(15) == 0, self.process.log()


class Terminal:
    """A program on a terminal of its own, which a person looks at and types into."""

    def __init__(self, kit, *args, columns=80, rows=24):
        self.master, self.slave = pty.openpty()
        kit.keep(self)
        self.resize(columns, rows)
        self.peer = Peer(os.dup(self.master), name="the terminal")
        self.process = kit.spawn(*args, stdin=self.slave, stdout=self.slave,
                                 env={**os.environ, "TERM": "vt100", "LC_ALL": "C"})

    def resize(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, keys):
        self.peer.write(keys)

    def read_until(self, pattern):
        return self.peer.read_until(pattern)

    def close(self):
        for fd in (self.master, self.slave, self.peer.rfd):
            os.close(fd)


class Monitor:
    """Where QEMU's monitor would be: a BREAK arrives here, after the bytes before it."""

    def __init__(self, kit, domain):
        self.sock = kit.keep(socket.socket(socket.AF_UNIX))
        self.sock.bind(domain.runtime_path("qmp.sock"))
        self.sock.listen()
        self.peer = None

    def accept(self):
        wait_fds({self.sock.fileno(): select.POLLIN}, Deadline(), "a connection to the monitor")
        self.peer = Peer.of(self.sock.accept()[0], "the monitor")
        self.say({"QMP": {}})
        self.hear()

    def say(self, what):
        self.peer.write(json.dumps(what).encode() + b"\r\n")

    def hear(self):
        """A command, which succeeds."""
        command = json.loads(self.peer.read_until(b"\n"))
        self.say({"return": {}, "id": command.get("id")})
        return command

    def read_break(self):
        """Waits for a BREAK."""
        while True:
            if not self.peer:
                self.accept()
            try:
                command = self.hear()
            except Gone:
                self.peer = None
                continue
            assert (command["execute"], command["arguments"]) == (
                "chardev-send-break", {"id": "char" + ALIAS})
            return


class Line(Peer):
    """The far end of a serial line: a pty, whose slave is somebody's serial port.

    The master is in packet mode, so that a change of the port's settings is an event as well.
    """

    EXTPROC = 0o200000  # termios has no name for it

    def __init__(self, kit):
        master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        settings = termios.tcgetattr(self.slave)
        settings[3] |= self.EXTPROC
        termios.tcsetattr(self.slave, termios.TCSANOW, settings)
        fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
        super().__init__(master, name="a serial line")
        self.path = os.ttyname(self.slave)
        kit.keep(self)

    def fill(self, deadline):
        packet = Peer(self.rfd, name=self.name)
        more = packet.fill(deadline)
        self.buffer += packet.buffer[1:]
        return more

    def wait_speed(self, speed):
        """Waits until somebody has set the port to that speed."""
        deadline = Deadline()
        while termios.tcgetattr(self.slave)[4:6] != [speed, speed]:
            assert self.fill(deadline), "the line is gone"

    def close(self):
        os.close(self.slave)
        super().close()

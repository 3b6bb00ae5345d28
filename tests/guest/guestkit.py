"""Real guests for tests: boot one, move known bytes through its ports, watch both ends.

A test asks the agent inside the guest (agent.c) over a control channel of the kit's own, so the ports
under test carry nothing else. Everything waits for events with a deadline; nothing sleeps or
polls. Standard library only; conftest.py makes fixtures of it.

    guest = kit.boot(["-chardev", "socket,id=a,path=%s,server=on,wait=off" % path,
                      "-device", "isa-serial,chardev=a"])
    peer = Peer.unix(path)
    sent = guest.start("send", "ttyS0", 65536, 7)       # runs in the guest, answers when done
    assert peer.read_exactly(65536) == stream(7, 65536)
    assert sent.result() == ["65536", crc(stream(7, 65536))]
"""

import array
import ctypes
import errno
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The build under test, and its command.
BUILD = os.path.abspath(os.environ.get("CHARDEV_BUILD", os.path.join(ROOT, "build")))
CHARDEV = os.path.join(BUILD, "src", "chardev")
# Whether to move full counts and soak: make test-long.
LONG = os.environ.get("CHARDEV_TEST_LONG") == "1"
# How long, in seconds, an event may take before the test fails.
PATIENCE = float(os.environ.get("CHARDEV_TEST_PATIENCE", "60"))
# What a boot needs not do twice, or at all, under emulation.
KERNEL_WORDS = "quiet mitigations=off cryptomgr.notests tsc=reliable audit=0 apparmor=0"
CONTROL_PORT = "org.chardev.test"


class Late(AssertionError):
    """An event did not come in time."""


class Gone(AssertionError):
    """The other end went away."""


@functools.lru_cache(maxsize=16)
def stream(seed, size):
    """The first bytes of the stream that generator.h makes of a seed."""
    mask = 2**64 - 1
    state = (seed + 1) * 0x9E3779B97F4A7C15 & mask
    words = array.array("Q")
    for _ in range(256, size, 8):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        words.append(state)
    if sys.byteorder == "big":
        words.byteswap()
    return (bytes((i + seed) & 0xFF for i in range(256)) + words.tobytes())[:size]


def crc(data):
    """The checksum as the agent prints it."""
    return "%08x" % zlib.crc32(data)


class Deadline:
    def __init__(self, seconds=None):
        self.end = time.monotonic() + (PATIENCE if seconds is None else seconds)

    def milliseconds(self):
        return max(0, int((self.end - time.monotonic()) * 1000) + 1)


def wait_fds(wanted, deadline, what):
    """Waits until one of {fd: poll events} is ready; returns [(fd, events)]."""
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    ready = poll.poll(deadline.milliseconds())
    if not ready:
        raise Late("waited in vain for %s" % what)
    return ready


class Peer:
    """One end of a byte stream: a socket, a pty, FIFOs. Reads and writes with a deadline."""

    def __init__(self, rfd, wfd=None, name="peer", owner=None):
        self.rfd = rfd
        self.wfd = rfd if wfd is None else wfd
        self.name = name
        self.buffer = bytearray()
        self.owner = owner  # keeps a socket object, and with it the descriptor, alive
        for fd in (self.rfd, self.wfd):
            os.set_blocking(fd, False)

    @classmethod
    def of(cls, sock, name="socket"):
        return cls(sock.fileno(), name=name, owner=sock)

    @classmethod
    def unix(cls, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls.of(sock, path)

    @classmethod
    def tcp(cls, port, host="127.0.0.1"):
        return cls.of(socket.create_connection((host, port)), "%s:%d" % (host, port))

    @classmethod
    def tty(cls, path):
        """A terminal, for example the slave of a pty, made raw."""
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(fd, termios.TCSANOW)
        return cls(fd, name=path)

    @classmethod
    def fifos(cls, path):
        """PATH.out to read and PATH.in to write, as QEMU's pipes are named."""
        rfd = os.open(path + ".out", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        wfd = os.open(path + ".in", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        return cls(rfd, wfd, path)

    def fill(self, deadline):
        """Reads what is there, waiting for at least a byte; False at the end of the stream."""
        wait_fds({self.rfd: select.POLLIN}, deadline, "output of %s (have %d bytes: ...%r)"
                 % (self.name, len(self.buffer), bytes(self.buffer[-200:])))
        try:
            data = os.read(self.rfd, 1 << 18)
        except BlockingIOError:
            return True
        except OSError as e:
            if e.errno in (errno.EIO, errno.ECONNRESET):
                return False
            raise
        self.buffer += data
        return bool(data)

    def take(self, n):
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def read_exactly(self, n, seconds=None):
        deadline = Deadline(seconds)
        while len(self.buffer) < n:
            if not self.fill(deadline):
                raise Gone("%s ended after %d of %d bytes" % (self.name, len(self.buffer), n))
        return self.take(n)

    def read_until(self, pattern, seconds=None):
        """Reads up to and with the bytes of a pattern (bytes, or a compiled expression)."""
        deadline = Deadline(seconds)
        expression = re.compile(re.escape(pattern)) if isinstance(pattern, bytes) else pattern
        while True:
            match = expression.search(self.buffer)
            if match:
                return self.take(match.end())
            if not self.fill(deadline):
                raise Gone("%s ended without %r: %r" % (self.name, expression.pattern, bytes(self.buffer)))

    def read_to_end(self, seconds=None):
        deadline = Deadline(seconds)
        while self.fill(deadline):
            pass
        return self.take(len(self.buffer))

    def write(self, data, seconds=None):
        deadline = Deadline(seconds)
        view = memoryview(data)
        while view:
            wait_fds({self.wfd: select.POLLOUT}, deadline, "room in %s (%d bytes to go)"
                     % (self.name, len(view)))
            try:
                view = view[os.write(self.wfd, view):]
            except BlockingIOError:
                pass

    def end_output(self):
        """Half-closes a socket."""
        self.owner.shutdown(socket.SHUT_WR)

    def close(self):
        if self.owner:
            self.owner.close()
        else:
            for fd in {self.rfd, self.wfd}:
                os.close(fd)


class Listener:
    """A listening UNIX socket, for those ends that connect to the test."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(8)
        self.path = path

    def accept(self, seconds=None, process=None):
        wanted = {self.sock.fileno(): select.POLLIN}
        if process:
            wanted[process.pidfd] = select.POLLIN
        ready = wait_fds(wanted, Deadline(seconds), "a connection to %s" % self.path)
        if process and ready == [(process.pidfd, select.POLLIN)]:
            raise Gone("%s ended: %s" % (process.args[0], process.log()))
        return Peer.of(self.sock.accept()[0], self.path)

    def close(self):
        self.sock.close()


class Process:
    """A process in a group of its own that cannot outlive the test."""

    def __init__(self, args, log, stdin=subprocess.DEVNULL, stdout=None, env=None):
        self.args = [str(a) for a in args]
        self.log_path = log
        with open(log, "wb") as f:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--"] + self.args,
                                          stdin=stdin, stdout=stdout or f, stderr=f, env=env,
                                          start_new_session=True)
        self.pid = self.popen.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.output = self.input = None
        if self.popen.stdout:
            self.output = Peer(self.popen.stdout.fileno(), name=self.args[0] + "'s output",
                               owner=self.popen.stdout)
        if self.popen.stdin:
            self.input = self.popen.stdin

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait(self, seconds=None):
        """Its exit status; negative for a signal."""
        wait_fds({self.pidfd: select.POLLIN}, Deadline(seconds), "the end of %s" % self.args[0])
        return self.popen.wait()

    def signal(self, number=signal.SIGTERM):
        self.popen.send_signal(number)

    def close(self):
        # While the leader is not waited for, its id, hence its group's, cannot be reused.
        if self.popen.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.pidfd)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()


class Request:
    """A request that the guest's agent is serving."""

    def __init__(self, guest, number, words):
        self.guest = guest
        self.number = number
        self.words = words
        self.answer = None
        self.out = []

    def wait(self, seconds=None):
        """(True, rest of the reply) or (False, the reason)."""
        deadline = Deadline(seconds)
        while self.answer is None:
            self.guest.pump(deadline, "the guest's answer to '%s'" % self.words)
        return self.answer

    def result(self, seconds=None):
        """The words of a good reply."""
        good, text = self.wait(seconds)
        assert good, "guest: %s: %s" % (self.words, text)
        return text.split()

    def reason(self, seconds=None):
        """The reason of a bad reply."""
        good, text = self.wait(seconds)
        assert not good, "guest: %s: succeeded: %s" % (self.words, text)
        return text

    def reached(self):
        """How many bytes it has moved so far."""
        return int(self.guest.ask("at", self.number)[0])

    def cancel(self):
        self.guest.ask("cancel", self.number)


class Qmp:
    """QEMU's machine protocol."""

    def __init__(self, peer, process):
        self.peer = peer
        self.events = []
        try:
            assert "QMP" in self.receive()
            self.command("qmp_capabilities")
        except (Gone, OSError):
            process.wait()
            raise Gone("%s ended: %s" % (process.args[0], process.log())) from None

    def receive(self):
        return json.loads(self.peer.read_until(b"\n"))

    def command(self, name, **arguments):
        self.peer.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self.receive()
            if "return" in message:
                return message["return"]
            assert "error" not in message, "%s: %s" % (name, message["error"]["desc"])
            self.events.append(message)

    def wait_event(self, name):
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.events.append(self.receive())


class Guest:
    """A running guest. `prefix` goes before QEMU's command, `arguments` after the kit's own."""

    def __init__(self, directory, arguments=(), words="", files=(), prefix=(), memory=128,
                 control="virtio", wait=True, env=None):
        began = time.monotonic()
        self.listeners = [Listener(os.path.join(directory, name)) for name in ("ctl", "qmp")]
        self.requests = {}
        self.count = 0
        self.has_prefix = bool(prefix)
        self.control = None
        channel = ["-chardev", "socket,id=kit-ctl,path=%s" % self.listeners[0].path]
        if control == "virtio":
            channel += ["-device", "virtio-serial-pci,id=kit",
                        "-device", "virtserialport,bus=kit.0,chardev=kit-ctl,name=" + CONTROL_PORT]
        elif control:  # a UART: give the device that the guest calls so, chardev=kit-ctl, yourself
            words += " control=" + control
        else:
            channel = []
        command = list(prefix) + [
            "qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-m", str(memory), "-kernel", kernel(), "-initrd", initramfs(files),
            "-append", KERNEL_WORDS + " " + words, "-qmp", "unix:" + self.listeners[1].path,
        ] + channel + list(arguments)
        self.process = Process(command, os.path.join(directory, "qemu.log"), env=env)
        try:
            self.qmp = Qmp(self.listeners[1].accept(process=self.process), self.process)
            if channel:
                self.control = self.listeners[0].accept(process=self.process)
                if wait:
                    self.ready()
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - began

    def ready(self, seconds=None):
        """Waits for the agent's first words."""
        hello = Request(self, 0, "boot")
        self.requests[0] = hello
        hello.result(seconds)

    def pump(self, deadline, what):
        """Takes one line from the agent."""
        while b"\n" not in self.control.buffer:
            wanted = {self.control.rfd: select.POLLIN, self.process.pidfd: select.POLLIN}
            wait_fds(wanted, deadline, what)
            if not self.control.fill(deadline):
                raise Gone("the guest ended before %s: %s" % (what, self.process.log()))
        line = self.control.read_until(b"\n").decode(errors="replace").rstrip("\r\n")
        number, word, *text = line.split(" ", 2)
        request = self.requests.get(int(number))
        if not request:
            return
        text = text[0] if text else ""
        if word == "out":
            request.out.append(text)
        else:
            request.answer = (word == "ok", text)
            del self.requests[int(number)]

    def start(self, *words):
        """Asks the agent; see agent.c for the verbs. Returns at once with the Request."""
        self.count += 1
        text = " ".join(str(w) for w in words)
        request = Request(self, self.count, text)
        self.requests[self.count] = request
        self.control.write(b"%d %s\n" % (self.count, text.encode()))
        return request

    def ask(self, *words, seconds=None):
        """Asks and waits for the words of the reply."""
        return self.start(*words).result(seconds)

    def sh(self, command, seconds=None):
        """The output of a shell command in the guest, which must succeed."""
        request = self.start("sh", command)
        status = request.result(seconds)
        output = "\n".join(request.out)
        assert status == ["0"], "guest: %s: exit status %s: %s" % (command, status[0], output)
        return output

    def send_break(self, chardev):
        self.qmp.command("chardev-send-break", id=chardev)

    def power_off(self):
        """Has the guest power off; returns the exit status of the VMM."""
        self.start("poweroff")
        return self.process.wait()

    def close(self):
        # What started QEMU for us ends it, too; killed, it would leave it behind.
        if self.has_prefix and self.process.popen.returncode is None:
            self.process.signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except Late:
                pass
        self.process.close()
        for listener in self.listeners:
            listener.close()
        for peer in (self.control, getattr(getattr(self, "qmp", None), "peer", None)):
            if peer:
                peer.close()


def tool(name, *arguments):
    run = subprocess.run([os.path.join(ROOT, "tools", name), *arguments], text=True,
                         stdout=subprocess.PIPE, check=True)
    return run.stdout.split()


@functools.lru_cache(maxsize=None)
def _kernel():
    return tool("guest-kernel")[0]


def kernel():
    return _kernel()


@functools.lru_cache(maxsize=None)
def _initramfs(files):
    return tool("guest-initramfs", *files)[0]


def initramfs(files=()):
    """With `files`, each "FILE" or "FILE=PATH", and the libraries that they link."""
    return _initramfs(tuple(files))


IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x8, 0x80, 0x100, 0x200


def wait_file(path, condition=lambda path: os.path.lexists(path), seconds=None):
    """Waits until condition(path) holds, looking whenever something happens in its directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    deadline = Deadline(seconds)
    mask = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE
    try:
        watch = libc.inotify_add_watch(fd, os.fsencode(os.path.dirname(path) or "."), mask)
        if watch < 0:
            raise OSError(ctypes.get_errno(), "cannot watch the directory of " + path)
        while not condition(path):
            wait_fds({fd: select.POLLIN}, deadline, "a change of %s" % path)
            os.read(fd, 65536)
    finally:
        os.close(fd)


def wait_size(path, size, seconds=None):
    """Waits until a file holds that many bytes, and returns what it holds."""
    wait_file(path, lambda p: os.path.exists(p) and os.path.getsize(p) >= size, seconds)
    with open(path, "rb") as f:
        return f.read()


class Kit:
    """What one test, or one module of tests, starts; close() ends it all, the last first."""

    def __init__(self):
        # Short, because a UNIX socket's path has 107 bytes.
        self.directory = tempfile.mkdtemp(prefix="chardev-", dir="/tmp")
        self.things = []

    def path(self, name):
        return os.path.join(self.directory, name)

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def boot(self, arguments=(), **options):
        directory = tempfile.mkdtemp(prefix="vm", dir=self.directory)
        return self.keep(Guest(directory, arguments, **options))

    def spawn(self, *args, **options):
        log = tempfile.mktemp(prefix="log", dir=self.directory)
        return self.keep(Process(args, log, **options))

    def listen(self, name):
        return self.keep(Listener(self.path(name)))

    def close(self):
        for thing in reversed(self.things):
            thing.close()
        shutil.rmtree(self.directory)

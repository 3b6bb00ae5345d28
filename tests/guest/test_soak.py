"""Hours of a console's life in minutes: a guest that writes without end, clients that misbehave.

A real guest sends known bytes through a UART, a virtio console and a channel, round after round, while
clients come, read a little, stop reading, type, and vanish. After every round each device's log
must hold exactly what the guest has sent, and the process must not have grown. CHARDEV_SOAK_SECONDS
says for how long (20 in the quick suite, 600 in the long one).
"""

import os
import random
import socket
import threading
import time

from guestkit import CHARDEV, LONG, Deadline, crc, stream, wait_file

KIB = 1024
MIB = 1024 * KIB
SECONDS = float(os.environ.get("CHARDEV_SOAK_SECONDS", "600" if LONG else "20"))
SEED = int(os.environ.get("CHARDEV_SOAK_SEED", str(time.time_ns() % 100000)))
CLIENTS = 4  # restless ones a device

DOMAIN = """<domain type='qemu' xmlns:chardev='urn:chardev:1'>
  <name>soak</name>
  <memory unit='MiB'>128</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <serial type='unix'><source mode='bind' path='{0}/serial'/>
      <log file='{0}/serial.log'/><chardev:log maxSize='0'/><target type='isa-serial' port='0'/></serial>
    <console type='unix'><source mode='bind' path='{0}/console'/>
      <log file='{0}/console.log'/><chardev:log maxSize='0'/><target type='virtio' port='0'/></console>
    <channel type='unix'><source mode='bind' path='{0}/channel'/>
      <log file='{0}/channel.log'/><chardev:log maxSize='0'/><target type='virtio' name='org.chardev.0'/>
      <chardev:overflow policy='drop' patience='50ms'/></channel>
  </devices>
</domain>
"""

# What the guest calls each, and what a round sends through it.
PORTS = {"serial": ("ttyS0", 32 * KIB), "console": ("hvc0", MIB), "channel": ("org.chardev.0", 2 * MIB)}


class Reader(threading.Thread):
    """The good client: takes everything. A channel is open for as long as it is there."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.count = 0

    def run(self):
        while data := self.sock.recv(1 << 18):
            self.count += len(data)


class Restless(threading.Thread):
    """Connects, does one thing for a while, and goes, over and over."""

    def __init__(self, path, seed, over):
        super().__init__(daemon=True)
        self.path = path
        self.random = random.Random(seed)
        self.over = over
        self.sessions = 0

    def read(self, sock):
        sock.settimeout(self.random.random() * 0.3)
        try:
            while sock.recv(self.random.choice((1, 100, 65536))):
                pass
        except TimeoutError:
            pass

    def stall(self, sock):
        self.over.wait(self.random.random() * 2)  # not reading is what it does

    def leave(self, sock):
        pass

    def half_close(self, sock):
        sock.shutdown(socket.SHUT_WR)
        self.read(sock)

    def run(self):
        while not self.over.is_set():
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(self.path)
                self.random.choice((self.read, self.stall, self.leave, self.half_close))(sock)
            except (ConnectionError, FileNotFoundError, BlockingIOError):
                pass
            sock.close()
            self.sessions += 1


def memory_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def one_round(guest, logs, sent, number):
    requests = {}
    for kind, (device, size) in PORTS.items():
        requests[kind] = guest.start("send", device, size, number % 50)
    for kind, (device, size) in PORTS.items():
        expected = stream(number % 50, size)
        assert requests[kind].result() == [str(size), crc(expected)]
        sent[kind] += size
        wait_exact_size(logs[kind], sent[kind])
        with open(logs[kind], "rb") as log:
            log.seek(sent[kind] - size)
            assert log.read() == expected, "%s.log, round %d, seed %d" % (kind, number, SEED)


def wait_exact_size(path, size):
    wait_file(path, lambda p: os.path.getsize(p) >= size)
    assert os.path.getsize(path) == size


def test_a_console_lives_long(kit, report):
    xml = kit.path("domain.xml")
    with open(xml, "w") as f:
        f.write(DOMAIN.format(kit.directory))
    # The quarantine of freed memory is a sanitizer's, not ours, and would look like growth.
    env = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", ""))
    guest = kit.boot(prefix=[CHARDEV, "run", xml, "--runtime-dir", kit.path("run"), "--log-dir",
                             kit.path("log"), "--"], env=env)
    over = threading.Event()
    readers = [Reader(kit.path(kind)) for kind in PORTS]
    restless = [Restless(kit.path(kind), SEED + i, over) for kind in PORTS for i in range(CLIENTS)]
    before = descriptors(guest.process.pid)
    for thread in readers + restless:
        thread.start()
    logs = {kind: kit.path(kind + ".log") for kind in PORTS}
    sent = dict.fromkeys(PORTS, 0)
    deadline = Deadline(SECONDS)
    number = warm = 0
    while number < 5 or deadline.milliseconds() > 1:
        one_round(guest, logs, sent, number)
        number += 1
        if number == 5:
            warm = memory_kib(guest.process.pid)
    growth = memory_kib(guest.process.pid) - warm
    over.set()
    for thread in restless:
        thread.join(10)
        assert not thread.is_alive()
    report("soak, %d rounds, %d sessions, seed %d" % (number, sum(r.sessions for r in restless), SEED),
           "%d MiB logged, memory %+d KiB" % (sum(sent.values()) // MIB, growth))
    assert growth < 8 * KIB, "resident memory grew by %d KiB" % growth
    assert guest.power_off() == 0
    assert before < 100

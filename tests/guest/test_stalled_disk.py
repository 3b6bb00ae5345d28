"""Disks that hang, are full or lose a log's directory: nobody else may notice, and what is lost is told."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from daemonkit import Daemon, document
from guestkit import Deadline, Peer, stream, wait_file, wait_size
from serving import Domain

KIB = 1024
# More than the ring holds, so that what the hanging log misses is overwritten.
LONG_OUTPUT = 3 * 1024 * KIB


class FrozenDisk:
    """An ext4 file system in a file, which freeze() makes hang as a dead disk does."""

    def __init__(self, kit):
        if os.geteuid() != 0:
            pytest.skip("needs root, to mount and to freeze a file system")
        self.path = kit.path("disk")
        self.frozen = False
        image = kit.path("image")
        with open(image, "wb") as f:
            f.truncate(16 << 20)
        os.mkdir(self.path)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        mount = subprocess.run(["mount", "-o", "loop", image, self.path], text=True, stderr=subprocess.PIPE)
        self.mounted = mount.returncode == 0
        if not self.mounted:
            pytest.skip("cannot mount a file system from a file: " + mount.stderr.strip())

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", self.path], check=True)
        self.frozen = True

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", self.path], check=True)
        self.frozen = False

    def close(self):
        if self.frozen:
            self.thaw()
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)


def check_gaps(log, written):
    """What is there, with what its index says is missing between, is all that the guest wrote; returns
    how many bytes are missing."""
    with open(log, "rb") as f:
        logged = f.read()
    with open(log + ".idx") as f:
        index = f.read()
    gaps = [(int(at), int(missed)) for at, missed in re.findall(r"(?m)^(\d+) \S+ \S+ gap (\d+)$", index)]
    at = seen = 0
    for log_offset, missed in gaps:
        assert logged[at:log_offset] == written[seen:seen + log_offset - at]
        seen += log_offset - at + missed
        at = log_offset
    assert logged[at:] == written[seen:]
    return sum(missed for _, missed in gaps)


def test_a_disk_that_hangs_stops_no_console_and_its_gap_is_counted(kit, report):
    disk = kit.keep(FrozenDisk(kit))
    log = os.path.join(disk.path, "serial0.log")
    domain = Domain(kit, "".join(
        "<serial type='unix'><source mode='bind' path='%s'/>%s"
        "<chardev:log maxSize='0'/><target type='isa-serial'/></serial>" % (kit.path(name), more)
        for name, more in (("a", "<log file='%s'/>" % log), ("b", "<log file='%s'/>" % kit.path("b.log")))))
    process = domain.serve()
    vmms = {name: domain.vmm(alias) for name, alias in (("a", "serial0"), ("b", "serial1"))}
    clients = {name: Peer.unix(kit.path(name)) for name in "ab"}

    vmms["a"].write(b"before")
    assert clients["a"].read_exactly(6) == b"before"
    wait_size(log, 6)
    disk.freeze()

    # The console whose log hangs goes on, and the other one, with its own log.
    sent = stream(1, LONG_OUTPUT)
    for at in range(0, LONG_OUTPUT, 64 * KIB):
        for name in "ab":
            vmms[name].write(sent[at:at + 64 * KIB])
            assert clients[name].read_exactly(64 * KIB) == sent[at:at + 64 * KIB]
    clients["a"].write(b"typed")
    assert vmms["a"].read_exactly(5) == b"typed"
    wait_size(kit.path("b.log"), LONG_OUTPUT)

    disk.thaw()
    vmms["a"].write(b"after")
    assert clients["a"].read_exactly(5) == b"after"
    wait_file(log, lambda path: open(path, "rb").read().endswith(b"after"))
    for peer in [*vmms.values(), *clients.values()]:
        peer.close()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.log()
    assert "Sanitizer" not in process.log()

    written = b"before" + sent + b"after"
    missed = check_gaps(log, written)
    assert missed, "nothing was lost: the disk did not hang, or the guest waited for it"
    assert "%d bytes did not reach their readers" % missed in process.log()
    report("bytes that a log missed while its disk hung", "%d of %d" % (missed, len(written)))


# ---- under chardevd ---------------------------------------------------------------------------------

ANSWER_SECONDS = 2  # patient: with sanitizers, and neighbours on the processors


@pytest.fixture
def daemon(kit):
    daemon = Daemon(kit)
    yield daemon
    if daemon.process:
        assert daemon.stop() == 0, daemon.process.log()
        assert "Sanitizer" not in daemon.process.log()


@pytest.fixture
def disk(kit, daemon):
    """Thawed before the daemon is stopped: its end waits for what it writes."""
    disk = kit.keep(FrozenDisk(kit))
    yield disk
    if disk.frozen:
        disk.thaw()


class Console:
    """A domain with one port, its log at a path, and both ends of it."""

    def __init__(self, kit, daemon, name, log):
        self.daemon, self.name, self.log = daemon, name, log
        self.written = b""
        path = kit.path(name + ".sock")
        daemon.call("Define", xml=document(
            name, "<serial type='unix'><source mode='bind' path='%s'/><log file='%s'/>"
            "<chardev:log maxSize='0'/></serial>" % (path, log)))
        self.vmm = daemon.vmm(name)
        self.client = Peer.unix(path)
        kit.keep(self.client)

    def write(self, data):
        """The guest writes, and its client sees it."""
        for at in range(0, len(data), 64 * KIB):
            piece = data[at:at + 64 * KIB]
            self.vmm.write(piece)
            assert self.client.read_exactly(len(piece)) == piece
        self.written += data

    def log_status(self):
        return self.daemon.device(self.name)["log"]

    def wait_failing(self, failing):
        wait_until(lambda: self.log_status()["failing"] == failing, "failing: %s" % failing)

    def wait_logged(self):
        """Until the log has all there is for it."""
        wait_until(lambda: not any(reader["behind"] for reader in self.daemon.device(self.name)["readers"]),
                   "the log")

    def dropped(self):
        return self.daemon.device(self.name)["dropped"]


def wait_until(condition, what):
    """What only the control interface tells."""
    deadline = Deadline()
    while not condition():
        assert deadline.milliseconds() > 1, "waited in vain for " + what
        os.sched_yield()


def answers(daemon, report, when):
    """Each of some calls is answered in time."""
    worst = 0
    for method, parameters in (("List", {}), ("Status", {"domain": "other"}), ("Status", {"domain": "stalled"}),
                               ("Describe", {"domain": "stalled", "live": True})) * 5:
        began = time.monotonic()
        caller = daemon.caller()
        caller.send(method, **parameters)
        caller.reply(ANSWER_SECONDS)
        worst = max(worst, time.monotonic() - began)
    report("the worst answer " + when, "%.1f ms" % (worst * 1000))


def test_a_disk_that_hangs_is_its_own_domains_matter(daemon, disk, kit, report):
    daemon.start()
    stalled = Console(kit, daemon, "stalled", os.path.join(disk.path, "serial0.log"))
    other = Console(kit, daemon, "other", kit.path("other.log"))
    stalled.write(b"before")
    wait_size(stalled.log, 6)
    assert not stalled.log_status()["failing"]
    disk.freeze()
    stalled.write(b"x")
    stalled.wait_failing(True)
    for n in range(3):
        stalled.write(stream(n, 1024 * KIB))
        other.write(stream(n + 3, 1024 * KIB))
        answers(daemon, report, "while a disk hangs")
    # A domain that is defined, and one that ends, are not held up by it either.
    third = Console(kit, daemon, "third", kit.path("third.log"))
    third.write(b"third")
    third.wait_logged()
    daemon.call("Undefine", domain="third")
    other.wait_logged()
    assert not other.log_status()["failing"] and other.dropped() == 0
    assert stalled.log_status()["failing"]

    disk.thaw()
    stalled.wait_failing(False)
    stalled.write(b"after")
    stalled.wait_logged()
    missed = check_gaps(stalled.log, stalled.written)
    assert missed == stalled.dropped() > 0
    assert check_gaps(other.log, other.written) == 0
    report("bytes that a log missed while its disk hung", "%d of %d" % (missed, len(stalled.written)))


def test_a_deleted_directory_is_a_failure_until_it_is_there_again(daemon, kit):
    directory = kit.path("logs")
    os.mkdir(directory)
    daemon.start()
    console = Console(kit, daemon, "vm", os.path.join(directory, "vm.log"))
    other = Console(kit, daemon, "other", kit.path("other.log"))
    console.write(b"before")
    console.wait_logged()
    shutil.rmtree(directory)
    console.write(b"while it is gone")
    console.wait_failing(True)
    other.write(b"goes on")
    os.mkdir(directory)
    console.wait_failing(False)
    # What was not written before it was gone is written now: nothing is lost but what was deleted.
    console.write(b"after")
    console.wait_logged()
    assert console.dropped() == 0
    with open(console.log, "rb") as f:
        assert f.read() == b"while it is goneafter"
    other.wait_logged()
    assert check_gaps(other.log, other.written) == 0
    told = [line for line in daemon.process.log().splitlines() if console.log in line]
    assert len(told) == 1, told


@pytest.mark.parametrize("target", ["file", "nothing"])
def test_a_link_in_a_logs_place_is_never_followed(daemon, kit, target):
    victim = kit.path("victim")
    if target == "file":
        with open(victim, "w") as f:
            f.write("not yours")
    daemon.start()
    console = Console(kit, daemon, "vm", kit.path("vm.log"))
    other = Console(kit, daemon, "other", kit.path("other.log"))
    console.write(b"before")
    console.wait_logged()
    os.rename(console.log, kit.path("moved"))
    os.symlink(victim, console.log)
    # What is open is written on until logs are opened anew.
    daemon.call("Reload")
    console.write(b"after")
    console.wait_failing(True)
    other.write(b"goes on")
    other.wait_logged()
    assert os.readlink(console.log) == victim
    if target == "file":
        with open(victim) as f:
            assert f.read() == "not yours"
    else:
        assert not os.path.exists(victim)
    assert any(console.log in line for line in daemon.process.log().splitlines())
    os.unlink(console.log)
    console.wait_failing(False)
    console.wait_logged()
    assert console.dropped() == 0
    with open(kit.path("moved"), "rb") as moved, open(console.log, "rb") as now:
        assert moved.read() + now.read() == b"beforeafter"


def test_a_full_disk_is_a_gap_and_nothing_is_lost_elsewhere(daemon, disk, kit, report):
    daemon.start()
    console = Console(kit, daemon, "vm", os.path.join(disk.path, "vm.log"))
    other = Console(kit, daemon, "other", kit.path("other.log"))
    console.write(b"before")
    console.wait_logged()
    filler = os.path.join(disk.path, "filler")
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as f:
        while f.write(bytes(64 * KIB)):
            pass
    for n in range(3):
        console.write(stream(n, 1024 * KIB))
        other.write(stream(n + 3, 1024 * KIB))
    console.wait_failing(True)
    assert "No space left" in daemon.device("vm")["last_error"]
    os.unlink(filler)
    console.wait_failing(False)
    console.write(b"after")
    console.wait_logged()
    missed = check_gaps(console.log, console.written)
    assert missed == console.dropped() > 0
    other.wait_logged()
    assert check_gaps(other.log, other.written) == 0 and other.dropped() == 0
    report("bytes that a log missed while its disk was full", "%d of %d" % (missed, len(console.written)))

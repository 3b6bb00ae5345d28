"""A log that is rotated and compressed as fast as a port can be written to, and those who read it."""

import os
import re
import subprocess
import threading
import time

import pytest

from daemonkit import Daemon, document
from guestkit import CHARDEV, LONG, Deadline, stream, wait_file, wait_size
from serving import memory_kib
from viewers import LogFollower, Repeated, pump

KIB = 1024
MIB = 1024 * KIB
TOTAL = (2048 if LONG else 256) * MIB
PIECE = 256 * KIB


def logged(path, more=""):
    return "<serial type='null'><log file='%s'/>%s</serial>" % (path, more)


class Writer(threading.Thread):
    """A guest that writes as fast as its port takes it."""

    def __init__(self, vmm, data, total, begin=0):
        super().__init__(daemon=True)
        self.vmm, self.data, self.begin, self.total = vmm, data, begin, total
        self.seconds = None
        self.start()

    def run(self):
        began = time.monotonic()
        for at in range(self.begin, self.total, PIECE):
            self.vmm.write(self.data[at:min(at + PIECE, self.total)])
        self.seconds = time.monotonic() - began

    def end(self):
        self.join(Deadline().milliseconds() / 1000)
        assert self.seconds is not None, "the port does not take what is written"
        return "%.0f MB/s" % ((self.total - self.begin) / self.seconds / 1e6)


# ---- what is on disk --------------------------------------------------------------------------------


def rotated(path):
    """The rotated files by number, without their indexes."""
    directory, name = os.path.split(path)
    found = {}
    for leaf in os.listdir(directory):
        match = re.fullmatch(re.escape(name) + r"\.(\d+)(\.zst)?", leaf)
        if match:
            assert int(match.group(1)) not in found
            found[int(match.group(1))] = os.path.join(directory, leaf)
    return found


def on_disk(path):
    """What all files of a log take, their indexes included."""
    directory, name = os.path.split(path)
    return sum(os.path.getsize(os.path.join(directory, leaf)) for leaf in os.listdir(directory)
               if leaf == name or leaf.startswith(name + "."))


def is_settled(path):
    """Nothing is under way: each rotated file is compressed."""
    directory, name = os.path.split(path)
    return not any(re.fullmatch(re.escape(name) + r"\.(\d+|part)", leaf) for leaf in os.listdir(directory))


def content(file):
    if not file.endswith(".zst"):
        with open(file, "rb") as f:
            return f.read()
    return subprocess.run(["zstd", "-dcq", file], stdout=subprocess.PIPE, check=True).stdout


def files_of(path):
    """(place in the log, content, bytes of its index) of each file, the oldest first."""
    found = rotated(path)
    plain = [(found[n], "%s.%d.idx" % (path, n)) for n in sorted(found, reverse=True)]
    for file, index in plain + [(path, path + ".idx")]:
        with open(index) as f:
            text = f.read()
        yield int(re.match(r"0 \S+ \S+ start (\d+) ", text).group(1)), content(file), len(text)


def check_files(path, expected, total):
    """They hold the newest bytes in order, without a hole; returns how many."""
    at = None
    for start, data, _ in files_of(path):
        assert at is None or start == at
        assert data == expected[start:start + len(data)], "wrong bytes after %d" % start
        first = start if at is None else first
        at = start + len(data)
    assert at == total
    return total - first


def wait_logged(daemon, domain, total):
    """Until the log has it all."""
    deadline = Deadline()
    while True:
        device = daemon.device(domain)
        assert device["dropped"] == 0
        if device["head"] == total and not any(reader["behind"] for reader in device["readers"]):
            return device
        assert deadline.milliseconds() > 1, device
        os.sched_yield()


@pytest.fixture
def daemon(kit):
    daemon = Daemon(kit)
    os.mkdir(kit.path("logs"))
    yield daemon
    if daemon.process:
        assert daemon.stop() == 0, daemon.process.log()
        assert "Sanitizer" not in daemon.process.log()


# ---- at full speed ----------------------------------------------------------------------------------


class PrintedLog:
    """chardev log -f, whose output goes into a file, and what it says of gaps."""

    def __init__(self, kit, daemon, domain):
        self.out = kit.path("printed")
        with open(self.out, "wb") as f:
            self.process = kit.spawn(CHARDEV, "log", domain, "-f", "--socket", daemon.socket, stdout=f)

    def gaps(self):
        return [(int(offset), int(missed)) for missed, offset in re.findall(
            r"(?m)^chardev: (\d+) bytes before offset (\d+) are missing$", self.process.log())]

    def reached(self):
        return os.path.getsize(self.out) + sum(missed for _, missed in self.gaps())

    def check(self, expected, total):
        """Every byte or, exactly, how many are missing where; returns how many."""
        assert len(self.process.log().splitlines()) == len(self.gaps())
        at = missed_so_far = 0
        with open(self.out, "rb") as f:
            for offset, missed in [*self.gaps(), (total, 0)]:
                while at < offset - missed:
                    data = f.read(min(MIB, offset - missed - at))
                    assert data and data == expected[at:at + len(data)], "wrong bytes after %d" % at
                    at += len(data)
                at = offset
                missed_so_far += missed
            assert not f.read()
        return missed_so_far


@pytest.mark.parametrize("more, max_size", [
    ("", 2 * MIB), ("<chardev:log maxSize='16MiB' maxBackups='2'/>", 16 * MIB)])
def test_rotation_at_full_speed_loses_nothing(daemon, kit, report, more, max_size):
    path = os.path.join(kit.path("logs"), "vm.log")
    daemon.write("vm", document("vm", logged(path, more)))
    daemon.start()
    expected = Repeated(3)
    follower = LogFollower(daemon, expected, domain="vm")
    printed = PrintedLog(kit, daemon, "vm")
    vmm = daemon.vmm("vm")
    vmm.write(expected[0:PIECE])
    wait_size(printed.out, PIECE)  # both are there
    writer = Writer(vmm, expected, TOTAL, PIECE)
    pump([follower], lambda: follower.offset == TOTAL, Deadline(), "the log's end")
    assert follower.first == 0
    report("%d MiB through a log of %d MiB a file" % (TOTAL // MIB, max_size // MIB), writer.end())
    device = wait_logged(daemon, "vm", TOTAL)
    report("of it, missed by who followed, gaps", "%d MiB, %d" % (follower.missed // MIB, follower.gaps))
    wait_file(printed.out, lambda _: printed.reached() == TOTAL)
    report("missed by chardev log -f", "%d MiB" % (printed.check(expected, TOTAL) // MIB))

    wait_file(path, is_settled)
    backups = 2 if more else 3
    assert sorted(rotated(path)) == list(range(backups))
    # The newest bytes in order; all rotated files are full, but for a piece that was not torn.
    assert check_files(path, expected, TOTAL) > backups * max_size * 7 // 8
    for _, data, index_size in files_of(path):
        assert len(data) + index_size <= max_size
    log = daemon.device("vm")["log"]
    assert (log["files"], log["bytes"], log["failing"]) == (backups + 1, on_disk(path), False)
    assert device["errors"] == 0
    follower.close()


# ---- quotas -----------------------------------------------------------------------------------------


def test_quotas_of_domains_and_host_are_kept_and_the_quiet_keep_their_logs(daemon, kit, report):
    """Loud domains, each over its own quota, together over the host's; and one that is quiet."""
    total = TOTAL // 4
    quota_domain, quota_host = 12 * MIB, 20 * MIB
    with open(daemon.settings, "w") as f:
        f.write("[log]\nquota_domain = 12MiB\nquota_host = 20MiB\n")
    paths = {name: os.path.join(kit.path("logs"), name + ".log") for name in ("quiet", "loud", "louder")}
    for name, path in paths.items():
        daemon.write(name, document(name, logged(path, "<chardev:log maxSize='4MiB' maxBackups='9'/>")))
    daemon.start()
    words = stream(1, MIB)
    daemon.vmm("quiet").write(words)
    wait_logged(daemon, "quiet", MIB)
    quiet = {leaf: os.stat(os.path.join(kit.path("logs"), leaf)) for leaf in os.listdir(kit.path("logs"))
             if leaf.startswith("quiet")}

    loud = {"loud": Repeated(4), "louder": Repeated(5)}
    writers = [Writer(daemon.vmm(name), data, total) for name, data in loud.items()]
    for writer in writers:
        report("%d MiB beside as much of another" % (total // MIB), writer.end())
    for name, expected in loud.items():
        wait_logged(daemon, name, total)
        wait_file(paths[name], is_settled)
        assert rotated(paths[name])
        check_files(paths[name], expected, total)
    sizes = {name: on_disk(path) for name, path in paths.items()}
    report("on disk, of %d and %d MiB allowed" % (quota_domain // MIB, quota_host // MIB), sizes)
    assert max(sizes.values()) <= quota_domain
    assert sum(sizes.values()) <= quota_host
    # More than that was not deleted: a file more would be too much.
    assert sum(sizes.values()) > quota_host - 2 * 4 * MIB
    for leaf, before in quiet.items():
        after = os.stat(os.path.join(kit.path("logs"), leaf))
        assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
            before.st_ino, before.st_size, before.st_mtime_ns)
    assert content(paths["quiet"]) == words


# ---- who does not read ------------------------------------------------------------------------------


def test_callers_of_log_that_do_not_read_cost_little_and_hold_up_nobody(daemon, kit, report):
    """A hundred that follow and never read, while several times what the log keeps goes through it."""
    callers, total = 100, TOTAL // 4
    path = os.path.join(kit.path("logs"), "vm.log")
    daemon.write("vm", document("vm", logged(path)))
    # The quarantine of freed memory is a sanitizer's, not ours, and would look like growth.
    options = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:" + os.environ.get("ASAN_OPTIONS", "")
    process = daemon.start(env=dict(os.environ, ASAN_OPTIONS=options))
    vmm, expected = daemon.vmm("vm"), Repeated(6)
    vmm.write(expected[0:16 * MIB])
    wait_logged(daemon, "vm", 16 * MIB)
    stopped = [LogFollower(daemon, expected, domain="vm") for _ in range(callers)]
    vmm.write(expected[16 * MIB:24 * MIB])
    wait_logged(daemon, "vm", 24 * MIB)
    before = memory_kib(process.pid)
    report("%d MiB, %d callers stopped" % (total // MIB, callers),
           Writer(vmm, expected, total, 24 * MIB).end())
    wait_logged(daemon, "vm", total)
    after = memory_kib(process.pid)
    report("VmRSS of chardevd before and after", "%d KiB, %d KiB" % (before, after))
    # Each has a piece that was read, and the rest of a frame; nothing of it grows.
    assert after - before < callers * 2 * 16 + 4 * KIB
    # Who reads again has what was read for it, then a gap, and then what is there.
    late = stopped.pop()
    pump([late], lambda: late.offset == total, Deadline(), "the log's end")
    assert late.missed > 0
    for follower in [late, *stopped]:
        follower.close()
    wait_file(path, is_settled)
    check_files(path, expected, total)

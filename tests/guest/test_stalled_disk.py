"""A disk that hangs, a frozen file system, under the log of one device: nobody else may notice."""

import os
import re
import signal
import subprocess

import pytest

from guestkit import Peer, stream, wait_file, wait_size
from serving import Domain

KIB = 1024
# More than the ring holds, so that what the hanging log misses is overwritten.
LONG_OUTPUT = 3 * 1024 * KIB


class FrozenDisk:
    """An ext4 file system in a file, which freeze() makes hang as a dead disk does."""

    def __init__(self, kit):
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


def test_a_disk_that_hangs_stops_no_console_and_its_gap_is_counted(kit, report):
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount and to freeze a file system")
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

    with open(log, "rb") as f:
        logged = f.read()
    with open(log + ".idx") as f:
        index = f.read()
    written = b"before" + sent + b"after"
    gaps = [(int(at), int(missed)) for at, missed in re.findall(r"(?m)^(\d+) \d+ \S+ gap (\d+)$", index)]
    assert gaps, "nothing was lost: the disk did not hang, or the guest waited for it"
    # What is there, with what is said to be missing between, is all that the guest wrote.
    at = seen = 0
    for log_offset, missed in gaps:
        assert logged[at:log_offset] == written[seen:seen + log_offset - at]
        seen += log_offset - at + missed
        at = log_offset
    assert logged[at:] == written[seen:]
    missed = sum(missed for _, missed in gaps)
    assert "%d bytes did not reach their readers" % missed in process.log()
    report("bytes that a log missed while its disk hung", "%d of %d" % (missed, len(written)))

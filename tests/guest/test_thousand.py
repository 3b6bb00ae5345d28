"""A thousand devices in one process: how long until they stand, what they cost, and idle quiet."""

import collections
import os
import re
import resource
import signal
import tempfile
import time

import pytest

from guestkit import Peer
from serving import WORKERS_END, Domain, memory_kib, pass_time, switches

COUNT = 1000
MEMORY = "/dev/shm"
IDLE = 10
# How long opening may take here: sanitizers, and neighbours on the processors. The real bound, two
# seconds for a release build, is the benchmark's.
PATIENT_OPEN = 10
# Chardev's own, for devices of nine types that have one to ten each, not all of them here.
DESCRIPTORS = 10000

KINDS = [
    "<serial type='pty'>",
    "<serial type='null'>",
    "<serial type='stdio'>",
    "<serial type='unix'><source mode='bind' path='{dir}/{n}.sock'/>",
    "<serial type='unix'><source mode='connect' path='{dir}/{n}.peer'/>",
    "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/>",
    "<serial type='file'><source path='{dir}/{n}.file'/>",
    "<serial type='pipe'><source path='{dir}/{n}.pipe'/>",
    "<serial type='udp'><source mode='bind' host='127.0.0.1' service='0'/>"
    "<source mode='connect' host='127.0.0.1' service='9'/>",
    "<serial type='null'><log file='{dir}/{n}.log'/>",
]


class Place(tempfile.TemporaryDirectory):
    """A directory in memory, as /run is: 2,000 FIFOs are seconds of work for a disk's file system."""

    def __init__(self):
        super().__init__(prefix="chardev-", dir=MEMORY if os.path.isdir(MEMORY) else None)

    close = tempfile.TemporaryDirectory.cleanup


def thousand(directory):
    return "\n".join(KINDS[n % len(KINDS)].format(dir=directory, n=n)
                     + "<target type='pci-serial'/></serial>" for n in range(COUNT))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_a_thousand_devices(kit, report):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS:
        pytest.skip("the limit of open files is below %d" % DESCRIPTORS)
    place = kit.keep(Place())
    directory = os.path.join(place.name, "host")
    os.mkdir(directory)
    domain = Domain(kit, thousand(directory), directory=place.name)
    began = time.monotonic()
    process = domain.start()
    table = process.output.read_until(b"serial%d " % (COUNT - 1))
    opened = time.monotonic() - began
    report("%d devices stand after" % COUNT, "%.2f s" % opened)
    report("their descriptors and VmRSS", "%d, %d KiB" % (descriptors(process.pid), memory_kib(process.pid)))
    assert opened < PATIENT_OPEN
    assert len(re.findall(rb"(?m)^serial\d+ ", table)) == COUNT

    began_with = descriptors(process.pid)
    # Each is really there: one client of some, and its bytes in and out.
    for alias, client in (("serial0", lambda: Peer.tty(domain.runtime_path("serial0.pty"))),
                          ("serial503", lambda: Peer.unix(directory + "/503.sock")),
                          ("serial995", lambda: domain.tcp("serial995")),
                          ("serial997", lambda: Peer.fifos(directory + "/997.pipe"))):
        vmm, client = domain.vmm(alias), client()
        vmm.write(b"out")
        assert client.read_exactly(3) == b"out"
        client.write(b"in!")
        assert vmm.read_exactly(3) == b"in!"
        client.close()
        vmm.close()

    # Clients that come and go leave nothing. That a TCP client has closed, and not just its output,
    # shows with the next bytes for it.
    for _ in range(50):
        Peer.unix(directory + "/503.sock").close()
        domain.tcp("serial995").close()
    vmm = domain.vmm("serial995")
    client = domain.tcp("serial995")
    for data in (b"one", b"two"):
        vmm.write(data)
        assert client.read_exactly(3) == data
    client.close()
    vmm.write(b"one")
    vmm.close()

    pass_time(process, WORKERS_END)
    before = switches(process.pid)
    pass_time(process, IDLE)
    after = switches(process.pid)
    report("wake-ups in %d idle seconds" % IDLE, sum(map(sum, after.values())) - sum(map(sum, before.values())))
    assert after == before, "threads that woke up"
    report("descriptors after all clients left", descriptors(process.pid))
    assert descriptors(process.pid) == began_with

    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.log()
    assert "Sanitizer" not in process.log()
    # What is data stays, what was made to be connected to goes.
    kinds = collections.Counter(os.path.splitext(name)[1] for name in os.listdir(directory))
    del kinds[".idx"]  # as many as have had anything to say
    assert kinds == {".file": COUNT // 10, ".log": COUNT // 10}
    assert not os.path.exists(domain.runtime)

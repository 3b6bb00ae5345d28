"""chardev run for tests: a domain's document, the process that serves it, and QEMU beside it."""

import os
import re
import select
import subprocess
import tempfile
import xml.etree.ElementTree as ET

from guestkit import CHARDEV, Deadline, Gone, Late, Peer, wait_fds, wait_file

WORKERS_END = 12  # seconds after which a thread that has nothing to do is gone

DOMAIN = """<domain type='qemu' xmlns:chardev='urn:chardev:1'>
  <name>%s</name>
  <memory unit='MiB'>128</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
%s
  </devices>
</domain>
"""


class Domain:
    """A document, its own runtime and log directory, and what is started with it."""

    def __init__(self, kit, devices, name="vm", directory=None):
        self.kit = kit
        self.name = name
        self.base = directory or tempfile.mkdtemp(prefix="d", dir=kit.directory)
        self.xml = os.path.join(self.base, "domain.xml")
        with open(self.xml, "w") as f:
            f.write(DOMAIN % (name, devices))
        self.dirs = ["--runtime-dir", os.path.join(self.base, "run"),
                     "--log-dir", os.path.join(self.base, "log")]
        self.runtime = os.path.join(self.base, "run", name)

    def runtime_path(self, name):
        return os.path.join(self.runtime, name)

    def start(self, prefix=(), **options):
        """chardev run without a VMM; it may be refused."""
        return self.kit.spawn(*prefix, CHARDEV, "run", self.xml, *self.dirs,
                              stdout=subprocess.PIPE, **options)

    def serve(self, prefix=(), **options):
        """The same; returns when all devices stand."""
        process = self.start(prefix, **options)
        try:
            process.output.read_until(b"ALIAS")
        except Gone:
            process.wait()
            raise Gone("chardev ended: " + process.log()) from None
        wait_file(self.runtime_path("live.xml"))
        return process

    def run_prefix(self):
        """What goes before QEMU's command to have chardev start it."""
        return [CHARDEV, "run", self.xml, *self.dirs, "--"]

    def qemu_arguments(self):
        """What attaches a QEMU that is started by hand."""
        run = subprocess.run([CHARDEV, "qemu", self.xml, *self.dirs[:2]], text=True,
                             stdout=subprocess.PIPE, check=True)
        return run.stdout.splitlines()

    def live_source(self, alias):
        """The first <source> of a device in the live document."""
        for device in ET.parse(self.runtime_path("live.xml")).getroot().find("devices"):
            name = device.find("alias")
            if name is not None and name.get("name") == alias and device.find("source") is not None:
                return device.find("source")
        raise AssertionError("no %s in %s" % (alias, self.runtime_path("live.xml")))

    def tcp(self, alias):
        """A new client of a tcp server."""
        source = self.live_source(alias)
        return Peer.tcp(int(source.get("service")), source.get("host"))

    def vmm(self, alias):
        """The guest's side of a device, when there is no VMM: what it reads and writes."""
        path = self.runtime_path(alias)
        rfd = os.open(path + ".in", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        wfd = os.open(path + ".out", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return Peer(rfd, wfd, path)


def memory_kib(pid):
    """VmRSS of a process."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("process %d has no VmRSS" % pid)


def switches(pid):
    """How often each thread of a process has gone to sleep or was put aside."""
    counts = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as f:
            counts[thread] = [int(n) for n in re.findall(r"ctxt_switches:\t(\d+)", f.read())]
    return counts


def pass_time(process, seconds):
    """Lets that much time pass, unless the process ends."""
    try:
        wait_fds({process.pidfd: select.POLLIN}, Deadline(seconds), "nothing")
    except Late:
        return
    raise Gone("%s ended: %s" % (process.args[0], process.log()))

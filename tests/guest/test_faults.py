"""What goes wrong around a domain: a VMM that dies, a full disk, ports and paths that cannot be had."""

import os
import re
import select
import signal
import socket
import subprocess

import pytest

from guestkit import CHARDEV, Deadline, Late, Peer, crc, stream, wait_fds, wait_file, wait_size
from serving import Domain

KIB = 1024
# The shell's, and its question where the cursor is.
PROMPT = b"guest# \x1b[6n"


# ---- the VMM dies ------------------------------------------------------------------------------


def test_clients_stay_while_the_vmm_is_killed_and_started_again(kit, report):
    domain = Domain(kit, "".join([
        "<serial type='unix'><source mode='bind' path='%s'/></serial>" % kit.path("a"),
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>",
        "<serial type='pty'/>",
        "<channel type='unix'><source mode='bind' path='%s'/>"
        "<target type='virtio' name='org.chardev.0'/></channel>" % kit.path("c"),
    ]))
    domain.serve()
    clients = {
        "ttyS0": Peer.unix(kit.path("a")),
        "ttyS1": domain.tcp("serial1"),
        "ttyS2": Peer.tty(domain.runtime_path("serial2.pty")),
        "org.chardev.0": Peer.unix(kit.path("c")),
    }
    arguments = domain.qemu_arguments()
    unfinished = {device: b"" for device in clients}
    for run in range(3):
        guest = kit.boot(arguments)
        for seed, (device, client) in enumerate(clients.items()):
            seed += 10 * run
            guest.ask("open", device)
            sent = guest.start("send", device, 20000, seed)
            # What the last run was about to say when it was killed came up to some byte, in order.
            rest = unfinished[device]
            if rest:
                head = client.read_until(stream(seed, 256))[:-256]
                assert head == rest[:len(head)], "%s: run %d" % (device, run)
                assert client.read_exactly(20000 - 256) == stream(seed, 20000)[256:]
            else:
                assert client.read_exactly(20000) == stream(seed, 20000)
            assert sent.result() == ["20000", crc(stream(seed, 20000))]
            received = guest.start("recv", device, 5000, seed)
            client.write(stream(seed, 5000))
            assert received.result() == ["5000", crc(stream(seed, 5000))]
        # It is killed in the middle of a sentence, except that the last run ends for good.
        for seed, (device, client) in enumerate(clients.items()):
            seed += 10 * run + 5
            guest.start("send", device, 4 << 20, seed, 512)
            assert client.read_exactly(3000) == stream(seed, 3000)
            unfinished[device] = stream(seed, 4 << 20)[3000:]
        guest.process.signal(signal.SIGKILL)
        assert guest.process.wait() == -signal.SIGKILL
    for client in clients.values():
        client.close()


# ---- the disk is full --------------------------------------------------------------------------


class SmallDisk:
    """A tmpfs with little space left; room() takes away what fills it."""

    def __init__(self, kit, free):
        self.path = kit.path("disk")
        os.mkdir(self.path)
        if os.geteuid() != 0:
            pytest.skip("needs root, to mount a small tmpfs")
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", self.path],
                               capture_output=True, text=True)
        if mount.returncode != 0:
            pytest.skip("cannot mount a small tmpfs: " + mount.stderr.strip())
        kit.keep(self)
        self.fill(free)

    def fill(self, free):
        space = os.statvfs(self.path)
        with open(os.path.join(self.path, "filler"), "ab") as f:
            f.write(bytes(space.f_bavail * space.f_bsize - free))

    def room(self):
        os.truncate(os.path.join(self.path, "filler"), 0)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)


def read_marks(path):
    """The gaps of an index: (offset in the log, offset in the history, bytes that are missing)."""
    marks = []
    with open(path) as f:
        for line in f:
            if not line.endswith("\n"):
                break  # it is being written, or taken back
            match = re.fullmatch(
                r"(\d+) (\d+) \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z( [^\n]+)?\n", line)
            assert match, line
            if match[3] and match[3].startswith(" gap "):
                marks.append((int(match[1]), int(match[2]), int(match[3][5:])))
    return marks


def assert_log_is(whole, log, marks):
    """The log is the guest's output but for the gaps, and the index says exactly where they are."""
    at = done = 0
    for log_offset, history_offset, missed in marks:
        assert log[done:log_offset] == whole[at:at + log_offset - done]
        at += log_offset - done + missed
        done = log_offset
        assert at == history_offset
    assert log[done:] == whole[at:]


def ends_with(path, end):
    with open(path, "rb") as f:
        return f.read().endswith(end)


def test_a_full_disk_costs_log_and_nothing_else(kit, report):
    disk = SmallDisk(kit, 8 * KIB)
    log = os.path.join(disk.path, "serial0.log")
    # The client is what the log is held against: it is slow at times, and may miss nothing.
    domain = Domain(kit, "<serial type='unix'><source mode='bind' path='%s'/><log file='%s'/>"
                    "<chardev:overflow policy='block'/><chardev:history size='64KiB'/></serial>"
                    % (kit.path("a"), log))
    guest = kit.boot(prefix=domain.run_prefix(), words="console=ttyS0 shell=ttyS0 loglevel=7", wait=False)
    client = Peer.unix(kit.path("a"))
    # The boot says more than the disk holds, and less than the history: nothing is lost yet.
    whole = client.read_until(PROMPT)
    guest.ready()
    guest.sh("dmesg -n 1")
    client.write(b"echo it-has-booted-$((1 + 0))-time\n")
    whole += client.read_until(b"it-has-booted-1-time\r\n" + PROMPT)
    assert 8 * KIB < len(whole) < 64 * KIB
    assert os.path.getsize(log) < len(whole)
    disk.room()
    assert wait_size(log, len(whole)) == whole
    assert not os.path.exists(log + ".idx") or read_marks(log + ".idx") == []

    # Now it says more than the history holds, too.
    disk.fill(8 * KIB)
    client.write(b"seq 1 50000\n")
    whole += client.read_until(b"\r\n50000\r\n" + PROMPT)
    stopped_at = os.path.getsize(log)
    assert stopped_at < len(whole) - 64 * KIB
    # Time for the log to be tried again in vain: by then the gap is known, and cannot be marked yet.
    with pytest.raises(Late):
        wait_fds({guest.process.pidfd: select.POLLIN}, Deadline(2.5), "nothing")
    disk.room()
    client.write(b"echo there-is-$((1 + 0))-disk-again\n")
    whole += client.read_until(b"there-is-1-disk-again\r\n" + PROMPT)
    wait_file(log, lambda path: ends_with(path, b"there-is-1-disk-again\r\n" + PROMPT))
    wait_file(log + ".idx", read_marks)
    client.write(b"exit\n")
    assert guest.power_off() == 0
    whole += client.read_to_end()
    with open(log, "rb") as f:
        logged = f.read()
    marks = read_marks(log + ".idx")
    assert len(marks) >= 1 and marks[0][0] == stopped_at
    assert_log_is(whole, logged, marks)
    report("output, log and gaps on a full disk", "%d = %d + %d bytes in %d marks" % (
        len(whole), len(logged), sum(mark[2] for mark in marks), len(marks)))
    assert len(whole) == len(logged) + sum(mark[2] for mark in marks)


# ---- what cannot be had ------------------------------------------------------------------------


class Busy:
    """Places that are taken: ports, sockets, and paths where something else is."""

    def __init__(self, kit):
        self.kit = kit
        self.directory = kit.path("busy")
        os.mkdir(self.directory)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.tcp6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.path("live.sock"))
        self.unix.listen()
        os.mkdir(self.path("directory"))
        with open(self.path("file"), "w") as f:
            f.write("precious\n")
        os.chmod(self.path("file"), 0o600)
        os.mkdir(self.path("closed"), 0o755)
        os.mkfifo(self.path("fifo"), 0o600)

    def path(self, name):
        return os.path.join(self.directory, name)

    def fill(self, text):
        """A row's text, with paths and ports filled in; isa-serial ports there are but four."""
        text = text.replace("</serial>", "<target type='pci-serial'/></serial>")
        return text.format(dir=self.directory, tcp=self.tcp.getsockname()[1],
                           tcp6=self.tcp6.getsockname()[1], udp=self.udp.getsockname()[1])

    def close(self):
        for sock in (self.tcp, self.tcp6, self.udp, self.unix):
            sock.close()


# Each: the device, and what the sentence must say beside the device's alias.
TAKEN = [
    ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{tcp}'/></serial>",
     "127.0.0.1:{tcp} is in use"),
    ("<serial type='tcp'><source mode='bind' host='::1' service='{tcp6}'/></serial>",
     "[::1]:{tcp6} is in use"),
    ("<serial type='tcp'><source mode='bind' host='192.0.2.1' service='0'/></serial>",
     "192.0.2.1:0 is no address of this host"),
    ("<serial type='udp'><source mode='bind' host='127.0.0.1' service='{udp}'/>"
     "<source mode='connect' host='127.0.0.1' service='9'/></serial>", "127.0.0.1:{udp} is in use"),
    ("<serial type='unix'><source mode='bind' path='{dir}/live.sock'/></serial>",
     "{dir}/live.sock is in use by process"),
    ("<serial type='unix'><source mode='bind' path='{dir}/file'/></serial>",
     "{dir}/file exists and is no socket"),
    ("<serial type='unix'><source mode='bind' path='{dir}/no/sock'/></serial>",
     "{dir}/no/sock: its directory does not exist"),
    ("<serial type='file'><source path='{dir}/no/file'/></serial>",
     "\"{dir}/no/file\": its directory does not exist"),
    ("<serial type='file'><source path='{dir}/directory'/></serial>", "\"{dir}/directory\" is a directory"),
    ("<serial type='pipe'><source path='{dir}/file'/></serial>", "\"{dir}/file\" is a plain file"),
    ("<serial type='pipe'><source path='{dir}/no/pipe'/></serial>", "\"{dir}/no/pipe"),
    ("<serial type='dev'><source path='{dir}/no'/></serial>", "cannot find \"{dir}/no\""),
    ("<serial type='dev'><source path='{dir}/file'/></serial>", "\"{dir}/file\" is a plain file"),
    ("<parallel type='dev'><source path='{dir}/directory'/></parallel>", "\"{dir}/directory\" is a directory"),
    ("<serial type='null'><log file='{dir}/no/log'/></serial>",
     "\"{dir}/no/log\": its directory does not exist"),
    ("<serial type='null'><chardev:guest type='unix' mode='bind' path='{dir}/live.sock'/></serial>",
     "another process listens on {dir}/live.sock"),
    ("<serial type='null'><chardev:guest type='unix' mode='bind' path='{dir}/file'/></serial>",
     "{dir}/file is in the way"),
    ("<serial type='null'><chardev:guest type='pty' path='{dir}/file'/></serial>", "{dir}/file is in the way"),
]

# The same for a user who may not; {own} is where he may.
FORBIDDEN = [
    ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='7'/></serial>",
     "no permission to bind tcp 127.0.0.1:7"),
    ("<serial type='udp'><source mode='bind' host='127.0.0.1' service='7'/>"
     "<source mode='connect' host='127.0.0.1' service='9'/></serial>", "no permission to bind udp 127.0.0.1:7"),
    ("<serial type='unix'><source mode='bind' path='{dir}/closed/sock'/></serial>",
     "no permission to make the socket {dir}/closed/sock"),
    ("<serial type='file'><source path='{dir}/closed/new'/></serial>",
     "no permission to write \"{dir}/closed/new\""),
    ("<serial type='file'><source path='{dir}/file'/></serial>", "no permission to write \"{dir}/file\""),
    ("<serial type='pipe'><source path='{dir}/closed/pipe'/></serial>", "{dir}/closed/pipe"),
    ("<serial type='pipe'><source path='{dir}/fifo'/></serial>", "{dir}/fifo"),
    ("<serial type='dev'><source path='/dev/tty0'/></serial>", "\"/dev/tty0\""),
    ("<serial type='null'><log file='{dir}/closed/log'/></serial>",
     "no permission to write \"{dir}/closed/log\""),
    ("<serial type='null'><chardev:guest type='fifo' path='{dir}/closed/guest'/></serial>",
     "{dir}/closed/guest"),
]

# One of every type that makes something: it must all go again when the next device fails.
GOOD = """<serial type='pty'/><serial type='unix'><source mode='bind' path='{dir}/good.sock'/></serial>
<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>
<serial type='pipe'><source path='{dir}/good.pipe'/></serial>
<serial type='null'><chardev:guest type='pty' path='{dir}/good.pty'/></serial>
<serial type='null'><chardev:guest type='unix' mode='bind' path='{dir}/good.guest'/></serial>"""


def listing(directory):
    """Every path below a directory, with its kind and what a plain file holds."""
    paths = {}
    for where, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(where, name)
            plain = os.path.isfile(path) and not os.path.islink(path)
            paths[path] = (os.lstat(path).st_mode, open(path, "rb").read() if plain else None)
    return paths


def refusal(domain, prefix=()):
    """The one sentence with which it is refused."""
    before = listing(domain.base)
    process = domain.start(prefix)
    assert process.wait() == 1, process.log()
    assert process.output.read_to_end() == b""
    sentence = process.log()
    assert re.fullmatch(r"chardev: [^\n]+\n", sentence), sentence
    after = listing(domain.base)
    made = {path for path in after if path not in before}
    # The two directories that hold those of domains may stay; nothing below them.
    assert made <= {os.path.join(domain.base, name) for name in ("run", "log")}, made
    return sentence


@pytest.fixture
def busy(kit):
    busy = kit.keep(Busy(kit))
    return busy


def test_what_is_taken_or_missing_is_one_sentence(kit, busy):
    before = listing(busy.directory)
    for device, words in TAKEN:
        domain = Domain(kit, busy.fill(GOOD + device))
        sentence = refusal(domain)
        alias = "parallel0" if device.startswith("<parallel") else "serial6"
        assert sentence.startswith("chardev: %s: " % alias), sentence
        assert busy.fill(words) in sentence, sentence
        assert listing(busy.directory) == before, device
    # Whoever had the socket still has it.
    client = socket.socket(socket.AF_UNIX)
    client.connect(busy.path("live.sock"))
    client.close()


@pytest.mark.parametrize("refused_devices", ["{old}<serial type='pty'/>{taken}", "{taken}{old}", "{taken}"])
def test_a_start_that_fails_leaves_a_killed_run_s_guest_its_ports(kit, busy, refused_devices):
    """The VMM of a run that was killed lives on; a start that is refused must not cost it its host side."""
    log = kit.path("old.log")
    old = "<serial type='null'><alias name='ua-old'/><log file='%s'/></serial>" % log
    domain = Domain(kit, old)
    process = domain.serve()
    # As QEMU does, which so keeps what nobody has read yet.
    vmm = Peer(os.open(domain.runtime_path("ua-old.out"), os.O_RDWR | os.O_CLOEXEC))
    vmm.write(b"before ")
    wait_size(log, 7)
    process.signal(signal.SIGKILL)
    process.wait()
    vmm.write(b"between ")
    left = listing(domain.runtime)

    devices = refused_devices.format(old=old, taken=busy.fill(TAKEN[0][0]))
    refused = Domain(kit, devices, directory=domain.base)
    again = refused.start()
    assert again.wait() == 1
    assert busy.fill(TAKEN[0][1]) in again.log()
    # The same files: new ones would have other inodes, and a guest nobody to write to.
    assert set(listing(domain.runtime)) == set(left) - {domain.runtime_path("lock")}
    vmm.write(b"and after")

    domain = Domain(kit, old, directory=domain.base)
    process = domain.serve()
    wait_size(log, len(b"before between and after"))
    with open(log, "rb") as f:
        assert f.read() == b"before between and after"
    vmm.close()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not os.path.exists(domain.runtime)


def test_what_is_not_permitted_is_one_sentence(kit, busy):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run(user + [CHARDEV, "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        pytest.skip("%s cannot be executed by another user" % CHARDEV)
    os.chmod(kit.directory, 0o755)
    before = listing(busy.directory)
    for number, (device, words) in enumerate(FORBIDDEN):
        own = kit.path("own%d" % number)
        os.mkdir(own)
        domain = Domain(kit, busy.fill("<serial type='pty'/>" + device), directory=own)
        os.chown(own, 65534, 65534)
        sentence = refusal(domain, user)
        assert sentence.startswith("chardev: serial1: "), sentence
        assert busy.fill(words) in sentence, sentence
        assert listing(busy.directory) == before, device


def test_no_place_for_the_domain_is_one_sentence(kit, busy):
    domain = Domain(kit, "<serial type='null'/>")
    for option, place in ((1, "run"), (3, "log")):
        dirs = list(domain.dirs)
        dirs[option] = busy.path("file") + "/below"
        process = kit.spawn(CHARDEV, "run", domain.xml, *dirs)
        assert process.wait() == 1
        assert re.fullmatch(r"chardev: [^\n]+%s[^\n]*\n" % re.escape(busy.path("file")), process.log())
        assert not os.path.exists(domain.runtime), place

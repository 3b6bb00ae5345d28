"""type='dev': ports of the host, where the host is itself a guest with UARTs and a parallel port.

chardev runs inside it, without a VMM: the agent at the device's FIFOs is what would be the inner guest.
ttyS0 is on a socket, ttyS1 is for the loop-back, one pci-serial can be unplugged, and what the
parallel port sends comes out of a socket. Policies are the defaults.
"""

import re
import select

import pytest

from guestkit import CHARDEV, Deadline, Late, Peer, crc, stream, wait_fds, wait_file

KIB = 1024
DIRS = "--runtime-dir /tmp/run --log-dir /tmp/log"
LOCK = "/var/lock/LCK..%s"
# What stty prints of settings that chardev must set, for 38400 7E2 with RTS/CTS.
LINE = "<chardev:line speed=\"38400\" bits=\"7\" parity=\"even\" stop=\"2\" flow=\"rtscts\"/>"


def server(ident, path):
    return ["-chardev", "socket,id=%s,path=%s,server=on,wait=off" % (ident, path)]


@pytest.fixture(scope="module")
def guest(module_kit):
    """The host of these tests. What its UART ttyS1 is set to is in QEMU's log."""
    args = ["-trace", "serial_update_parameters"]
    for ident, device in (("com1", "isa-serial,index=0"), ("com2", "isa-serial,index=1"),
                          ("plug", "pci-serial,id=pci"), ("lpt", "isa-parallel,index=0")):
        args += server(ident, module_kit.path(ident)) + ["-device", "%s,chardev=%s" % (device, ident)]
    files = [CHARDEV, "/usr/bin/socat", "/usr/bin/setpriv=/bin/as"]
    guest = module_kit.boot(args, files=files, memory=512)
    guest.sh("mkdir -p /var/lock /etc")
    return guest


def wait_line(request, pattern, seconds=None):
    """Waits until what a running command printed has a match of the pattern."""
    deadline = Deadline(seconds)
    while not re.search(pattern, "\n".join(request.out)):
        assert request.answer is None, request.out
        request.guest.pump(deadline, "'%s' in the output of '%s': %s" % (pattern, request.words, request.out))


class Inner:
    """chardev run in the guest, with the devices of an XML."""

    def __init__(self, guest, devices, name="inner", wait=True):
        self.guest = guest
        self.name = name
        self.dir = "/tmp/run/" + name
        guest.sh("echo '<domain type=\"qemu\" xmlns:chardev=\"urn:chardev:1\"><name>%s</name><memory>1</memory>"
                 "<os><type arch=\"x86_64\">hvm</type></os><devices>%s</devices></domain>' >/tmp/%s.xml"
                 % (name, devices, name))
        self.request = guest.start("sh", "exec chardev run /tmp/%s.xml %s 2>&1" % (name, DIRS))
        if wait:
            wait_line(self.request, "serving")

    def output(self):
        return "\n".join(self.request.out)

    def port(self, alias, way):
        return "%s/%s.%s" % (self.dir, alias, way)

    def kill(self):
        """At the end of a test, however it ended: the next one starts from nothing."""
        if self.request.answer is None:
            self.guest.start("sh", "kill -KILL $(cat %s/lock)" % self.dir).wait()
            self.request.wait()
            self.guest.sh("rm -rf /tmp/run /var/lock/*")
        for alias in ("serial0", "parallel0"):
            for way in ("in", "out"):
                self.guest.start("close", self.port(alias, way)).wait()

    def stop(self):
        self.guest.sh("kill -TERM $(cat %s/lock)" % self.dir)
        assert self.request.result() == ["0"], self.output()
        self.guest.sh("! test -e " + self.dir)


@pytest.fixture
def serve(guest):
    """serve(DEVICES) starts an Inner that ends with the test."""
    inners = []

    def start(devices, **options):
        inners.append(Inner(guest, devices, **options))
        return inners[-1]

    yield start
    for inner in inners:
        inner.kill()


def serial(path, more=""):
    return "<serial type=\"dev\"><source path=\"%s\"/><target type=\"pci-serial\"/>%s</serial>" % (path, more)


def parallel(path):
    return "<parallel type=\"dev\"><source path=\"%s\"/></parallel>" % path


def pass_through(guest, inner, send, receive, size, seed):
    """Bytes from where one end writes to where the other end reads, both in the guest."""
    received = guest.start("recv", receive, size, seed)
    sent = guest.start("send", send, size, seed)
    checksum = [str(size), crc(stream(seed, size))]
    assert sent.result() == checksum
    assert received.result() == checksum


def test_a_uart_in_loop_back_gives_back_every_byte(guest, serve, report):
    guest.ask("modem", "ttyS1", "+loop")
    inner = serve(serial("/dev/ttyS1"))
    assert "loop=1" in guest.ask("modem", "ttyS1")
    pass_through(guest, inner, inner.port("serial0", "out"), inner.port("serial0", "in"), 64 * KIB, 1)
    guest.ask("modem", "ttyS1", "-loop")
    inner.stop()
    guest.ask("close", "ttyS1")


def test_a_serial_line_passes_bytes_both_ways(guest, serve, module_kit):
    inner = serve(serial("/dev/ttyS0"))
    line = Peer.unix(module_kit.path("com1"))
    checksum = [str(64 * KIB), crc(stream(2, 64 * KIB))]
    sent = guest.start("send", inner.port("serial0", "out"), 64 * KIB, 2)
    assert line.read_exactly(64 * KIB) == stream(2, 64 * KIB)
    assert sent.result() == checksum
    received = guest.start("recv", inner.port("serial0", "in"), 64 * KIB, 2)
    line.write(stream(2, 64 * KIB))
    assert received.result() == checksum
    line.close()
    inner.stop()


def uart_settings(guest, wanted, count):
    """Waits until the emulated UART itself was set that way that many times."""
    def is_set(path):
        with open(path) as f:
            return f.read().count(wanted) >= count
    wait_file(guest.process.log_path, is_set)


def test_line_settings_are_set_and_given_back(guest, serve):
    # Kept open all along, so that what is given back can be seen; these are the odd ones found before.
    guest.sh("stty -F /dev/ttyS1 sane 9600 cs8 -parenb -cstopb -crtscts hupcl igncr -echo")
    hold = guest.start("sh", "exec cat <>/dev/ttyS1 >/dev/null")
    before = guest.sh("stty -F /dev/ttyS1 -g")
    inner = serve(serial("/dev/ttyS1", LINE))
    now = guest.sh("stty -F /dev/ttyS1 -a")
    for word in ("speed 38400 baud", " parenb", "-parodd", " cs7", " cstopb", " crtscts", "-icanon",
                 "-echo", "-opost", " parmrk", " inpck", "-ixon", "-isig", "-igncr", " clocal"):
        assert word in now.replace("\n", " "), "%s is not in: %s" % (word, now)
    uart_settings(guest, "baudrate=38400 parity='E' data=7 stop=2", 1)
    inner.stop()
    assert guest.sh("stty -F /dev/ttyS1 -g") == before
    hold.cancel()


def test_a_line_that_the_driver_cannot_do_is_refused(guest, serve):
    inner = serve(serial("/dev/ttyS1", "<chardev:line speed=\"3000000\"/>"), wait=False)
    assert inner.request.result() == ["1"]
    assert re.search(r"ttyS1.*cannot do 3000000 8N1.*chardev:line", inner.output()), inner.output()


def test_the_line_is_locked_while_it_is_open(guest, serve):
    guest.sh("chmod 666 /dev/ttyS1")
    other = "as --reuid 1000 --regid 1000 --clear-groups stty -F /dev/ttyS1 2>&1"
    guest.sh(other)
    inner = serve(serial("/dev/ttyS1"))
    # As HDB UUCP has it: ten characters of process number and a newline.
    pid = int(guest.sh("cat %s/lock" % inner.dir))
    assert guest.sh("cat " + LOCK % "ttyS1") == "%10d" % pid
    assert re.search("RTS.*DTR", guest.sh("grep ^1: /proc/tty/driver/serial"))
    # TIOCEXCL: nobody else but root may open it.
    refused = guest.start("sh", other)
    assert refused.result() == ["1"]
    assert "busy" in " ".join(refused.out)
    # And another one like us says who has it.
    second = serve(serial("/dev/ttyS1"), name="second", wait=False)
    assert second.request.result() == ["1"]
    assert "\"/dev/ttyS1\" is in use by process %d" % pid in second.output()
    assert "%10d" % pid == guest.sh("cat " + LOCK % "ttyS1")
    inner.stop()
    guest.sh("! test -e " + LOCK % "ttyS1")
    assert not re.search("RTS|DTR", guest.sh("grep ^1: /proc/tty/driver/serial"))
    guest.sh(other)


def test_a_stale_lock_is_no_obstacle(guest, serve):
    guest.sh("printf '%10d\\n' 99999 >" + LOCK % "ttyS1")
    inner = serve(serial("/dev/ttyS1"))
    assert int(guest.sh("cat " + LOCK % "ttyS1")) == int(guest.sh("cat %s/lock" % inner.dir))
    inner.stop()
    guest.sh("! test -e " + LOCK % "ttyS1")


QMP_STAND_IN = """echo "{\\"QMP\\": {}}"; while read -r line; do echo "$line" >>/tmp/qmp.log
id=${line##*\\"id\\":}; echo "{\\"return\\": {}, \\"id\\": ${id%%\\}*}}"; done"""


def test_a_break_on_the_line_comes_through_in_its_place(guest, serve, module_kit):
    # The inner VMM is a stand-in that notes what its monitor is asked for.
    guest.sh("echo '%s' >/tmp/qmp.sh" % QMP_STAND_IN.replace("\n", "; "))
    inner = serve(serial("/dev/ttyS1"))
    monitor = guest.start("sh", "exec socat -dd UNIX-LISTEN:%s/qmp.sock,fork EXEC:\"sh /tmp/qmp.sh\" 2>&1"
                          % inner.dir)
    wait_line(monitor, "listening on")
    line = Peer.unix(module_kit.path("com2"))
    before = guest.start("recv", inner.port("serial0", "in"), 4 * KIB, 3)
    line.write(stream(3, 4 * KIB))
    before.result()
    guest.send_break("com2")
    after = guest.start("recv", inner.port("serial0", "in"), 4 * KIB, 4)
    line.write(stream(4, 4 * KIB))
    # No NUL, no mark, nothing lost: the BREAK itself went another way.
    assert after.result() == [str(4 * KIB), crc(stream(4, 4 * KIB))]
    asked = guest.sh("cat /tmp/qmp.log")
    assert "\"chardev-send-break\",\"arguments\":{\"id\":\"charserial0\"}" in asked
    assert asked.count("chardev-send-break") == 1
    monitor.cancel()
    line.close()
    inner.stop()


def port_of(guest, device):
    """The tty of a PCI device, once it is there."""
    path = guest.sh("ls -d /sys/class/tty/ttyS*/device | while read -r f; do case $(realpath $f) in "
                    "*/pci*) echo $f;; esac; done")
    return path.split("/")[4]


def test_a_port_is_unplugged_and_plugged_again(guest, serve, module_kit, report):
    tty = port_of(guest, "pci")
    inner = serve(serial("/dev/" + tty))
    out, way_in = inner.port("serial0", "out"), inner.port("serial0", "in")
    line = Peer.unix(module_kit.path("plug"))
    for round_number in range(2):
        seed = 10 * round_number
        guest.ask("send", out, 8 * KIB, seed + 5)
        assert line.read_exactly(8 * KIB) == stream(seed + 5, 8 * KIB)
        received = guest.start("recv", way_in, 8 * KIB, seed + 6)
        line.write(stream(seed + 6, 8 * KIB))
        received.result()

        guest.qmp.command("device_del", id="pci")
        guest.qmp.wait_event("DEVICE_DELETED")
        # The VMM stays, and what it writes meanwhile waits for the line.
        guest.ask("send", out, 8 * KIB, seed + 7)
        with pytest.raises(Late):
            wait_fds({line.rfd: select.POLLIN}, Deadline(1), "nothing")
        guest.qmp.command("device_add", driver="pci-serial", id="pci", chardev="plug")
        assert line.read_exactly(8 * KIB) == stream(seed + 7, 8 * KIB)
        received = guest.start("recv", way_in, 8 * KIB, seed + 8)
        line.write(stream(seed + 8, 8 * KIB))
        received.result()
        assert port_of(guest, "pci") == tty
        assert guest.sh("cat " + LOCK % tty) == "%10d" % int(guest.sh("cat %s/lock" % inner.dir))
    line.close()
    inner.stop()
    guest.sh("! test -e " + LOCK % tty)


@pytest.mark.parametrize("path", ["/dev/parport0", "/dev/lp0"])
def test_a_parallel_port_sends_every_byte(guest, serve, module_kit, report, path):
    printer = Peer.unix(module_kit.path("lpt"))
    inner = serve(parallel(path))
    sent = guest.start("send", inner.port("parallel0", "out"), 16 * KIB, 9)
    assert printer.read_exactly(16 * KIB) == stream(9, 16 * KIB)
    assert sent.result() == [str(16 * KIB), crc(stream(9, 16 * KIB))]
    # The kernel's own driver may have it again afterwards.
    inner.stop()
    guest.sh("echo again >/dev/lp0")
    assert printer.read_exactly(6) == b"again\n"
    printer.close()


@pytest.mark.parametrize("device, reason", [
    (serial("/dev/parport0"), '"/dev/parport0" is a parallel port; <serial type=\'dev\'> needs a serial port'),
    (serial("/dev/lp0"), '"/dev/lp0" is a parallel port; <serial type=\'dev\'> needs a serial port'),
    (parallel("/dev/ttyS1"), '"/dev/ttyS1" is a serial port; <parallel type=\'dev\'> needs a parallel port'),
    (parallel("/dev/null"), '"/dev/null" is no parallel port; <parallel type=\'dev\'> needs a parallel port'),
    (serial("/dev/null"), '"/dev/null" is a device, but no serial port; name one such as /dev/ttyS0'),
    (serial("/init"), '"/init" is a plain file; <serial type=\'dev\'> needs a serial port'),
    (parallel("/init"), '"/init" is a plain file; <parallel type=\'dev\'> needs a parallel port'),
    (serial("/tmp"), '"/tmp" is a directory; <serial type=\'dev\'> needs a serial port'),
    (parallel("/tmp"), '"/tmp" is a directory; <parallel type=\'dev\'> needs a parallel port'),
    (serial("/dev/ttyS99"), 'cannot find "/dev/ttyS99": No such file or directory; plug the device in, '
                            'or name another path'),
    (parallel("/dev/parport9"), 'cannot find "/dev/parport9": No such file or directory; plug the device '
                                'in, or name another path'),
])
def test_a_device_of_another_kind_is_refused_by_name(guest, serve, device, reason):
    inner = serve(device, wait=False)
    assert inner.request.result() == ["1"]
    assert len(inner.request.out) == 1, inner.output()
    assert inner.output().endswith(reason)
    guest.sh("! test -e " + inner.dir)
    assert guest.sh("ls /var/lock") == ""

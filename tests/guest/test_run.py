"""chardev run and chardev qemu: what a person sees, how it ends, and what it leaves behind.

Most VMMs here are small shell scripts; the last tests boot a real guest.
"""

import os
import pty
import re
import signal
import socket
import subprocess
import termios

import pytest

from guestkit import CHARDEV, Peer, Qmp, initramfs, kernel

NULL = "<serial type='null'/>"
STDIO = "<serial type='null'><chardev:guest type='stdio'/></serial>"


class Ender:
    """Ends what a failed test left running in good order, so that its VMM ends with it."""

    def __init__(self, process):
        self.process = process

    def close(self):
        for _ in range(2):
            if self.process.popen.poll() is None:
                self.process.signal(signal.SIGTERM)
        if self.process.popen.poll() is None:
            self.process.wait(20)


class Runner:
    """A place with a domain file, a runtime and a log directory, all of which must be empty at the end."""

    def __init__(self, kit):
        self.kit = kit
        self.run_dir = kit.path("run")
        self.log_dir = kit.path("log")

    def domain(self, devices, name="vm", domain_type="kvm"):
        path = self.kit.path(name + ".xml")
        with open(path, "w") as f:
            f.write("<domain type='%s' xmlns:chardev='urn:chardev:1'><name>%s</name><memory>1</memory>"
                    "<os><type arch='x86_64'>hvm</type></os>\n<devices>%s</devices></domain>\n"
                    % (domain_type, name, devices))
        return path

    def dirs(self):
        return ["--runtime-dir", self.run_dir, "--log-dir", self.log_dir]

    def script(self, text, name="vmm"):
        path = self.kit.path(name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def start(self, devices, *args, stdin=subprocess.DEVNULL, prefix=(), env=None):
        process = self.kit.spawn(*prefix, CHARDEV, "run", self.domain(devices), *self.dirs(), *args,
                                 stdin=stdin, stdout=subprocess.PIPE, env=env)
        self.kit.keep(Ender(process))
        return process

    def serve(self, devices, *args, **options):
        """Without a VMM; returns when all stands, with the rows of the table."""
        process = self.start(devices, *args, **options)
        return process, self.table(process)

    @staticmethod
    def table(process):
        """The rows, as many as the title's first row is followed by before anything else comes."""
        title = process.output.read_until(b"\n").decode()
        assert title.split() == ["ALIAS", "TYPE", "WHERE", "CONNECT", "WITH"]
        columns = [title.index(word) for word in ("ALIAS", "TYPE", "WHERE", "CONNECT")]
        return columns

    @staticmethod
    def row(process, columns):
        line = process.output.read_until(b"\n").decode().rstrip("\n")
        ends = columns[1:] + [None]
        return [line[a:b].strip() for a, b in zip(columns, ends)]

    def nothing_left(self):
        assert not os.path.exists(self.run_dir)
        assert not os.path.exists(self.log_dir)

    def refused(self, process, status=1):
        """It ended with one sentence; returns it."""
        assert process.wait() == status
        text = process.log()
        lines = [line for line in text.splitlines() if "warning:" not in line]
        assert len(lines) == 1, text
        self.nothing_left()
        return lines[0]


@pytest.fixture
def runner(kit):
    return Runner(kit)


def wait_vmm(process, word=b"ready\n"):
    process.output.read_until(word)


# ---- the table, and the end -----------------------------------------------------------------------


def test_the_table_says_where_each_device_stands(kit, runner):
    log, sock = kit.path("serial.log"), kit.path("s.sock")
    process, columns = runner.serve(
        "<serial type='file'><source path='%s'/></serial>"
        "<serial type='unix'><source mode='bind' path='%s'/></serial>"
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>"
        "<serial type='pty'/>" % (log, sock))
    rows = [runner.row(process, columns) for _ in range(4)]
    assert [row[0] for row in rows] == ["serial0", "serial1", "serial2", "serial3"]
    assert [row[1] for row in rows] == ["file", "unix", "tcp", "pty"]
    assert log in rows[0][2] and sock in rows[1][2]
    port = int(re.search(r"127\.0\.0\.1:(\d+)", rows[2][2]).group(1))
    kit.keep(Peer.tcp(port))
    kit.keep(Peer.unix(sock))
    kit.keep(Peer.tty(os.path.join(runner.run_dir, "vm", "serial3.pty")))
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert process.output.read_to_end() == b""
    runner.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_nothing_stays(runner, number):
    process, columns = runner.serve(NULL)
    assert runner.row(process, columns)[:2] == ["serial0", "null"]
    # The live document stands beside the devices, and so do the guest's FIFOs.
    assert {"live.xml", "lock", "serial0.in", "serial0.out"} <= set(
        os.listdir(os.path.join(runner.run_dir, "vm")))
    process.signal(number)
    assert process.wait() == 0
    runner.nothing_left()


def test_nohup_is_respected(runner):
    process, columns = runner.serve(NULL, prefix=["nohup"])
    runner.row(process, columns)
    process.signal(signal.SIGHUP)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    ignored, columns = runner.serve(NULL, "--", runner.script("echo ready; read x </dev/zero"),
                                    prefix=["nohup"])
    wait_vmm(ignored)
    ignored.signal(signal.SIGHUP)  # the VMM would have ended with 129
    ignored.signal(signal.SIGTERM)
    assert ignored.wait() == 128 + signal.SIGTERM
    runner.nothing_left()


def test_the_exit_status_is_the_vmms(runner):
    for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
        assert runner.start(NULL, "--", runner.script(script)).wait() == status
        runner.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on_to_the_vmm(runner, number):
    script = runner.script("trap 'echo got %s; kill $!; exit 5' %s\necho ready\n"
                           "while :; do sleep 3600 & wait; done" % ((number.name[3:],) * 2))
    process = runner.start(NULL, "--", script)
    wait_vmm(process)
    process.signal(number)
    process.output.read_until(b"got " + number.name[3:].encode())
    assert process.wait() == 5
    runner.nothing_left()


def test_a_vmm_that_does_not_listen_is_killed_by_the_second_signal(runner):
    script = runner.script("trap 'echo refused' TERM\necho ready\n"
                           "while :; do sleep 3600 & wait; done")
    process = runner.start(NULL, "--", script)
    wait_vmm(process)
    process.signal(signal.SIGTERM)
    wait_vmm(process, b"refused")
    process.signal(signal.SIGTERM)
    assert process.wait() == 137
    runner.nothing_left()


@pytest.mark.long
def test_a_vmm_that_does_not_listen_is_killed_after_five_seconds(runner):
    process = runner.start(NULL, "--", runner.script(
        "trap '' TERM\necho ready\nwhile :; do sleep 3600 & wait; done"))
    wait_vmm(process)
    process.signal(signal.SIGTERM)
    assert process.wait(30) == 137
    runner.nothing_left()


def test_a_vmm_that_is_not_there(runner, kit):
    sentence = runner.refused(runner.start(NULL, "--", "/no/such/vmm"), 127)
    assert "there is no program /no/such/vmm" in sentence
    plain = kit.path("plain")
    open(plain, "w").close()
    assert "Permission denied" in runner.refused(runner.start(NULL, "--", plain), 126)


# ---- what the VMM is given ------------------------------------------------------------------------


def test_a_clean_child(runner):
    """Nothing but its standard descriptors, every signal as at birth, its own process group."""
    process = runner.start(NULL + "<serial type='pty'/>", "--", "/usr/bin/python3", "-c", """if True:
        import os, re, resource
        def is_open(fd):
            try:
                return bool(os.fstat(fd))
            except OSError:
                return False
        status = open("/proc/self/status").read()
        print([fd for fd in range(4096) if is_open(fd)], os.readlink("/proc/self/fd/0"),
              int(re.search("SigBlk:(.*)", status).group(1), 16),
              os.getpgid(0) == os.getpid(), resource.getrlimit(resource.RLIMIT_NOFILE), "end")""",
                           prefix=["prlimit", "--nofile=512:4096"])
    out = process.output.read_until(b"end\n").decode()
    assert out.splitlines()[-1] == "[0, 1, 2] /dev/null 0 True (512, 4096) end"
    assert process.wait() == 0


def test_paths_for_other_vmms(runner):
    process = runner.start(
        NULL + "<console type='null'/><channel type='unix'><source mode='bind'/>"
        "<target type='virtio'/></channel>", "--",
        runner.script("for a; do echo \"<$a>\"; done"),
        "{serial0}", "a={serial0}.out,b={channel0}", "{console0}", "{}", "{nobody}", "{\"x\": 1}")
    out = process.output.read_to_end().decode()
    base = os.path.join(runner.run_dir, "vm")
    assert re.findall("<(.*)>", out) == [
        base + "/serial0", "a=%s/serial0.out,b=%s/channel0.sock" % (base, base), base + "/serial0",
        "{}", "{nobody}", "{\"x\": 1}"]
    assert process.wait() == 0


def test_a_vmm_on_its_standard_input_and_output(runner, kit):
    sock = kit.path("s.sock")
    process = runner.start(
        "<serial type='unix'><source mode='bind' path='%s'/>"
        "<chardev:guest type='stdio'/></serial>" % sock, "--",
        runner.script("echo boot\nread line\necho \"got $line\"\nexit 3"))
    runner.row(process, runner.table(process))
    peer = kit.keep(Peer.unix(sock))
    assert peer.read_until(b"boot\n") == b"boot\n"  # what came before the client did
    peer.write(b"hello\n")
    assert peer.read_to_end() == b"got hello\n"
    assert process.wait() == 3
    assert process.output.read_to_end() == b""
    runner.nothing_left()


def test_the_last_bytes_of_a_vmm_are_kept(runner, kit):
    log = kit.path("serial.log")
    process = runner.start(
        "<serial type='null'><log file='%s'/></serial>" % log, "--",
        runner.script("exec 3>$1.out; seq 1 20000 >&3"), "{serial0}")
    assert process.wait() == 0
    with open(log) as f:
        assert f.read() == "".join("%d\n" % i for i in range(1, 20001))


# ---- the console ----------------------------------------------------------------------------------


def test_the_console_on_pipes(runner):
    process = runner.start(STDIO, "--console", "--",
                           runner.script("cat; echo bye"), stdin=subprocess.PIPE)
    columns = runner.table(process)
    runner.row(process, columns)
    process.input.write(b"a\x1d\x1eb\n")  # no keys where there is no terminal
    process.input.flush()
    assert process.output.read_exactly(5) == b"a\x1d\x1eb\n"
    process.input.close()  # ends the input, not the run: the VMM is not told
    process.signal(signal.SIGTERM)
    assert process.wait() == 143


def test_the_console_on_dev_null(runner):
    process = runner.start(STDIO, "--console", "--", runner.script("echo output; exit 4"))
    runner.row(process, runner.table(process))
    assert process.output.read_to_end() == b"output\n"
    assert process.wait() == 4


@pytest.mark.parametrize("devices, args, alias", [
    ("<serial type='null'/><serial type='null'/>", [], "serial0"),
    ("<serial type='null'/><serial type='null'/>", ["serial1"], "serial1"),
    ("<serial type='null'><target type='pci-serial'/></serial>"
     "<console type='null'><target type='virtio'/></console>", [], "console0"),
    ("<serial type='null'/><console type='null'/>", ["console0"], "serial0"),
])
def test_which_device_is_the_console(runner, devices, args, alias):
    process = runner.start(devices, "--console", *args, "--",
                           runner.script("exec 3>$1.out 4<$1.in; echo \"this is it\" >&3; read x <&4; exit $x"),
                           "{%s}" % alias, stdin=subprocess.PIPE)
    process.output.read_until(b"this is it\n")
    process.input.write(b"9\n")
    process.input.flush()
    assert process.wait() == 9


def test_a_console_that_is_not_there(runner):
    assert "serial7" in runner.refused(runner.start(NULL, "--console=serial7"))
    assert "no console and no serial" in runner.refused(
        runner.start("<parallel type='null'/>", "--console"))


class Terminal:
    """A person's terminal with chardev on it."""

    def __init__(self, kit, *args):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.peer = Peer(os.dup(self.master), name="terminal")
        self.process = kit.spawn(CHARDEV, *args, stdin=self.slave, stdout=self.slave)
        kit.keep(Ender(self.process))
        kit.keep(self)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO)

    def type(self, keys):
        os.write(self.master, keys)

    def close(self):
        for fd in (self.master, self.slave, self.peer.rfd):
            os.close(fd)


def terminal(runner, devices, *args):
    return Terminal(runner.kit, "run", runner.domain(devices), *runner.dirs(), "--console", *args)


def test_leaving_ends_the_run(runner):
    script = runner.script("trap 'exit 6' TERM; echo ready; while :; do sleep 3600 & wait; done")
    t = terminal(runner, STDIO, "--", script)
    t.peer.read_until(b"ready\n")
    assert t.is_raw()
    t.type(b"\x1d")
    assert t.process.wait() == 6
    assert termios.tcgetattr(t.slave) == t.before
    assert "^] leaves" in t.process.log()
    runner.nothing_left()


@pytest.mark.parametrize("number, status", [
    (signal.SIGTERM, 143), (signal.SIGSEGV, -signal.SIGSEGV), (signal.SIGABRT, -signal.SIGABRT)])
def test_the_terminal_is_itself_again(runner, number, status):
    t = terminal(runner, STDIO, "--", runner.script("echo ready; read x"))
    t.peer.read_until(b"ready\n")
    assert t.is_raw()
    t.process.signal(number)
    # A sanitizer ends a process that crashed with a status of its own.
    assert t.process.wait() in (status, 1)
    assert termios.tcgetattr(t.slave) == t.before


# ---- what is refused ------------------------------------------------------------------------------


def test_twice_is_refused_while_the_first_lives(runner):
    first, columns = runner.serve(NULL)
    runner.row(first, columns)
    second = runner.start(NULL)
    assert second.wait() == 1
    assert "process %d already" % first.pid in second.log()
    with open(os.path.join(runner.run_dir, "vm", "live.xml")) as f:
        assert "serial0" in f.read()  # the first one's still stand
    first.signal(signal.SIGKILL)
    first.wait()
    third, columns = runner.serve("<serial type='pty'><alias name='ua-other'/></serial>")
    assert runner.row(third, columns)[0] == "ua-other"
    third.signal(signal.SIGTERM)
    assert third.wait() == 0
    assert not os.path.exists(os.path.join(runner.run_dir, "vm"))  # the first one's things, too


def test_what_cannot_be_had_is_one_sentence(runner, kit):
    busy = socket.create_server(("127.0.0.1", 0))
    port = busy.getsockname()[1]
    live = kit.listen("live.sock")
    rows = [
        ("<serial type='tcp'><source mode='bind' host='127.0.0.1' service='%d'/></serial>" % port,
         str(port)),
        ("<serial type='unix'><source mode='bind' path='%s'/></serial>" % live.path, live.path),
        ("<serial type='file'><source path='/no/such/dir/file'/></serial>", "/no/such/dir/file"),
        ("<serial type='pipe'><source path='/no/such/dir/pipe'/></serial>", "/no/such/dir/pipe"),
    ]
    for devices, word in rows:
        # Something that stands already must go again.
        sentence = runner.refused(runner.start("<serial type='pty'/>" + devices))
        assert sentence.startswith("chardev: serial1: ") and word in sentence, sentence
    busy.close()
    assert os.path.exists(live.path)


def test_no_permission_is_one_sentence(kit):
    """As another user, who may use no directory but one."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    own = kit.path("own")
    os.mkdir(own)
    os.chown(own, 65534, 65534)
    os.chmod(kit.directory, 0o755)
    runner = Runner(kit)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run(user + [CHARDEV, "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        pytest.skip("%s cannot be executed by another user" % CHARDEV)
    assert runner.run_dir in runner.refused(runner.start(NULL, prefix=user))
    secret = kit.path("secret")
    open(secret, "w").close()
    os.chmod(secret, 0o600)
    runner.run_dir, runner.log_dir = own + "/run", own + "/log"
    sentence = runner.refused(runner.start(
        "<serial type='file'><source path='%s'/></serial>" % secret, prefix=user))
    assert secret in sentence and "ermission" in sentence
    process, columns = runner.serve(NULL, prefix=user)
    runner.row(process, columns)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    runner.nothing_left()


def test_a_wrong_document_is_told_as_by_check(runner):
    path = runner.domain("<serial type='bogus'/>\n<serial type='file'/>")
    check = subprocess.run([CHARDEV, "check", path], capture_output=True, text=True)
    run = subprocess.run([CHARDEV, "run", path] + runner.dirs(), capture_output=True, text=True)
    assert (run.returncode, run.stderr, run.stdout) == (1, check.stderr, "")
    assert len(check.stderr.splitlines()) == 2
    runner.nothing_left()


@pytest.mark.parametrize("args", [
    [], ["--bogus", "x.xml"], ["x.xml", "y.xml"], ["x.xml", "--runtime-dir"], ["x.xml", "--"],
    ["x.xml", "--console", "a", "b"], ["x.xml", "--log-dir="],
])
def test_wrong_usage(args):
    run = subprocess.run([CHARDEV, "run"] + args, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith("chardev: run: ") and len(run.stderr.splitlines()) == 1


# ---- QEMU -----------------------------------------------------------------------------------------

EVERYTHING = (
    "<serial type='null'/>"
    "<serial type='null'><target type='pci-serial'/></serial>"
    "<serial type='null'><target type='usb-serial'/></serial>"
    "<serial type='null'><target type='isa-debug'/></serial>"
    "<serial type='null'><target type='pci-serial'/><chardev:guest type='pty'/></serial>"
    "<serial type='null'><target type='pci-serial'/><chardev:guest type='unix'/></serial>"
    "<parallel type='null'/>"
    "<console type='null'/>"
    "<console type='null'><target type='virtio'/></console>"
    "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.x,y'/></channel>"
    "<channel type='null'><target type='guestfwd' address='10.0.2.7' port='4600'/></channel>"
    "<channel type='spicevmc'><target type='virtio'/></channel>")


def test_chardev_qemu_prints_what_run_appends(runner):
    path = runner.domain(EVERYTHING)
    printed = subprocess.run([CHARDEV, "qemu", path, "--runtime-dir", runner.run_dir],
                             capture_output=True, text=True, check=True).stdout.splitlines()
    assert not os.path.exists(runner.run_dir)
    script = runner.script("for a; do echo \"<$a>\"; done", "qemu-system-fake")
    process = runner.start(EVERYTHING, "--", script, "-m", "64", "{serial0}")
    args = re.findall("^<(.*)>$", process.output.read_to_end().decode(), re.M)
    assert args == ["-m", "64", "{serial0}"] + printed
    assert process.wait() == 0


@pytest.mark.parametrize("more", [[], ["-nographic"], ["-nodefaults"]])
def test_a_real_qemu_takes_the_arguments(runner, more):
    own = runner.kit.listen("own.qmp")
    process = runner.start(EVERYTHING, "--", "qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-S",
                           "-qmp", "unix:" + own.path, *more)
    monitor = Qmp(own.accept(process=process), process)
    chardevs = {entry["label"]: entry["filename"] for entry in monitor.command("query-chardev")}
    del chardevs["compat_monitor0"]
    # Ours answers beside the person's.
    ours = Qmp(runner.kit.keep(Peer.unix(os.path.join(runner.run_dir, "vm", "qmp.sock"))), process)
    assert ours.command("query-status")["status"] == "prelaunch"
    kinds = {name: what.split(":")[-2 if what.startswith("disconnected") else 0]
             for name, what in chardevs.items()}
    assert kinds.pop("chardevqmp") == "unix"
    # And nothing that QEMU would have added itself.
    assert set(kinds) == {"charserial%d" % i for i in range(6)} | {
        "charparallel0", "charconsole1", "charchannel0", "charchannel1"}
    assert kinds["charserial0"] == "pipe" and kinds["charserial4"] == "serial"
    assert kinds["charserial5"] == "unix" and kinds["charchannel0"] == "unix"
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "error" not in process.log()
    runner.nothing_left()


def test_a_guest_and_its_console(runner):
    """A real guest on a person's terminal: shell, BREAK in its place, and leaving."""
    t = terminal(runner, "<serial type='null'/>", "--", "qemu-system-x86_64", "-accel", "tcg",
                 "-m", "256", "-kernel", kernel(), "-initrd", initramfs(), "-append",
                 "console=ttyS0 sysrq_always_enabled quiet")
    t.peer.read_until(b"guest# ")
    t.type(b"echo $((6 * 7))\r")
    t.peer.read_until(b"\n42\r\n")
    # What was typed before the BREAK comes before it, its key after it.
    t.type(b"echo now; cat\r")
    t.peer.read_until(b"\nnow\r\n")  # the line is no longer the shell's to edit
    t.type(b"before\r\x1ebh")
    text = t.peer.read_until(b"sysrq: HELP")
    # cat's own answer: the BREAK has eaten no byte of what stood before it.
    if b"\nbefore\r\n" not in text:
        t.peer.read_until(b"\nbefore\r\n")
    t.type(b"after\r")
    t.peer.read_until(b"\nafter\r\n")  # and the key was no text
    t.type(b"\x1d")
    assert t.process.wait() == 0
    assert termios.tcgetattr(t.slave) == t.before
    runner.nothing_left()




def test_a_break_that_cannot_be_sent_is_told_and_input_goes_on(runner):
    t = terminal(runner, "<serial type='null'/>", "--", runner.script(
        "exec 3>$1.out 4<$1.in; echo ready >&3; read x <&4; echo \"got <$x>\" >&3; read x <&4", "other"),
                 "{serial0}")
    t.peer.read_until(b"ready\n")
    t.type(b"\x1ebafter\n")  # no QEMU, no monitor
    t.peer.read_until(b"got <after>")
    assert "serial0: BREAK not sent: cannot connect to " in t.process.log()
    t.type(b"\x1d")
    assert t.process.wait() == 143
    runner.nothing_left()


def test_a_break_waits_for_what_was_typed_before_it(runner):
    """A VMM that does not read its input at once: the FIFO empties late, then comes the BREAK."""
    script = runner.script(r"""
exec /usr/bin/python3 -c '
import os, socket, sys
path = sys.argv[1]
base = os.path.dirname(path)
server = socket.socket(socket.AF_UNIX)
server.bind(base + "/qmp.sock")
server.listen()
server.settimeout(0)
fifo = os.open(path + ".in", os.O_RDWR)
out = os.open(path + ".out", os.O_WRONLY)
os.write(out, b"ready\n")
sys.stdin = open("/dev/null")
byte = os.read(fifo, 1)              # the rest stays: "bc"
try:
    server.accept()
    os.write(out, b"too early\n")
except BlockingIOError:
    pass
text = byte + os.read(fifo, 100)
server.settimeout(20)
client, _ = server.accept()          # the BREAK
lines = client.makefile("rw", newline="\n")
def say(x):
    lines.write(x + "\n"); lines.flush()
say("{\"QMP\": {}}")
lines.readline(); say("{\"return\": {}, \"id\": 0}")
command = lines.readline()
os.set_blocking(fifo, False)
try:
    os.write(out, b"early input %r\n" % os.read(fifo, 100))
except BlockingIOError:
    pass
os.set_blocking(fifo, True)
say("{\"return\": {}, \"id\": 1}")
os.write(out, b"%r %s %r\n" % (text, command.strip().encode(), os.read(fifo, 100)))
' "$1"
""", "other")
    t = terminal(runner, "<serial type='null'/>", "--", script, "{serial0}")
    t.peer.read_until(b"ready\n")
    t.type(b"abc\x1ebd")
    line = t.peer.read_until(b"b'd'\n")
    assert b"early" not in line
    assert b"b'abc' " in line and b"chardev-send-break" in line and b"charserial0" in line
    assert t.process.wait() == 0


def test_trouble_and_losses_are_told(runner, kit):
    """A client too many is told when it comes, and what nobody took at the end."""
    path = kit.path("s")
    process, columns = runner.serve("<serial type='unix'><source mode='bind' path='%s'/>"
                                    "<chardev:clients max='1'/></serial>" % path)
    runner.row(process, columns)
    first = Peer.unix(path)
    first.write(b"typed to nobody")
    Peer.unix(path).read_to_end()
    vmm = Peer.fifos(os.path.join(runner.run_dir, "vm", "serial0"))
    wfd = os.open(os.path.join(runner.run_dir, "vm", "serial0.out"), os.O_WRONLY)
    os.write(wfd, b"here")
    assert first.read_exactly(4) == b"here"
    os.close(wfd)
    vmm.close()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    told = [line for line in process.log().splitlines() if line.startswith("chardev: serial0: ")]
    assert "<chardev:clients max=> allows no more" in told[0]
    assert told[1:] == ["chardev: serial0: 15 bytes were typed that no guest took"]

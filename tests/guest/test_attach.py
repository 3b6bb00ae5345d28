"""chardev attach at a terminal and in pipes, against a server that does what the test says."""

import os
import signal
import subprocess

import pytest

from daemonkit import Daemon
from fake_control import FakeControl
from guestkit import CHARDEV, Gone, Late
from screen import TMUX, Screen

ROOT_HAS_IT = [{"id": 7, "uid": 0, "pid": 77, "since": "2026-01-01T00:00:00.000Z", "pen": True,
                "asks": False, "read_only": False}]
NOW = "2999-01-01T00:00:00.000Z"  # it has written just now

needs_tmux = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


@pytest.fixture
def fake(kit):
    server = FakeControl(kit.path("control.sock"))
    yield server
    server.close()


@pytest.fixture
def screen(kit):
    terminal = Screen(kit)
    yield terminal
    terminal.close()


def command(fake, *arguments):
    return " ".join([CHARDEV, "attach", "vm/serial0", "--socket", fake.path, *arguments])


def start(screen, fake, *arguments, **reply):
    """An attach on the screen: the viewer's connection."""
    screen.enter(command(fake, *arguments) + "; echo status=$?")
    viewer = fake.accept().attach(last_output=NOW, **reply)
    screen.wait_for("vm/serial0: ")
    return viewer


@needs_tmux
def test_keys_go_to_the_guest_and_its_output_to_the_screen(screen, fake):
    viewer = start(screen, fake)
    assert viewer.frame_of("W") == bytes([0, 80, 0, 24])
    viewer.data(0, b"login: ")
    screen.wait_for("login:")
    screen.type("ro\x03ot")
    screen.key("Enter")
    assert viewer.typed(6) == b"ro\x03ot\r"
    screen.resize(100, 30)
    assert viewer.frame_of("W") == bytes([0, 100, 0, 30])


@needs_tmux
def test_detached_the_terminal_is_as_it_was(screen, fake):
    before = screen.settings()
    viewer = start(screen, fake)
    screen.key("C-]")
    screen.wait_for("d detach")
    screen.type("d")
    screen.wait_for("status=0")
    assert screen.settings() == before
    with pytest.raises(Gone):
        viewer.typed(1)


@needs_tmux
@pytest.mark.parametrize("number, name", [(signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP"),
                                          (signal.SIGINT, "SIGINT"), (signal.SIGSEGV, None)])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(screen, fake, kit, number, name):
    before = screen.settings()
    pid = kit.path("pid")
    screen.enter("sh -c 'echo $$ >%s; exec %s'; echo status=$?" % (pid, command(fake)))
    fake.accept().attach()
    screen.wait_for("vm/serial0: ")
    with open(pid) as f:
        os.kill(int(f.read()), number)
    screen.wait_for("status=")
    if name:
        screen.wait_for("chardev: ended by " + name)
        screen.wait_for("status=1")
    assert screen.settings() == before


@needs_tmux
def test_the_server_vanishes_and_the_terminal_is_as_it_was(screen, fake):
    before = screen.settings()
    viewer = start(screen, fake)
    viewer.data(0, b"half a line")
    screen.wait_for("half a line")
    viewer.close()
    screen.wait_for("status=1")
    lines = screen.lines()
    at = lines.index("half a line")
    assert lines[at + 1].startswith("chardev: the server is gone")
    assert screen.settings() == before


@needs_tmux
def test_chardevd_is_killed_and_the_terminal_is_as_it_was(screen, kit):
    daemon = Daemon(kit)
    daemon.write("vm", "<domain type='qemu'><name>vm</name><memory>1</memory><os><type>hvm</type>"
                 "</os><devices><serial type='null'/></devices></domain>")
    daemon.start()
    before = screen.settings()
    screen.enter("%s attach vm --runtime-dir %s; echo status=$?" % (CHARDEV, daemon.run))
    screen.wait_for("vm/serial0: you have the pen; ^] opens the menu")
    vmm = daemon.vmm("vm")
    vmm.write(b"login: ")
    screen.wait_for("login:")
    screen.enter("root")
    assert vmm.read_exactly(5) == b"root\r"
    screen.key("C-]")
    screen.type("w")
    screen.wait_for("has the pen (you)")
    daemon.stop(signal.SIGKILL)
    screen.wait_for("chardev: the server is gone")
    screen.wait_for("status=1")
    assert screen.settings() == before


@needs_tmux
def test_the_menu_leaves_the_screen_as_it_was(screen, fake):
    viewer = start(screen, fake)
    viewer.data(0, b"one\r\ntwo")
    screen.wait_for("two")
    before = screen.lines()
    screen.key("C-]")
    menu = screen.wait(lambda lines: [n for n, line in enumerate(lines) if "d detach" in line], "a menu")
    assert menu == [len(before)]
    screen.key("Space")
    screen.wait(lambda lines: lines == before, "the screen without the menu")
    # What came meanwhile comes now, where it would have.
    screen.key("C-]")
    screen.wait_for("d detach")
    viewer.data(7, b" three")
    screen.key("Space")
    screen.wait(lambda lines: lines == before[:-1] + ["two three"], "what came meanwhile")
    screen.type("x")
    assert viewer.typed(1) == b"x"


@needs_tmux
def test_the_menu_at_the_bottom_of_the_screen(screen, fake):
    viewer = start(screen, fake)
    text = b"".join(b"line %d\r\n" % i for i in range(30)) + b"prompt> "
    viewer.data(0, text)
    screen.wait_for("prompt>")
    screen.key("C-]")
    screen.wait_for("d detach")
    assert screen.lines()[-2].startswith("prompt>")
    screen.key("Space")
    viewer.data(len(text), b"here")
    screen.wait_for("prompt> here")


@needs_tmux
def test_what_the_menu_sends(screen, fake):
    viewer = start(screen, fake, log="/var/log/vm-serial0.log")
    viewer.frame_of("W")
    for key, wanted in [("b", ("B", b"")), ("]", ("D", b"\x1d")), ("g", ("P", b"g"))]:
        screen.key("C-]")
        screen.wait_for("d detach")
        screen.type(key)
        assert viewer.frame() == wanted
    screen.key("C-]")
    screen.type("s")
    screen.wait_for("SysRq: which key?")
    screen.type("h")
    assert [viewer.frame(), viewer.frame()] == [("B", b""), ("D", b"h")]
    screen.key("C-]")
    screen.type("l")
    screen.wait_for("the log is /var/log/vm-serial0.log")
    screen.key("C-]")
    screen.type("?")
    screen.wait_for("P  take the pen by force")


@needs_tmux
def test_who_is_here(screen, fake):
    start(screen, fake)
    screen.key("C-]")
    screen.type("w")
    call = fake.accept()
    assert call.method == "org.chardev.Status"
    assert call.parameters == {"domain": "vm", "device": "serial0"}
    call.reply({"devices": [{"viewers": [dict(ROOT_HAS_IT[0]), {"id": 1, "uid": 0, "pid": 78}]}]})
    screen.wait_for("root (pid 77) has the pen")
    screen.wait_for("root (pid 78) does not type (you)")


@needs_tmux
def test_a_server_that_does_not_answer_who_is_here_holds_nothing_up(screen, fake):
    viewer = start(screen, fake)
    screen.key("C-]")
    screen.type("w")
    fake.accept()
    screen.type("x")
    assert viewer.typed(1) == b"x"
    screen.wait_for("does not answer")


@needs_tmux
def test_without_the_pen(screen, fake):
    viewer = start(screen, fake, pen=False, viewers=ROOT_HAS_IT)
    viewer.frame_of("W")
    screen.wait_for("root (pid 77) has the pen: ^] p asks for it; ^] opens the menu")
    screen.type("abc")
    screen.wait(lambda lines: sum("p asks for it" in line for line in lines) == 2, "a second hint")
    screen.type("def")
    # Nothing of it went, and it was said once: the next frame is what the menu sends.
    screen.key("C-]")
    screen.type("p")
    assert viewer.frame() == ("P", b"a")
    viewer.notice("pen", holder=ROOT_HAS_IT[0], yours=False)
    screen.wait_for("root (pid 77) has the pen, and was asked for it")
    assert sum("p asks for it" in line for line in screen.lines()) == 2
    viewer.notice("pen", holder={"id": 1, "uid": 0, "pid": 1}, yours=True)
    screen.wait_for("you have the pen")
    screen.type("g")
    assert viewer.typed(1) == b"g"
    viewer.notice("asked", by={"id": 9, "uid": 0, "pid": 99})
    screen.wait_for("root (pid 99) asks for the pen: ^] g gives it")


@needs_tmux
def test_what_the_server_says(screen, fake):
    viewer = start(screen, fake, missed=12, guest_attached=False)
    screen.wait_for("12 bytes missed")
    screen.wait_for("no VMM is attached")
    viewer.notice("guest", attached=True)
    screen.wait_for("the VMM is here")
    viewer.data(0, b"some output")
    viewer.notice("guest", attached=False)
    screen.wait(lambda lines: "the VMM has left" in lines, "a line of its own")
    viewer.data(111, b"more")
    screen.wait_for("100 bytes missed")
    viewer.notice("from the future", what=[])
    viewer.send("?", payload=b"skip this")
    viewer.end(115, reason="the domain was stopped")
    viewer.close()
    screen.wait_for("status=0")
    assert "the domain was stopped" in screen.lines()


@needs_tmux
def test_since_when_it_is_silent(screen, fake):
    screen.enter(command(fake))
    fake.accept().attach(last_output="2026-01-01T00:00:00.000Z")
    screen.wait_for("since 2026-01-01T00:00:00.000Z")


@needs_tmux
def test_another_escape_key(screen, fake):
    viewer = start(screen, fake, "--escape", "^a")
    viewer.frame_of("W")
    screen.key("C-]")
    assert viewer.typed(1) == b"\x1d"
    screen.key("C-a")
    screen.wait_for("] ^A")
    screen.type("d")
    screen.wait_for("status=0")


@needs_tmux
def test_a_dumb_terminal(screen, fake):
    screen.enter("TERM=dumb " + command(fake) + " | cat -v; echo end")
    fake.accept().attach(last_output=NOW)
    screen.key("C-]")
    screen.wait_for("d detach")
    screen.type("d")
    screen.wait_for("end")
    assert "^[" not in "\n".join(screen.lines()[3:])


@needs_tmux
def test_read_only_on_a_terminal(screen, fake):
    before = screen.settings()
    screen.enter(command(fake, "--read-only") + "; echo status=$?")
    call = fake.accept()
    assert call.parameters["read_only"] is True
    viewer = call.attach(pen=False, viewers=ROOT_HAS_IT, last_output=NOW)
    screen.wait_for("you only read; root (pid 77) has the pen")
    viewer.data(0, b"output\r\n")
    screen.wait_for("output")
    screen.type("echo lost$((1 + 1))\n")
    viewer.data(8, b"more\r\n")
    screen.wait_for("more")
    assert not any("lost" in line for line in screen.lines())
    viewer.end(14, reason="the device is not served any more")
    viewer.close()
    screen.wait_for("status=0")
    assert screen.settings() == before
    assert not any("lost" in line for line in screen.lines())


@needs_tmux
def test_read_only_ends_with_control_c(screen, fake):
    before = screen.settings()
    screen.enter(command(fake, "--read-only") + "; echo status=$?")
    viewer = fake.accept().attach(pen=False, last_output=NOW)
    screen.wait_for("you only read")
    screen.type("x\x1d")
    screen.key("C-c")
    screen.wait_for("status=0")
    assert viewer.peer.read_to_end() == b""
    assert screen.settings() == before


# ---- in pipes ------------------------------------------------------------------------------------


def spawn(kit, fake, *arguments, **streams):
    return kit.spawn(CHARDEV, "attach", "vm", "--socket", fake.path, *arguments, **streams)


def test_a_pipe_types_and_ends_when_all_is_taken(kit, fake):
    process = spawn(kit, fake, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    viewer = fake.accept().attach()
    process.input.write(b"reboot\n\x1d")
    process.input.close()
    assert viewer.typed(8) == b"reboot\n\x1d"
    assert viewer.peer.read_to_end() == b""  # it shut down its side
    viewer.data(0, b"\0\xff rebooting\n")
    viewer.end(13, reason="the input has ended")
    viewer.close()
    assert process.output.read_to_end() == b"\0\xff rebooting\n"
    assert process.wait() == 0
    assert process.log() == ""


def test_a_pipe_without_the_pen_is_refused(kit, fake):
    process = spawn(kit, fake, stdin=subprocess.DEVNULL)
    fake.accept().attach(pen=False, viewers=ROOT_HAS_IT)
    assert process.wait() == 1
    assert "root (pid 77) has the pen" in process.log() and "--force" in process.log()


def test_a_pipe_that_loses_the_pen_ends(kit, fake):
    process = spawn(kit, fake, stdin=subprocess.PIPE)
    viewer = fake.accept().attach()
    viewer.notice("pen", holder=ROOT_HAS_IT[0], yours=False)
    viewer.notice("refused", bytes=3)
    assert process.wait() == 1
    assert "3 bytes were not typed: root (pid 77) has the pen" in process.log()


def test_a_server_that_ends_before_all_was_typed(kit, fake):
    process = spawn(kit, fake, stdin=subprocess.PIPE)
    viewer = fake.accept().attach()
    viewer.end(0)
    viewer.close()
    assert process.wait() == 1
    assert "not all of the input was typed" in process.log()


def test_read_only_does_not_touch_its_input(kit, fake):
    reader, writer = os.pipe()
    os.write(writer, b"not yours")
    process = spawn(kit, fake, "--read-only", stdin=reader, stdout=subprocess.PIPE)
    viewer = fake.accept().attach(pen=False)
    viewer.data(0, b"output")
    viewer.end(6)
    viewer.close()
    assert process.output.read_to_end() == b"output"
    assert process.wait() == 0
    assert os.read(reader, 100) == b"not yours"
    os.close(reader)
    os.close(writer)


def test_a_reader_that_leaves_ends_it(kit, fake):
    process = spawn(kit, fake, "--read-only", stdout=subprocess.PIPE)
    fake.accept().attach()
    process.output.close()
    process.popen.stdout = None
    assert process.wait() == 0


def test_a_full_disk_is_told(kit, fake):
    with open("/dev/full", "wb") as full:
        process = spawn(kit, fake, "--read-only", stdout=full)
        viewer = fake.accept().attach()
        viewer.data(0, b"output")
        assert process.wait() == 1
    assert "No space left" in process.log()


def rss(process):
    with open("/proc/%d/statm" % process.pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_reader_that_stalls_holds_up_the_server_and_memory_stays(kit, fake):
    process = spawn(kit, fake, "--read-only", stdout=subprocess.PIPE)
    viewer = fake.accept().attach()
    piece = bytes(16384)
    viewer.data(0, piece)
    process.output.read_exactly(len(piece))
    before = rss(process)
    viewer.peer.owner.setblocking(False)
    offset = len(piece)
    header = lambda at: b"D" + (16384).to_bytes(3, "big") + at.to_bytes(8, "big")
    stream = b"".join(header(offset + i * 16384) + piece for i in range(512))  # 8 MiB
    with pytest.raises(Late, match="room in"):
        viewer.peer.write(stream, seconds=3)
    assert rss(process) - before < 1 << 20


def test_any_bytes_from_a_server_are_survived(kit, fake):
    for garbage, sentence in [
            (b"\0" * 12 + b"D\xff\xff\xff" + bytes(8), "what are no frames"),
            (b"N\0\0\x04" + bytes(8) + b"nope", "no JSON objects"),
            (b"N\0\0\x02" + bytes(8) + b"[]", "no JSON objects")]:
        process = spawn(kit, fake, "--read-only")
        fake.accept().attach().peer.write(garbage)
        assert process.wait() == 1
        assert sentence in process.log()


def test_a_server_that_is_none(kit, fake):
    for reply, sentence in [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n\0", "does not speak Varlink"),
            (b"[]\0", "does not speak Varlink"),
            (b"", "ended the connection before it had answered"),
            (b'{"error":"org.example.Odd"}\0', "the error org.example.Odd")]:
        process = spawn(kit, fake)
        call = fake.accept()
        call.peer.write(reply)
        call.close()
        assert process.wait() == 1
        assert sentence in process.log()


def test_refusals_are_the_server_s_sentences(kit, fake):
    process = spawn(kit, fake)
    fake.accept().refuse("Denied", "you may not attach to vm")
    assert process.wait() == 1
    assert process.log() == "chardev: you may not attach to vm\n"


def test_where_to_begin(kit, fake):
    for arguments, wanted in [((), {}), (("--tail", "5"), {"tail": 5}),
                              (("--since", "4096"), {"offset": 4096}),
                              (("--since", "2026-01-01T01:00:00+01:00"),
                               {"since": "2026-01-01T00:00:00.000Z"}),
                              (("--force", "--lossless"), {"force": True, "lossless": True})]:
        process = spawn(kit, fake, *arguments)
        call = fake.accept()
        expected = {"domain": "vm", "read_only": False, "force": False, "lossless": False, **wanted}
        assert call.parameters == expected
        assert call.text["upgrade"] is True
        call.refuse("Failed", "enough")
        assert process.wait() == 1


@pytest.mark.parametrize("arguments, sentence", [
    ((), "it takes one DOMAIN"), (("a", "b"), "it takes one DOMAIN"),
    (("vm", "--since", "yesterday"), "is no time"), (("vm", "--tail", "-1"), "takes a number"),
    (("vm", "--tail", "1", "--since", "1h"), "give one of"), (("vm", "--escape", "^"), None),
    (("vm", "--escape", "Ctrl-A"), "is no escape key"), (("vm", "--bogus"), "is not an option"),
    (("vm", "--read-only", "--force"), "exclude each other"), (("/serial0",), "names no domain"),
    (("vm/",), "names no device")])
def test_wrong_arguments(kit, arguments, sentence):
    done = subprocess.run([CHARDEV, "attach", *arguments, "--socket", kit.path("none")],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if sentence is None:
        assert done.returncode == 1 and "there is no such socket" in done.stderr
    else:
        assert done.returncode == 2 and sentence in done.stderr
    assert done.stderr.count("\n") == 1

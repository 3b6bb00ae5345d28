"""The commands of the control interface, against a server that answers as the test says."""

import base64
import json
import os
import subprocess

import pytest

from fake_control import FakeControl, Framed
from guestkit import CHARDEV

DOMAIN = {"name": "vm", "state": "running", "reason": "", "definition": "/etc/chardev/vm.xml",
          "devices": 1, "attached": 1}
DEVICE = {"alias": "serial0", "kind": "serial", "type": "pty", "where": "/dev/pts/7",
          "command": "screen /dev/pts/7", "state": "connected", "note": "", "guest": "serial0.in",
          "guest_attached": True, "guest_note": "", "epoch": "0" * 16, "oldest": 100, "head": 1124,
          "last_output": "2026-01-01T00:00:00.000Z", "history_bytes": 1024, "input_bytes": 3,
          "input_dropped": 4, "dropped": 5, "paused_ms": 6, "connects": 1, "errors": 1,
          "last_error": "the disk is full", "columns": 80, "rows": 24,
          "log": {"path": "/var/log/vm.log", "bytes": 99, "files": 2, "failing": True},
          "readers": [{"name": "a client", "offset": 1, "taken": 2, "dropped": 3, "gaps": 4,
                       "typed": 5, "behind": True, "failing": False}],
          "viewers": [{"id": 1, "uid": 0, "pid": 77, "since": "2026-01-01T00:00:00.000Z",
                       "pen": True, "asks": False, "read_only": False, "offset": 1, "dropped": 7,
                       "typed": 8, "refused": 9},
                      {"id": 2, "uid": 4294967294, "pid": 78, "since": "2026-01-01T00:00:00.000Z",
                       "pen": False, "asks": False, "read_only": True, "offset": 1, "dropped": 0,
                       "typed": 0, "refused": 0}]}


@pytest.fixture
def fake(kit):
    server = FakeControl(kit.path("control.sock"))
    yield server
    server.close()


class Command:
    """A command that is under way, and the call that it makes."""

    def __init__(self, kit, fake, *arguments, **streams):
        self.process = kit.spawn(CHARDEV, arguments[0], "--socket", fake.path, *arguments[1:],
                                 stdout=subprocess.PIPE, **streams)
        self.call = fake.accept(self.process)

    def reply(self, parameters=None):
        self.call.reply(parameters)
        return self.output()

    def output(self, status=0):
        text = self.process.output.read_to_end().decode()
        assert self.process.wait() == status, self.process.log()
        return text


@pytest.mark.parametrize("command, method", [
    ("start", "Start"), ("stop", "Stop"), ("undefine", "Undefine")])
def test_one_call_about_one_domain(kit, fake, command, method):
    run = Command(kit, fake, command, "vm")
    assert run.call.text == {"method": "org.chardev." + method, "parameters": {"domain": "vm"}}
    assert run.reply() == ""
    run = Command(kit, fake, command, "vm")
    run.call.refuse("NotFound", "there is no domain \"vm\"; \"chardev list\" lists them")
    assert run.output(1) == ""
    assert run.process.log() == "chardev: there is no domain \"vm\"; \"chardev list\" lists them\n"


def test_define(kit, fake):
    path = kit.path("vm.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("<domain>\u00e4</domain>")
    run = Command(kit, fake, "define", path, "--stopped")
    assert run.call.parameters == {"xml": "<domain>\u00e4</domain>", "start": False}
    assert run.reply({"domain": "vm", "devices": ["serial0", "serial1"],
                      "warnings": ["a warning"]}) == (
        "vm: defined; opened, closed or opened anew: serial0 serial1\n")
    assert run.process.log() == path + ": warning: a warning\n"
    run = Command(kit, fake, "define", path)
    assert run.call.parameters["start"] is True
    assert run.reply({"domain": "vm", "devices": []}) == "vm: defined; no device changed\n"


def test_define_sends_nothing_that_is_not_text(kit):
    path = kit.path("vm.xml")
    with open(path, "wb") as f:
        f.write(b"<domain>\xe4</domain>")
    done = subprocess.run([CHARDEV, "define", path], capture_output=True, text=True)
    assert done.returncode == 1 and "is not UTF-8" in done.stderr


def test_list(kit, fake):
    domains = [dict(DOMAIN, name="zoo"),
               dict(DOMAIN, name="a\x1b[2J", state="failed", reason="no\nport", attached=0)]
    lines = Command(kit, fake, "list").reply({"domains": domains}).split("\n")
    assert [line.split() for line in lines[:3]] == [
        ["NAME", "STATE", "ATTACHED", "REASON"],
        ["a?[2J", "failed", "0", "of", "1", "no?port"], ["zoo", "running", "1", "of", "1", "-"]]
    names = Command(kit, fake, "list", "--names").reply({"domains": [DOMAIN]})
    assert names == "vm\n"
    text = Command(kit, fake, "list", "--json").reply({"domains": domains})
    assert [json.loads(line)["name"] for line in text.splitlines()] == ["a\x1b[2J", "zoo"]


def test_list_asks_everybody(kit):
    servers = {}
    os.makedirs(kit.path("run/other"))
    for name in ("chardevd.sock", "other/control.sock"):
        servers[name] = FakeControl(kit.path("run/" + name))
    os.makedirs(kit.path("run/dead"))
    FakeControl(kit.path("run/dead/control.sock")).close()
    process = kit.spawn(CHARDEV, "list", "--names", "--runtime-dir", kit.path("run"),
                        stdout=subprocess.PIPE)
    for name, server in servers.items():
        call = server.accept(process)
        assert call.method == "org.chardev.List"
        call.reply({"domains": [dict(DOMAIN, name="of-" + name[:5])]})
    assert process.output.read_to_end() == b"of-chard\nof-other\n"
    assert process.wait() == 0
    for server in servers.values():
        server.close()


def test_a_domain_s_own_server_is_asked_first(kit):
    os.makedirs(kit.path("run/vm"))
    daemon = FakeControl(kit.path("run/chardevd.sock"))
    own = FakeControl(kit.path("run/vm/control.sock"))

    def stop():
        return kit.spawn(CHARDEV, "stop", "vm", "--runtime-dir", kit.path("run"))
    process = stop()
    own.accept(process).reply()
    assert process.wait() == 0
    own.close()  # its socket stays, as after a kill -9
    process = stop()
    daemon.accept(process).reply()
    assert process.wait() == 0
    daemon.close()


def test_nobody_serves(kit):
    os.makedirs(kit.path("run"))
    for command in (["list"], ["status"], ["events"], ["stop", "vm"], ["attach", "vm"], ["reload"]):
        done = subprocess.run([CHARDEV, *command, "--runtime-dir", kit.path("run")],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 1, command
        assert done.stdout == ""
        assert done.stderr.startswith("chardev: chardevd does not run (nothing serves %s); start it"
                                      % kit.path("run/chardevd.sock")), command
        assert done.stderr.count("\n") == 1


def test_status_of_one(kit, fake):
    run = Command(kit, fake, "status", "vm/serial0")
    assert run.call.parameters == {"domain": "vm", "device": "serial0"}
    text = run.reply({"domain": DOMAIN, "devices": [DEVICE]})
    for wanted in ("/etc/chardev/vm.xml", "pty", "/dev/pts/7", "screen /dev/pts/7", "attached",
                   "since 2026-01-01T00:00:00.000Z", "1124 bytes, of which 1024 can be had again",
                   "the disk is full", "80 x 24", "/var/log/vm.log, 99 bytes on disk in 2 files, which cannot",
                   "a client, took 2 bytes, dropped 3 in 4 gaps, typed 5, behind",
                   "root (pid 77), has the pen", "uid 4294967294 (pid 78), only reads",
                   "dropped 7, typed 8, refused 9"):
        assert wanted in text, text


def test_status_of_all(kit, fake):
    run = Command(kit, fake, "status")
    assert run.call.text["more"] is True
    run.call.reply({"domain": DOMAIN, "devices": [DEVICE]}, continues=True)
    stopped = dict(DOMAIN, name="off", state="stopped", reason="as asked", devices=0, attached=0)
    lines = run.reply({"domain": stopped, "devices": []}).split("\n")
    assert lines[1].split()[:5] == ["vm", "serial0", "pty", "connected", "attached"]
    assert "root (pid 77)" in lines[1]
    assert lines[2].split()[:4] == ["off", "-", "-", "stopped"] and lines[2].endswith("as asked")


def test_status_as_json(kit, fake):
    reply = {"domain": DOMAIN, "devices": [DEVICE]}
    assert json.loads(Command(kit, fake, "status", "--json", "vm").reply(reply)) == reply


def test_events(kit, fake):
    run = Command(kit, fake, "events", "vm")
    assert run.call.parameters == {"domain": "vm"} and run.call.text["more"] is True
    event = {"time": "2026-01-01T00:00:00.000Z", "event": "attach", "domain": "vm",
             "device": "serial0", "text": "came\x07", "uid": 0, "pid": 7}
    run.call.reply({"event": event}, continues=True)
    assert run.process.output.read_until(b"\n") == (
        b"2026-01-01T00:00:00.000Z attach    vm/serial0 by root (pid 7): came?\n")
    run.call.reply({"event": dict(event, lost=3, uid=None, device="")}, continues=True)
    assert run.process.output.read_until(b"\n").endswith(b"attach    vm: came?\n")
    assert "3 events were not told in time" in run.process.log()
    run.call.close()
    assert run.output(1) == ""


def test_events_end_with_their_reader(kit, fake):
    run = Command(kit, fake, "events", "--json")
    run.process.output.close()
    run.process.popen.stdout = None
    assert run.process.wait() == 0


def test_reload(kit, fake):
    text = Command(kit, fake, "reload").reply({"changed": ["vm", "b"], "failed": []})
    assert text == "vm: changed\nb: changed\n"
    run = Command(kit, fake, "reload")
    run.call.reply({"changed": [], "failed": [{"domain": "c", "message": "no port"}]})
    assert run.output(1) == ""
    assert run.process.log() == "chardev: c: no port\n"


@pytest.mark.parametrize("arguments, data, force", [
    (["vm", "ls", "-l"], b"ls -l\n", None), (["-n", "vm", "ls"], b"ls", None),
    (["vm", "--force", "reboot"], b"reboot\n", True), (["vm", "reboot", "--force"],
                                                       b"reboot --force\n", None)])
def test_send(kit, fake, arguments, data, force):
    run = Command(kit, fake, "send", *arguments)
    assert run.call.method == "org.chardev.Send"
    assert base64.b64decode(run.call.parameters["data"]) == data
    assert run.call.parameters.get("force") == force
    assert run.reply() == ""


def test_send_standard_input(kit, fake):
    with open(kit.path("in"), "w+b") as f:
        f.write(b"\0\xff" * 32768)
        f.seek(0)
        run = Command(kit, fake, "send", "vm", stdin=f)
        assert base64.b64decode(run.call.parameters["data"]) == b"\0\xff" * 32768
        assert run.reply() == ""
        f.seek(0, 2)
        f.write(b"x")
        f.seek(0)
        done = subprocess.run([CHARDEV, "send", "--socket", fake.path, "vm"], stdin=f,
                              capture_output=True, text=True)
    assert done.returncode == 1 and "more than the 65536 bytes" in done.stderr


def test_break_and_sysrq(kit, fake):
    run = Command(kit, fake, "break", "vm/serial1")
    assert run.call.text == {"method": "org.chardev.Break",
                             "parameters": {"domain": "vm", "device": "serial1", "data": ""}}
    run.reply()
    run = Command(kit, fake, "sysrq", "vm", "b", "--force")
    assert run.call.parameters == {"domain": "vm", "data": base64.b64encode(b"b").decode(),
                                   "force": True}
    run.reply()
    done = subprocess.run([CHARDEV, "sysrq", "vm", "boot"], capture_output=True, text=True)
    assert done.returncode == 2 and "one character" in done.stderr


def test_log(kit, fake):
    run = Command(kit, fake, "log", "vm", "-f", "--tail", "5", "--timestamps")
    assert run.call.parameters == {"domain": "vm", "follow": True, "tail": 5}
    run.call.reply({"device": "serial0", "path": "/log"})
    feed = Framed(run.call.peer)
    feed.mark(0, time="2026-01-01T00:00:00.000Z", what="")
    feed.data(0, b"one\ntw")
    assert run.process.output.read_until(b"tw") == (
        b"2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:00.000Z tw")
    feed.data(8, b"o\n")
    feed.end(10, reason="")
    run.call.close()
    assert run.output() == "\n2026-01-01T00:00:00.000Z o\n"
    assert run.process.log() == "chardev: 2 bytes before offset 8 are missing\n"


def test_a_log_that_fails(kit, fake):
    run = Command(kit, fake, "log", "vm")
    run.call.reply({"device": "serial0", "path": "/log"})
    Framed(run.call.peer).end(0, code=-5, reason="the disk fails")
    run.call.close()
    assert run.output(1) == ""
    assert run.process.log() == "chardev: the disk fails\n"
    run = Command(kit, fake, "log", "vm", "-f")
    run.call.reply({"device": "serial0", "path": "/log"})
    run.call.close()
    assert run.output(1) == ""
    assert "the log's server ended the connection" in run.process.log()


def test_the_live_document(kit, fake):
    run = Command(kit, fake, "xml", "--live", "vm")
    assert run.call.text == {"method": "org.chardev.Describe",
                             "parameters": {"domain": "vm", "live": True}}
    assert run.reply({"xml": "<domain/>\n"}) == "<domain/>\n"

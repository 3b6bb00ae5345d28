"""The control interface of a real chardevd against its description: every method, every field."""

import json
import os

import pytest

import varlink
from daemonkit import DESCRIPTION, Caller, Daemon, Refused, document

SERIAL = "<serial type='pty'><log file='%s/serial0.log'/></serial>"

# What only a caller that does not read is told; tests/unit/test_control_events.c.
NOT_HERE = {"Event.lost"}


@pytest.fixture
def daemon(kit):
    daemon = Daemon(kit)
    daemon.write("vm", document("vm", SERIAL % daemon.base))
    daemon.write("broken", "<domain/>")
    daemon.start()
    return daemon


def test_it_says_what_the_file_says(daemon):
    caller = daemon.caller()
    caller.peer.write(json.dumps({"method": "org.varlink.service.GetInterfaceDescription",
                                  "parameters": {"interface": "org.chardev"}}).encode() + b"\0")
    reply = json.loads(caller.peer.read_until(b"\0")[:-1])
    assert reply["parameters"]["description"] == DESCRIPTION


def use_everything(daemon):
    watcher = daemon.caller()
    watcher.send_more("Events")
    assert daemon.call("Define", xml=document("new", "<serial type='null'/>"),
                       start=False)["domain"] == "new"
    daemon.call("Start", domain="new")
    daemon.call("Stop", domain="new")
    daemon.call("Undefine", domain="new")
    assert {failure["domain"] for failure in daemon.call("Reload")["failed"]} == {"broken"}
    guest = daemon.vmm("vm")
    guest.write(b"hello\n")
    events = [watcher.reply()["event"]["event"]]
    while events[-1] != "guest":
        events.append(watcher.reply()["event"]["event"])
    assert "<name>vm</name>" in daemon.call("Describe", domain="vm", live=True)["xml"]
    viewer = daemon.caller()
    attached = viewer.call("Attach", domain="vm", tail=1, upgrade=True)
    assert attached["pen"] and attached["viewers"][0]["pen"] and attached["guest_attached"]
    with pytest.raises(Refused) as refused:
        daemon.call("Send", domain="vm", data="aGk=")
    assert refused.value.error == "Busy"
    daemon.call("Send", domain="vm", data="aGk=", force=True)
    assert guest.read_exactly(2) == b"hi"
    status = daemon.call("Status", domain="vm")
    assert status["devices"][0]["log"]["path"] == os.path.join(daemon.base, "serial0.log")
    assert daemon.call("List")["domains"][0]["attached"] == 1
    viewer.close()
    daemon.call("Break", domain="vm")
    log = daemon.caller()
    assert log.call("Log", domain="vm", upgrade=True)["device"] == "serial0"
    while "break" not in events:
        events.append(watcher.reply()["event"]["event"])
    assert {"defined", "started", "stopped", "undefined", "reloaded", "attach", "pen",
            "detach"} <= set(events)


def test_every_field_of_every_reply_is_as_described(daemon):
    Caller.described.seen.clear()
    use_everything(daemon)
    assert Caller.described.fields() - Caller.described.seen == NOT_HERE


@pytest.mark.parametrize("text", [
    "interface a.b\nmethod M() -> (x: Unknown)", "interface a.b\nmethod M() -> (x: int, x: int)",
    "interface a.b\ntype T (one, two: int)", "interface a.b\nmethod M() ->", "method M() -> ()",
    "interface a.b\ntype T (a: int)\ntype T (b: int)", "interface a.b\n!"])
def test_the_reader_refuses_what_is_no_description(text):
    with pytest.raises(varlink.Wrong):
        varlink.Interface(text)


@pytest.mark.parametrize("reply", [
    {}, {"x": 1}, {"x": 1, "y": ["a"], "z": True}, {"x": True, "y": []}, {"x": 1, "y": ["c"]},
    {"x": "1", "y": []}, {"x": 1, "y": {}}, {"x": 1, "y": [], "t": {}}, {"x": None, "y": []}])
def test_the_reader_sees_what_is_not_as_described(reply):
    interface = varlink.Interface("interface a.b # so\ntype T (u: ?int, v: bool)\n"
                                  "method M() -> (x: int, y: [](a, b), t: ?T)")
    interface.check_reply("M", {"x": 1, "y": ["a", "b"], "t": {"v": False}})
    interface.check_reply("M", {"x": 1, "y": [], "t": None})
    with pytest.raises(varlink.Wrong):
        interface.check_reply("M", reply)

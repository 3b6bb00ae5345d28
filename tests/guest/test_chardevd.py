"""chardevd: how it starts, what it serves, how its definitions change, how it ends and goes on."""

import base64
import os
import re
import select
import signal
import statistics
import subprocess
import time

import pytest

from daemonkit import CHARDEVD, Caller, Daemon, Notices, Refused, document
from guestkit import CHARDEV, Deadline, Peer, stream, wait_fds, wait_file
from serving import WORKERS_END, pass_time, switches
from viewers import attach

PTY = "<serial type='pty'/>"
NULL = "<serial type='null'/>"
PATIENT_ANSWER_MS = 500


@pytest.fixture
def daemon(kit):
    return Daemon(kit)


def unix(path):
    return "<serial type='unix'><source mode='bind' path='%s'/></serial>" % path


def line_with(process, words):
    """The one line of its log that has these words."""
    lines = [line for line in process.log().splitlines() if words in line]
    assert len(lines) == 1, process.log()
    return lines[0]


# ---- starting ---------------------------------------------------------------------------------------


def test_it_serves_what_its_directory_defines(daemon):
    daemon.write("a", document("a", PTY))
    daemon.write("b", document("b", NULL, PTY))
    daemon.start()
    domains = daemon.domains()
    assert {name: (d["state"], d["devices"]) for name, d in domains.items()} == {
        "a": ("running", 1), "b": ("running", 2)}
    assert domains["a"]["definition"] == daemon.definition("a")
    assert os.stat(daemon.socket).st_mode & 0o777 == 0o666
    assert daemon.stop() == 0
    assert not os.path.exists(daemon.socket)
    assert sorted(os.listdir(daemon.run)) == ["a", "b"]


def test_a_bad_definition_is_told_and_the_others_are_served(daemon):
    daemon.write("good", document("good", PTY))
    daemon.write("bad", document("bad", "<serial type='nonsense'/>"))
    daemon.write("other", document("another", PTY))
    os.symlink(daemon.definition("good"), daemon.definition("link"))
    process = daemon.start()
    assert set(daemon.domains()) == {"good"}
    assert "bad.xml:3: " in line_with(process, "nonsense")
    assert "another.xml" in line_with(process, "other.xml")
    assert "symbolic link" in line_with(process, "link.xml")


def test_a_domain_that_cannot_start_is_there_as_failed(daemon, kit):
    daemon.write("vm", document("vm", unix(kit.path("no/such/dir/s"))))
    process = daemon.start()
    domain = daemon.domains()["vm"]
    assert domain["state"] == "failed" and "directory does not exist" in domain["reason"]
    line_with(process, "directory does not exist")


def test_bad_settings_keep_it_from_starting(daemon):
    with open(daemon.settings, "w") as f:
        f.write("[log]\nquota_host = lots\n[acess]\n")
    process = daemon.spawn()
    assert process.wait() == 1
    assert "chardevd.conf:2: " in line_with(process, "lots")
    assert "chardevd.conf:3: " in line_with(process, "acess")
    assert not os.path.exists(daemon.run)


def test_settings_that_were_named_must_be_there(daemon, kit):
    process = daemon.spawn("--config", kit.path("none.conf"))
    assert process.wait() == 1
    line_with(process, "none.conf: cannot be read")


def test_check_says_everything_that_is_wrong(daemon):
    daemon.write("good", document("good", PTY))
    assert daemon.check().returncode == 0
    with open(daemon.settings, "w") as f:
        f.write("[log]\nquota = 1\n")
    daemon.write("bad", document("bad", "<serial type='nonsense'/>", "<serial type='worse'/>"))
    checked = daemon.check()
    assert checked.returncode == 1
    assert [re.match(r"\S*/(\w+\.\w+:\d+): ", line).group(1)
            for line in checked.stderr.splitlines()] == ["chardevd.conf:2", "bad.xml:3", "bad.xml:4"]
    assert not os.path.exists(daemon.run)


@pytest.mark.parametrize("arguments, status, words", [
    (["--help"], 0, "--runtime-dir"), (["--version"], 0, "chardevd "),
    (["--no-such"], 2, "--help"), (["word"], 2, "is no option")])
def test_options(arguments, status, words):
    run = subprocess.run([CHARDEVD, *arguments], text=True, capture_output=True, check=False)
    assert run.returncode == status
    assert words in run.stdout + run.stderr


def test_two_daemons_do_not_share_a_directory(daemon):
    first = daemon.start()
    second = daemon.spawn()
    assert second.wait() == 1
    assert "process %d" % first.pid in line_with(second, "another chardevd")
    assert daemon.domains() == {}
    first.signal(signal.SIGTERM)
    assert first.wait() == 0


def test_a_directory_without_permission(daemon, kit):
    os.chmod(kit.directory, 0o755)
    os.chmod(daemon.base, 0o755)
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    process = daemon.spawn(prefix=as_nobody)
    assert process.wait() == 1
    assert "Permission denied" in line_with(process, "cannot make the runtime directory")


# ---- systemd ---------------------------------------------------------------------------------------


def test_systemd_is_told_of_each_step(daemon, kit):
    notices = Notices(kit.path("told"))
    process = daemon.spawn(env=dict(os.environ, NOTIFY_SOCKET=notices.path))
    seen = notices.wait("READY=1", process)
    assert seen[-1] == ["READY=1", "STATUS=Serving 0 domains"]
    notices.seen.clear()
    daemon.write("vm", document("vm", PTY))
    process.signal(signal.SIGHUP)
    seen = notices.wait("READY=1", process)
    assert seen[0][0] == "RELOADING=1" and seen[0][1].startswith("MONOTONIC_USEC=")
    assert seen[-1] == ["READY=1", "STATUS=Serving 1 domains"]
    process.signal(signal.SIGTERM)
    notices.wait("STOPPING=1", process)
    assert process.wait() == 0
    notices.close()


def test_socket_activation(daemon, kit):
    path = kit.path("activated")
    process = daemon.spawn(prefix=["systemd-socket-activate", "-l", path])
    # It listens before the daemon does, which the first call starts. The path alone may stand earlier.
    wait_file(process.log_path, lambda _: "Listening on" in process.log())
    caller = Caller(path)
    kit.keep(caller)
    assert caller.call("List") == {"domains": []}
    assert not os.path.exists(daemon.socket)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert os.path.exists(path)  # systemd's, not ours


def test_what_is_no_socket_is_not_served(daemon, kit):
    plain = os.open(kit.path("plain"), os.O_RDWR | os.O_CREAT)
    os.set_inheritable(plain, True)
    run = subprocess.run(
        ["bash", "-c", 'exec 3<&%d; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' % plain, "bash",
         *daemon.arguments()], pass_fds=[plain], text=True, capture_output=True, check=False,
        timeout=60)
    os.close(plain)
    assert run.returncode == 1 and "no listening UNIX socket" in run.stderr


def test_the_units_are_right():
    """What systemd itself thinks of them, with this build's program in its place."""
    data = os.path.join(os.path.dirname(CHARDEVD), "..", "data")
    units = [os.path.join(data, "chardevd." + kind) for kind in ("service", "socket")]
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], text=True,
                         capture_output=True, check=False, timeout=60)
    ours = [line for line in run.stderr.splitlines() if "chardevd" in line
            and "is not executable" not in line]  # it is not installed
    assert ours == []


# ---- changes ---------------------------------------------------------------------------------------


def test_define_keeps_and_undefine_forgets(daemon):
    daemon.start()
    text = document("vm", "<!-- kept as it is -->", PTY)
    outcome = daemon.call("Define", xml=text)
    assert outcome == {"domain": "vm", "devices": ["serial0"], "warnings": []}
    with open(daemon.definition("vm")) as f:
        assert f.read() == text
    assert os.stat(daemon.definition("vm")).st_mode & 0o777 == 0o600
    assert daemon.call("Undefine", domain="vm") == {}
    assert not os.path.exists(daemon.definition("vm"))
    assert daemon.domains() == {}
    with pytest.raises(Refused) as refused:
        daemon.call("Undefine", domain="vm")
    assert refused.value.error == "NotFound"


def test_a_change_leaves_clients_of_the_rest_connected(daemon, kit):
    first, second, third = (kit.path(name) for name in ("first", "second", "third"))
    daemon.start()
    daemon.call("Define", xml=document("vm", unix(first), unix(second)))
    client = Peer.unix(first)
    kit.keep(client)
    outcome = daemon.call("Define", xml=document("vm", unix(first), unix(third)))
    assert outcome["devices"] == ["serial1"]
    daemon.vmm("vm").write(b"still here\n")
    assert client.read_exactly(11) == b"still here\n"
    kit.keep(Peer.unix(third))
    assert not os.path.exists(second)


def test_a_change_that_fails_changes_nothing(daemon, kit):
    path = kit.path("s")
    daemon.start()
    text = document("vm", unix(path))
    daemon.call("Define", xml=text)
    with pytest.raises(Refused) as refused:
        daemon.call("Define", xml=document("vm", unix(kit.path("no/dir/s"))))
    assert "directory does not exist" in refused.value.message
    with open(daemon.definition("vm")) as f:
        assert f.read() == text
    assert sorted(os.listdir(daemon.config)) == ["vm.xml"]
    kit.keep(Peer.unix(path))


@pytest.mark.parametrize("before", [None, PTY])
def test_a_definition_that_cannot_be_started_is_kept_as_it_is_served(daemon, kit, before):
    daemon.start()
    if before:
        daemon.call("Define", xml=document("vm", before), start=False)
    text = document("vm", unix(kit.path("no/dir/s")))
    with pytest.raises(Refused) as refused:
        daemon.call("Define", xml=text)
    assert "vm is defined, but could not be started: " in refused.value.message
    domain = daemon.domains()["vm"]
    assert domain["state"] == "failed"
    with open(domain["definition"]) as f:
        assert f.read() == text
    os.mkdir(kit.path("no"))
    os.mkdir(kit.path("no/dir"))
    daemon.call("Start", domain="vm")
    assert daemon.domains()["vm"]["state"] == "running"


def test_a_definition_that_cannot_be_kept_is_not_served(daemon):
    daemon.start()
    os.symlink("/nonexistent", daemon.definition("vm"))
    with pytest.raises(Refused) as refused:
        daemon.call("Define", xml=document("vm", PTY))
    assert "symbolic link" in refused.value.message
    assert daemon.domains() == {}


def test_reload_changes_what_differs(daemon, kit):
    stays, gone = kit.path("stays"), kit.path("gone")
    daemon.write("stays", document("stays", unix(stays)))
    daemon.write("gone", document("gone", unix(gone)))
    daemon.write("changes", document("changes", NULL))
    daemon.start()
    client = Peer.unix(stays)
    kit.keep(client)
    os.unlink(daemon.definition("gone"))
    daemon.write("changes", document("changes", PTY))
    daemon.write("new", document("new", PTY))
    daemon.write("bad", "<domain>")
    outcome = daemon.call("Reload")
    assert sorted(outcome["changed"]) == ["changes", "gone", "new"]
    assert {failure["domain"] for failure in outcome["failed"]} == {"bad"}
    assert set(daemon.domains()) == {"stays", "changes", "new"}
    assert not os.path.exists(gone)
    daemon.vmm("stays").write(b"x")
    assert client.read_exactly(1) == b"x"


def test_a_domain_that_is_changed_has_not_started(daemon):
    daemon.write("vm", document("vm", PTY))
    daemon.start()
    events = daemon.caller()
    events.send_more("Events")
    daemon.call("List")  # its turn comes after theirs
    daemon.call("Reload")
    daemon.call("Define", xml=document("vm", PTY, NULL))
    daemon.call("Stop", domain="vm")
    told = []
    while "stopped" not in told:
        told.append(events.reply()["event"]["event"])
    assert [event for event in told if event != "state"] == ["reloaded", "changed", "stopped"]


def test_reload_forgets_any_number_of_domains(daemon):
    """One after the other, on a stack that has no room for all of them."""
    count = 400
    daemon.start(prefix=("prlimit", "--stack=%d" % (128 << 10)))
    caller = daemon.caller()
    for i in range(count):
        caller.call("Define", xml=document("vm%d" % i, NULL), start=False)
    for i in range(count):
        os.unlink(daemon.definition("vm%d" % i))
    assert len(daemon.call("Reload")["changed"]) == count
    assert daemon.domains() == {}


def test_reload_with_bad_settings_keeps_the_old_ones(daemon):
    daemon.start()
    with open(daemon.settings, "w") as f:
        f.write("[log]\nnonsense\n")
    daemon.write("vm", document("vm", PTY))
    outcome = daemon.call("Reload")
    assert outcome["changed"] == ["vm"]
    assert "chardevd.conf:2: " in outcome["failed"][0]["message"]


def test_a_group_named_in_the_settings_may_come_in_after_a_reload(daemon, kit):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    os.chmod(kit.directory, 0o755)
    os.chmod(daemon.base, 0o755)
    process = daemon.start()
    daemon.call("Define", xml=document("vm", PTY))
    child = ("import sys; sys.path.insert(0, %r); import daemonkit\n"
             "print(daemonkit.Caller(%r).call('List'))" % (os.path.dirname(__file__), daemon.socket))

    def list_as_nobody():
        return subprocess.run(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--",
             "/usr/bin/python3", "-c", child], text=True, capture_output=True, check=False).stdout

    before = list_as_nobody()
    assert "'vm'" not in before
    with open(daemon.settings, "w") as f:
        f.write("[access]\nviewers = 65534\n")
    daemon.call("Reload")
    assert "'vm'" in list_as_nobody()
    line_with(process, "audit: reloaded uid=0 ")


def test_one_user_does_not_take_every_descriptor_with_logs(daemon, kit):
    """What an upgraded connection costs it costs as long as it stays: it counts like any other."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    os.chmod(kit.directory, 0o755)
    os.chmod(daemon.base, 0o755)
    with open(daemon.settings, "w") as f:
        f.write("[access]\nviewers = 65534\n")
    daemon.write("vm", document(
        "vm", "<serial type='pty'><log file='%s'/></serial>" % os.path.join(daemon.log, "vm.log")))
    daemon.start()
    child = ("import sys; sys.path.insert(0, %r); from daemonkit import Caller, Refused\n"
             "held = []\n"
             "try:\n"
             "    for i in range(300):\n"
             "        held.append(Caller(%r))\n"
             "        try:\n"
             "            held[i].send('Log' if i %% 2 else 'Attach', domain='vm', upgrade=True,\n"
             "                         **({'follow': True} if i %% 2 else {'read_only': True}))\n"
             "        except OSError:\n"
             "            pass  # it is refused before it asks\n"
             "        held[i].reply()\n"
             "except Refused as refused:\n"
             "    print(i, refused.error)" % (os.path.dirname(__file__), daemon.socket))
    run = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--",
         "/usr/bin/python3", "-c", child], text=True, capture_output=True, check=False)
    assert run.stdout.split() == ["256", "Busy"], run.stderr
    assert set(daemon.domains()) == {"vm"}  # its owner comes in


# ---- the end, and going on -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_guest_that_goes_on_writing_loses_nothing(daemon, kit, number):
    path = kit.path("s")
    daemon.write("vm", document("vm", unix(path)))
    daemon.start()
    vmm = daemon.vmm("vm")  # open all the time, as QEMU is
    data = stream(3, 30000)
    vmm.write(data[:10000])
    client = Peer.unix(path)
    assert client.read_exactly(10000) == data[:10000]
    client.close()
    before = daemon.device("vm")
    assert daemon.stop(number) == (0 if number == signal.SIGTERM else -number)
    vmm.write(data[10000:20000])  # nobody is there: the FIFO holds it
    daemon.start()
    vmm.write(data[20000:])
    client = Peer.unix(path)
    kit.keep(client)
    assert client.read_exactly(20000) == data[10000:]
    after = daemon.device("vm")
    assert after["epoch"] == before["epoch"]
    assert (before["head"], after["head"]) == (10000, 30000)


def test_hangup_reloads(daemon, kit):
    notices = Notices(kit.path("told"))
    process = daemon.spawn(env=dict(os.environ, NOTIFY_SOCKET=notices.path))
    notices.wait("READY=1", process)
    notices.seen.clear()
    daemon.write("vm", document("vm", PTY))
    process.signal(signal.SIGHUP)
    notices.wait("READY=1", process)
    notices.close()
    assert set(daemon.domains()) == {"vm"}
    line_with(process, "reloaded: 1 domains changed, 0 failed")


def logged(path):
    return "<serial type='null'><log file='%s'/></serial>" % path


def wait_until(condition, what):
    deadline = Deadline()
    while not condition():
        assert deadline.milliseconds() > 1, "waited in vain for " + what
        os.sched_yield()


def file_has(path, data):
    try:
        with open(path, "rb") as f:
            return f.read() == data
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("settings", ["", "[log]\nquota_domain = wrong\n"], ids=["right", "wrong"])
def test_hangup_opens_the_logs_anew(daemon, kit, settings):
    path, moved = kit.path("vm.log"), kit.path("vm.log.moved")
    daemon.write("vm", document("vm", logged(path)))
    process = daemon.start()
    vmm = daemon.vmm("vm")
    vmm.write(b"before\n")
    wait_until(lambda: file_has(path, b"before\n"), "the log")
    os.rename(path, moved)
    with open(daemon.settings, "w") as f:
        f.write(settings)
    process.signal(signal.SIGHUP)
    wait_until(lambda: "reloaded: " in process.log(), "the reload")
    vmm.write(b"after\n")
    wait_until(lambda: file_has(path, b"after\n"), "the new log")
    assert file_has(moved, b"before\n")


def test_logs_keep_to_the_quota_that_a_reload_brings(daemon, kit):
    directory = kit.path("logs")
    os.mkdir(directory)

    def on_disk():
        return sum(entry.stat().st_size for entry in os.scandir(directory))

    daemon.write("vm", document("vm", logged(os.path.join(directory, "vm.log"))))
    daemon.start()
    vmm = daemon.vmm("vm")
    data = stream(9, 1 << 20)
    vmm.write(data)
    wait_until(lambda: on_disk() >= len(data), "all of it in the log: %d" % on_disk())
    with open(daemon.settings, "w") as f:
        f.write("[log]\nquota_domain = 256KiB\n")
    daemon.call("Reload")
    vmm.write(data[:4096])  # what is written next finds the limit passed
    wait_until(lambda: on_disk() <= 256 << 10, "the quota")


def test_names_cannot_forge_an_audit_line(daemon):
    process = daemon.start()
    daemon.call("Define", xml=document("vm uid=0 &#9;&#133;\\", PTY))
    line = line_with(process, "audit:")
    assert "domain=vm\\x20uid=0\\x20\\x09\\xc2\\x85\\x5c uid=%d pid=" % os.geteuid() in line


def test_a_standard_error_that_nobody_reads_holds_up_nothing(daemon):
    reading, writing = os.pipe()
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *daemon.arguments()],
                               stderr=writing)
    try:
        wait_fds({reading: select.POLLIN}, Deadline(), "its first line")
        caller = daemon.caller()
        for _ in range(1500):  # of some 80 bytes each: more than a pipe holds
            caller.call("Reload")
        os.set_blocking(reading, False)
        while True:
            try:
                os.read(reading, 65536)
            except BlockingIOError:
                break
        caller.call("Reload")
        assert re.search(rb"\d+ lines were lost", os.read(reading, 65536))
    finally:
        process.terminate()
        assert process.wait(60) == 0
        os.close(reading)
        os.close(writing)


# ---- BREAK ------------------------------------------------------------------------------------------


def test_a_break_reaches_a_guest_that_was_started_by_hand(daemon, kit):
    path = kit.path("console")
    text = document("vm", unix(path))
    daemon.write("vm", text)
    process = daemon.start()
    run = subprocess.run([CHARDEV, "qemu", daemon.definition("vm"), "--runtime-dir", daemon.run],
                         text=True, capture_output=True, check=True)
    guest = kit.boot(run.stdout.splitlines(),
                     words="console=ttyS0 sysrq_always_enabled loglevel=7")
    client = Peer.unix(path)
    kit.keep(client)
    guest.ask("open", "ttyS0")
    daemon.call("Break", domain="vm", data=base64.b64encode(b"h").decode())
    assert b"sysrq: HELP" in client.read_until(b"show-registers")
    line_with(process, "audit: break domain=vm device=serial0 ")


def test_a_break_without_a_guest_is_told(daemon):
    daemon.write("vm", document("vm", NULL))
    process = daemon.start()
    daemon.vmm("vm")
    events = daemon.caller()
    events.send_more("Events", domain="vm")
    daemon.call("Break", domain="vm")
    assert events.reply()["event"]["event"] == "break"
    deadline = Deadline()
    while "BREAK not sent: cannot connect to" not in process.log():
        assert deadline.milliseconds() > 1, process.log()
        os.sched_yield()


def test_events_tell_of_guests_and_clients(daemon, kit):
    path = kit.path("s")
    daemon.write("vm", document("vm", unix(path)))
    daemon.start()
    events = daemon.caller()
    events.send_more("Events")
    told = daemon.caller()  # the subscription stands when a later call of the same turn is answered
    told.call("List")
    daemon.vmm("vm").write(b"x")
    event = events.reply()["event"]
    assert (event["event"], event["domain"], event["device"]) == ("guest", "vm", "serial0")
    assert event["text"] == "the VMM has come"
    daemon.call("Stop", domain="vm")
    seen = []
    while "stopped" not in seen:
        event = events.reply()["event"]
        seen.append(event["event"])
    assert (event["domain"], event["device"]) == ("vm", "")


# ---- chardev run ------------------------------------------------------------------------------------


def test_chardev_run_has_the_same_interface(daemon, kit):
    daemon.write("vm", document("vm", NULL))
    process = kit.spawn(CHARDEV, "run", daemon.definition("vm"), "--runtime-dir", daemon.run,
                        "--log-dir", daemon.log, stdout=subprocess.PIPE)
    process.output.read_until(b"null")
    daemon.socket = os.path.join(daemon.run, "vm", "control.sock")
    assert os.stat(daemon.socket).st_mode & 0o777 == 0o600
    assert daemon.domains()["vm"]["state"] == "running"
    for method, parameters in (("Define", {"xml": document("vm", PTY)}),
                               ("Undefine", {"domain": "vm"}), ("Reload", {}),
                               ("Stop", {"domain": "vm"}), ("Start", {"domain": "vm"})):
        with pytest.raises(Refused) as refused:
            daemon.call(method, **parameters)
        assert "chardevd" in refused.value.message
    assert daemon.device("vm")["alias"] == "serial0"
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not os.path.exists(daemon.run)


# ---- many -----------------------------------------------------------------------------------------


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def seconds_of(ask):
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def test_a_thousand_domains(daemon, report):
    for i in range(1000):
        daemon.write("vm%d" % i, document("vm%d" % i, PTY))
    began = time.monotonic()
    process = daemon.start()
    report("1,000 domains: until READY", "%.2f s" % (time.monotonic() - began))
    assert len(daemon.domains()) == 1000
    name = "vm500"
    for what, ask in (("List", lambda: daemon.call("List")),
                      ("Status", lambda: daemon.call("Status", domain=name)),
                      ("Attach", lambda: attach(daemon, domain=name).close())):
        times = [seconds_of(ask) * 1000 for _ in range(50)]
        report("1,000 domains: %s, of 50" % what,
               "%.1f ms, worst %.1f ms" % (statistics.median(times), max(times)))
        # Patient: with sanitizers, and neighbours on the processors.
        assert max(times) < PATIENT_ANSWER_MS
    began = time.monotonic()
    assert daemon.call("Reload")["changed"] == []
    report("1,000 domains: Reload, nothing differs", "%.2f s" % (time.monotonic() - began))
    # Idle: the threads of the reload have ended when it has none but its own.
    pass_time(process, WORKERS_END)
    before = cpu_ticks(process.pid), switches(process.pid)
    pass_time(process, 10)
    after = cpu_ticks(process.pid), switches(process.pid)
    report("1,000 domains: ticks of CPU in 10 idle seconds", after[0] - before[0])
    assert after == before, "threads that woke up"
    began = time.monotonic()
    assert daemon.stop() == 0
    report("1,000 domains: until the end", "%.2f s" % (time.monotonic() - began))

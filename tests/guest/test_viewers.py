"""Many viewers of one port of a real guest, through Attach: who sees what, who types, what is told."""

import os
import re
import subprocess
import time

import pytest

from daemonkit import Daemon, document
from guestkit import CHARDEV, LONG, Deadline, Peer, crc, stream
from serving import memory_kib, pass_time
from viewers import Output, attach, pump

KIB = 1024
MIB = 1024 * KIB
PORT = "org.chardev.0"
VIEWERS = 100
LATE = 40
# What the guest sends: past the ring, so that who does not read misses something; then what who
# comes late asks for; then past the ring again.
SIZES = (4 * MIB, 256 * KIB, (128 if LONG else 8) * MIB)
PIECE_SECONDS = 1  # what came closer together is one piece to `since`
FRAME = 16 * KIB  # of a frame that was begun, the connection keeps the rest
PEN = {"ask": b"a", "force": b"f", "give": b"g"}

DEVICES = """<serial type='unix'><source mode='bind' path='%s'/></serial>
<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/>
<chardev:overflow policy='block'/></channel>"""


@pytest.fixture(scope="module")
def daemon(module_kit):
    daemon = Daemon(module_kit)
    daemon.write("vm", document("vm", DEVICES % (module_kit.path("serial"), module_kit.path("port"), PORT)))
    # The quarantine of freed memory is a sanitizer's, not ours, and would look like growth.
    options = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:" + os.environ.get("ASAN_OPTIONS", "")
    process = daemon.start(env=dict(os.environ, ASAN_OPTIONS=options))
    yield daemon
    assert daemon.stop() == 0, process.log()
    assert "Sanitizer" not in process.log()


@pytest.fixture(scope="module")
def guest(module_kit, daemon):
    run = subprocess.run([CHARDEV, "qemu", daemon.definition("vm"), "--runtime-dir", daemon.run],
                         text=True, stdout=subprocess.PIPE, check=True)
    guest = module_kit.boot(run.stdout.splitlines())
    for device in ("ttyS0", PORT):
        guest.ask("open", device)
    return guest


def seen_by_status(daemon, device="serial0"):
    return {viewer["id"]: viewer for viewer in daemon.device("vm", device)["viewers"]}


def tail_offset(data, lines):
    """Where the last lines of data begin; an unfinished one counts as one."""
    at = len(data) - data.endswith(b"\n")
    for _ in range(lines):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return 0
    return at + 1


# ---- output ---------------------------------------------------------------------------------------


def late_viewers(daemon, expected, head, silence, silence_offset):
    """Some by lines, some by time, some by offset: each where it asked to begin."""
    viewers = []
    epoch = daemon.device("vm", "channel0")["epoch"]
    for n in range(LATE):
        kind = n % 4
        how, begin = (
            ({"tail": 3 * n + 1}, tail_offset(expected[:head], 3 * n + 1)),
            ({"since": silence}, silence_offset),
            ({"offset": head - 1000 * n, "epoch": epoch}, head - 1000 * n),
            ({}, head))[kind]
        viewer = attach(daemon, expected, domain="vm", device="channel0", read_only=n % 8 < 4, **how)
        assert (viewer.first, viewer.reply["missed"], viewer.reply["head"]) == (begin, 0, head), how
        viewers.append(viewer)
    return viewers


def check_all_seen(daemon, viewers, head, stopped=()):
    """Each has every byte up to the head, or the status counts exactly those that it has not."""
    status = seen_by_status(daemon, "channel0")
    assert len(status) == len(viewers)
    for viewer in viewers:
        counted = status[viewer.reply["id"]]
        assert viewer.missed == counted["dropped"]
        assert viewer.offset == counted["offset"] == head
        assert not viewer.breaks and not viewer.ended
    return sum(viewer.missed for viewer in viewers if viewer not in stopped)


def test_a_hundred_viewers_see_every_byte_or_how_many_they_miss(daemon, guest, module_kit, report):
    expected = b"".join(stream(n, size) for n, size in enumerate(SIZES))
    ends = [sum(SIZES[:n + 1]) for n in range(len(SIZES))]
    client = Output(Peer.unix(module_kit.path("port")), expected)
    # `lossless` ones hold up the guest, as the client does: they miss nothing, ever.
    viewers = [attach(daemon, expected, domain="vm", device="channel0", read_only=n % 3 != 1,
                      lossless=n % 10 == 9) for n in range(VIEWERS - LATE)]
    stopped, lossless = viewers[0], viewers[9::10]
    reading = viewers[1:]

    def send(n):
        """The guest's next part, until it is with the guest's client and with all who read."""
        began = time.monotonic()
        sent = guest.start("send", PORT, SIZES[n], n, 65536)
        pump([client, *reading], lambda: all(v.offset == ends[n] for v in (client, *reading)),
             Deadline(), "the guest's output")
        assert sent.result() == [str(SIZES[n]), crc(stream(n, SIZES[n]))]
        report("%d KiB to %d viewers, one stopped" % (SIZES[n] // KIB, len(reading) + 1),
               "%.1f s" % (time.monotonic() - began))

    send(0)
    pass_time(daemon.process, PIECE_SECONDS + 0.1)
    silence = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # Whole seconds: the second that is told began before the silence ended, after the output did.
    send(1)
    late = late_viewers(daemon, expected, ends[1], silence, ends[0])
    reading += late
    pump([client, *reading], lambda: all(v.offset == ends[1] for v in reading), Deadline(), "the history")
    before = memory_kib(daemon.process.pid)
    send(2)
    after = memory_kib(daemon.process.pid)
    report("VmRSS of chardevd before and after", "%d KiB, %d KiB" % (before, after))
    # Nothing but the rest of one frame is kept for anybody; the ring had its size already.
    assert after - before < VIEWERS * FRAME // KIB + KIB

    behind, = (reader for reader in daemon.device("vm", "channel0")["readers"]
               if reader["name"].startswith("viewer %d " % stopped.reply["id"]))
    assert behind["behind"] and behind["dropped"] > 0
    # It has read nothing so far; what it then gets is right as well, and the gap exact.
    pump([stopped], lambda: stopped.offset == ends[2], Deadline(), "what is left for the stopped one")
    assert stopped.missed >= behind["dropped"] and stopped.gaps >= 1
    lost = check_all_seen(daemon, [stopped, *reading], ends[2], [stopped])
    assert all(viewer.missed == 0 for viewer in lossless)
    report("bytes missed by the %d that read, by the stopped one" % len(reading),
           "%d, %d" % (lost, stopped.missed))
    for viewer in (client, stopped, *reading):
        viewer.close()


# ---- the pen --------------------------------------------------------------------------------------


@pytest.fixture
def attached(daemon, guest):
    """attached(read_only=...): a viewer of the serial port, which reads when others are waited for."""
    viewers = []

    def attach_one(**how):
        viewers.append(attach(daemon, domain="vm", **how))
        return viewers[-1]

    attach_one.all = viewers
    yield attach_one
    for viewer in viewers:
        viewer.close()
    pump_until(lambda: not seen_by_status(daemon), "the end of the viewers")


def pump_until(condition, what):
    """What no event tells: the server notices who has left."""
    deadline = Deadline()
    while not condition():
        assert deadline.milliseconds() > 1, "waited in vain for " + what
        os.sched_yield()


def wait_notice(attached, viewer, what, condition):
    pump(attached.all, lambda: viewer.last(what) is not None and condition(viewer.last(what)), Deadline(),
         "the notice '%s'" % what)
    return viewer.last(what)


def holds(attached, viewer, others):
    """The pen is that one's, and everyone has been told."""
    notice = wait_notice(attached, viewer, "pen", lambda n: n["yours"])
    assert notice["holder"]["id"] == viewer.reply["id"]
    told(attached, viewer, others)


def told(attached, viewer, others):
    """The others know that this one has the pen."""
    me = viewer.reply["id"]
    for other in others:
        notice = wait_notice(attached, other, "pen", lambda n: n["holder"] and n["holder"]["id"] == me)
        assert notice == {"notice": "pen", "yours": False,
                          "holder": {"id": me, "uid": os.getuid(), "pid": os.getpid()}}


def test_the_pen_goes_from_one_to_the_other(daemon, attached):
    first, second, third = attached(), attached(), attached(read_only=True)
    assert [viewer.reply["pen"] for viewer in attached.all] == [True, False, False]
    # Politely: the holder is asked, and the pen goes over when it says so.
    second.send("P", PEN["ask"])
    by = wait_notice(attached, first, "asked", lambda n: n["by"] is not None)["by"]
    assert by["id"] == second.reply["id"]
    assert seen_by_status(daemon)[second.reply["id"]]["asks"]
    first.send("P", PEN["give"])
    holds(attached, second, [first, third])
    # By force, at once; the old holder is told.
    first.send("P", PEN["force"])
    holds(attached, first, [second, third])
    # Who attaches by force has it with the reply.
    fourth = attached(force=True)
    assert fourth.reply["pen"]
    told(attached, fourth, [first, second, third])
    # Who leaves leaves it free: the next one to type has it.
    fourth.close()
    attached.all.remove(fourth)
    wait_notice(attached, second, "pen", lambda n: n["holder"] is None)
    second.type(b"x")
    holds(attached, second, [first, third])
    # Force does not help one that is read-only.
    third.send("P", PEN["force"])
    wait_notice(attached, third, "pen", lambda n: not n["yours"])
    assert seen_by_status(daemon)[second.reply["id"]]["pen"]


def drain_input(guest):
    """What tests before have typed into the serial port."""
    guest.sh("stty -F /dev/ttyS0 raw -echo min 0 time 1 && cat /dev/ttyS0 >/dev/null; "
             "stty -F /dev/ttyS0 min 1 time 0")


def test_only_the_keys_of_who_has_the_pen_reach_the_guest(daemon, guest, attached):
    size = 4000
    drain_input(guest)
    holder, other, reader = attached(), attached(), attached(read_only=True)
    received = guest.start("recv", "ttyS0", 2 * size, 5)
    keys = stream(5, 2 * size)
    for at in range(0, size, 100):
        holder.type(keys[at:at + 100])
        other.type(b"?" * 10)
        reader.type(b"!" * 11)
    for viewer, bytes_refused in ((other, size // 100 * 10), (reader, size // 100 * 11)):
        wait_notice(attached, viewer, "refused", lambda n, all_=bytes_refused: n["bytes"] == all_)
        status = seen_by_status(daemon)[viewer.reply["id"]]
        assert (status["typed"], status["refused"]) == (0, bytes_refused)
    # In the middle of it the pen is taken over: not a byte is lost, doubled or mixed.
    pump_until(lambda: seen_by_status(daemon)[holder.reply["id"]]["typed"] == size, "the holder's keys")
    other.send("P", PEN["force"])
    holds(attached, other, [holder, reader])
    for at in range(size, 2 * size, 100):
        other.type(keys[at:at + 100])
        holder.type(b"#")
    assert received.result() == [str(2 * size), crc(keys)]
    status = seen_by_status(daemon)
    assert status[other.reply["id"]]["typed"] == size
    assert status[holder.reply["id"]]["typed"] == size
    wait_notice(attached, holder, "refused", lambda n: n["bytes"] == size // 100)


def test_what_viewers_do_is_audited(daemon, attached):
    begin = len(daemon.process.log())
    first = attached()
    second = attached(read_only=True)
    third = attached(force=True)
    second.type(b"no")
    wait_notice(attached, second, "refused", lambda n: n["bytes"] == 2)
    third.send("B")
    third.close()
    attached.all.remove(third)
    wait_notice(attached, first, "pen", lambda n: n["holder"] is None)
    pump_until(lambda: "detach" in daemon.process.log()[begin:], "the last line")
    one, two, three = (viewer.reply["id"] for viewer in (first, second, third))
    lines = [line for line in daemon.process.log()[begin:].splitlines() if "audit: " in line]
    whom = r"domain=vm device=serial0 uid=%d pid=%d time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z: " % (
        os.getuid(), os.getpid())
    who = r"viewer %%d \(uid %d, pid %d\) " % (os.getuid(), os.getpid())
    wanted = [
        "attach " + whom + who % one + r"attached at offset \d+, with the pen",
        "attach " + whom + who % two + r"attached at offset \d+, read-only",
        "pen " + whom + who % three + "took the pen by force from " + (who % one).rstrip(),
        "attach " + whom + who % three + r"attached at offset \d+, with the pen",
        "refused " + whom + who % two + "typed without the pen",
        "break " + whom + who % three + "sent a BREAK",
        "detach " + whom + who % three + "detached: the input has ended",
    ]
    for pattern in wanted:
        assert sum(bool(re.fullmatch("chardevd: audit: " + pattern, line)) for line in lines) == 1, (
            pattern, lines)
    assert len(lines) == len(wanted)

"""Viewers for tests: what Attach's connection carries, as frames (chardev-control(7))."""

import json
import select
import struct

from daemonkit import Caller
from guestkit import stream

HEADER = struct.Struct(">B3sQ")


def upgrade(daemon, method, **parameters):
    """Calls Attach or Log: the connection, the reply, and what came right behind it."""
    caller = Caller(daemon.socket)
    try:
        caller.send(method, upgrade=True, **parameters)
        reply = caller.reply()
    except BaseException:
        caller.close()
        raise
    return caller.peer.owner, reply, bytes(caller.peer.buffer)


def attach(daemon, expected=None, **parameters):
    return Viewer(*upgrade(daemon, "Attach", **parameters), expected)


class Output:
    """A plain client of a device: all that it gets is held against `expected`, from its beginning."""

    def __init__(self, peer, expected):
        self.sock = peer.owner
        self.expected = expected
        self.offset = 0
        self.ended = False

    def read(self):
        data = self.sock.recv(1 << 18)
        self.ended = not data
        assert data == self.expected[self.offset:self.offset + len(data)], (
            "wrong bytes behind %d" % self.offset)
        self.offset += len(data)

    def close(self):
        self.sock.close()


class Viewer:
    """One viewer on an attached connection. The output that it gets is held against `expected`,
    byte by byte, from the offset at which it began; `missed` counts what its offsets skipped."""

    def __init__(self, sock, reply, rest, expected=None):
        self.sock = sock
        self.reply = reply
        self.offset = self.first = reply["offset"]
        self.expected = expected
        self.data = bytearray()  # only while nothing is expected
        self.missed = 0
        self.gaps = 0
        self.notices = []
        self.breaks = []
        self.ended = False
        self.buffer = bytearray(rest)
        sock.setblocking(False)
        self.parse()

    @staticmethod
    def frame(kind, payload=b"", offset=0):
        return HEADER.pack(ord(kind), len(payload).to_bytes(3, "big"), offset) + payload

    def send(self, kind, payload=b""):
        self.sock.setblocking(True)
        self.sock.sendall(self.frame(kind, payload))
        self.sock.setblocking(False)

    def type(self, data):
        self.send("D", data)

    def go_to(self, offset):
        assert offset >= self.offset, "bytes %d to %d came twice" % (offset, self.offset)
        if offset > self.offset:
            self.missed += offset - self.offset
            self.gaps += 1
            self.offset = offset

    def take_data(self, offset, payload):
        self.go_to(offset)
        if self.expected is None:
            self.data += payload
        else:
            assert payload == self.expected[offset:offset + len(payload)], "wrong bytes at %d" % offset
        self.offset = offset + len(payload)

    def take_notice(self, offset, notice):
        if notice["notice"] == "end":
            self.go_to(offset)
        self.notices.append(notice)

    def take_mark(self, offset, mark):
        raise AssertionError("a mark for a viewer: %r" % mark)

    def parse(self):
        at = 0
        while len(self.buffer) - at >= HEADER.size:
            kind, length, offset = HEADER.unpack_from(self.buffer, at)
            end = at + HEADER.size + int.from_bytes(length, "big")
            if len(self.buffer) < end:
                break
            payload = bytes(self.buffer[at + HEADER.size:end])
            at = end
            if kind == ord("D"):
                self.take_data(offset, payload)
            elif kind == ord("B"):
                self.breaks.append(offset)
            elif kind == ord("N"):
                self.take_notice(offset, json.loads(payload))
            elif kind == ord("M"):
                self.take_mark(offset, json.loads(payload))
            else:
                raise AssertionError("a frame of type %r" % chr(kind))
        del self.buffer[:at]

    def read(self):
        """Takes what is there."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:  # it still had something for the server, which ended
            data = b""
        if not data:
            self.ended = True
        self.buffer += data
        self.parse()

    def last(self, notice):
        """The newest notice of a kind, or None."""
        return next((n for n in reversed(self.notices) if n["notice"] == notice), None)

    def close(self):
        self.sock.close()


class LogFollower(Viewer):
    """The same of a log: what is missing is told by marks, or an error. It begins with its first frame."""

    def __init__(self, daemon, expected=None, **parameters):
        sock, reply, rest = upgrade(daemon, "Log", follow=True, **parameters)
        self.marks = []
        super().__init__(sock, {"offset": None, **reply}, rest, expected)

    def go_to(self, offset):
        if self.offset is None:
            self.offset = self.first = offset
        assert offset == self.offset, "from %d to %d without a mark" % (self.offset, offset)

    def take_mark(self, offset, mark):
        if "gap" not in mark:
            self.go_to(offset)
            self.marks.append((offset, mark))
        else:
            assert offset - self.offset == mark["gap"] > 0
            super().go_to(offset)


class Repeated:
    """An endless stream for long tests, of which any part can be had: a prime number of bytes again
    and again, so that a hole shows whatever its size."""

    PERIOD = 4194319

    def __init__(self, seed):
        self.twice = stream(seed, self.PERIOD) * 2

    def __getitem__(self, part):
        at = part.start % self.PERIOD
        size = part.stop - part.start
        if size <= self.PERIOD:
            return self.twice[at:at + size]
        return self.twice[at:at + self.PERIOD] + self[part.start + self.PERIOD:part.stop]


def pump(viewers, condition, deadline, what):
    """Reads all of them until the condition holds; one that ends is left alone from then on."""
    poll = select.poll()
    by_fd = {viewer.sock.fileno(): viewer for viewer in viewers if not viewer.ended}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while not condition():
        ready = poll.poll(deadline.milliseconds())
        assert ready, "waited in vain for %s" % what
        for fd, _ in ready:
            by_fd[fd].read()
            if by_fd[fd].ended:
                poll.unregister(fd)

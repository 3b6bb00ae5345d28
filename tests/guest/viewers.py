"""Viewers for tests: what Attach's connection carries, as frames (chardev-control(7))."""

import json
import select
import struct

HEADER = struct.Struct(">B3sQ")


class Viewer:
    """One viewer on an attached connection. The output that it gets is held against `expected`,
    byte by byte, from the offset at which it began; `missed` counts what its offsets skipped."""

    def __init__(self, sock, reply, rest=b"", expected=None):
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

    def take_data(self, offset, payload):
        assert offset >= self.offset, "bytes %d to %d came twice" % (offset, self.offset)
        if offset > self.offset:
            self.missed += offset - self.offset
            self.gaps += 1
        if self.expected is None:
            self.data += payload
        else:
            assert payload == self.expected[offset:offset + len(payload)], "wrong bytes at %d" % offset
        self.offset = offset + len(payload)

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
                self.notices.append(json.loads(payload))
        del self.buffer[:at]

    def read(self):
        """Takes what is there."""
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
        self.buffer += data
        self.parse()

    def last(self, notice):
        """The newest notice of a kind, or None."""
        return next((n for n in reversed(self.notices) if n["notice"] == notice), None)

    def close(self):
        self.sock.close()


def pump(viewers, condition, deadline, what):
    """Reads all of them until the condition holds."""
    poll = select.poll()
    by_fd = {viewer.sock.fileno(): viewer for viewer in viewers}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while not condition():
        ready = poll.poll(deadline.milliseconds())
        assert ready, "waited in vain for %s" % what
        for fd, _ in ready:
            by_fd[fd].read()
            if by_fd[fd].ended:
                poll.unregister(fd)

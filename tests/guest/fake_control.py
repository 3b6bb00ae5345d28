"""A control server that does as a test tells it, also what a real one never does.

    fake = FakeControl(path)
    process = kit.spawn(CHARDEV, "attach", "vm", "--socket", path)
    call = fake.accept()
    assert call.method == "org.chardev.Attach"
    viewer = call.attach(pen=True)
    viewer.data(0, b"login: ")
    assert viewer.typed(5) == b"root\\n"
"""

import json
import struct

from guestkit import Listener

HEADER = struct.Struct(">B3sQ")
MESSAGE = b"\0"


class FakeControl:
    def __init__(self, path):
        self.path = str(path)
        self.listener = Listener(self.path)
        self.calls = []

    def accept(self, process=None):
        """The next call on a new connection."""
        call = Call(self.listener.accept(process=process))
        self.calls.append(call)
        return call

    def close(self):
        for call in self.calls:
            call.close()
        self.listener.close()


class Call:
    def __init__(self, peer):
        self.peer = peer
        self.text = json.loads(peer.read_until(MESSAGE)[:-1])
        self.method = self.text["method"]
        self.parameters = self.text["parameters"]
        self.closed = False

    def send(self, message):
        self.peer.write(json.dumps(message).encode() + MESSAGE)

    def reply(self, parameters=None, continues=False):
        self.send({"parameters": parameters or {}, "continues": continues})

    def refuse(self, error, message):
        self.send({"error": "org.chardev." + error, "parameters": {"message": message}})

    def attach(self, **reply):
        """Answers Attach; the connection carries frames then."""
        self.reply({"device": "serial0", "id": 1, "epoch": "0" * 16, "offset": 0, "head": 0,
                    "missed": 0, "pen": True, "guest_attached": True, "last_output": None,
                    "log": None, "viewers": [], **reply})
        return Framed(self.peer)

    def close(self):
        if not self.closed:
            self.peer.close()
        self.closed = True


class Framed:
    """Frames, both ways."""

    def __init__(self, peer):
        self.peer = peer
        self.frames = []  # (type, payload) that came while bytes were waited for

    def send(self, kind, offset=0, payload=b""):
        self.peer.write(HEADER.pack(ord(kind), len(payload).to_bytes(3, "big"), offset) + payload)

    def data(self, offset, payload):
        self.send("D", offset, payload)

    def notice(self, name, offset=0, **members):
        self.send("N", offset, json.dumps({"notice": name, **members}).encode())

    def mark(self, offset, **members):
        self.send("M", offset, json.dumps(members).encode())

    def end(self, offset, code=0, reason="the server ends"):
        self.notice("end", offset, code=code, reason=reason)

    def frame(self):
        """The next frame: its type and its payload."""
        kind, length, _ = HEADER.unpack(self.peer.read_exactly(HEADER.size))
        return chr(kind), self.peer.read_exactly(int.from_bytes(length, "big"))

    def frame_of(self, wanted):
        """The payload of the next frame of a type; others are kept in `frames`."""
        while True:
            kind, payload = self.frame()
            if kind == wanted:
                return payload
            self.frames.append((kind, payload))

    def typed(self, n):
        data = b""
        while len(data) < n:
            data += self.frame_of("D")
        return data

    def close(self):
        self.peer.close()

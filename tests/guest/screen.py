"""A terminal with a person at it: tmux, whose screen a test can read."""

import os
import shutil
import subprocess

from guestkit import Deadline, Late, Peer

TMUX = shutil.which("tmux")


class Screen:
    """A shell in tmux, 80 columns and 24 rows."""

    def __init__(self, kit, env=None):
        self.socket = kit.path("tmux.sock")
        fifo = kit.path("tmux.out")
        os.mkfifo(fifo)
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PS1": "$ ", **(env or {})}
        environment.pop("TMUX", None)
        # Without a configuration, and with a shell that says nothing of its own.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh",
                  env=environment)
        # Every change of the screen is an event here.
        self.changes = Peer(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), name="the screen")
        self.tmux("pipe-pane", "cat >%s" % fifo)

    def tmux(self, *arguments, env=None):
        return subprocess.run([TMUX, "-S", self.socket, *arguments], check=True, text=True,
                              capture_output=True, env=env).stdout

    def lines(self):
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def key(self, *names):
        """tmux's names: C-], Enter."""
        self.tmux("send-keys", *names)

    def enter(self, text):
        self.type(text)
        self.key("Enter")

    def wait(self, condition, what, seconds=20):
        """Waits until condition(lines) is true; returns its value."""
        deadline = Deadline(seconds)
        while True:
            # Drained before the look: what comes after it is waited for.
            self.changes.buffer.clear()
            lines = self.lines()
            value = condition(lines)
            if value:
                return value
            try:
                self.changes.fill(deadline)
            except Late as late:
                raise Late("waited in vain for %s on\n%s" % (what, "\n".join(lines))) from late

    def wait_for(self, text):
        return self.wait(lambda lines: any(text in line for line in lines), repr(text))

    def settings(self):
        """What stty(1) says of the terminal, as one line."""
        path = self.socket + ".stty"
        if os.path.exists(path):
            os.unlink(path)
        os.mkfifo(path)
        reader = Peer(os.open(path, os.O_RDONLY | os.O_NONBLOCK), name="stty")
        self.enter("stty -g >%s" % path)
        text = reader.read_until(b"\n")
        reader.close()
        return text

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def close(self):
        self.tmux("kill-server")
        self.changes.close()

"""chardevd for tests: a daemon in directories of its own, and a caller of its control interface."""

import json
import os
import select
import signal
import socket
import subprocess
import tempfile

import varlink
from guestkit import BUILD, Deadline, Gone, Peer, wait_fds

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
with open(os.path.join(SOURCE, "data", "org.chardev.varlink")) as description:
    DESCRIPTION = description.read()
CHARDEVD = os.path.join(BUILD, "src", "chardevd")


def document(name, *devices):
    return ("<domain type='kvm' xmlns:chardev='urn:chardev:1'><name>%s</name><memory>1</memory>"
            "<os><type arch='x86_64'>hvm</type></os>\n<devices>\n%s\n</devices></domain>\n"
            % (name, "\n".join(devices)))


class Refused(Exception):
    """The error that a call ended in."""

    def __init__(self, error, parameters):
        super().__init__("%s: %s" % (error, parameters.get("message", parameters)))
        self.error = error.rsplit(".", 1)[1]
        self.message = parameters.get("message", "")


class Caller:
    """One connection to the control interface. Every reply is held against the description."""

    described = varlink.Interface(DESCRIPTION)

    def __init__(self, path):
        self.peer = Peer.unix(path)
        self.asked = []

    def send(self, method, **flags_and_parameters):
        self.asked.append(method)
        call = {"method": "org.chardev." + method,
                "parameters": {k: v for k, v in flags_and_parameters.items() if k != "upgrade"}}
        if flags_and_parameters.get("upgrade"):
            call["upgrade"] = True
        self.peer.write(json.dumps(call).encode() + b"\0")

    def send_more(self, method, **parameters):
        self.asked.append(method)
        self.peer.write(json.dumps({"method": "org.chardev." + method, "more": True,
                                    "parameters": parameters}).encode() + b"\0")

    def reply(self, seconds=None):
        reply = json.loads(self.peer.read_until(b"\0", seconds)[:-1])
        method = self.asked[0] if reply.get("continues") else self.asked.pop(0)
        if "error" in reply:
            self.described.check_error(reply["error"], reply.get("parameters", {}))
            raise Refused(reply["error"], reply.get("parameters", {}))
        self.described.check_reply(method, reply["parameters"])
        return reply["parameters"]

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.reply()

    def close(self):
        self.peer.close()


class Daemon:
    """The directories of a daemon, and the daemon; it may be started again and again in them."""

    def __init__(self, kit, directory=None):
        self.kit = kit
        self.base = directory or tempfile.mkdtemp(prefix="c", dir=kit.directory)
        self.config, self.run, self.log = (os.path.join(self.base, leaf)
                                           for leaf in ("etc", "run", "log"))
        os.makedirs(self.config, exist_ok=True)
        self.settings = os.path.join(self.config, "chardevd.conf")
        self.socket = os.path.join(self.run, "chardevd.sock")
        self.process = None

    def arguments(self):
        return [CHARDEVD, "--config-dir", self.config, "--runtime-dir", self.run,
                "--log-dir", self.log]

    def spawn(self, *arguments, prefix=(), **options):
        self.process = self.kit.spawn(*prefix, *self.arguments(), *arguments, **options)
        return self.process

    def start(self, *arguments, prefix=(), env=None):
        """Returns when it serves: it says so on a socket, as to systemd."""
        notices = Notices(self.kit.path("notify"))
        environment = dict(os.environ if env is None else env, NOTIFY_SOCKET=notices.path)
        try:
            self.spawn(*arguments, prefix=prefix, env=environment)
            notices.wait("READY=1", self.process)
        finally:
            notices.close()
        return self.process

    def stop(self, number=signal.SIGTERM):
        self.process.signal(number)
        return self.process.wait()

    def caller(self):
        caller = Caller(self.socket)
        self.kit.keep(caller)
        return caller

    def call(self, method, **parameters):
        caller = Caller(self.socket)
        try:
            return caller.call(method, **parameters)
        finally:
            caller.close()

    def domains(self):
        return {domain["name"]: domain for domain in self.call("List")["domains"]}

    def device(self, domain, alias="serial0"):
        return self.call("Status", domain=domain, device=alias)["devices"][0]

    def write(self, name, text):
        with open(self.definition(name), "w") as f:
            f.write(text)

    def definition(self, name):
        return os.path.join(self.config, name + ".xml")

    def port(self, domain, alias="serial0"):
        return os.path.join(self.run, domain, alias)

    def vmm(self, domain, alias="serial0"):
        """The guest's side: what a VMM reads and writes."""
        path = self.port(domain, alias)
        rfd = os.open(path + ".in", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        wfd = os.open(path + ".out", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        peer = Peer(rfd, wfd, path)
        self.kit.keep(peer)
        return peer

    def check(self):
        return subprocess.run([*self.arguments(), "--check"], text=True, capture_output=True,
                              check=False)


class Notices:
    """The socket to which a service says READY=1 and the like: sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        if os.path.exists(path):
            os.unlink(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.seen = []

    def wait(self, word, process=None):
        deadline = Deadline()
        while not any(word in line for notice in self.seen for line in notice):
            wanted = {self.sock.fileno(): select.POLLIN}
            if process:
                wanted[process.pidfd] = select.POLLIN
            ready = [fd for fd, _ in wait_fds(wanted, deadline, word)]
            if self.sock.fileno() not in ready:
                raise Gone("%s ended: %s" % (process.args[0], process.log()))
            self.seen.append(self.sock.recv(4096).decode().split("\n"))
        return self.seen

    def close(self):
        self.sock.close()
        os.unlink(self.path)

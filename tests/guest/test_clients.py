"""Clients of a real guest's ports: many at once, ones that close at once, one that never reads."""

import socket

import pytest

from guestkit import Gone, Peer, crc, stream, wait_file
from serving import Domain, memory_kib

KIB = 1024
MIB = 1024 * KIB
CLIENTS = 16  # <chardev:clients max=> when it is not said


def unix(path, more=""):
    return "<serial type='unix'><source mode='bind' path='%s'/>%s</serial>" % (path, more)


TCP = "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></serial>"


def channel(path, more=""):
    return ("<channel type='unix'><source mode='bind' path='%s'/>"
            "<target type='virtio' name='org.chardev.0'/>%s</channel>" % (path, more))


@pytest.fixture(scope="module")
def domain(module_kit):
    return Domain(module_kit, unix(module_kit.path("a")) + TCP + channel(module_kit.path("c")))


@pytest.fixture(scope="module")
def guest(module_kit, domain):
    """One guest: ttyS0 on a UNIX socket, ttyS1 on TCP, a channel on a UNIX socket."""
    guest = module_kit.boot(prefix=domain.run_prefix())
    wait_file(domain.runtime_path("live.xml"))
    for device in ("ttyS0", "ttyS1", "org.chardev.0"):
        guest.ask("open", device)
    return guest


def connect(kit, domain, device):
    return {"ttyS0": lambda: Peer.unix(kit.path("a")), "ttyS1": lambda: domain.tcp("serial1"),
            "org.chardev.0": lambda: Peer.unix(kit.path("c"))}[device]()


@pytest.mark.parametrize("device", ["ttyS0", "ttyS1", "org.chardev.0"])
def test_who_writes_and_closes_at_once_is_heard_to_the_end(module_kit, domain, guest, device):
    size = 100000
    client = connect(module_kit, domain, device)
    # It reads all that it gets first: closing on unread output is what makes TCP throw input away.
    sent = guest.start("send", device, 1000, 1)
    assert client.read_exactly(1000) == stream(1, 1000)
    sent.result()
    received = guest.start("recv", device, size, 2)
    client.write(stream(2, size))
    client.close()
    assert received.result() == [str(size), crc(stream(2, size))]
    # And whoever comes next starts anew.
    client = connect(module_kit, domain, device)
    received = guest.start("recv", device, 1000, 3)
    client.write(stream(3, 1000))
    received.result()
    sent = guest.start("send", device, 1000, 4)
    assert client.read_exactly(1000) == stream(4, 1000)
    client.close()


@pytest.mark.parametrize("device", ["ttyS0", "ttyS1"])
def test_who_closes_only_its_output_goes_on_reading(module_kit, domain, guest, device):
    size = 20000
    client = connect(module_kit, domain, device)
    received = guest.start("recv", device, size, 5)
    client.write(stream(5, size))
    client.end_output()
    assert received.result() == [str(size), crc(stream(5, size))]
    guest.start("send", device, size, 6)
    assert client.read_exactly(size) == stream(6, size)
    client.close()


@pytest.mark.parametrize("device", ["ttyS0", "ttyS1"])
def test_sixteen_clients_see_everything_and_all_may_type(module_kit, domain, guest, device):
    size = 64 * KIB
    clients = [connect(module_kit, domain, device) for _ in range(CLIENTS)]
    for number, client in enumerate(clients):
        received = guest.start("recv", device, 500, number)
        client.write(stream(number, 500))
        assert received.result() == ["500", crc(stream(number, 500))]
    sent = guest.start("send", device, size, 7)
    for client in clients:
        assert client.read_exactly(size) == stream(7, size)
    assert sent.result() == [str(size), crc(stream(7, size))]
    # One more is refused, and nobody is disturbed by it.
    refused = connect(module_kit, domain, device)
    with pytest.raises(Gone):
        refused.read_exactly(1)
    refused.close()
    guest.ask("send", device, 500, 8)
    for client in clients:
        assert client.read_exactly(500) == stream(8, 500)
    # The place of one that leaves is free again, once what it typed last has arrived.
    clients[-1].write(stream(9, 10))
    clients.pop().close()
    guest.ask("recv", device, 10, 9)
    clients.append(connect(module_kit, domain, device))
    received = guest.start("recv", device, 10, 10)
    clients[-1].write(stream(10, 10))
    received.result()
    for client in clients:
        client.close()


def test_a_client_that_never_reads_holds_up_nobody(kit, report):
    domain = Domain(kit, unix(kit.path("a")) + channel(
        kit.path("c"), "<chardev:overflow policy='drop' patience='1s'/>"))
    guest = kit.boot(prefix=domain.run_prefix(), words="console=ttyS0 shell=ttyS0 loglevel=7", wait=False)
    stuck, reader = Peer.unix(kit.path("a")), Peer.unix(kit.path("a"))
    boot = reader.read_until(b"guest# ")
    assert b"Linux version" in boot
    guest.ready()
    guest.sh("dmesg -n 1")
    # More than the stuck one's socket and the history hold.
    reader.write(b"seq 1 300000\n")
    reader.read_until(b"seq 1 300000\r\n")
    numbers = b"".join(b"%d\r\n" % i for i in range(1, 300001))
    assert reader.read_exactly(len(numbers)) == numbers
    reader.read_until(b"guest# ")
    report("console output past a client that never reads", "%d bytes" % (len(boot) + len(numbers)))

    # It is still there, and after what it has missed it hears what the others hear.
    reader.write(b"echo the-$((40 + 2))\n")
    reader.read_until(b"the-42\r\n")
    late = stuck.read_until(b"the-42\r\n")
    assert len(late) < len(numbers)
    # The boot went on although what its socket holds, a few KB, is all it had taken.
    assert late.startswith(boot[:1000])
    stuck.close()

    stuck, reader = Peer.unix(kit.path("c")), Peer.unix(kit.path("c"))
    guest.ask("open", "org.chardev.0")

    def pass_on(size, seed):
        sent = guest.start("send", "org.chardev.0", size, seed, 65536)
        data = reader.read_exactly(size)
        assert sent.result() == [str(size), crc(data)]
        return memory_kib(guest.process.pid)

    pass_on(64 * KIB, 1)
    before = pass_on(2 * MIB, 2)  # the history has its full size now
    after = pass_on(20 * MIB, 3)
    report("VmRSS before and after 20 MiB", "%d KiB, %d KiB" % (before, after))
    assert after - before < MIB // KIB


def test_a_guests_netconsole_arrives_at_a_udp_device(kit):
    domain = Domain(kit, "<serial type='udp'><source mode='bind' host='127.0.0.1' service='0'/>"
                    "<source mode='connect' host='127.0.0.1' service='9'/></serial>")
    domain.serve()
    port = int(domain.live_source("serial0").get("service"))
    vmm = domain.vmm("serial0")
    # QEMU's user network shows the host's loopback to the guest as 10.0.2.2.
    guest = kit.boot(["-netdev", "user,id=n", "-device", "e1000,netdev=n"])
    guest.sh("modprobe e1000 && ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    guest.sh("modprobe netconsole netconsole=@10.0.2.15/eth0,%d@10.0.2.2/" % port)
    for i in range(100):
        guest.start("sh", "echo '<1>message %d over the wire' >/dev/kmsg" % i).result()
    vmm.read_until(b"message 0 over the wire\n")
    for i in range(1, 100):
        assert b"message %d over the wire\n" % i in vmm.read_until(b"over the wire\n")
    # An empty datagram in between ends nothing.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.sendto(b"", ("127.0.0.1", port))
    guest.sh("echo '<1>and on' >/dev/kmsg")
    vmm.read_until(b"and on\n")
    sock.close()

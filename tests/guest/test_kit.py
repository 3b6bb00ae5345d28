"""The kit itself, proven on QEMU's own backends: what fails here is no fault of chardev."""

import re
import socket
import time

import pytest

from guestkit import CHARDEV, CONTROL_PORT, Gone, Peer, crc, stream, wait_size

KIB = 1024
MIB = 1024 * KIB


def server(ident, path):
    return ["-chardev", "socket,id=%s,path=%s,server=on,wait=off" % (ident, path)]


@pytest.fixture(scope="module")
def guest(module_kit):
    """One guest with a port of each kind, each on a UNIX socket."""
    args = ["-device", "virtio-serial-pci,id=vs"]
    for ident, device in (
        ("com1", "isa-serial,index=0"),
        ("com2", "isa-serial,index=1"),
        ("vport", "virtserialport,bus=vs.0,name=org.chardev.0"),
        ("lpt", "isa-parallel,index=0"),
    ):
        args += server(ident, module_kit.path(ident)) + ["-device", "%s,chardev=%s" % (device, ident)]
    return module_kit.boot(args)


def test_the_agent_answers(guest, report):
    assert guest.ask("ping") == []
    report("boot to the agent's answer", "%.2f s" % guest.boot_seconds)


def transfer_out(guest, peer, device, size, seed, report):
    began = time.monotonic()
    sent = guest.start("send", device, size, seed)
    data = peer.read_exactly(size)
    assert data == stream(seed, size)
    assert sent.result() == [str(size), crc(data)]
    report("%s, %d KiB out" % (device, size // KIB), "%.2f s" % (time.monotonic() - began))


def transfer_in(guest, peer, device, size, seed, report):
    began = time.monotonic()
    guest.ask("open", device)
    received = guest.start("recv", device, size, seed)
    data = stream(seed, size)
    peer.write(data)
    assert received.result() == [str(size), crc(data)]
    report("%s, %d KiB in" % (device, size // KIB), "%.2f s" % (time.monotonic() - began))


@pytest.mark.parametrize("ident, device, size", [
    ("com1", "ttyS0", 64 * KIB),
    ("com2", "ttyS1", 64 * KIB),
    ("vport", "org.chardev.0", MIB),
])
def test_bytes_pass_unchanged_both_ways(guest, module_kit, report, ident, device, size):
    peer = Peer.unix(module_kit.path(ident))
    transfer_out(guest, peer, device, size, 1, report)
    transfer_in(guest, peer, device, size, 2, report)
    peer.close()


def test_a_virtio_console_passes_bytes_unchanged_both_ways(kit, report):
    # QEMU discards a virtio console's output when its peer is slow, so here a file takes it.
    path = kit.path("out")
    guest = kit.boot(["-device", "virtio-serial-pci,id=vs", "-chardev", "file,id=f,path=" + path,
                      "-device", "virtconsole,bus=vs.0,chardev=f"] + server("hvc", kit.path("hvc"))
                     + ["-device", "virtconsole,bus=vs.0,chardev=hvc"])
    began = time.monotonic()
    sent = guest.start("send", "hvc0", MIB, 4)
    assert wait_size(path, MIB) == stream(4, MIB)
    assert sent.result() == [str(MIB), crc(stream(4, MIB))]
    report("hvc0, 1024 KiB out", "%.2f s" % (time.monotonic() - began))
    transfer_in(guest, Peer.unix(kit.path("hvc")), "hvc1", MIB, 5, report)


def test_parallel_port_sends_every_byte(guest, module_kit, report):
    peer = Peer.unix(module_kit.path("lpt"))
    transfer_out(guest, peer, "lp0", 4 * KIB, 3, report)
    peer.close()


def test_break_and_h_print_the_sysrq_help(kit):
    # Only the kernel's console listens for it.
    console = kit.boot(server("con", kit.path("con")) + ["-device", "isa-serial,chardev=con"],
                              words="console=ttyS0 sysrq_always_enabled loglevel=7")
    peer = Peer.unix(kit.path("con"))
    console.ask("open", "ttyS0")
    console.send_break("con")
    peer.write(b"h")
    assert b"sysrq: HELP" in peer.read_until(b"show-registers")
    peer.close()


def test_the_agent_names_the_byte_that_differs(guest, module_kit):
    peer = Peer.unix(module_kit.path("vport"))
    received = guest.start("recv", "org.chardev.0", 1000, 5)
    data = bytearray(stream(5, 1000))
    data[777] ^= 0x40
    peer.write(data)
    assert received.reason() == "byte 777 is 0x%02x, not 0x%02x" % (data[777], data[777] ^ 0x40)
    guest.ask("close", "org.chardev.0")
    peer.close()


def test_requests_run_side_by_side_and_can_be_cancelled(guest, module_kit):
    peer = Peer.unix(module_kit.path("com1"))
    stuck = guest.start("recv", "ttyS0", 10, "-")
    assert guest.ask("ping") == []
    peer.write(b"abc")
    echo = guest.start("echo", "ttyS1", 5)
    other = Peer.unix(module_kit.path("com2"))
    other.write(b"hello")
    assert other.read_exactly(5) == b"hello"
    assert echo.result() == ["5", crc(b"hello")]
    stuck.cancel()
    assert re.fullmatch(r"cancelled after [0-3] bytes", stuck.reason())
    with pytest.raises(AssertionError, match="no request"):
        stuck.reached()


def test_shell_commands_give_output_and_status(guest):
    assert guest.sh("echo a; echo b") == "a\nb"
    assert guest.start("sh", "exit 3").result() == ["3"]
    assert guest.sh("cat /proc/sys/kernel/ostype") == "Linux"


def test_a_program_runs_in_the_guest_with_its_libraries(kit):
    # A program with sanitizers needs room for their shadow.
    guest = kit.boot(files=[CHARDEV], memory=512)
    assert guest.sh("chardev --version").startswith("chardev ")


def test_output_to_a_file_is_awaited_by_its_events(kit):
    path = kit.path("out")
    guest = kit.boot(["-chardev", "file,id=f,path=" + path, "-device", "isa-serial,chardev=f"])
    guest.start("send", "ttyS0", 3000, 9)
    assert wait_size(path, 3000) == stream(9, 3000)
    assert guest.power_off() == 0


def test_a_uart_can_be_the_control_channel(kit):
    guest = kit.boot(["-device", "isa-serial,chardev=kit-ctl"], control="ttyS0")
    assert guest.sh("echo $((6 * 7))") == "42"
    assert CONTROL_PORT not in guest.sh("cat /sys/class/virtio-ports/*/name; true")


def test_the_console_has_a_shell_with_a_prompt(kit, report):
    began = time.monotonic()
    guest = kit.boot(server("con", kit.path("con")) + ["-device", "isa-serial,chardev=con"],
                     words="console=ttyS0 shell=ttyS0", control=None)
    peer = Peer.unix(kit.path("con"))
    peer.write(b"\n")
    peer.read_until(b"guest# ")
    report("boot to the shell's prompt", "%.2f s" % (time.monotonic() - began))
    peer.write(b"tty; echo $((6 * 7))\n")
    assert b"\n/dev/ttyS0\r\n42\r\n" in peer.read_until(b"42\r\nguest# ")
    peer.write(b"exit\n")
    assert guest.process.wait() == 0


def test_the_kernel_sends_its_messages_to_a_udp_socket(kit):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    # QEMU's user network shows the host's loopback to the guest as 10.0.2.2.
    guest = kit.boot(["-netdev", "user,id=n", "-device", "e1000,netdev=n"])
    guest.sh("modprobe e1000 && ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    guest.sh("modprobe netconsole netconsole=@10.0.2.15/eth0,%d@10.0.2.2/" % sock.getsockname()[1])
    guest.sh("echo '<1>over the wire' >/dev/kmsg")
    peer = Peer.of(sock)
    peer.read_until(b"over the wire")


def test_a_guest_that_cannot_start_says_why(kit):
    with pytest.raises(Gone, match="no-such-device"):
        kit.boot(["-device", "no-such-device"])


def test_a_guest_ends_with_its_test(kit):
    guest = kit.boot()
    guest.control.close()
    guest.control = None
    assert guest.process.wait() == 0

"""chardev killed with SIGKILL, over and over, while a real guest writes: nothing lost, nothing doubled.

The VMM is not chardev's child here, so it lives on; its FIFOs hold what the guest says meanwhile.
"""

import os
import signal
import subprocess

from guestkit import CHARDEV, LONG, Gone, Peer, crc, stream, wait_file

KILLS = 60 if LONG else 8
SIZE = 96 * 1024  # a round, through the UART: a kill comes somewhere in it

DOMAIN = """<domain type='qemu' xmlns:chardev='urn:chardev:1'><name>killed</name>
  <memory unit='MiB'>128</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <serial type='unix'><source mode='bind' path='{0}/peer'/><log file='{0}/log'/>
      <chardev:log maxSize='0'/>
      <target type='isa-serial' port='0'/></serial>
  </devices>
</domain>
"""


def serve(kit, xml):
    """chardev run without a VMM, once it serves."""
    process = kit.spawn(CHARDEV, "run", xml, "--runtime-dir", kit.path("run"), "--log-dir",
                        kit.path("logs"), stdout=subprocess.PIPE)
    try:
        process.output.read_until(b"peer\n")
    except Gone:
        raise AssertionError("chardev ended: " + process.log()) from None
    return process



def test_nothing_is_lost_by_kills(kit, report):
    xml = kit.path("domain.xml")
    with open(xml, "w") as f:
        f.write(DOMAIN.format(kit.directory))
    process = serve(kit, xml)
    arguments = subprocess.run([CHARDEV, "qemu", xml, "--runtime-dir", kit.path("run")], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split("\n")[:-1]
    guest = kit.boot(arguments)
    sent = b""
    for number in range(KILLS):
        data = stream(number, SIZE)
        request = guest.start("send", "ttyS0", SIZE, number)
        # Somewhere on the way: when a part of it, another each time, is in the log.
        part = len(sent) + SIZE * (number % 7 + 1) // 10
        wait_file(kit.path("log"), lambda p: os.path.getsize(p) >= part)
        process.signal(signal.SIGKILL)
        process.wait()
        process = serve(kit, xml)
        assert request.result() == [str(SIZE), crc(data)]
        sent += data
        wait_file(kit.path("log"), lambda p: os.path.getsize(p) >= len(sent))
        with open(kit.path("log"), "rb") as log:
            assert log.read() == sent, "round %d" % number
    # Clients find it as it was, and the guest hears them.
    peer = Peer.unix(kit.path("peer"))
    guest.ask("open", "ttyS0")
    received = guest.start("recv", "ttyS0", 1000, 3)
    peer.write(stream(3, 1000))
    assert received.result() == ["1000", crc(stream(3, 1000))]
    report("kill -9 of chardev, %d times" % KILLS, "%d bytes, 0 lost, 0 doubled" % len(sent))
    assert guest.power_off() == 0
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not os.path.exists(kit.path("run/killed"))

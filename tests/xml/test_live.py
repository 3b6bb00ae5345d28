"""Live documents: what they add, and that libvirt's own schema accepts them."""

import os
import re
import subprocess

import pytest

import oracle

SCHEMA = "/usr/share/libvirt/schemas/domain.rng"
OURS = "xmlns:chardev='urn:chardev:1'"

EVERYTHING = f"""<?xml version="1.0" encoding="UTF-8"?>
<domain type='kvm' {OURS}>
  <name>all</name>
  <memory unit='KiB'>1024</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
  </os>
  <!-- a comment that stays -->
  <devices>
    <serial type='pty'>
      <log file='/var/log/a.log' append='on'/>
      <chardev:history size='64KiB'/>
    </serial>
    <serial type='tcp'>
      <source mode='bind' host='::' service='0'/>
      <alias name='ua-tcp'/>
    </serial>
    <serial type='udp'>
      <source mode='bind' host='127.0.0.1' service='0'/>
      <source mode='connect' host='127.0.0.1' service='6666'/>
      <target type='pci-serial'/>
    </serial>
    <serial type='dev'>
      <source path='/dev/ttyS0'><seclabel model='dac' relabel='no'/></source>
      <chardev:line speed='115200'/>
    </serial>
    <parallel type='pipe'>
      <source path='/tmp/pipe'/>
    </parallel>
    <parallel type='file'>
      <source path='/tmp/file' append='off'/>
    </parallel>
    <console type='stdio'>
      <target type='virtio'/>
    </console>
    <console type='null'>
      <target type='virtio'/>
    </console>
    <channel type='unix'>
      <target type='virtio' name='org.example.0'/>
      <chardev:socket mode='0660' group='kvm'/>
    </channel>
    <channel type='unix'>
      <source mode='connect' path='/run/c'><reconnect enabled='yes' timeout='2'/></source>
      <target type='virtio'/>
    </channel>
    <channel type='spicevmc'>
      <target type='virtio' name='com.redhat.spice.0'/>
    </channel>
  </devices>
</domain>
"""

RUNNING = ["serial0,/dev/pts/7", "ua-tcp,,45001", "serial2,,45002", "channel0,,,/run/chardev/all/channel0.sock"]


def live(xml, *running):
    answer = subprocess.run([oracle.LIVE, *running], input=xml.encode(), capture_output=True,
        check=False)
    assert answer.returncode == 0, answer.stderr.decode()
    return answer.stdout.decode()


def element(xml, kind, index):
    return oracle.devices(xml)[kind][index]


def test_everything():
    xml = live(EVERYTHING, *RUNNING)
    pty = [["source", [("path", "/dev/pts/7")], "", []], ["log", [("file", "/var/log/a.log"), ("append", "on")], "", []]]
    assert element(xml, "serial", 0) == ["serial", [("type", "pty")], "", [
        *pty,
        ["target", [("type", "isa-serial"), ("port", "0")], "", [["model", [("name", "isa-serial")], "", []]]],
        ["alias", [("name", "serial0")], "", []]]]
    assert element(xml, "console", 0) == ["console", [("type", "pty"), ("tty", "/dev/pts/7")], "", [
        *pty,
        ["target", [("type", "serial"), ("port", "0")], "", []],
        ["alias", [("name", "serial0")], "", []]]]
    assert element(xml, "serial", 1)[3][0][1] == [("mode", "bind"), ("host", "::"), ("service", "45001")]
    assert element(xml, "serial", 1)[3][-1][1] == [("name", "ua-tcp")]
    assert [e[1] for e in element(xml, "serial", 2)[3][:2]] == [
        [("mode", "bind"), ("host", "127.0.0.1"), ("service", "45002")],
        [("mode", "connect"), ("host", "127.0.0.1"), ("service", "6666")]]
    assert element(xml, "channel", 0)[3][0][1] == [("mode", "bind"), ("path", "/run/chardev/all/channel0.sock")]
    assert element(xml, "channel", 1)[3][0][1] == [("mode", "connect"), ("path", "/run/c")]
    names = [dict(child[1])["name"] for kind in oracle.KINDS for device in oracle.devices(xml)[kind]
        for child in device[3] if child[0] == "alias"]
    assert names == ["serial0", "ua-tcp", "serial2", "serial3", "parallel0", "parallel1", "serial0", "console1",
        "console2", "channel0", "channel1", "channel2"]
    assert "<!-- a comment that stays -->" in xml
    assert '<chardev:history size="64KiB"/>' in xml


def test_tty_only_on_first_console():
    virtio = "<domain type='kvm'><name>v</name><os><type>hvm</type></os><devices>" \
        + "<console type='pty'><target type='virtio'/></console>" * 2 + "</devices></domain>"
    xml = live(virtio, "console0,/dev/pts/1", "console1,/dev/pts/2")
    assert element(xml, "console", 0)[1] == [("type", "pty"), ("tty", "/dev/pts/1")]
    assert element(xml, "console", 1)[1] == [("type", "pty")]
    assert element(xml, "console", 1)[3][0] == ["source", [("path", "/dev/pts/2")], "", []]


def test_live_reads_back_to_its_definition():
    """What a live document adds is dropped when it is defined again, but for what was filled in."""
    plain = EVERYTHING.replace("service='0'", "service='45001'").replace("127.0.0.1' service='45001'",
        "127.0.0.1' service='45002'")
    again = oracle.run_chardev("xml", live(plain, *RUNNING[:3]))
    definition = oracle.run_chardev("xml", plain).stdout.decode()
    # The console that was added counts from the second reading on, as in libvirt.
    expected = oracle.run_chardev("xml", definition).stdout.decode()
    assert again.stdout.decode() == expected


def strip_ours(xml):
    return re.sub(r"<chardev:[^>]*/>", "", xml)


@pytest.mark.parametrize("running", [RUNNING, []], ids=["running", "nothing known"])
def test_schema(running, tmp_path):
    path = tmp_path / "live.xml"
    path.write_text(strip_ours(live(EVERYTHING, *running)))
    answer = subprocess.run(["xmllint", "--noout", "--relaxng", SCHEMA, path], capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr.decode()


def test_command(tmp_path):
    directory = tmp_path / "all"
    directory.mkdir()
    command = [oracle.CHARDEV, "xml", "--runtime-dir", tmp_path, "--live"]
    absent = subprocess.run([*command, "all"], capture_output=True, check=False)
    assert absent.returncode == 1 and b'domain "all" is not running' in absent.stderr
    (directory / "live.xml").write_text("<domain/>\n")
    (directory / "lock").write_text(f"{os.getpid()}\n")
    present = subprocess.run([*command, "all"], capture_output=True, check=False)
    assert present.returncode == 0 and present.stdout == b"<domain/>\n"
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    (directory / "lock").write_text(f"{ended.pid}\n")
    stale = subprocess.run([*command, "all"], capture_output=True, check=False)
    assert stale.returncode == 1 and b'domain "all" is not running' in stale.stderr

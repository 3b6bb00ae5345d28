"""Documents that want to hurt: one clear error, soon, and in little memory."""

import pathlib
import subprocess
import sys

import pytest

import oracle

# The sanitizers slow everything down and keep what was freed.
SANITIZED = b"__asan_init" in pathlib.Path(oracle.CHARDEV).read_bytes()
SECONDS = 6 if SANITIZED else 1
MEGABYTES = 1500 if SANITIZED else 256

HEAD = "<domain type='kvm'><name>h</name><os><type>hvm</type></os>"
MIB = 1 << 20

LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY a{i} '{'&a' + str(i - 1 if i > 1 else '') + ';'}{'&a' + str(i - 1 if i > 1 else '') + ';'}'>"
    for i in range(1, 40)) + "]>" + HEAD + "&a39;</domain>"


def devices(inner):
    return f"{HEAD}<devices>{inner}</devices></domain>"


def many_namespaces():
    declared = " ".join(f"xmlns:n{i}='urn:{i}'" for i in range(90))
    return f"{HEAD}" + f"<a {declared}>" * 40 + "</a>" * 40 + "</domain>"


HOSTILE = {
    "external dtd": (lambda: "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:9/x.dtd'>" + devices(""), 1, "document type"),
    "entity": (lambda: "\n<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + devices("&x;"), 2, "document type"),
    "billion laughs": (lambda: LAUGHS, 1, "document type"),
    "late dtd": (lambda: HEAD + "\n\n<!ENTITY a 'b'>", 3, "document type"),
    "undeclared entity": (lambda: devices("\n&x;"), 2, "not well-formed"),
    "100 MB": (lambda: devices("<a/>\n" * (20 * MIB)), None, "larger than 16 MiB"),
    "depth 10,000": (lambda: HEAD + "<a>\n" * 10000 + "</a>" * 10000 + "</domain>", 64, "more than 64 deep"),
    "invalid utf-8": (lambda: devices("\n").encode() + b"\n\xff", 3, "not UTF-8"),
    "overlong utf-8": (lambda: b"\n" + devices("").encode() + b"<!-- \xc0\xaf -->", 2, "not UTF-8"),
    "surrogate": (lambda: devices("").encode() + b"\n<!-- \xed\xa0\x80 -->", 2, "not UTF-8"),
    "utf-16": (lambda: devices("").encode("utf-16"), 1, "not UTF-8"),
    "latin-1": (lambda: "<?xml version='1.0' encoding='iso-8859-1'?>" + devices(""), 1, "only UTF-8"),
    "nul": (lambda: devices("\n<serial/>\0"), 2, "NUL"),
    "1 MB attribute": (lambda: devices(f"\n<serial type='{'x' * MIB}'/>"), 2, "longer than"),
    "1 MB name": (lambda: devices(f"\n<{'x' * MIB}/>"), 2, "longer than"),
    "1 MB outside attribute": (lambda: f"{HEAD}\n<description a='{'x' * MIB}'/></domain>", 2, "longer than"),
    "100,000 devices": (lambda: devices("<serial/>\n" * 100000), 16385, "more than 16384"),
    "100,000 full devices": (lambda: devices("<serial type='tcp'><source mode='bind' host='::' service='0'/>"
        "<protocol type='raw'/><target port='1'/><alias name='ua-x'/></serial>\n" * 100000), None, "more than"),
    "100,000 attributes": (lambda: devices("\n<a " + " ".join(f"a{i}='1'" for i in range(100000)) + "/>"), 2, "than"),
    "200 attributes": (lambda: devices("\n<a " + " ".join(f"a{i}='1'" for i in range(200)) + "/>"), 2,
        "more than 100 attributes"),
    "namespaces": (lambda: many_namespaces(), 1, "namespaces"),
    "4,000,000 elements": (lambda: devices("<a/>" * 4000000), 1, "more than"),
    "1,000,000 instructions": (lambda: devices("<?a?>" * 1000000), 1, "more than"),
    "1,000,000 comments": (lambda: devices("<!---->" * 1000000), 1, "more than"),
    "16384 devices on one port": (lambda: devices("<channel type='tcp'><source mode='bind' host='::' service='nfs'/>"
        "<target type='virtio'/></channel>\n" * 16384), 2, "already used"),
    "empty": (lambda: "", None, "not well-formed"),
    "cut": (lambda: devices("\n<serial")[:-24], 2, "not well-formed"),
    "text": (lambda: "hello", 1, "not well-formed"),
    "second root": (lambda: devices("") + "\n<domain/>", 2, "not well-formed"),
    "unclosed comment": (lambda: devices("\n<!-- "), None, "not well-formed"),
    "less-than in attribute": (lambda: devices("\n<a b='<'/>"), 2, "inside a tag"),
}


# A process counts the memory that its parent had when it was forked, so a small one stands between.
MEASURE = """
import resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:]).returncode
print(status, time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(xml, tmp_path):
    """The exit status, standard error, seconds, and the greatest memory in megabytes."""
    path = tmp_path / "hostile.xml"
    path.write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    answer = subprocess.run([sys.executable, "-S", "-c", MEASURE, oracle.CHARDEV, "check", path],
        capture_output=True, encoding="utf-8", check=True)
    status, seconds, kilobytes = answer.stdout.split()
    return int(status), answer.stderr.replace(str(path), "FILE"), float(seconds), int(kilobytes) / 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name, tmp_path):
    make, line, phrase = HOSTILE[name]
    status, errors, seconds, megabytes = run(make(), tmp_path)
    print(f"{name}: {seconds:.2f} s, {megabytes:.0f} MB")
    assert status == 1, errors
    first = errors.splitlines()[0]
    assert phrase in first
    assert first.startswith(f"FILE:{line}: " if line else "FILE")
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def test_line_beyond_65535(tmp_path):
    xml = devices("\n" * 99999 + "<serial\n\n type='foo'>\n</serial>\n" + "\n" * 100 + "<parallel type='bar'/>")
    status, errors, _, _ = run(xml, tmp_path)
    assert status == 1
    assert [line.split(": ")[0] for line in errors.splitlines()] == ["FILE:100000", "FILE:100104"]


def test_largest_that_is_read(tmp_path):
    """What stays below every limit is read in time and memory too."""
    xml = devices("<channel type='unix'><target type='virtio'/></channel>\n" * 16384)
    status, errors, seconds, megabytes = run(xml, tmp_path)
    print(f"16384 devices: {seconds:.2f} s, {megabytes:.0f} MB")
    assert status == 0 and errors == ""
    assert seconds < SECONDS and megabytes < MEGABYTES


def test_a_thousand_errors_are_kept(tmp_path):
    status, errors, _, _ = run(devices("<serial type='foo'/>\n" * 5000), tmp_path)
    assert status == 1
    assert len(errors.splitlines()) == 1001
    assert errors.splitlines()[-1] == "FILE: 4000 more errors and warnings are not shown"

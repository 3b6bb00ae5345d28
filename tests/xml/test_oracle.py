"""libvirt's parser and ours accept and refuse the same documents and make the same of them."""

import pathlib
import re

import pytest

import oracle
from cases import CASES, DIFFERENCES

MANUAL = pathlib.Path(__file__).parents[2] / "docs/man/chardev-xml.5.scd"


@pytest.fixture(scope="module")
def libvirt(tmp_path_factory):
    documents = [oracle.document(case, number) for number, case in enumerate(CASES)]
    return oracle.run_virsh(documents, tmp_path_factory.mktemp("documents"))


def accepted(answer):
    return answer.lstrip().startswith("<domain")


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n]}")
def test_case(libvirt, number):
    case = CASES[number]
    xml = oracle.document(case, number)
    answer = libvirt[number]
    ours = oracle.run_chardev("xml", xml)
    errors = ours.stderr.decode()
    if case.differs is not None:
        # The test driver cannot look up a name that is not its own; a definition is acceptance too.
        assert accepted(answer) or "failed to get domain" in answer, answer
        assert ours.returncode == 1
        assert re.search(r"^stdin(:\d+)?: " + ".*" + re.escape(case.phrase), errors, re.M), errors
        return
    if not accepted(answer):
        assert ours.returncode == 1, f"libvirt: {answer}"
        assert re.match(r"stdin(:\d+)?: .", errors), errors
        return
    assert ours.returncode == 0, errors
    assert oracle.devices(ours.stdout.decode()) == oracle.devices(answer)


@pytest.mark.parametrize("case", [case for case in CASES if case.warns], ids=str)
def test_warning(case):
    answer = oracle.run_chardev("check", oracle.document(case, 0))
    errors = answer.stderr.decode()
    assert answer.returncode == 0, errors
    assert re.search(r"^stdin:\d+: warning: .*" + re.escape(case.warns), errors, re.M), errors


@pytest.mark.parametrize("case", [case for case in CASES if not case.warns and not case.differs][::8], ids=str)
def test_no_warning(case):
    """What is neither wrong nor doubtful is passed in silence."""
    answer = oracle.run_chardev("check", oracle.document(case, 0))
    assert answer.returncode == 1 or "warning" not in answer.stderr.decode(), answer.stderr.decode()


def test_table_covers_enough():
    assert len(CASES) >= 150
    assert len({case.xml for case in CASES}) == len(CASES)


def test_normalised_is_stable():
    """What we print reads back to itself; but a console that was added counts only the next time."""
    for number in range(0, len(CASES), 15):
        first = oracle.run_chardev("xml", oracle.document(CASES[number], number))
        if first.returncode == 0:
            second = oracle.run_chardev("xml", first.stdout.decode())
            third = oracle.run_chardev("xml", second.stdout.decode())
            assert second.returncode == 0 and third.stdout == second.stdout


def test_the_rest_is_untouched():
    """Only quotes and the place of namespaces change outside the devices."""
    head = """<?xml version="1.0" encoding="UTF-8"?>
<domain xmlns:a="urn:a&amp;b" type="test"><!-- kept -->
  <name>rest</name>
\t<os><type arch="x86_64">hvm</type></os><?kept too?>
  <a:metadata a:x="&quot;&#10;'"><![CDATA[<&]]>  &lt;\u20ac </a:metadata>
  <devices>
    <disk type="file"><serial>not a device</serial></disk>
"""
    foot = """  </devices>
</domain>
<!-- after -->
"""
    device = "    <parallel type='null'/>\n"
    printed = """    <parallel type="null">
      <target port="0"/>
    </parallel>
"""
    assert oracle.run_chardev("xml", head + device + foot).stdout.decode() == head + printed + foot


@pytest.mark.parametrize("key", DIFFERENCES)
def test_manual_lists_difference(key):
    assert f"*{key}*" in MANUAL.read_text(), f"chardev-xml(5) does not say: {DIFFERENCES[key]}"

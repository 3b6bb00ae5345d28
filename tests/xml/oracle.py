"""Running the two parsers: libvirt's, through virsh's in-memory test driver, and ours."""

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

BUILD = os.environ.get("CHARDEV_BUILD", "build")
CHARDEV = os.path.join(BUILD, "src", "chardev")
LIVE = os.path.join(BUILD, "tests", "live")
OUR_NAMESPACE = "{urn:chardev:1}"
KINDS = ("serial", "parallel", "console", "channel")


def document(case, number):
    """The case as a whole document whose name is its number."""
    xml = case.xml
    if "<domain" not in xml and "<machine" not in xml and xml not in ("text", "<c:domain type='test'/>"):
        from cases import domain

        xml = domain(xml)
    return xml.replace("@NAME@", f"case{number}")


def run_virsh(documents, directory):
    """For every document libvirt's own words: the XML that it kept, or its error."""
    commands = []
    for number, xml in enumerate(documents):
        path = directory / f"{number}.xml"
        path.write_text(xml, encoding="utf-8")
        commands.append(f"echo @@{number}@@; define {path}; dumpxml case{number} --inactive")
    answer = subprocess.run(["virsh", "-q", "-c", "test:///default", "; ".join(commands)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    parts = re.split(r"@@(\d+)@@", answer.stdout)
    answers = {int(parts[i]): parts[i + 1] for i in range(1, len(parts) - 1, 2)}
    assert sorted(answers) == list(range(len(documents))), "virsh did not answer for every document"
    return answers


def run_chardev(command, xml):
    return subprocess.run([CHARDEV, command, "-"], input=xml.encode(), capture_output=True, check=False)


def plain(element):
    """An element as nested lists, without our own elements; white space between elements is nothing."""
    text = element.text or ""
    children = [plain(child) for child in element if not child.tag.startswith(OUR_NAMESPACE)]
    return [element.tag, list(element.attrib.items()), text if not children and text.strip() else "", children]


def devices(xml):
    """The character devices of a document by kind, in order."""
    root = ElementTree.fromstring(xml)
    return {kind: [plain(device) for device in root.findall(f"devices/{kind}")] for kind in KINDS}

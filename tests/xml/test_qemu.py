"""What libvirt's QEMU driver adds and refuses, which its test driver does not show."""

import re

import pytest

import oracle

ISA = "[isa-serial 0 isa-serial]"

# architecture, machine, the <target> as written, what becomes of it: [type port model]
DEFAULTS = [
    ("x86_64", "pc", "", ISA),
    ("x86_64", "q35", "", ISA),
    ("x86_64", None, "", ISA),
    ("i686", "pc-i440fx-7.2", "", ISA),
    (None, None, "", ISA),
    ("x86_64", "pc", "<target port='2'/>", "[isa-serial 2 isa-serial]"),
    ("x86_64", "pc", "<target type='isa-serial' port='1'/>", "[isa-serial 1 isa-serial]"),
    ("x86_64", "pc", "<target type='pci-serial'/>", "[pci-serial 0 pci-serial]"),
    ("x86_64", "pc", "<target type='usb-serial'/>", "[usb-serial 0 usb-serial]"),
    ("x86_64", "pc", "<target type='isa-debug'/>", "[isa-debug 0 isa-debugcon]"),
    ("aarch64", "virt", "", "[system-serial 0 pl011]"),
    ("aarch64", "virt-7.2", "", "[system-serial 0 pl011]"),
    ("armv7l", "virt", "", "[system-serial 0 pl011]"),
    ("aarch64", "virt", "<target type='isa-serial'/>", "[system-serial 0 pl011]"),
    ("aarch64", "virt", "<target type='pci-serial'/>", "[pci-serial 0 pci-serial]"),
    ("aarch64", "virt", "<target type='system-serial'><model name='pl011'/></target>", "[system-serial 0 pl011]"),
    ("riscv64", "virt", "", "[system-serial 0 16550a]"),
    ("riscv32", "virt", "", "[system-serial 0 16550a]"),
    ("ppc64", "pseries", "", "[spapr-vio-serial 0 spapr-vty]"),
    ("ppc64le", "pseries-7.2", "", "[spapr-vio-serial 0 spapr-vty]"),
    ("s390x", "s390-ccw-virtio", "", "[sclp-serial 0 sclpconsole]"),
    ("s390x", "s390-ccw-virtio", "<target type='sclp-serial'><model name='sclplmconsole'/></target>",
        "[sclp-serial 0 sclplmconsole]"),
    ("aarch64", "versatilepb", "", "[- 0 -]"),
    ("mips", "malta", "", "[- 0 -]"),
    ("ppc", "g3beige", "", "[- 0 -]"),
    ("ppc64", "powernv", "", "[- 0 -]"),
    ("riscv64", "spike", "", "[- 0 -]"),
]


def domain(devices, arch="x86_64", machine=None, kind="kvm"):
    arch = f" arch='{arch}'" if arch else ""
    machine = f" machine='{machine}'" if machine else ""
    return (f"<domain type='{kind}'><name>q</name><os><type{arch}{machine}>hvm</type></os>"
        f"<devices>{devices}</devices></domain>")


def targets(xml):
    found = []
    for _, _, _, children in oracle.devices(xml)["serial"]:
        (target,) = [child for child in children if child[0] == "target"]
        attributes = dict(target[1])
        model = dict(target[3][0][1])["name"] if target[3] else "-"
        found.append(f"[{attributes.get('type', '-')} {attributes['port']} {model}]")
    return " ".join(found)


@pytest.mark.parametrize("arch, machine, target, expected", DEFAULTS)
def test_serial_default(arch, machine, target, expected):
    answer = oracle.run_chardev("xml", domain(f"<serial type='null'>{target}</serial>", arch, machine))
    assert answer.returncode == 0, answer.stderr.decode()
    assert targets(answer.stdout.decode()) == expected


@pytest.mark.parametrize("kind, expected", [("qemu", ISA), ("hvf", ISA), ("test", "[- 0 -]"), ("xen", "[- 0 -]")])
def test_defaults_are_qemus(kind, expected):
    answer = oracle.run_chardev("xml", domain("<serial type='null'/>", kind=kind))
    assert targets(answer.stdout.decode()) == expected


@pytest.mark.parametrize("devices, expected", [
    ("<console type='null'/>", ISA),
    ("<serial type='null'/><serial type='null'/>", ISA + " [isa-serial 1 isa-serial]"),
    ("<serial type='null'/><serial type='null'><target type='isa-serial'/></serial>",
        "[isa-serial 1 isa-serial] " + ISA),
    ("<serial type='null'><target type='pci-serial'/></serial><serial type='null'/>",
        "[pci-serial 0 pci-serial] [isa-serial 1 isa-serial]"),
])
def test_several(devices, expected):
    answer = oracle.run_chardev("xml", domain(devices))
    assert targets(answer.stdout.decode()) == expected, answer.stderr.decode()


def test_lxc_and_xen_consoles():
    for kind, os, expected in (("lxc", "exe", "lxc"), ("xen", "linux", "xen"), ("xen", "hvm", "serial")):
        xml = domain("<console type='pty'/>", arch=None, kind=kind).replace("hvm", os)
        (console,) = oracle.devices(oracle.run_chardev("xml", xml).stdout.decode())["console"]
        assert console[3][0] == ["target", [("type", expected), ("port", "0")], "", []]
    several = domain("<console type='pty'/>" * 3, arch=None, kind="lxc").replace("hvm", "exe")
    assert oracle.run_chardev("check", several).returncode == 0


CHANNEL = "<channel type='unix'><source mode='bind' path='{}'/><target type='virtio' name='org.x'/></channel>"
LIBVIRTS = "/var/lib/libvirt/qemu/channel/target/"


@pytest.mark.parametrize("path, kept", [
    (LIBVIRTS + "domain-3-vm/org.x", False),
    (LIBVIRTS + "vm.org.x", False),
    (LIBVIRTS + "domain-3-vm/org.y", True),
    (LIBVIRTS + "mine-3-vm/org.x", True),
    (LIBVIRTS + "domain-3-vm/deeper/org.x", True),
    (LIBVIRTS + "org.x", True),
    ("/run/org.x", True),
])
def test_generated_channel_path(path, kept):
    """A path that libvirt made up when it started the domain does not belong to the definition."""
    answer = oracle.run_chardev("xml", domain(CHANNEL.format(path)))
    (channel,) = oracle.devices(answer.stdout.decode())["channel"]
    sources = [child[1] for child in channel[3] if child[0] == "source"]
    assert sources == ([[("mode", "bind"), ("path", path)]] if kept else [])


@pytest.mark.parametrize("target", ["sclp", "sclplm"])
def test_sclp_console(target):
    xml = domain(f"<console type='null'><target type='{target}'/></console>", "s390x", "s390-ccw-virtio")
    assert oracle.run_chardev("check", xml).returncode == 0


MODEL = "<serial type='null'><target type='{}'><model name='{}'/></target></serial>"

REFUSED = [
    ("timeout='0'", "x86_64", "pc",
        "<serial type='tcp'><source host='a' service='1'><reconnect enabled='yes' timeout='0'/></source></serial>"),
    ("timeout='0'", "x86_64", "pc",
        "<serial type='unix'><source path='/s'><reconnect enabled='yes' timeout='0'/></source></serial>"),
    ("source that listens", "x86_64", "pc", "<channel type='unix'><source "
        "mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-1-q/o'><reconnect enabled='yes' timeout='1'/>"
        "</source><target type='virtio' name='o'/></channel>"),
    ("path is generated", "x86_64", "pc", "<channel type='unix'><source><reconnect enabled='yes' timeout='1'/>"
        "</source><target type='virtio'/></channel>"),
    ("is of target type", "x86_64", "pc", MODEL.format("isa-serial", "pci-serial")),
    ("is of target type", "x86_64", "pc", MODEL.format("usb-serial", "isa-serial")),
    ("does not exist on", "x86_64", "pc", MODEL.format("spapr-vio-serial", "spapr-vty")),
    ("does not exist on", "x86_64", "pc", MODEL.format("sclp-serial", "sclpconsole")),
    ("does not exist on", "x86_64", "pc", MODEL.format("system-serial", "pl011")),
    ("does not exist on", "aarch64", "virt", MODEL.format("system-serial", "16550a")),
    ("only for x86", "aarch64", "virt", "<serial type='null'><target type='isa-debug'/></serial>"),
    ("does not exist on", "s390x", "s390-ccw-virtio", "<parallel type='null'/>"),
    ("does not exist on", "ppc64", "pseries", "<parallel type='null'/>"),
    *(("does not exist in QEMU", "x86_64", "pc", f"<console type='null'><target type='{t}'/></console>")
        for t in ("xen", "uml", "lxc", "openvz", "sclp", "sclplm")),
    ("would be isa-serial 4", "x86_64", "pc", "<serial type='null'/>" * 5),
    ("would be isa-serial 0", "x86_64", "pc", "<serial type='null'><target port='0'/></serial>" * 2),
]


@pytest.mark.parametrize("phrase, arch, machine, devices", REFUSED)
def test_refused(phrase, arch, machine, devices):
    answer = oracle.run_chardev("check", domain(devices, arch, machine))
    assert answer.returncode == 1
    assert re.search(r"^stdin:1: .*" + re.escape(phrase), answer.stderr.decode(), re.M), answer.stderr.decode()

"""The table of documents that libvirt's parser and ours must read alike.

A case is one line: the devices of an x86_64 hvm domain of type test, or a whole document. Where we
differ on purpose, the case names the difference; DIFFERENCES says why, in the words of the manual.
"""

# Our verdict where libvirt accepts: an error or a warning of `chardev check`, told by a phrase of
# its sentence. Every key stands in chardev-xml(5) as "*key*".
DIFFERENCES = {
    "empty": "an empty path, host or service names nothing that could be opened",
    "service": "a service that is neither a port nor a known name fails only when it is used",
    "port-range": "a target port above 2147483647 wraps to a negative number",
    "guestfwd-port": "a guestfwd port above 65535 is cut to 16 bits",
    "duplicate-alias": "an alias that only serial 0 shares goes unnoticed",
    "same-path": "two devices write to one path",
    "same-port": "two devices listen on one port",
    "tls": "a protocol of TLS with tls='no' contradicts itself",
    "plain": "<chardev:tls> asks for TLS where plain TCP would be spoken",
    "isa-ports": "five serial ports that become isa-serial by default do not start (test_qemu.py)",
    "limits": "a document without bounds is an attack (test_hostile.py)",
    "unix-length": "a UNIX socket's path has at most 107 bytes",
    "root": "the document element must be <domain>",
    "doctype": "a document type declaration may hide entities",
    "encoding": "only UTF-8 is read",
    "namespace": "an unknown element or attribute of our namespace is a slip of the pen",
}


class Case:
    def __init__(self, xml, differs=None, phrase=None, warns=None):
        self.xml = xml
        self.differs = differs  # key of DIFFERENCES: libvirt accepts, we refuse
        self.phrase = phrase  # part of our sentence
        self.warns = warns  # part of a warning where both accept

    def __str__(self):
        return self.xml[:100]


def same(*documents):
    return [Case(xml) for xml in documents]


def differs(key, phrase, *documents):
    return [Case(xml, differs=key, phrase=phrase) for xml in documents]


def warns(phrase, *documents):
    return [Case(xml, warns=phrase) for xml in documents]


def serial(attributes="type='null'", inner=""):
    return f"<serial {attributes}>{inner}</serial>"


def tcp(inner="", **attributes):
    attributes = {"host": "127.0.0.1", "service": "4555", **attributes}
    text = " ".join(f"{k}='{v}'" for k, v in attributes.items() if v is not None)
    return serial("type='tcp'", f"<source {text}>{inner}</source>")


def reconnect(attributes, kind="tcp", mode="connect"):
    if kind == "tcp":
        return tcp(f"<reconnect {attributes}/>", mode=mode)
    return serial("type='unix'", f"<source mode='{mode}' path='/run/s'><reconnect {attributes}/></source>")


def udp(*sources):
    return serial("type='udp'", "".join(f"<source {s}/>" for s in sources))


def channel(target="type='virtio' name='org.example.0'", attributes="type='null'", inner=""):
    return f"<channel {attributes}>{inner}<target {target}/></channel>"


def label(inner, kind="dev"):
    return serial(f"type='{kind}'", f"<source path='/dev/a'>{inner}</source>")


def target(text, inner=None):
    if inner is None:
        return serial(inner=f"<target {text}/>")
    return serial(inner=f"<target {text}>{inner}</target>")


def console(text=None, attributes="type='null'", inner=""):
    element = f"<target {text}/>" if text is not None else ""
    return f"<console {attributes}>{inner}{element}</console>"


def domain(inner, os="<os><type arch='x86_64'>hvm</type></os>", attributes="type='test'", name="@NAME@"):
    return f"<domain {attributes}><name>{name}</name><memory>1024</memory>{os}<devices>{inner}</devices></domain>"


def os_type(kind, arch=None):
    text = f" arch='{arch}'" if arch else ""
    return f"<os><type{text}>{kind}</type></os>"


VIRTIO = "type='virtio'"
ISA = "type='isa-serial'"

TYPES = [
    *same(
        "<serial/>",
        "<parallel/>",
        "<console/>",
        "",
        serial("type='null'"),
        serial("type='pty'"),
        serial("type='stdio'"),
        serial("type=''"),
        serial("type='foo'"),
        serial("type='PTY'"),
        serial("type='dev'", "<source path='/dev/ttyS0'/>"),
        serial("type='dev'"),
        serial("type='dev'", "<source/>"),
        serial("type='file'", "<source path='/var/log/a.log'/>"),
        serial("type='file'"),
        serial("type='pipe'", "<source path='/tmp/mypipe'/>"),
        serial("type='pipe'"),
        serial("type='stdio'", "<source path='/ignored'/>"),
        serial("type='null'", "<source/>"),
        serial("type='null'", "<source/><source/>"),
        serial("type='pty'", "<source path='/dev/pts/3'/>"),
        serial("type='null' tty='/dev/pts/4'", "<foo/><bar>text</bar>"),
        "<console tty='/dev/pts/9'/>",
        "<console type='pty' tty='/dev/pts/9'><source path='/dev/pts/9'/></console>",
        "<parallel type='dev'><source path='/dev/parport0'/></parallel>",
        "<parallel type='foo'/>",
        "<channel type='foo'><target type='virtio'/></channel>",
        "<console type='foo'/>",
        serial("type='file'", "<source path='/a b&amp;&lt;&quot;&apos;'/>"),
        serial("type='file'", "<source path='/tmp/&#xe9;\u20ac'/>"),
    ),
    *warns("display of type 'vc' is not there yet", serial("type='vc'"), serial("type='vc'", "<source path='/x'/>")),
    *warns(
        "not presented",
        serial("type='spiceport'", "<source channel='org.qemu.console.serial.0'/>"),
        serial("type='dbus'", "<source channel='org.qemu.console.serial.0'/>"),
        serial("type='nmdm'", "<source master='/dev/nmdm0A' slave='/dev/nmdm0B'/>"),
        serial("type='nmdm'"),
        serial("type='qemu-vdagent'"),
        serial("type='spiceport'", "<source channel=''/>"),
        channel(VIRTIO, "type='spicevmc'"),
        channel(VIRTIO, "type='spiceport'", "<source channel='a-b_c.d'/>"),
        channel(VIRTIO, "type='qemu-vdagent'"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><clipboard copypaste='yes'/><mouse mode='client'/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><clipboard copypaste='no'/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><mouse mode='server'/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source/>"),
    ),
    *same(
        serial("type='spicevmc'"),
        channel("type='xen'", "type='spicevmc'"),
        channel("type='guestfwd' address='10.0.2.1' port='1'", "type='spicevmc'"),
        serial("type='spiceport'"),
        serial("type='spiceport'", "<source channel='a/b'/>"),
        serial("type='dbus'"),
        serial("type='dbus'", "<source channel='a b'/>"),
        serial("type='nmdm'", "<source master='/dev/nmdm0A'/>"),
        serial("type='nmdm'", "<source slave='/dev/nmdm0A'/>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><clipboard/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><clipboard copypaste='on'/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><mouse/></source>"),
        channel(VIRTIO, "type='qemu-vdagent'", "<source><mouse mode='x'/></source>"),
    ),
    *differs("empty", "path='' is empty",
        serial("type='dev'", "<source path=''/>"),
        serial("type='file'", "<source path=''/>"),
        serial("type='pipe'", "<source path=''/>"),
        serial("type='unix'", "<source path=''/>")),
]

FILES = [
    *same(
        serial("type='file'", "<source path='/a' append='on'/>"),
        serial("type='file'", "<source path='/a' append='off'/>"),
        serial("type='file'", "<source path='/a' append='yes'/>"),
        serial("type='file'", "<source path='/a' append=''/>"),
        serial("type='file'", "<source append='on'/>"),
        serial("type='file'", "<source mode='nonsense' path='/a'/>"),
        serial("type='file'", "<source path='/a'/><source path='/b'/>"),
        serial("type='null'", "<source append='nonsense' tls='nonsense' mode='nonsense'/>"),
        serial("type='dev'", "<source path='/a' append='nonsense'/>"),
        serial(inner="<log file='/l'/>"),
        serial(inner="<log file='/l' append='on'/>"),
        serial(inner="<log file='/l' append='off'/>"),
        serial(inner="<log file='/l' append='yes'/>"),
        serial(inner="<log append='yes'/>"),
        serial(inner="<log/><log/>"),
        serial(inner="<log file='/a'/><log file='/b'/>"),
        serial("type='file'", "<source path='/a'/><log file='/b'/>"),
        channel(inner="<log file='/l'/>"),
        "<parallel type='pty'><log file='/l' append='on'/></parallel>",
    ),
    *warns("relative", serial("type='file'", "<source path='a.log'/>"), serial(inner="<log file='l'/>")),
    *warns("<log> without file=", serial(inner="<log/>"), serial(inner="<log append='on'/>")),
    *differs("empty", "file='' is empty", serial(inner="<log file=''/>")),
]

SOCKETS = [
    *same(
        tcp(),
        tcp(mode="connect"),
        tcp(mode="bind"),
        tcp(mode="bind", host="0.0.0.0", service="0"),
        tcp(mode="bind", host="::", service="65535"),
        tcp(mode=""),
        tcp(mode="server"),
        tcp(host=None),
        tcp(service=None),
        tcp(host=None, mode="bind"),
        tcp(tls="no"),
        tcp(tls="1"),
        tcp(tls=""),
        tcp(host="host.example.org", service="http"),
        serial("type='tcp'"),
        serial("type='tcp'", "<source/>"),
        serial("type='tcp'", "<source host='a' service='1'/><source host='b' service='2'/>"),
        serial("type='tcp'", "<source host='a' service='1'/><protocol type='raw'/>"),
        serial("type='tcp'", "<source host='a' service='1'/><protocol/>"),
        serial("type='tcp'", "<source host='a' service='1'/><protocol type=''/>"),
        serial("type='tcp'", "<source host='a' service='1'/><protocol type='ssh'/>"),
        serial("type='tcp'", "<source host='a' service='1'/><protocol type='raw'/><protocol type='raw'/>"),
        serial("type='tcp'", "<protocol type='raw'/><source host='a' service='1'/>"),
        serial("type='null'", "<protocol type='ssh'/>"),
        serial("type='null'", "<protocol/><protocol/>"),
        serial("type='unix'", "<source path='/run/s'/>"),
        serial("type='unix'", "<source mode='connect' path='/run/s'/>"),
        serial("type='unix'", "<source mode='bind' path='/run/s'/>"),
        serial("type='unix'", "<source mode='listen' path='/run/s'/>"),
        serial("type='unix'", "<source mode='bind'/>"),
        serial("type='unix'"),
    ),
    *same(
        reconnect("enabled='yes' timeout='10'"),
        reconnect("enabled='no'"),
        reconnect("enabled='no' timeout='nonsense'"),
        reconnect("enabled='yes'"),
        reconnect("enabled='yes' timeout=''"),
        reconnect("enabled='yes' timeout='x'"),
        reconnect("enabled='yes' timeout='-1'"),
        reconnect("enabled='yes' timeout='+1'"),
        reconnect("enabled='yes' timeout=' 1'"),
        reconnect("enabled='yes' timeout='1 '"),
        reconnect("enabled='yes' timeout='0x10'"),
        reconnect("enabled='yes' timeout='0'"),
        reconnect("enabled='yes' timeout='4294967295'"),
        reconnect("enabled='yes' timeout='4294967296'"),
        reconnect("enabled='maybe' timeout='1'"),
        reconnect("enabled='yes' timeout='1'", mode="bind"),
        reconnect("enabled='no'", mode="bind"),
        reconnect("enabled='yes' timeout='4'", kind="unix"),
        reconnect("enabled='no'", kind="unix"),
        reconnect("enabled='no'", kind="unix", mode="bind"),
        reconnect("enabled='yes' timeout='1'", kind="unix", mode="bind"),
        tcp("<reconnect enabled='yes' timeout='1'/><reconnect enabled='yes' timeout='2'/>"),
        udp("service='1'"),
        serial("type='udp'", "<source service='1' tls='x'><reconnect enabled='x'/></source>"),
    ),
    *warns("<reconnect> without enabled=", reconnect("timeout='1'"), reconnect("timeout='1'", mode="bind")),
    *same(
        udp("host='a' service='2'"),
        udp("mode='connect' host='a' service='2'"),
        udp("mode='connect' service='2'", "mode='bind' host='b' service='3'"),
        udp("mode='bind' host='b' service='3'", "mode='connect' host='a' service='2'"),
        udp("service='2'", "mode='bind'"),
        udp("service='2'", "mode='bind' host='b'"),
        udp("service='2'", "mode='bind' service='3'"),
        udp("mode='bind' service='0'", "service='2'"),
        udp("mode='bind' service='3'"),
        udp("mode='bind'", "mode='connect'"),
        udp("mode='connect'", "mode='connect' host='a' service='3'"),
        udp("mode='connect' host='q'", "mode='connect' host='a' service='3'"),
        udp("mode='bind' service='2'", "mode='bind' service='4' host='z'"),
        udp("service='1'", "mode='nonsense' service='1'"),
        udp("service='1'", "mode='bind'", "mode='bind'"),
        udp("mode='connect' host='a'"),
        udp(),
    ),
    *warns("a second <source mode='connect'>", udp("service='2'", "service='4' host='z'")),
    *differs("empty", "is empty",
        tcp(host=""), tcp(service=""), udp("service=''"), udp("service='1' host=''"),
        udp("service='1'", "mode='bind' host=''"), udp("service='1'", "mode='bind' service=''")),
    *differs("service", "service=",
        tcp(service="notaservice"), tcp(service="-1"), tcp(service="65536"), tcp(service="1x"),
        tcp(service=" 1"), tcp(service="99999999999999999999"), tcp(service="0"), udp("service='nope'"),
        udp("service='0'")),
    *same(
        tcp(tls="yes"),
        tcp(tls="yes", mode="bind"),
        *(serial("type='tcp'", f"<source mode='{m}' host='a' service='1'/><protocol type='{p}'/>")
            for p in ("telnet", "telnets", "tls") for m in ("connect", "bind"))),
    *differs("tls", "remove one of the two",
        serial("type='tcp'", "<source host='a' service='1' tls='no'/><protocol type='tls'/>"),
        serial("type='tcp'", "<source host='a' service='1' tls='no'/><protocol type='telnets'/>")),
    *differs("unix-length", "shorten it", serial("type='unix'", f"<source path='/{'a' * 107}'/>")),
    *same(serial("type='unix'", f"<source path='/{'a' * 106}'/>")),
]

LABELS = same(
    label("<seclabel/>"),
    label("<seclabel model='dac' relabel='no'/>"),
    label("<seclabel relabel='no'/>"),
    label("<seclabel relabel='yes'/>"),
    label("<seclabel model='dac' relabel='x'/>"),
    label("<seclabel model='selinux'><label>a:b:c</label></seclabel>"),
    label("<seclabel model='selinux' relabel='yes'><label> q </label></seclabel>"),
    label("<seclabel model='selinux' relabel='yes'><label>q</label><label>r</label></seclabel>"),
    label("<seclabel model='selinux' relabel='no'><label>q</label></seclabel>"),
    label("<seclabel relabel='no'><label>q</label></seclabel>"),
    label("<seclabel model='dac'><label/></seclabel>"),
    label("<seclabel model=''><label>x</label></seclabel>"),
    label("<seclabel model='dac' labelskip='yes'/>"),
    label("<seclabel model='dac' labelskip='nonsense'/>"),
    label("<seclabel model='dac'/><seclabel model='dac' relabel='no'/>"),
    label("<seclabel relabel='no'/><seclabel relabel='no'/>"),
    label("<seclabel model='dac' relabel='no'/><seclabel model='selinux'><label>a&amp;b</label></seclabel>"),
    label("<seclabel model='dac' relabel='no'/>", "file"),
    label("<seclabel model='dac' relabel='no'/>", "pipe"),
    label("<reconnect enabled='yes' timeout='4'/><seclabel model='dac' relabel='no'/>", "unix"),
    label("<seclabel model='dac' relabel='no'/>", "pty"),
    label("<seclabel model='dac' relabel='x'/>", "null"),
    label("<seclabel model='dac' relabel='no'/>", "stdio"),
    tcp("<seclabel model='dac' relabel='no'/>"),
    tcp("<seclabel model='dac' relabel='x'/>"),
    serial("type='udp'", "<source mode='bind' service='3'/><source service='2'><seclabel relabel='x'/></source>"),
    serial("type='udp'", "<source service='2'><seclabel relabel='x'/></source>"),
    serial(inner="<source/><seclabel model='dac' relabel='x'/>"),
)

TARGETS = [
    *same(
        *(target(f"type='{t}'") for t in ("isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial",
            "system-serial", "sclp-serial", "isa-debug", "none", "", "foo")),
        *(target(ISA, f"<model name='{m}'/>") for m in ("isa-serial", "usb-serial", "pci-serial", "spapr-vty",
            "pl011", "sclpconsole", "sclplmconsole", "16550a", "isa-debugcon", "none", "", "foo")),
        target(ISA, "<model/>"),
        *(serial(inner=f"<target type='isa-debug'/><address type='isa' {a}/>") for a in (
            "iobase='0x402'", "iobase='0x402' irq='0x4'", "iobase='zzz'", "iobase='-1'",
            "iobase=''", "iobase='0x1ffffffff'", "irq='0xq'")),
        target("type='usb-serial'", "<model name='usb-serial'/><model name='pci-serial'/>"),
        target("", "<model name='isa-serial'/>"),
        target(""),
        target("port='3'"),
        target("port='-1'"),
        target("port='4294967295'"),
        target("port='4294967295'") + serial(),
        target("port='4294967296'"),
        target("port='2147483647'"),
        target("port=''"),
        target("port='+1'"),
        target("port=' 1'"),
        target("port='01'"),
        target("port='1x'"),
        serial(inner="<target port='3'/><target port='4' type='pci-serial'/>"),
        serial(inner="<target type='usb-serial'/><address type='usb' bus='0' port='1'/>"),
        serial(inner="<target type='usb-serial'/><address type='pci' bus='0' slot='1'/>"),
        serial(inner="<target type='isa-serial'/><acpi index='3'/><address type='isa' iobase='0x3f8' irq='0x4'/>"),
        serial(inner="<target type='pci-serial'/><address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/><acpi index='3'/>"),
        "<parallel><target port='x'/></parallel>",
        "<parallel><target port='-1'/></parallel>",
        "<parallel><target type='nonsense' port='2'/></parallel><parallel/>",
        "<parallel/><parallel><target port='4'/></parallel><parallel/>",
        "<parallel><target port='4'/></parallel><parallel><target port='1'/></parallel><parallel/>",
        domain(target("type='isa-debug'"), os_type("hvm", "aarch64")),
        domain(target("type='isa-debug'"), os_type("hvm", "i686")),
        channel(),
        channel(VIRTIO),
        channel("type='virtio' name=''"),
        channel("type='virtio' name='a' state='connected'"),
        channel("type='virtio' name='a' state='nonsense'"),
        channel("type='xen' name='b'"),
        channel("type='none'"),
        channel("type='foo'"),
        channel("type=''"),
        channel(""),
        "<channel type='null'/>",
        "<channel type='null'><target type='virtio'/><target type='xen' name='q'/></channel>",
        channel("type='guestfwd' address='10.0.2.1' port='4600'"),
        channel("type='guestfwd' address='10.0.2.1' port='0'"),
        channel("type='guestfwd' address='10.0.2.1'"),
        channel("type='guestfwd' port='1'"),
        channel("type='guestfwd' address='' port='1'"),
        channel("type='guestfwd' address='::1' port='1'"),
        channel("type='guestfwd' address='localhost' port='1'"),
        channel("type='guestfwd' address='10.0.2.1' port='x'"),
        channel("type='guestfwd' address='10.0.2.1' port='-1'"),
        channel("type='guestfwd' address='10.0.2' port='1'"),
        channel("type='guestfwd' address='010.0.2.1' port='1'"),
        channel("type='guestfwd' address='0x0a000201' port='1'"),
        channel(VIRTIO, "type='unix'"),
        channel("type='xen'", "type='unix'"),
        channel("type='guestfwd' address='10.0.2.1' port='1'", "type='unix'"),
        channel(VIRTIO, "type='unix'", "<source mode='connect'/>"),
        channel(VIRTIO, "type='unix'", "<source mode='bind'/>"),
        channel(VIRTIO, "type='unix'", "<source mode='bind' path='/run/c'/>"),
        channel(VIRTIO, "type='unix'", "<source mode='x'/>"),
        channel(VIRTIO, "type='unix'", "<source><reconnect enabled='yes' timeout='3'/></source>"),
        channel(VIRTIO, "type='unix'", "<source mode='bind'><reconnect enabled='yes' timeout='3'/></source>"),
        channel(VIRTIO, "type='pty'", "<source path='/dev/pts/1'/>"),
        channel() + channel(),
    ),
    *differs("port-range", "is not a port number", target("port='4294967294'"), target("port='2147483648'"),
        target("port='-2'")),
    *differs("port-range", "no port number is left", target("port='2147483647'") + serial()),
    *differs("guestfwd-port", "is not a port",
        channel("type='guestfwd' address='10.0.2.1' port='65536'"),
        channel("type='guestfwd' address='10.0.2.1' port='66666'")),
]

NUMBERS = same(
    serial() + serial(),
    serial() * 6,
    target("port='5'") + serial() + target("port='2'") + serial(),
    target("port='0'") + target("port='0'"),
    target(ISA) * 4,
    target(ISA) * 5,
    target(ISA) * 4 + serial(),
    target(f"{ISA} port='4'"),
    target(f"{ISA} port='3'") + target(ISA),
    target(f"{ISA} port='1'") * 2,
    target("port='0'") + target(f"{ISA} port='0'"),
    target("port='0'") + target(ISA),
    target("type='pci-serial' port='0'") + target(ISA),
    target(ISA) + serial() + target(f"{ISA} port='2'"),
    serial() + target(ISA),
    target("type='pci-serial'") + target("type='usb-serial'") + serial(),
    target("type='pci-serial' port='7'") + serial(),
)

CONSOLES = [
    *same(
        console(),
        console(inner="<log file='/l'/><alias name='ua-z'/>"),
        console("type='serial' port='4'"),
        console("port='x'"),
        console("type='virtio' port='x'"),
        console("type='virtio' port='-1'"),
        console("type='virtio' port='4'"),
        console("type='none'"),
        console("type='foo'"),
        console("type=''"),
        console(""),
        *(console(f"type='{t}'") for t in ("serial", "xen", "uml", "virtio", "lxc", "openvz", "sclp", "sclplm")),
        serial() + console(),
        serial() + console("type='serial'"),
        serial() + console(VIRTIO),
        serial() + console(VIRTIO) + console(VIRTIO),
        console(VIRTIO) * 3,
        console(VIRTIO) + console(),
        console(VIRTIO) + serial() + console(VIRTIO),
        console() + console(),
        console() + console("type='serial'"),
        console() + console(VIRTIO),
        console("type='sclp'") + console("type='serial'"),
        serial() + console("type='sclp'") + console("type='sclplm'"),
        target("type='pci-serial'") + console(VIRTIO),
        target("type='pci-serial'") + console(),
        target("type='usb-serial'") + console(VIRTIO),
        target("type='isa-debug'") + console(),
        target("port='3'") + console(VIRTIO),
        serial() + target("type='pci-serial'") + console(),
        "<console type='stdio'><target port='1'/></console>",
        "<console type='file'/>",
        serial("type='file'") + console(attributes="type='file'"),
        serial() + console(attributes="type='spicevmc'"),
        serial() + console(inner="<source mode='x'/>"),
        tcp(tls="no") + "<console type='tcp'><source host='127.0.0.1' service='4555'/></console>",
        serial("type='file'", "<source path='/q'/><log file='/l'/>")
        + "<console type='file'><source path='/q'/><log file='/m'/></console>",
        serial() + console(inner="<source><seclabel model='dac' relabel='no'/></source>"),
        serial(inner="<alias name='ua-s'/>") + console(inner="<alias name='ua-c'/>"),
        serial(inner="<target type='isa-serial'/><address type='isa' iobase='0x3f8' irq='0x4'/>") + console(),
        domain(console("", "type='pty'"), "<os><type>exe</type><init>/bin/sh</init></os>"),
        domain(console() + console(), "<os><type>exe</type><init>/bin/sh</init></os>"),
        domain(serial() + console(VIRTIO), "<os><type>exe</type><init>/bin/sh</init></os>"),
        domain(console() + serial(), "<os><type>linux</type><kernel>/k</kernel></os>"),
        domain(serial(), os_type("xen")),
        domain(console(), os_type("xen")),
        domain(serial() + console(), "<bootloader>/b</bootloader>"),
        domain(serial(), os_type("hvm")),
        domain(serial(), "<os><type arch=''>hvm</type></os>"),
    ),
    *warns("says of its host side is ignored",
        serial() + console(attributes="type='pty'"),
        console(attributes="type='pty'") + serial(),
        serial() + console(attributes="type='file'"),
        serial("type='file'", "<source path='/q'/>") + "<console type='file'><source path='/q' append='off'/></console>",
        serial("type='unix'", "<source path='/q'><reconnect enabled='no'/></source>")
        + "<console type='unix'><source path='/q'/></console>",
        serial("type='dev'", "<source path='/dev/a'/>") + "<console type='dev'><source path='/dev/b'/></console>",
        serial("type='pipe'", "<source path='/p'/>") + "<console type='pipe'><source path='/r'/></console>",
        udp("service='1'") + "<console type='udp'><source service='2'/></console>",
        tcp() + "<console type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/></console>",
        serial() + console(attributes="type='pty'", inner="<alias name='ua-c'/>")
        + channel(inner="<alias name='ua-c'/>")),
]

ALIASES = [
    *same(
        serial(inner="<alias name='ua-x'/>"),
        serial(inner="<alias name='ua-'/>"),
        serial(inner="<alias name='serial7'/>"),
        serial(inner="<alias name='foo'/>"),
        serial(inner="<alias name=''/>"),
        serial(inner="<alias/>"),
        serial(inner="<alias name='ua-a'/><alias name='ua-b'/>"),
        channel(inner="<alias name='ua-A_b-9'/>"),
        serial(inner="<alias name='ua-b'/>") + serial(inner="<alias name='ua-a'/>")
        + "<parallel type='null'><alias name='ua-a'/></parallel>",
        "<parallel type='null'><alias name='ua-a'/></parallel>" * 2,
        serial() + console(inner="<alias name='ua-c'/>") + channel(inner="<alias name='ua-c'/>"),
    ),
    *warns("is dropped", serial(inner="<alias name='ua-a b'/>"), serial(inner="<alias name='ua-a.b'/>")),
    *differs("duplicate-alias", "already used",
        serial(inner="<alias name='ua-a'/>") * 2,
        serial(inner="<alias name='ua-c'/>") + channel(inner="<alias name='ua-c'/>")),
]

CONFLICTS = [
    *differs("same-path", "already used",
        serial("type='file'", "<source path='/a'/>") + "<parallel type='file'><source path='/a'/></parallel>",
        serial("type='file'", "<source path='/a'/><log file='/a'/>"),
        serial(inner="<log file='/a'/>") + channel(inner="<log file='/a'/>"),
        serial("type='dev'", "<source path='/dev/ttyS0'/>") * 2,
        serial("type='pipe'", "<source path='/p'/>") * 2,
        serial("type='unix'", "<source mode='bind' path='/p'/>") * 2),
    *differs("same-port", "already used",
        tcp(mode="bind") * 2,
        tcp(mode="bind") + tcp(mode="bind", service="04555"),
        tcp(mode="bind", host="0.0.0.0") + tcp(mode="bind", host="192.0.2.1"),
        tcp(mode="bind", host="192.0.2.1") + tcp(mode="bind", host="::"),
        udp("service='1'", "mode='bind' service='9'") + udp("service='2'", "mode='bind' service='9'")),
    *same(
        tcp() * 2,
        tcp(mode="bind") + tcp(mode="connect"),
        tcp(mode="bind", service="0") * 2,
        tcp(mode="bind", host="127.0.0.1") + tcp(mode="bind", host="127.0.0.2"),
        tcp(mode="bind") + udp("service='1'", "mode='bind' host='127.0.0.1' service='4555'"),
        serial("type='unix'", "<source path='/p'/>") * 2,
        serial("type='unix'", "<source mode='bind' path='/p'/>") + serial("type='unix'", "<source path='/p'/>"),
        serial("type='stdio'") * 2,
    ),
]

DOCUMENTS = [
    *same(
        domain("", name=""),
        "<domain type='test'><memory>1024</memory><os><type>hvm</type></os></domain>",
        domain("", name="a/b"),
        domain("", attributes=""),
        domain("", os=""),
        domain("", os="<os/>"),
        "<domain type='test'><name>@NAME@</name><memory>1</memory><os><type>hvm</type></os></domain>",
        "<domain type='test'><name>@NAME@</name><memory>1</memory><os><type>hvm</type></os><devices>"
        "<console type='pty'><target type='virtio'/></console></devices><devices><serial/></devices></domain>",
        domain("<c:serial type='null'/><serial><c:source path='q'/><c:log file='/a'/><c:target port='5'/>"
            "<c:alias name='ua-y'/></serial>", attributes="type='test' xmlns:c='urn:c'"),
        domain("<serial c:type='null'/>", attributes="type='test' xmlns:c='urn:c'"),
        domain("<serial type='null'/>", attributes="type='test' xmlns='urn:c'"),
        domain("<serial type='null'>"),
        domain("<serial type='null' type='pty'/>"),
        domain("<serial type='null'/>&nothing;"),
        domain("<serial type='a<b'/>"),
        domain("<!-- <serial/> --><serial type='null'/><![CDATA[<serial/>]]><?pi <serial/>?>"),
        "<?xml version='1.0' encoding='UTF-8'?>" + domain("<serial type='null'/>"),
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n" + domain("<serial type='null'/>"),
        "text",
        "<domain",
        "<c:domain type='test'/>",
    ),
    *differs("root", "not a <domain>", domain("<serial type='null'/>").replace("domain", "machine")),
    *differs("doctype", "document type declaration",
        "<!DOCTYPE domain>" + domain("<serial type='null'/>"),
        "<!DOCTYPE domain [<!ENTITY a 'null'>]>" + domain("<serial type='&a;'/>")),
    *differs("encoding", "only UTF-8 is read",
        "<?xml version='1.0' encoding='ISO-8859-1'?>" + domain("<serial type='null'/>")),
]

OURS = "type='test' xmlns:chardev='urn:chardev:1'"


def ours(inner, element="serial", attributes="type='null'"):
    return domain(f"<{element} {attributes}>{inner}</{element}>", attributes=OURS)


EXTENSIONS = [
    *same(
        ours("<chardev:guest type='fifo' path='/g' mode='bind'/>"),
        ours("<chardev:guest type='unix' path='/g' mode='connect'/>"),
        ours("<chardev:guest type='pty'/>"),
        ours("<chardev:guest type='stdio'/>"),
        ours("<chardev:history/>"),
        *(ours(f"<chardev:history size='{s}'/>") for s in ("0", "4096", "64KiB", "1MiB", "1GiB", "2MB", "3kB", "7B")),
        *(ours(f"<chardev:history replay='{r}'/>") for r in ("missed", "all", "none")),
        *(ours(f"<chardev:overflow policy='drop' patience='{p}'/>") for p in ("0", "500ms", "1s", "2min", "0s")),
        ours("<chardev:overflow policy='block'/>"),
        ours("<source mode='bind' path='/s'/><chardev:clients max='16'/><chardev:socket mode='0660' group='kvm'/>",
            attributes="type='unix'"),
        ours("<source path='/dev/ttyS0'/><chardev:line speed='115200' bits='8' parity='none' stop='1' flow='none'/>",
            attributes="type='dev'"),
        ours("<source path='/dev/ttyS0'/><chardev:line parity='odd' flow='rtscts'/>", attributes="type='dev'"),
        ours("<other:thing xmlns:other='urn:other' a='1'/>"),
    ),
    *differs("namespace", "is not known",
        ours("<chardev:colour/>"),
        ours("<chardev:guest type='usb'/>"),
        ours("<chardev:history replay='some'/>"),
        ours("<chardev:overflow policy='explode'/>"),
        domain("<serial type='null' chardev:speed='1'/>", attributes=OURS),
        domain("<serial type='file'><source path='/a' chardev:mode='0660'/></serial>", attributes=OURS)),
    *differs("namespace", "has no attribute",
        ours("<chardev:history colour='red'/>"),
        ours("<chardev:history chardev:size='1MiB'/>")),
    *differs("namespace", "is wrong; write",
        *(ours(f"<chardev:history size='{s}'/>") for s in ("", "-1", "1 MiB", "1mib", "x", "2GiB",
            "99999999999999999999", "18446744073709551615KiB")),
        *(ours(f"<chardev:overflow patience='{p}'/>") for p in ("", "1", "1h", "-1s", "2000000000s")),
        ours("<chardev:socket mode='0999'/>"), ours("<chardev:socket mode='1777'/>")),
    *differs("namespace", "out of range",
        ours("<chardev:clients max='0'/>"), ours("<chardev:clients max='x'/>"), ours("<chardev:line bits='9'/>"),
        ours("<chardev:line stop='3'/>"), ours("<chardev:line speed='5000000'/>"),
        ours("<chardev:log maxBackups='-1'/>")),
    *differs("namespace", "is empty", ours("<chardev:guest path=''/>"), ours("<chardev:tls dir=''/>")),
    *differs("namespace", "a second <chardev:log>", ours("<chardev:log/><chardev:log/>")),
    *differs("namespace", "holds no elements", ours("<chardev:history><size/></chardev:history>")),
    *differs("namespace", "stands outside a device",
        domain("<chardev:history/>", attributes=OURS),
        domain("<serial type='null'><source><chardev:line/></source></serial>", attributes=OURS)),
    *differs("same-path", "already used",
        domain("<serial type='null'><chardev:guest path='/g'/></serial>" * 2, attributes=OURS)),
    *differs("same-path", "stdin and stdout is already used",
        domain("<serial type='null'><chardev:guest type='stdio'/></serial>" * 2, attributes=OURS)),
    *warns("can freeze the whole guest",
        ours("<chardev:overflow policy='block'/>", "parallel"),
        *(ours(f"<target type='{t}'/><chardev:overflow policy='block'/>")
            for t in ("usb-serial", "isa-debug", "system-serial", "sclp-serial", "spapr-vio-serial"))),
    *warns("has no effect",
        ours("<chardev:overflow policy='block' patience='1s'/>"),
        ours("<chardev:clients max='3'/>"),
        ours("<chardev:socket mode='0600'/>"),
        ours("<chardev:tls verify='no'/>"),
        ours("<chardev:line speed='9600'/>")),
    *same(
        ours("<source host='a' service='1'/><protocol type='tls'/><chardev:tls/>", attributes="type='tcp'"),
        ours("<source mode='bind' host='a' service='1'/><protocol type='telnets'/>"
             "<chardev:tls dir='/etc/pki/chardev' allow='CN=x;CN=y'/>", attributes="type='tcp'"),
        ours("<source host='a' service='1' tls='yes'/><chardev:tls dir='/d'/>", attributes="type='tcp'"),
        ours("<source mode='bind' path='/s'/><chardev:tls verify='no'/>", attributes="type='unix'")),
    *differs("plain", "is plain TCP; add tls='yes'",
        ours("<source host='a' service='1'/><chardev:tls dir='/d'/>", attributes="type='tcp'"),
        ours("<source mode='bind' host='a' service='1'/><chardev:tls/>", attributes="type='tcp'"),
        ours("<source host='a' service='1'/><protocol type='telnet'/><chardev:tls/>", attributes="type='tcp'")),
    *differs("namespace", "verify='no' asks for none",
        ours("<source mode='bind' path='/s'/><chardev:tls verify='no' allow='CN=x'/>", attributes="type='unix'")),
    *warns("dir='pki' is relative to",
        ours("<source host='a' service='1'/><protocol type='tls'/><chardev:tls dir='pki'/>", attributes="type='tcp'")),
    *warns("have no effect on a client",
        ours("<source path='/s'/><chardev:tls verify='no'/>", attributes="type='unix'"),
        ours("<source host='a' service='1'/><protocol type='tls'/><chardev:tls allow='CN=x'/>",
            attributes="type='tcp'")),
    *same(
        ours("<log file='/l'/><chardev:log maxSize='2MiB' maxBackups='3' timestamps='yes' compress='no'/>"),
        ours("<chardev:log maxSize='0' maxBackups='0'/>", attributes="type='stdio'")),
    *warns("<chardev:log> has no effect", ours("<chardev:log timestamps='yes'/>")),
    *warns("settings in a <console> that is the first <serial> are ignored",
        domain("<serial type='null'/><console type='null'><chardev:history/></console>", attributes=OURS)),
]

CASES = [*TYPES, *FILES, *SOCKETS, *LABELS, *TARGETS, *NUMBERS, *CONSOLES, *ALIASES, *CONFLICTS, *DOCUMENTS,
    *EXTENSIONS]

/* The words of the XML; see names.h. They are libvirt's own, so that its documents read the same.
 */
#include "model/names.h"

#include <string.h>

const char *const device_kind_names[DEVICE_KIND_COUNT] = {
	[DEVICE_SERIAL] = "serial",
	[DEVICE_PARALLEL] = "parallel",
	[DEVICE_CONSOLE] = "console",
	[DEVICE_CHANNEL] = "channel",
};

const char *const source_type_names[SOURCE_TYPE_COUNT] = {
	[SOURCE_NULL] = "null",
	[SOURCE_VC] = "vc",
	[SOURCE_PTY] = "pty",
	[SOURCE_DEV] = "dev",
	[SOURCE_FILE] = "file",
	[SOURCE_PIPE] = "pipe",
	[SOURCE_STDIO] = "stdio",
	[SOURCE_UDP] = "udp",
	[SOURCE_TCP] = "tcp",
	[SOURCE_UNIX] = "unix",
	[SOURCE_SPICEVMC] = "spicevmc",
	[SOURCE_SPICEPORT] = "spiceport",
	[SOURCE_NMDM] = "nmdm",
	[SOURCE_QEMU_VDAGENT] = "qemu-vdagent",
	[SOURCE_DBUS] = "dbus",
};

const char *const socket_mode_names[SOCKET_MODE_COUNT] = {
	[SOCKET_CONNECT] = "connect",
	[SOCKET_BIND] = "bind",
};

const char *const tcp_protocol_names[TCP_PROTOCOL_COUNT] = {
	[TCP_PROTOCOL_RAW] = "raw",
	[TCP_PROTOCOL_TELNET] = "telnet",
	[TCP_PROTOCOL_TELNETS] = "telnets",
	[TCP_PROTOCOL_TLS] = "tls",
};

const char *const serial_target_names[SERIAL_TARGET_COUNT] = {
	[SERIAL_TARGET_NONE] = "none",
	[SERIAL_TARGET_ISA] = "isa-serial",
	[SERIAL_TARGET_USB] = "usb-serial",
	[SERIAL_TARGET_PCI] = "pci-serial",
	[SERIAL_TARGET_SPAPR_VIO] = "spapr-vio-serial",
	[SERIAL_TARGET_SYSTEM] = "system-serial",
	[SERIAL_TARGET_SCLP] = "sclp-serial",
	[SERIAL_TARGET_ISA_DEBUG] = "isa-debug",
};

const char *const serial_model_names[SERIAL_MODEL_COUNT] = {
	[SERIAL_MODEL_NONE] = "none",
	[SERIAL_MODEL_ISA_SERIAL] = "isa-serial",
	[SERIAL_MODEL_USB_SERIAL] = "usb-serial",
	[SERIAL_MODEL_PCI_SERIAL] = "pci-serial",
	[SERIAL_MODEL_SPAPR_VTY] = "spapr-vty",
	[SERIAL_MODEL_PL011] = "pl011",
	[SERIAL_MODEL_SCLPCONSOLE] = "sclpconsole",
	[SERIAL_MODEL_SCLPLMCONSOLE] = "sclplmconsole",
	[SERIAL_MODEL_16550A] = "16550a",
	[SERIAL_MODEL_ISA_DEBUGCON] = "isa-debugcon",
};

const char *const console_target_names[CONSOLE_TARGET_COUNT] = {
	[CONSOLE_TARGET_NONE] = "none",
	[CONSOLE_TARGET_SERIAL] = "serial",
	[CONSOLE_TARGET_XEN] = "xen",
	[CONSOLE_TARGET_UML] = "uml",
	[CONSOLE_TARGET_VIRTIO] = "virtio",
	[CONSOLE_TARGET_LXC] = "lxc",
	[CONSOLE_TARGET_OPENVZ] = "openvz",
	[CONSOLE_TARGET_SCLP] = "sclp",
	[CONSOLE_TARGET_SCLPLM] = "sclplm",
};

const char *const channel_target_names[CHANNEL_TARGET_COUNT] = {
	[CHANNEL_TARGET_NONE] = "none",
	[CHANNEL_TARGET_GUESTFWD] = "guestfwd",
	[CHANNEL_TARGET_VIRTIO] = "virtio",
	[CHANNEL_TARGET_XEN] = "xen",
};

const char *const guest_port_names[GUEST_PORT_COUNT] = {
	[GUEST_PORT_FIFO] = "fifo",
	[GUEST_PORT_UNIX] = "unix",
	[GUEST_PORT_PTY] = "pty",
	[GUEST_PORT_STDIO] = "stdio",
};

const char *const replay_names[REPLAY_COUNT] = {
	[REPLAY_MISSED] = "missed",
	[REPLAY_ALL] = "all",
	[REPLAY_NONE] = "none",
};

const char *const overflow_policy_names[OVERFLOW_POLICY_COUNT] = {
	[OVERFLOW_BLOCK] = "block",
	[OVERFLOW_DROP] = "drop",
};

const char *const line_parity_names[PARITY_COUNT] = {
	[PARITY_NONE] = "none",
	[PARITY_EVEN] = "even",
	[PARITY_ODD] = "odd",
};

const char *const line_flow_names[FLOW_COUNT] = {
	[FLOW_NONE] = "none",
	[FLOW_RTSCTS] = "rtscts",
	[FLOW_XONXOFF] = "xonxoff",
};

const char *const mouse_mode_names[3] = {[MOUSE_SERVER] = "server", [MOUSE_CLIENT] = "client"};
const char *const yes_no_names[3] = {[TRISTATE_NO] = "no", [TRISTATE_YES] = "yes"};
const char *const on_off_names[3] = {[TRISTATE_NO] = "off", [TRISTATE_YES] = "on"};

int name_index(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], text) == 0)
			return (int)i;
	return -1;
}

const char *device_kind_name(enum device_kind kind)
{
	return device_kind_names[kind];
}

const char *source_type_name(enum source_type type)
{
	return source_type_names[type];
}

const char *tcp_protocol_name(enum tcp_protocol protocol)
{
	return tcp_protocol_names[protocol];
}

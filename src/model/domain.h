/*
 * What a libvirt domain XML says of its character devices: plain values, no I/O, no loop.
 *
 * A `struct domain` is parsed from a document (parse.h), owns everything below it, and is not
 * changed afterwards; what is only known while it runs is in document.h. The grammar and its
 * defaults are libvirt 9.0's; the manual chardev-xml(5) lists where we differ. Text attributes are
 * NULL when absent from the document.
 */
#ifndef CHARDEV_MODEL_DOMAIN_H
#define CHARDEV_MODEL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum device_kind {
	DEVICE_SERIAL,
	DEVICE_PARALLEL,
	DEVICE_CONSOLE,
	DEVICE_CHANNEL,
	DEVICE_KIND_COUNT
};

/* How a device presents itself to the host: the attribute `type`. */
enum source_type {
	SOURCE_NULL,
	SOURCE_VC,
	SOURCE_PTY,
	SOURCE_DEV,
	SOURCE_FILE,
	SOURCE_PIPE,
	SOURCE_STDIO,
	SOURCE_UDP,
	SOURCE_TCP,
	SOURCE_UNIX,
	SOURCE_SPICEVMC,
	SOURCE_SPICEPORT,
	SOURCE_NMDM,
	SOURCE_QEMU_VDAGENT,
	SOURCE_DBUS,
	SOURCE_TYPE_COUNT
};

enum socket_mode { SOCKET_CONNECT, SOCKET_BIND, SOCKET_MODE_COUNT };

enum tcp_protocol {
	TCP_PROTOCOL_RAW,
	TCP_PROTOCOL_TELNET,
	TCP_PROTOCOL_TELNETS,
	TCP_PROTOCOL_TLS,
	TCP_PROTOCOL_COUNT
};

/* An attribute whose absence differs from both of its values (yes/no, on/off). */
enum tristate { TRISTATE_ABSENT, TRISTATE_NO, TRISTATE_YES };

struct reconnect {
	enum tristate enabled;
	unsigned timeout; /* seconds; meaningful when enabled == TRISTATE_YES */
};

enum mouse_mode { MOUSE_ABSENT, MOUSE_SERVER, MOUSE_CLIENT };

struct tcp_source {
	enum socket_mode mode;
	char *host;
	char *service;
	enum tcp_protocol protocol;
	enum tristate tls;
	struct reconnect reconnect;
};

struct udp_source {
	char *connect_host; /* NULL: libvirt prints host='' or nothing; we send to localhost */
	char *connect_service;
	char *bind_host;
	char *bind_service;
};

struct unix_source {
	enum socket_mode mode;
	char *path; /* NULL: a channel's path is generated in the runtime directory; mode is bind */
	struct reconnect reconnect;
};

struct seclabel {
	char *model;
	char *label;
	enum tristate relabel;
};

struct source {
	enum source_type type;
	union {
		struct {
			char *path;
		} dev;
		struct {
			char *path;
			enum tristate append;
		} file;
		struct {
			char *path;
		} pipe;
		struct tcp_source tcp;
		struct udp_source udp;
		struct unix_source unix_socket;
		struct {
			char *channel;
		} spiceport;
		struct {
			char *channel;
		} dbus;
		struct {
			char *master;
			char *slave;
		} nmdm;
		struct {
			enum tristate clipboard_copypaste;
			enum mouse_mode mouse;
		} vdagent;
	} u;
	struct seclabel *seclabels;
	size_t seclabel_count;
};

/* <log file= append=>; file == NULL: no log. */
struct log_config {
	char *file;
	enum tristate append;
};

enum serial_target {
	SERIAL_TARGET_NONE,
	SERIAL_TARGET_ISA,
	SERIAL_TARGET_USB,
	SERIAL_TARGET_PCI,
	SERIAL_TARGET_SPAPR_VIO,
	SERIAL_TARGET_SYSTEM,
	SERIAL_TARGET_SCLP,
	SERIAL_TARGET_ISA_DEBUG,
	SERIAL_TARGET_COUNT
};

enum serial_model {
	SERIAL_MODEL_NONE,
	SERIAL_MODEL_ISA_SERIAL,
	SERIAL_MODEL_USB_SERIAL,
	SERIAL_MODEL_PCI_SERIAL,
	SERIAL_MODEL_SPAPR_VTY,
	SERIAL_MODEL_PL011,
	SERIAL_MODEL_SCLPCONSOLE,
	SERIAL_MODEL_SCLPLMCONSOLE,
	SERIAL_MODEL_16550A,
	SERIAL_MODEL_ISA_DEBUGCON,
	SERIAL_MODEL_COUNT
};

enum console_target {
	CONSOLE_TARGET_NONE,
	CONSOLE_TARGET_SERIAL,
	CONSOLE_TARGET_XEN,
	CONSOLE_TARGET_UML,
	CONSOLE_TARGET_VIRTIO,
	CONSOLE_TARGET_LXC,
	CONSOLE_TARGET_OPENVZ,
	CONSOLE_TARGET_SCLP,
	CONSOLE_TARGET_SCLPLM,
	CONSOLE_TARGET_COUNT
};

enum channel_target {
	CHANNEL_TARGET_NONE,
	CHANNEL_TARGET_GUESTFWD,
	CHANNEL_TARGET_VIRTIO,
	CHANNEL_TARGET_XEN,
	CHANNEL_TARGET_COUNT
};

struct target {
	int port; /* serial, parallel, console: assigned by the numbering rules; -1 before */
	enum serial_target serial;
	enum serial_model model;
	enum console_target console;
	enum channel_target channel;
	unsigned iobase; /* serial, parallel: of <address type='isa'>; 0: not said */
	unsigned irq;    /* likewise */
	char *name;      /* channel virtio, xen */
	char *address;   /* channel guestfwd: IPv4 */
	unsigned guestfwd_port;
};

/*
 * Our own elements (namespace urn:chardev:1) inside a device. Every field has a value that means
 * "not said", so that the engine's defaults stay in one place, next to the engine.
 */
enum guest_port_type {
	GUEST_PORT_DEFAULT, /* fifo, and unix for channels */
	GUEST_PORT_FIFO,
	GUEST_PORT_UNIX,
	GUEST_PORT_PTY,
	GUEST_PORT_STDIO,
	GUEST_PORT_PROCESS, /* a VMM that links libchardev; not in XML */
	GUEST_PORT_COUNT
};

enum replay { REPLAY_DEFAULT, REPLAY_MISSED, REPLAY_ALL, REPLAY_NONE, REPLAY_COUNT };

enum overflow_policy { OVERFLOW_DEFAULT, OVERFLOW_BLOCK, OVERFLOW_DROP, OVERFLOW_POLICY_COUNT };

enum line_parity { PARITY_DEFAULT, PARITY_NONE, PARITY_EVEN, PARITY_ODD, PARITY_COUNT };

enum line_flow { FLOW_DEFAULT, FLOW_NONE, FLOW_RTSCTS, FLOW_XONXOFF, FLOW_COUNT };

struct extensions {
	struct {
		enum guest_port_type type;
		char *path;
		enum tristate listens; /* mode='bind' is YES, mode='connect' is NO, of our side */
	} guest;
	struct {
		uint64_t size; /* bytes; 0 with size_set: no history */
		bool size_set;
		enum replay replay;
	} history;
	struct {
		enum overflow_policy policy;
		int64_t patience_ms; /* -1: not said */
	} overflow;
	struct {
		uint64_t max_size; /* bytes; 0 with max_size_set: unbounded */
		bool max_size_set;
		int max_backups; /* -1: not said */
		enum tristate timestamps;
		enum tristate compress;
	} log;
	int clients_max; /* -1: not said */
	struct {
		unsigned speed; /* baud; 0: not said */
		unsigned bits;  /* 5 to 8; 0: not said */
		enum line_parity parity;
		unsigned stop; /* 1 or 2; 0: not said */
		enum line_flow flow;
	} line;
	struct {
		bool said; /* the element is there, with or without attributes */
		char *dir;
		enum tristate verify;
		char *allow;
	} tls;
	struct {
		int mode; /* permission bits of a UNIX server's socket; -1: not said */
		char *group;
	} socket;
};

struct device_config {
	enum device_kind kind;
	unsigned line; /* of the element in the document */
	/*
	 * The device's name in its domain: the user's ("ua-..." or, in live documents, any) or the
	 * one that libvirt would assign, kind and index ("serial0"). Never NULL.
	 */
	char *alias;
	bool alias_is_user;
	/*
	 * A <console> that is another face of a serial port: the index of that serial, else -1. An
	 * alias has no backend of its own; it prints as a copy of its serial.
	 */
	int alias_of_serial;
	struct source source;
	struct log_config log;
	struct target target;
	struct extensions extensions;
};

struct domain {
	char *name;    /* never NULL, never empty */
	char *uuid;    /* NULL when absent */
	char *type;    /* "qemu", "kvm", "test" ... */
	char *os_type; /* "hvm" ... */
	char *arch;    /* "x86_64" ...; NULL when absent */
	char *machine; /* NULL when absent */
	struct device_config
		*devices; /* serial, parallel, console, channel; in document order each */
	size_t device_count;
};

/* Takes NULL; releases everything the domain owns; returns NULL. */
struct domain *domain_free(struct domain *domain);

/* The device of that alias, or NULL. A console that aliases a serial is found by its own alias. */
const struct device_config *domain_find_device(const struct domain *domain, const char *alias);

/* The device itself, but for a console that aliases a serial: that serial. */
const struct device_config *domain_resolve_alias(
	const struct domain *domain, const struct device_config *device);

/* Names as they stand in XML: "serial", "pty", "telnets" ... */
const char *device_kind_name(enum device_kind kind);
const char *source_type_name(enum source_type type);
const char *tcp_protocol_name(enum tcp_protocol protocol);

#endif

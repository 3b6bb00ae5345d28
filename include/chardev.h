/*
 * libchardev: the host side of virtual machines' character devices, for VMMs that link it.
 *
 * A libvirt domain document says how each serial port, parallel port, console and channel presents
 * itself to the host. The library makes it so: the VMM writes what its guest writes, and reads what
 * the host's peers typed; listeners, ptys, files, history, many clients and logs are the library's.
 *
 * Threads: an engine and everything on it belong to one thread at a time. No global state; the
 * process's signal dispositions are not touched. Nothing is printed.
 *
 * Errors: functions return 0 (or a count) or a negative errno; those that take a `struct
 * chardev_error *` also explain themselves in one sentence. Outputs are set on success only.
 *
 * Linux, UTF-8. The manual page is libchardev(3), the XML is described in chardev-xml(5).
 */
#ifndef CHARDEV_H
#define CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHARDEV_VERSION_MAJOR 0
#define CHARDEV_VERSION_MINOR 1

/* The version of the library at run time, "0.1.0". Static. */
const char *chardev_version(void);

/* What went wrong: a negative errno and one sentence (what, where, what to do), no newline. */
struct chardev_error {
	int code;
	char message[512];
};

/* ---- domain: what a document says ------------------------------------------------------------ */

struct chardev_domain;

/*
 * Reads a libvirt domain document of `size` bytes. -EINVAL: it is wrong, and the error names the
 * first place ("line 12: ..."); -ENOMEM. The caller releases it with chardev_domain_free(). A
 * domain does not change: engines on several threads may use it at once.
 */
int chardev_domain_parse(const char *xml, size_t size, struct chardev_domain **ret_domain,
	struct chardev_error *error);

/* Devices that were opened from it may still be open. Takes NULL; returns NULL. */
struct chardev_domain *chardev_domain_free(struct chardev_domain *domain);

/* The domain's <name>; valid as long as the domain. */
const char *chardev_domain_name(const struct chardev_domain *domain);

/*
 * The devices that are presented to the host, in the order serial, parallel, console, channel;
 * a console that is a serial port's other face is not one of its own. chardev_domain_alias()
 * returns NULL past the end; the text is valid as long as the domain.
 */
size_t chardev_domain_device_count(const struct chardev_domain *domain);
const char *chardev_domain_alias(const struct chardev_domain *domain, size_t index);

/* ---- engine: the loop that does the work ----------------------------------------------------- */

struct chardev_engine;

/* Makes an engine; the caller ends it with chardev_engine_free(). */
int chardev_engine_new(struct chardev_engine **ret_engine, struct chardev_error *error);

/*
 * Ends the engine and closes what is still open on it, waiting up to two seconds for peers and
 * files to take their last bytes, and up to two more for what TLS and telnet have of them. Takes
 * NULL; returns NULL. From within a callback it does nothing and returns the engine.
 */
struct chardev_engine *chardev_engine_free(struct chardev_engine *engine);

/*
 * Nested in the caller's own loop: poll this descriptor for reading (it stays the engine's), and
 * call chardev_engine_dispatch() when it is readable. Timers are included. Level-triggered.
 */
int chardev_engine_fd(const struct chardev_engine *engine);

/* Handles what is ready, without waiting; callbacks run from here. Nothing within a callback. */
void chardev_engine_dispatch(struct chardev_engine *engine);

/*
 * Or on the library's own loop: runs, callbacks included, until chardev_engine_stop(), which a
 * callback may call. A stop without a run under way ends the next one at once. On the engine's
 * thread: to stop it from another one, nest it and poll something of your own as well.
 */
void chardev_engine_run(struct chardev_engine *engine);
void chardev_engine_stop(struct chardev_engine *engine);

/* ---- device: one serial port, parallel port, console or channel ------------------------------ */

struct chardev_device;

/*
 * What the VMM wants to hear; a NULL member is not called. All are called on the engine's thread,
 * from chardev_engine_dispatch() or chardev_engine_run() only: never from within another function
 * of the library. A callback may call any function but those of the engine's run and end; it may
 * close its own device and others.
 */
struct chardev_device_events {
	size_t size; /* sizeof(struct chardev_device_events), as the caller knows it */
	/* Host input may wait: chardev_device_read() until it returns 0. */
	void (*on_input)(struct chardev_device *device, void *user);
	/* After a chardev_device_write() that took less than offered: there may be room again. */
	void (*on_room)(struct chardev_device *device, void *user);
	/* The host sent a BREAK: after the input read so far, before what is read from now on. */
	void (*on_break)(struct chardev_device *device, void *user);
	/* Peers, state or an error changed: chardev_device_status() has it. */
	void (*on_change)(struct chardev_device *device, void *user);
	/*
	 * The terminal of a peer (telnet, RFC 1073) has this size: for a guest's device that can
	 * carry it, as a virtio console does. The last one counts.
	 */
	void (*on_window)(
		struct chardev_device *device, unsigned columns, unsigned rows, void *user);
};

/*
 * Presents the device `alias` of the domain to the host. `runtime_dir` is an existing directory
 * for what has no path of its own in the document: the link ALIAS.pty of a pty, the socket of a
 * channel without a path, the log DOMAIN.log that all devices of type stdio share. Its text is
 * copied. NULL: there are no links, and a device that cannot do without is refused.
 *
 * All or nothing. -ENOENT: no such device; -EINVAL: not one that can be opened (another face of a
 * serial port, a missing runtime_dir, a wrong events->size); -EOPNOTSUPP: a type that is not
 * presented to the host; else what the system said, -EADDRINUSE or -EACCES for example.
 */
int chardev_device_open(struct chardev_engine *engine, const struct chardev_domain *domain,
	const char *alias, const char *runtime_dir, const struct chardev_device_events *events,
	void *user, struct chardev_device **ret_device, struct chardev_error *error);

/*
 * Ends the device. The handle is dead when this returns, and no callback follows. Peers and files
 * get what the guest has written; then they are disconnected, and what was made on the host is
 * removed: before this returns if they have taken everything, else while the engine runs on, within
 * two seconds, and two more where TLS or telnet is spoken. Takes NULL; returns NULL.
 */
struct chardev_device *chardev_device_close(struct chardev_device *device);

/*
 * Guest output: copies up to `size` bytes into the device's history and returns how many; it does
 * not fail. Less than `size` (also 0): a connected reader that may hold up the guest is behind;
 * on_room follows. With policy "drop" that is never for longer than its patience.
 */
ssize_t chardev_device_write(struct chardev_device *device, const void *bytes, size_t size);

/*
 * Host input: moves up to `size` bytes out and returns how many; it does not fail. 0: none now;
 * on_input follows when there are.
 */
ssize_t chardev_device_read(struct chardev_device *device, void *bytes, size_t size);

/*
 * The guest sends a BREAK: after the output written so far, to the peers that can carry one
 * (telnet, a serial port of the host). 0, or -ENOTCONN: the device was opened within the callback
 * that is running, and is not ready before that returns.
 */
int chardev_device_send_break(struct chardev_device *device);

/* What the guest has set its port to; 0: not said. */
struct chardev_line {
	size_t size;    /* sizeof(struct chardev_line) */
	unsigned speed; /* bits per second */
	unsigned bits;  /* 5 to 8 */
	char parity;    /* 'N', 'E', 'O', 'M' (mark) or 'S' (space) */
	unsigned stop;  /* 1 or 2 */
};

/*
 * The guest sets its line, after the output written so far: a serial port of the host follows
 * (unless its <chardev:line> says what it shall be), and a telnet peer is told (RFC 2217). 0,
 * -EINVAL for what no line can be set to, or -ENOTCONN as above.
 */
int chardev_device_set_line(struct chardev_device *device, const struct chardev_line *line);

struct chardev_device_status {
	size_t size;          /* in: sizeof(struct chardev_device_status) */
	char where[320];      /* where it stands: "tcp 127.0.0.1:4001", "/dev/pts/3" */
	char command[320];    /* a command that connects to it; "" when nothing can */
	char last_error[192]; /* "" when there was none */
	unsigned peers;       /* connected now; a file counts as one */
	uint64_t connects;    /* so far */
	uint64_t output;      /* bytes the guest wrote */
	uint64_t input;       /* bytes given to the guest */
	uint64_t dropped;     /* bytes that readers missed, each reader counted */
	uint64_t errors;
	uint64_t held_up_ms; /* how long readers held up the guest in all, milliseconds */
};

/* A snapshot. -EINVAL when status->size is not one that this library knows. */
int chardev_device_status(
	const struct chardev_device *device, struct chardev_device_status *status);

#ifdef __cplusplus
}
#endif

#endif

/*
 * A guest port: the living guest side of a device, one implementation per way in which a VMM
 * attaches. It hands its device one stream at a time, whose input is the guest's output.
 *
 * A port outlives the VMM: a VMM that dies and comes back is served again. Where the kernel keeps
 * the bytes between VMM runs (fifo, a pty of ours), the stream stays the same and only `present`
 * changes; where a connection comes and goes (unix, a pty of the VMM's, stdio), each has a stream
 * of its own, and `present(false)` comes after that stream was closed.
 */
#ifndef CHARDEV_GUEST_GUEST_H
#define CHARDEV_GUEST_GUEST_H

#include "loop/loop.h"
#include "model/domain.h"
#include "stream/stream.h"
#include "util/error.h"

enum { GUEST_TEXT_SIZE = 320, GUEST_PATH_SIZE = 160 };

struct guest_witness;

struct guest_sink {
	/* The way to the VMM is open: the device attaches itself to the stream before returning. */
	void (*stream)(void *device, struct stream *stream);
	/*
	 * The VMM came (true) or left (false). When it left, all its output was delivered, and
	 * input that was meant for it is to be thrown away.
	 */
	void (*present)(void *device, bool present);
	/* Something a person should know ("pipe not enlarged: ..."); failure 0 or -errno. */
	void (*state)(void *device, int failure, const char *reason);
};

struct guest_params {
	struct loop *loop;
	const struct device_config *config;
	const char *runtime_dir; /* RUNTIME/NAME: where ALIAS.in, .out, .sock stand; may be NULL for
				    ports that need no path (process, stdio) */
	const struct guest_sink *sink;
	void *device;
	/* Shared by all ports of a loop (witness.h); NULL: a port that needs one makes its own. */
	struct guest_witness *witness;
};

/* How a VMM attaches to this port: what command lines are made from. */
struct guest_description {
	enum guest_port_type type;
	bool listens;               /* unix, pty: our side made it (else the VMM does) */
	char path[GUEST_PATH_SIZE]; /* fifo: without .in/.out; unix: the socket; pty: the slave or
				       its link; "" for stdio and process */
	char where[GUEST_TEXT_SIZE];
	uint64_t input_dropped; /* bytes of input the port took that no VMM read before it left, in
				   total; 0 where that cannot be known */
};

struct guest_port;

struct guest_ops {
	/* All or nothing, as a backend's. No sink call before open returned. */
	int (*open)(const struct guest_params *params, struct guest_port **ret, struct error *err);
	/*
	 * The device has closed the stream before. keep: what lasts on the host (the FIFOs) stays
	 * where it is, for whoever comes after us. `closed`: once, later, everything freed.
	 */
	void (*close)(struct guest_port *port, bool keep, void (*closed)(void *device));
	/* Until `closed`. */
	void (*describe)(const struct guest_port *port, struct guest_description *ret);
	/*
	 * Tells whether any peer is connected to the device. Only ports that show the guest open
	 * and close (unix, connecting) act on it; they connect while it is true.
	 */
	void (*attend)(struct guest_port *port, bool peers);
	/* Output is here as soon as the VMM has written it: none is on its way when it leaves. */
	bool immediate;
	/* What was not read stays with what is kept: nothing is lost by closing early. */
	bool lasting;
};

struct guest_port {
	const struct guest_ops *ops;
	struct guest_params params;
};

/* `type` after defaults: never GUEST_PORT_DEFAULT. */
const struct guest_ops *guest_ops_for(enum guest_port_type type);

/* fifo, but unix for channels, unless the XML says otherwise. */
enum guest_port_type guest_port_type_of(const struct device_config *config);

/*
 * What describe would say of the port of a device that is not open: the same path, by the same
 * rules, without looking at the disk; `where` is left empty.
 */
int guest_plan(const struct device_config *config, const char *runtime_dir,
	struct guest_description *ret, struct error *err);

/*
 * What a port that was closed with `keep` left is not wanted any more: it is removed, unless it
 * stands at a path of the user's choice.
 */
void guest_discard(const struct device_config *config, const char *runtime_dir);

/* ---- in process (guest/process.c): for VMMs that link the library --------------------------- */

/*
 * None of these may be called from within a sink callback of the port's own stream; from the events
 * below they may. They call the device's sink on the caller's stack; the loop is turned by the
 * caller.
 */

/*
 * Guest output: copies up to n bytes into the device's history now; returns how many. Less than n
 * (also 0): it is held up by a reader that may; on_room follows. -ENOTCONN before the device has
 * the stream (on_room follows, too) and after it closed it.
 */
ssize_t guest_process_write(struct guest_port *base, const void *bytes, size_t n);
/*
 * Host input: moves up to n bytes out; 0 when there are none. on_input follows when there are. A
 * BREAK has its place: the bytes before it are moved out, then on_break comes, then the others.
 */
ssize_t guest_process_read(struct guest_port *base, void *bytes, size_t n);
/* Each may be NULL. They come from the loop. */
struct guest_process_events {
	void (*on_input)(void *user);
	void (*on_room)(void *user);
	void (*on_break)(void *user);
	/* The terminal of a peer has another size; the last one counts. */
	void (*on_window)(void *user, struct stream_window window);
};
void guest_process_listen(
	struct guest_port *base, const struct guest_process_events *events, void *user);

/*
 * What the guest signals, after the output written so far: a BREAK, its line's settings. -ENOTCONN
 * as for guest_process_write().
 */
int guest_process_signal(struct guest_port *base, const struct stream_signal *signal);

/* ---- stdio (guest/stdio.c): the VMM is a child whose stdin and stdout are the port ----------- */

/*
 * The child's ends, close-on-exec, to be dup2()ed to 0 and 1 in the child; they stay the port's,
 * and guest_stdio_child_started() closes them in the parent. -1 while a child runs (until
 * `present(false)`), and when no pipes could be made (told through `state`).
 */
void guest_stdio_child_ends(struct guest_port *base, int *ret_stdin, int *ret_stdout);
void guest_stdio_child_started(struct guest_port *base);

#endif

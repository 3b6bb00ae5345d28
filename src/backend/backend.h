/*
 * A backend: the living host side of a device, one implementation per source type of the XML.
 *
 * A backend makes the host interface (a listener, a pty, a file ...), and for each peer that comes
 * it hands a stream to its device. It never sees the bytes, the ring or other readers; the device
 * never asks for its type. A peer leaves when the device closes its stream: the stream's on_closed
 * comes back to the backend, which then may reconnect, rearm or take the next one.
 *
 * To add one: a row in src/model/ (enum, names, parse, format), src/backend/TYPE.c with a
 * `const struct backend_ops`, one line in table.c, a golden XML and a test.
 */
#ifndef CHARDEV_BACKEND_BACKEND_H
#define CHARDEV_BACKEND_BACKEND_H

#include "backend/log_writer.h"
#include "loop/loop.h"
#include "model/domain.h"
#include "stream/stream.h"
#include "util/error.h"

struct domain_log;
struct log_share;

/* Where a backend stands. Changes are reported with a reason a person can read. */
enum backend_state {
	BACKEND_IDLE, /* there is nothing to connect to (null), or not yet (a missing device) */
	BACKEND_LISTENING,  /* peers may come */
	BACKEND_CONNECTING, /* looking for its peer */
	BACKEND_CONNECTED,  /* its one peer is there */
	BACKEND_STATE_COUNT
};

enum {
	PEER_NAME_SIZE = 128,
	PEER_REASON_SIZE = 200,
	BACKEND_TEXT_SIZE = 320,
	BACKEND_PATH_SIZE = 160,
};

/* What kind of reader a peer is; decided by the backend, as the interface's own nature. */
enum peer_kind {
	PEER_CLIENT, /* comes and goes; the device's policy and replay hold */
	PEER_FILE,   /* a file: always there, blocks while its disk works, gaps are counted */
	PEER_LOSSY,  /* datagrams: never holds up the guest, never sees old bytes */
	PEER_VIEWER, /* no backend's: see device_add_viewer() */
	PEER_KIND_COUNT
};

struct peer_info {
	enum peer_kind kind;
	const char *name; /* "127.0.0.1:5555", "pid 33 uid 0", "/dev/pts/3"; copied */
	bool no_input;    /* never sends: nothing is read from it */
	bool no_output;   /* never receives: it is no reader of the history */
};

/* The device's side of a backend. */
struct backend_sink {
	/*
	 * A peer has come. The device attaches itself to the stream before it returns; it will
	 * stream_close() it in the end, at once if it has no room for the peer.
	 */
	void (*peer)(void *device, struct stream *stream, const struct peer_info *info);
	/* `reason` is one clause ("connection refused by [::1]:4000") or NULL. Counted as an error
	 * of the device when `failure` is not 0. */
	void (*state)(void *device, enum backend_state state, int failure, const char *reason);
};

/* Everything a backend may know. Pointers are borrowed for the backend's whole life. */
struct backend_params {
	struct loop *loop;
	const struct device_config *config;
	const char *runtime_dir;       /* RUNTIME/NAME; NULL without one (library use) */
	struct domain_log *domain_log; /* for stdio: domain_log.h; NULL where there is none */
	struct log_share *log_share;   /* for what is a log: log_quota.h; NULL: no quota */
	bool continued; /* an earlier process's device goes on: what it wrote is not to be lost */
	const struct backend_sink *sink;
	void *device;
};

/* What a person and the live XML want to know; a snapshot, valid until anything changes. */
struct backend_description {
	char where[BACKEND_TEXT_SIZE];   /* "tcp 127.0.0.1:4001", "/run/chardev/vm/serial0.pty" */
	char command[BACKEND_TEXT_SIZE]; /* what connects to it from a shell; "" when nothing can */
	char pty_path[BACKEND_PATH_SIZE]; /* "/dev/pts/3", else "" */
	char path[BACKEND_PATH_SIZE];     /* a generated UNIX socket path, else "" */
	char service[32];                 /* the bound port, where one is, else "" */
	bool has_file;                    /* type='file', while it is open: how its file is */
	struct log_status file;
};

struct backend;

struct backend_ops {
	/*
	 * Makes the host interface. All or nothing: on failure a sentence in err, nothing left
	 * behind, and a negative errno. What may come later by itself (a server that is down, a
	 * name that does not resolve yet, an unplugged device) is a state, not a failure. No sink
	 * call before open returned.
	 */
	int (*open)(const struct backend_params *params, struct backend **ret, struct error *err);
	/*
	 * Removes what open made. The device has closed all its streams before; their on_closed may
	 * still be to come. `closed` is called exactly once, on a later turn, with everything
	 * freed.
	 */
	void (*close)(struct backend *backend, void (*closed)(void *device));
	void (*describe)(const struct backend *backend, struct backend_description *ret);
	/* A log that it writes is opened anew at its path: somebody has moved the file. */
	void (*reopen)(struct backend *backend);
};

struct backend {
	const struct backend_ops *ops;
	struct backend_params params;
};

/*
 * The implementation for a source type; NULL for types that are not presented to the host
 * (spicevmc, spiceport, nmdm, qemu-vdagent, dbus).
 */
const struct backend_ops *backend_ops_for(enum source_type type);

#endif

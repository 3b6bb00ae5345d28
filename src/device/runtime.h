/*
 * A domain's directory at run time: RUNTIME/NAME with its lock, and the names of what stands in it.
 *
 * RUNTIME is /run/chardev for root, else $XDG_RUNTIME_DIR/chardev. The domain's log is
 * /var/log/chardev/NAME.log for root, else $XDG_STATE_HOME/chardev/NAME.log (~/.local/state). A
 * name that is unsafe in a path, or longer than 40 bytes, becomes a prefix and a hash.
 */
#ifndef CHARDEV_DEVICE_RUNTIME_H
#define CHARDEV_DEVICE_RUNTIME_H

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	RUNTIME_PATH_SIZE = 160,
	RUNTIME_NAME_SIZE = 64,
	RUNTIME_NAME_MAX_PLAIN = 40, /* longer names are hashed */
};

struct runtime {
	char name[RUNTIME_NAME_SIZE]; /* the domain's name as it stands on disk */
	char base[RUNTIME_PATH_SIZE]; /* RUNTIME */
	char dir[RUNTIME_PATH_SIZE];  /* RUNTIME/NAME */
	char log_dir[RUNTIME_PATH_SIZE];
	char log_path[RUNTIME_PATH_SIZE]; /* the domain's log; its directory exists */
	bool in_memory; /* RUNTIME is on tmpfs; else rings cost disk writes: warn */
	bool made_dir;  /* what runtime_close() removes, if it is empty then */
	bool made_base;
	bool made_log_dir;
	int lock_fd;
};

/* The default directories; overridden by --runtime-dir and --log-dir. */
int runtime_default_dir(char *ret, size_t size, struct error *err);
int runtime_default_log_dir(char *ret, size_t size, struct error *err);

/* The name on disk for a domain's name. */
void runtime_name(const char *domain_name, char ret[RUNTIME_NAME_SIZE]);

/*
 * Makes RUNTIME/NAME (0700) and takes its lock; NULL directories mean the defaults. -EBUSY with a
 * sentence naming the other process when a living one serves the domain. The directory of a dead
 * process is taken over with all that stands in it: its FIFOs, rings and state may go on.
 */
int runtime_open(struct runtime *runtime, const char *domain_name, const char *runtime_dir,
	const char *log_dir, struct error *err);

/* RUNTIME/NAME/LEAF; -ENAMETOOLONG when it does not fit. */
int runtime_path(const struct runtime *runtime, const char *leaf, char *ret, size_t size);

/* Writes the file RUNTIME/NAME/LEAF anew, atomically, mode 0600. */
int runtime_write(
	const struct runtime *runtime, const char *leaf, const char *text, struct error *err);

/*
 * Removes every file in RUNTIME/NAME that bears a name of ours: the state, the live document, and
 * what an earlier process left for devices that are no longer there. For a domain that ends for
 * good, before runtime_close() and after all its devices are closed.
 */
void runtime_sweep(const struct runtime *runtime);

/* Removes what runtime_open made, and the directory if it is empty; unlocks. */
void runtime_close(struct runtime *runtime);

#endif

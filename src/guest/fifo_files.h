/* The two FIFOs of a port as files: made or taken over, opened, removed. No bytes, no loop. */
#ifndef CHARDEV_GUEST_FIFO_FILES_H
#define CHARDEV_GUEST_FIFO_FILES_H

#include "guest/port.h"

struct fifo_files {
	char path[GUEST_PATH_SIZE]; /* without .in and .out */
	struct guest_file in_file;
	struct guest_file out_file;
	int in_fd;  /* read-write: writing never meets EPIPE, and it can be emptied */
	int out_fd; /* read-only: a read-write one would never see the VMM leave */
};

/*
 * Makes PATH.in and PATH.out (mode 0600) or takes over those that are there, bytes and all;
 * anything else in the way, and other users' FIFOs, are refused. Undoes itself on failure.
 */
int fifo_files_open(struct fifo_files *files, const struct guest_params *params, struct error *err);

/* Closes both; removes those that it made. */
void fifo_files_undo(struct fifo_files *files);

void fifo_files_close(struct fifo_files *files);

/* Removes them for good; those at a path of the user's choice stay if they were there before. */
void fifo_files_remove(struct fifo_files *files, const struct guest_params *params);

/* Removes the FIFOs of ours that stand at the generated path. */
void fifo_files_discard(const struct guest_params *params);

/* PATH.out, for watching it. */
void fifo_files_out_path(const struct fifo_files *files, char ret[GUEST_PATH_SIZE]);

/*
 * Opens PATH.out again and then gives up the old description: a hang-up ends with it, while the
 * bytes in the FIFO never lack a reader. The descriptor keeps its number (dup3(2)). 0 or a negative
 * errno (-ESTALE: another file stands there now), and then the old one stays.
 */
int fifo_files_open_out_anew(struct fifo_files *files);

/* Throws away what nobody has read from PATH.in; how many bytes. */
size_t fifo_files_empty_in(struct fifo_files *files);

#endif

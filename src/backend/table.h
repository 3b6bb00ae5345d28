/* Every backend there is: what table.c lists and each file of this folder defines one of. */
#ifndef CHARDEV_BACKEND_TABLE_H
#define CHARDEV_BACKEND_TABLE_H

#include "backend/backend.h"

extern const struct backend_ops null_backend;
extern const struct backend_ops vc_backend;
extern const struct backend_ops file_backend;
extern const struct backend_ops pty_backend;
extern const struct backend_ops dev_backend;
extern const struct backend_ops tcp_backend;
extern const struct backend_ops udp_backend;
extern const struct backend_ops unix_backend;
extern const struct backend_ops pipe_backend;
extern const struct backend_ops stdio_backend;

/* The `reopen` of those that write no log. */
void backend_has_no_file(struct backend *backend);

#endif

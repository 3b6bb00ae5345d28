/*
 * The two kinds of host device behind <source type='dev'>: each makes a backend with operations of
 * its own. The path is one of its kind already; dev.c saw to that.
 */
#ifndef CHARDEV_BACKEND_DEV_H
#define CHARDEV_BACKEND_DEV_H

#include "backend/backend.h"

/* Majors of the kernel's parallel ports: /dev/lpN and /dev/parportN. */
enum { MAJOR_LP = 6, MAJOR_PARPORT = 99 };

int dev_serial_open(const struct backend_params *params, struct backend **ret, struct error *err);
int dev_parallel_open(const struct backend_params *params, struct backend **ret, struct error *err);

#endif

/*
 * What the two backends without a host interface share: nobody ever connects to them. Bytes are
 * still in the device's history, for its log.
 *
 * Their one peer is nobody, who takes every byte and gives none, so that the guest finds its port
 * open: a channel that is never opened on the host holds up the guest's first write for ever.
 */
#ifndef CHARDEV_BACKEND_PORTLESS_H
#define CHARDEV_BACKEND_PORTLESS_H

#include "backend/backend.h"

int portless_open(const struct backend_params *params, const struct backend_ops *ops,
	struct backend **ret, struct error *err);
void portless_close(struct backend *backend, void (*closed)(void *device));

#endif

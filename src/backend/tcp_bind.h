/*
 * Listening TCP sockets on a list of addresses, all with one port; also when any free port is
 * asked for. All or nothing.
 */
#ifndef CHARDEV_BACKEND_TCP_BIND_H
#define CHARDEV_BACKEND_TCP_BIND_H

#include "backend/address.h"
#include "backend/listener.h"

/*
 * Up to LISTENER_MAX_SOCKETS of `addresses`, whose ports are `port` (0: any). An address of a
 * family or interface that this host lacks is passed over as long as another is there. Returns how
 * many sockets, or a negative errno with a sentence.
 */
int tcp_bind(const struct address *addresses, int count, uint16_t port,
	int ret_fds[LISTENER_MAX_SOCKETS], struct error *err);

#endif

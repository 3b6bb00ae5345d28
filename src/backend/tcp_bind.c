/* Listening TCP sockets; see tcp_bind.h. */
#include "backend/tcp_bind.h"

#include "util/fd.h"

/* A port that is free for one address may be taken for the next; then another is asked for. */
enum { ANY_PORT_TRIES = 16 };

static int bind_one(const struct address *address)
{
	static const int on = 1, off;
	int family = address->u.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Connections of a server that has just ended do not hold its port. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Its clients inherit it: a byte sent as urgent (telnet's Synch) stays among the others. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address_is_wildcard(address) ? &off : &on,
			sizeof(on));
	/* listen(2) fails with EADDRINUSE too: SO_REUSEADDR lets two sockets bind one port. */
	if (bind(fd, &address->u.any, address->length) < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
		int code = -errno;
		fd_close(fd);
		return code;
	}
	return fd;
}

static int bind_all(const struct address *addresses, int count, uint16_t port,
	int ret_fds[LISTENER_MAX_SOCKETS], struct error *err)
{
	struct error first = {0};
	int made = 0;
	int code = 0;
	for (int i = 0; i < count && made < LISTENER_MAX_SOCKETS; i++) {
		struct address address = addresses[i];
		address_set_port(&address, port);
		int fd = bind_one(&address);
		if (fd >= 0) {
			ret_fds[made++] = fd;
			if (port == 0 && address_of_socket(fd, &address) == 0)
				port = address_port(&address);
			continue;
		}
		if (code == 0)
			address_bind_error("tcp", &address, fd, &first);
		code = fd;
		if (code != -EADDRNOTAVAIL && code != -EAFNOSUPPORT) {
			address_bind_error("tcp", &address, fd, &first);
			while (made > 0)
				fd_close(ret_fds[--made]);
			break;
		}
	}
	if (made == 0)
		return error_set(err, first.code, "%s", first.message);
	return made;
}

int tcp_bind(const struct address *addresses, int count, uint16_t port,
	int ret_fds[LISTENER_MAX_SOCKETS], struct error *err)
{
	int rc = bind_all(addresses, count, port, ret_fds, err);
	for (int i = 1; port == 0 && rc == -EADDRINUSE && i < ANY_PORT_TRIES; i++)
		rc = bind_all(addresses, count, port, ret_fds, err);
	return rc;
}

/*
 * Socket addresses, of the internet and of UNIX sockets: from text without waiting, and back.
 *
 * Nothing here asks a name server: a host that is neither numeric nor "localhost" is left to
 * loop_resolve_start(). "localhost" is known to be this host's two loopback addresses (RFC 6761).
 * IPv6 literals may stand in brackets, and with a scope ("fe80::1%eth0").
 */
#ifndef CHARDEV_BACKEND_ADDRESS_H
#define CHARDEV_BACKEND_ADDRESS_H

#include "util/error.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	ADDRESS_TEXT_SIZE = 112, /* "[...%interface]:65535", or a path */
	ADDRESS_PATH_MAX = 107,  /* what the kernel takes, but for the NUL */
	ADDRESS_MAX = 8,         /* as many of a name's addresses as are tried */
};

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
	socklen_t length;
};

/* A port number or a service's name; socktype decides which table of services(5) is asked. */
int address_port_parse(const char *service, int socktype, uint16_t *ret, struct error *err);

/*
 * The addresses that `host` stands for, without asking anybody: how many (at most ADDRESS_MAX), or
 * 0 when it is a name to be resolved. NULL or "": the wildcard (dual-stack where the kernel has
 * IPv6) if `passive`, else loopback.
 */
int address_now(const char *host, uint16_t port, bool passive, struct address ret[ADDRESS_MAX]);

/* Copies what a resolver answered, with this port; how many. */
int address_from_list(const struct addrinfo *list, uint16_t port, struct address ret[ADDRESS_MAX]);

/*
 * A path in the file system; a leading '@' means nothing special. -ENAMETOOLONG over
 * ADDRESS_PATH_MAX bytes, with a sentence.
 */
int address_of_path(const char *path, struct address *ret, struct error *err);

/* From accept(2) and its like; an unknown family becomes length 0. */
void address_from_socket(const struct sockaddr_storage *from, struct address *ret);
/* The local address of a bound socket. */
int address_of_socket(int fd, struct address *ret);

uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
bool address_is_wildcard(const struct address *address);
/* Whether it is this host's, as seen from this host: loopback or the wildcard. */
bool address_is_local(const struct address *address);
bool address_is_equal(const struct address *a, const struct address *b);
/* Where a client on this host finds what is bound there: a wildcard becomes loopback. */
void address_to_reach(const struct address *bound, struct address *ret);

/* An IPv4 address as a dual-stack socket of IPv6 wants it; another is copied. */
void address_map_to_in6(const struct address *address, struct address *ret);

/* "127.0.0.1:4001", "[::1]:4001" or a path; an IPv4 address within IPv6 as IPv4. Returns ret. */
const char *address_text(const struct address *address, char ret[ADDRESS_TEXT_SIZE]);

/* One sentence about a bind(2) that failed. `what` is "tcp" or "udp". Returns code. */
int address_bind_error(
	const char *what, const struct address *address, int code, struct error *err);

#endif

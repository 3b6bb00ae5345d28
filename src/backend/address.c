/* Socket addresses; see address.h. */
#include "backend/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int address_port_parse(const char *service, int socktype, uint16_t *ret, struct error *err)
{
	if (service == NULL || service[0] == '\0')
		return error_set(err, -EINVAL,
			"no port is named; set service= to a port number or a service's name");
	/* getaddrinfo(3) takes numbers over 65535 and cuts them; it never sees a number here. */
	if (service[strspn(service, "0123456789")] == '\0') {
		unsigned long port = strlen(service) <= 5 ? strtoul(service, NULL, 10) : 65536;
		if (port > 65535)
			return error_set(err, -EINVAL,
				"service \"%s\" is no port; ports go from 0 to 65535", service);
		*ret = (uint16_t)port;
		return 0;
	}
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = socktype};
	struct addrinfo *list = NULL;
	if (getaddrinfo(NULL, service, &hints, &list) != 0)
		return error_set(err, -EINVAL,
			"service \"%s\" is neither a port number nor a service of /etc/services",
			service);
	*ret = ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port);
	freeaddrinfo(list);
	return 0;
}

static void set_in4(struct address *ret, uint32_t host, uint16_t port)
{
	*ret = (struct address){.length = sizeof(ret->u.in4)};
	ret->u.in4.sin_family = AF_INET;
	ret->u.in4.sin_addr.s_addr = htonl(host);
	ret->u.in4.sin_port = htons(port);
}

static void set_in6(struct address *ret, const struct in6_addr *host, uint16_t port)
{
	*ret = (struct address){.length = sizeof(ret->u.in6)};
	ret->u.in6.sin6_family = AF_INET6;
	ret->u.in6.sin6_addr = *host;
	ret->u.in6.sin6_port = htons(port);
}

/* A kernel may have been booted without IPv6. */
static bool kernel_has_in6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EAFNOSUPPORT;
}

int address_now(const char *host, uint16_t port, bool passive, struct address ret[ADDRESS_MAX])
{
	if (host == NULL)
		host = "";
	if (host[0] == '\0' && passive) {
		if (kernel_has_in6())
			set_in6(&ret[0], &in6addr_any, port);
		else
			set_in4(&ret[0], INADDR_ANY, port);
		return 1;
	}
	if (host[0] == '\0' || strcasecmp(host, "localhost") == 0) {
		set_in4(&ret[0], INADDR_LOOPBACK, port);
		if (!kernel_has_in6())
			return 1;
		set_in6(&ret[1], &in6addr_loopback, port);
		return 2;
	}
	char bare[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	size_t length = strlen(host);
	if (host[0] == '[' && host[length - 1] == ']' && length - 2 < sizeof(bare)) {
		memcpy(bare, host + 1, length - 2);
		bare[length - 2] = '\0';
		host = bare;
	}
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return 0;
	int count = address_from_list(list, port, ret);
	freeaddrinfo(list);
	return count;
}

int address_from_list(const struct addrinfo *list, uint16_t port, struct address ret[ADDRESS_MAX])
{
	int count = 0;
	for (const struct addrinfo *at = list; at != NULL && count < ADDRESS_MAX;
		at = at->ai_next) {
		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		struct address *entry = &ret[count];
		*entry = (struct address){.length = at->ai_addrlen};
		memcpy(&entry->u, at->ai_addr, at->ai_addrlen);
		address_set_port(entry, port);
		bool known = false;
		for (int i = 0; i < count; i++)
			known = known || address_is_equal(&ret[i], entry);
		if (!known)
			count++;
	}
	return count;
}

int address_of_path(const char *path, struct address *ret, struct error *err)
{
	size_t length = strlen(path);
	if (length > ADDRESS_PATH_MAX)
		return error_set(err, -ENAMETOOLONG,
			"the socket path \"%.40s...\" has %zu bytes, and a UNIX socket's may have "
			"%d; choose a shorter one",
			path, length, ADDRESS_PATH_MAX);
	*ret = (struct address){
		.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1)};
	ret->u.un.sun_family = AF_UNIX;
	memcpy(ret->u.un.sun_path, path, length + 1);
	return 0;
}

void address_from_socket(const struct sockaddr_storage *from, struct address *ret)
{
	*ret = (struct address){0};
	if (from->ss_family == AF_INET)
		ret->length = sizeof(ret->u.in4);
	else if (from->ss_family == AF_INET6)
		ret->length = sizeof(ret->u.in6);
	if (ret->length > 0)
		memcpy(&ret->u, from, ret->length);
}

int address_of_socket(int fd, struct address *ret)
{
	struct sockaddr_storage local = {0};
	socklen_t length = sizeof(local);
	if (getsockname(fd, (struct sockaddr *)&local, &length) < 0)
		return -errno;
	address_from_socket(&local, ret);
	return 0;
}

uint16_t address_port(const struct address *address)
{
	return ntohs(address->u.any.sa_family == AF_INET6 ? address->u.in6.sin6_port
							  : address->u.in4.sin_port);
}

void address_set_port(struct address *address, uint16_t port)
{
	if (address->u.any.sa_family == AF_INET6)
		address->u.in6.sin6_port = htons(port);
	else
		address->u.in4.sin_port = htons(port);
}

/* The IPv4 address, also of one mapped into IPv6, in host order. */
static bool as_in4(const struct address *address, uint32_t *ret)
{
	if (address->u.any.sa_family == AF_INET) {
		*ret = ntohl(address->u.in4.sin_addr.s_addr);
		return true;
	}
	const struct in6_addr *in6 = &address->u.in6.sin6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(in6))
		return false;
	uint32_t host;
	memcpy(&host, in6->s6_addr + 12, sizeof(host));
	*ret = ntohl(host);
	return true;
}

bool address_is_wildcard(const struct address *address)
{
	uint32_t in4;
	if (as_in4(address, &in4))
		return in4 == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&address->u.in6.sin6_addr);
}

bool address_is_local(const struct address *address)
{
	uint32_t in4;
	if (as_in4(address, &in4))
		return in4 == INADDR_ANY || in4 >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	return address_is_wildcard(address) || IN6_IS_ADDR_LOOPBACK(&address->u.in6.sin6_addr);
}

bool address_is_equal(const struct address *a, const struct address *b)
{
	if (a->u.any.sa_family != b->u.any.sa_family || address_port(a) != address_port(b))
		return false;
	if (a->u.any.sa_family == AF_INET)
		return a->u.in4.sin_addr.s_addr == b->u.in4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr) &&
	       a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id;
}

void address_to_reach(const struct address *bound, struct address *ret)
{
	*ret = *bound;
	/* A wildcard of IPv6 is dual-stack here, so that IPv4 reaches it too. */
	if (address_is_wildcard(bound))
		set_in4(ret, INADDR_LOOPBACK, address_port(bound));
}

void address_map_to_in6(const struct address *address, struct address *ret)
{
	*ret = *address;
	if (address->u.any.sa_family != AF_INET)
		return;
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(mapped.s6_addr + 12, &address->u.in4.sin_addr, 4);
	set_in6(ret, &mapped, address_port(address));
}

const char *address_text(const struct address *address, char ret[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "?";
	uint32_t in4;
	if (address->length == 0) {
		snprintf(ret, ADDRESS_TEXT_SIZE, "an unknown address");
	} else if (address->u.any.sa_family == AF_UNIX) {
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s", address->u.un.sun_path);
	} else if (as_in4(address, &in4)) {
		struct in_addr in = {.s_addr = htonl(in4)};
		inet_ntop(AF_INET, &in, host, sizeof(host));
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s:%u", host, address_port(address));
	} else {
		getnameinfo(&address->u.any, address->length, host, sizeof(host), NULL, 0,
			NI_NUMERICHOST);
		snprintf(ret, ADDRESS_TEXT_SIZE, "[%s]:%u", host, address_port(address));
	}
	return ret;
}

int address_bind_error(const char *what, const struct address *address, int code, struct error *err)
{
	char text[ADDRESS_TEXT_SIZE];
	address_text(address, text);
	switch (-code) {
	case EADDRINUSE:
		return error_set(err, code,
			"%s %s is in use by another program; choose another service=, or 0 for any "
			"free port",
			what, text);
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return error_set(err, code,
			"%s %s is no address of this host; bind one that `ip address` lists, or "
			"0.0.0.0 for all",
			what, text);
	case EACCES:
		return error_set(err, code,
			"no permission to bind %s %s; ports below 1024 need root or "
			"CAP_NET_BIND_SERVICE: choose a higher service=",
			what, text);
	default:
		return error_set(err, code, "cannot bind %s %s: %s", what, text, error_text(code));
	}
}

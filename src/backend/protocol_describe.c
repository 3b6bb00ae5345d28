/*
 * The commands of protocol.h by which a person talks to a connection: socat for plain bytes and for
 * TLS on TCP, the telnet clients of inetutils and netkit, openssl for TLS on a UNIX socket. With
 * the certificates of the same directory, as "chardev tls init" makes them for both sides.
 */
#include "backend/describe.h"
#include "backend/protocol.h"
#include "stream/tls_credentials.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Whether neither a shell nor socat gives a part of it a meaning. */
static bool is_simple(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "+-./@_")] == '\0';
}

/* Formats a command, or none when it does not fit. */
__attribute__((format(printf, 2, 3))) static void set_command(
	struct backend_description *ret, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(ret->command, sizeof(ret->command), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(ret->command))
		ret->command[0] = '\0';
}

static void describe_telnet(const struct protocol *protocol, const struct address *address,
	struct backend_description *ret)
{
	const void *bytes = address->u.any.sa_family == AF_INET6
				    ? (const void *)&address->u.in6.sin6_addr
				    : (const void *)&address->u.in4.sin_addr;
	char host[INET6_ADDRSTRLEN] = "";
	inet_ntop(address->u.any.sa_family, bytes, host, sizeof(host));
	if (protocol->tls == NULL) {
		set_command(ret, "telnet %s %u", host, address_port(address));
		return;
	}
	/* It looks for the host among the certificate's names, where addresses are not. */
	const char *dir = tls_credentials_dir(protocol->tls);
	if (address_is_local(address))
		snprintf(host, sizeof(host), "localhost");
	if (is_simple(dir))
		set_command(ret,
			"telnet-ssl -z ssl -z secure -z verify=2 -z cacert=%s/ca-cert.pem "
			"-z cert=%s/client-cert.pem -z key=%s/client-key.pem %s %u",
			dir, dir, dir, host, address_port(address));
}

static void describe_tls(const struct protocol *protocol, const struct address *address,
	struct backend_description *ret)
{
	const char *dir = tls_credentials_dir(protocol->tls);
	const char *side = protocol->is_server ? "client" : "server";
	char text[ADDRESS_TEXT_SIZE], where[ADDRESS_TEXT_SIZE + 40], whole[BACKEND_TEXT_SIZE];
	snprintf(where, sizeof(where), "openssl:%s", address_text(address, text));
	if (!protocol->is_server)
		snprintf(where, sizeof(where), "openssl-listen:%u,reuseaddr%s",
			address_port(address),
			address->u.any.sa_family == AF_INET6 ? ",pf=ip6" : "");
	int n = snprintf(whole, sizeof(whole),
		"%s,cafile=%s/ca-cert.pem,cert=%s/%s-cert.pem,key=%s/%s-key.pem", where, dir, dir,
		side, dir, side);
	if (n < (int)sizeof(whole) && is_simple(dir))
		describe_command(ret, DESCRIBE_TERMINAL, whole, "");
}

static void describe_plain(const struct protocol *protocol, const struct address *address,
	struct backend_description *ret)
{
	char text[ADDRESS_TEXT_SIZE];
	if (protocol->is_server)
		describe_command(ret, DESCRIBE_TERMINAL "tcp:", address_text(address, text), "");
	else
		set_command(ret, DESCRIBE_TERMINAL "tcp%s-listen:%u,reuseaddr",
			address->u.any.sa_family == AF_INET6 ? "6" : "4", address_port(address));
}

void protocol_describe_tcp(const struct protocol *protocol, const struct address *address,
	struct backend_description *ret)
{
	if (!protocol_has(protocol, &layer_telnet)) {
		(protocol->tls != NULL ? describe_tls : describe_plain)(protocol, address, ret);
	} else if (protocol->is_server) {
		describe_telnet(protocol, address, ret);
	}
}

/* socat's own syntax gives these characters a meaning within an address. */
static void escape_for_socat(const char *path, char ret[2 * ADDRESS_PATH_MAX + 3])
{
	for (; *path != '\0'; path++) {
		if (strchr(",:!\\\"'([{", *path) != NULL)
			*ret++ = '\\';
		*ret++ = *path;
	}
	*ret = '\0';
}

void protocol_describe_unix(
	const struct protocol *protocol, const char *path, struct backend_description *ret)
{
	char escaped[2 * ADDRESS_PATH_MAX + 3];
	char address[sizeof(escaped) + 20];
	if (protocol->tls == NULL) {
		escape_for_socat(path, escaped);
		snprintf(address, sizeof(address), "%s:%s",
			protocol->is_server ? "UNIX-CONNECT" : "UNIX-LISTEN", escaped);
		describe_command(ret, DESCRIBE_TERMINAL, address, "");
		return;
	}
	const char *dir = tls_credentials_dir(protocol->tls);
	if (protocol->is_server && is_simple(dir) && is_simple(path))
		set_command(ret,
			"openssl s_client -quiet -unix %s -CAfile %s/ca-cert.pem "
			"-cert %s/client-cert.pem -key %s/client-key.pem",
			path, dir, dir, dir);
}

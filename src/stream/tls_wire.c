/* Between GnuTLS and the stream below; see tls_wire.h. */
#include "stream/tls_wire.h"

#include <string.h>

/* GnuTLS wants to know what failed through errno(3), which is what these functions may set. */
static ssize_t push(gnutls_transport_ptr_t transport, const giovec_t *iov, int count)
{
	struct tls_wire *wire = transport;
	size_t done = 0;
	for (int i = 0; i < count; i++) {
		size_t room = sizeof(wire->out) - wire->out_end;
		size_t n = wire->failure != 0 || iov[i].iov_len < room ? iov[i].iov_len : room;
		if (n == 0 && iov[i].iov_len > 0)
			break;
		if (wire->failure == 0) {
			memcpy(wire->out + wire->out_end, iov[i].iov_base, n);
			wire->out_end += n;
		}
		wire->made += n;
		done += n;
	}
	if (done > 0)
		return (ssize_t)done;
	errno = EAGAIN;
	return -1;
}

static void remember(struct tls_wire *wire, const void *bytes, size_t n)
{
	size_t size = sizeof(wire->last);
	if (n < size)
		memmove(wire->last, wire->last + n, size - n);
	else
		bytes = (const char *)bytes + n - size;
	n = n < size ? n : size;
	memcpy(wire->last + size - n, bytes, n);
}

static ssize_t pull(gnutls_transport_ptr_t transport, void *bytes, size_t n)
{
	struct tls_wire *wire = transport;
	size_t there = wire->in_end - wire->in_at;
	if (there == 0) {
		errno = EAGAIN; /* also at the end, which the layer knows of, not GnuTLS */
		return -1;
	}
	n = n < there ? n : there;
	memcpy(bytes, wire->in + wire->in_at, n);
	wire->in_at += n;
	remember(wire, bytes, n);
	return (ssize_t)n;
}

bool tls_wire_ends_in_alert(const struct tls_wire *wire, gnutls_alert_description_t *ret)
{
	enum { TYPE_ALERT = 21, VERSION_MAJOR = 3, LENGTH = 2, LEVEL_FATAL = 2 };
	const unsigned char *last = wire->last;
	if (last[0] != TYPE_ALERT || last[1] != VERSION_MAJOR || last[3] != 0 ||
		last[4] != LENGTH || last[5] != LEVEL_FATAL)
		return false;
	*ret = (gnutls_alert_description_t)last[6];
	return true;
}

void tls_wire_init(struct tls_wire *wire, struct stream *lower, gnutls_session_t session)
{
	wire->lower = lower;
	gnutls_transport_set_ptr(session, wire);
	gnutls_transport_set_vec_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
}

int tls_wire_space(struct tls_wire *wire, struct iovec iov[STREAM_MAX_PARTS])
{
	if (tls_wire_has_input(wire))
		return 0;
	wire->in_at = wire->in_end = 0;
	iov[0] = (struct iovec){wire->in, sizeof(wire->in)};
	return 1;
}

void tls_wire_received(struct tls_wire *wire, size_t n)
{
	wire->in_at = 0;
	wire->in_end = n;
}

bool tls_wire_has_input(const struct tls_wire *wire)
{
	return wire->in_at < wire->in_end;
}

static void throw_away(struct tls_wire *wire, int failure)
{
	wire->failure = failure;
	wire->out_at = wire->out_end = 0;
}

static void on_taken(struct tls_wire *wire, size_t n)
{
	wire->taken += n;
	wire->out_at += n;
	if (wire->out_at == wire->out_end)
		wire->out_at = wire->out_end = 0;
}

void tls_wire_flush(struct tls_wire *wire)
{
	if (wire->borrowed || wire->out_at == wire->out_end)
		return;
	struct iovec iov = {wire->out + wire->out_at, wire->out_end - wire->out_at};
	ssize_t n = stream_write(wire->lower, &iov, 1);
	if (n == STREAM_BORROWED)
		wire->borrowed = true;
	else if (n < 0)
		throw_away(wire, (int)n);
	else
		on_taken(wire, (size_t)n);
}

/* A write that failed has torn a record: whatever follows, nothing of it could be read. */
void tls_wire_written(struct tls_wire *wire, size_t done, int failure)
{
	wire->borrowed = false;
	on_taken(wire, done);
	if (failure != 0)
		throw_away(wire, failure);
}

bool tls_wire_is_flushed(const struct tls_wire *wire)
{
	return wire->out_at == wire->out_end;
}

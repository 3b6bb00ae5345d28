/*
 * Any bytes at the layer of TLS. The first byte says how: as what a server or a client hears first,
 * or, after a handshake with a real peer, as what the two sides do from then on, a byte a step.
 *
 * Bytes of the one side reach the other as they were, however they are cut; whatever comes, the
 * layer tells each end once and is gone when it is closed.
 */
#include <assert.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/memory_stream.h"
#include "cli/tls_make.h"
#include "fuzz.h"
#include "stream/layer.h"
#include "stream/tls_internal.h"

enum { WIRE_BYTES = 256 * 1024, DATA_BYTES = 64 * 1024 };

/* How it goes on: the first byte's bits. */
enum { AS_CLIENT = 1, IN_SESSION = 2, PIECES = 4 };

struct fuzz {
	struct memory_stream wire;
	struct stream *layer;
	bool is_server;
	bool wire_closed, ready, failed, broken, gone, ended, closed;
	bool paused;
	size_t room;
	/* In a session: the other side, and what has gone each way. */
	gnutls_session_t peer;
	bool said_end; /* the other side: nothing of TLS may follow (RFC 8446, 6.1), and GnuTLS
			  reads no more if it does */
	bool injected; /* bytes that are nobody's: from then on anything may come of it */
	size_t peer_at;
	int new_keys;
	size_t sent, received;         /* by the peer, by the layer */
	size_t written, peer_received; /* by the layer, by the peer */
	uint8_t space[DATA_BYTES];
	uint8_t to_layer[WIRE_BYTES];
	uint8_t from_layer[WIRE_BYTES];
};

static struct tls_credentials *credentials[2]; /* of a client, of a server: made once */

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

static void make_credentials(void)
{
	char dir[] = "/tmp/chardev-fuzz-XXXXXX";
	struct strlist hosts = STRLIST_INIT;
	strlist_add(&hosts, "localhost");
	assert(mkdtemp(dir) != NULL);
	assert(tls_make_set(dir, &hosts, NULL) == 0);
	const struct tls_settings settings = {.dir = dir, .verify = true};
	for (int i = 0; i < 2; i++)
		assert(tls_credentials_load(&settings, i == 1, &credentials[i], NULL) == 0);
	for (int i = 0; i < TLS_FILE_COUNT; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", dir, tls_file_names[i]);
		unlink(path);
	}
	rmdir(dir);
	strlist_fini(&hosts);
}

/* ---- the consumer, and the owner ------------------------------------------------------------- */

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct fuzz *fuzz = consumer;
	assert(!fuzz->gone && !fuzz->ended);
	if (fuzz->paused)
		return 0;
	iov[0] = (struct iovec){fuzz->space, fuzz->room};
	iov[1] = (struct iovec){fuzz->space + fuzz->room, fuzz->room};
	return 2;
}

static void on_received(void *consumer, size_t n)
{
	struct fuzz *fuzz = consumer;
	assert(n > 0 && n <= 2 * fuzz->room && !fuzz->gone && !fuzz->ended);
	for (size_t i = 0; i < n; i++)
		assert(fuzz->space[i] == pattern(fuzz->received + i));
	fuzz->received += n;
	assert(fuzz->received <= fuzz->sent);
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	abort();
}

static void on_writable(void *consumer)
{
	assert(!((struct fuzz *)consumer)->gone);
}

static void on_written(void *consumer, size_t done, int failure)
{
	abort();
}

static void on_end_of_input(void *consumer)
{
	struct fuzz *fuzz = consumer;
	assert(!fuzz->ended && !fuzz->gone);
	assert(fuzz->injected || fuzz->received == fuzz->sent);
	fuzz->ended = true;
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct fuzz *fuzz = consumer;
	assert(!fuzz->gone);
	fuzz->gone = true;
}

static const struct stream_sink sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

static void on_ready(void *owner)
{
	struct fuzz *fuzz = owner;
	assert(!fuzz->ready && !fuzz->failed);
	fuzz->ready = true;
	stream_attach(fuzz->layer, &sink, fuzz);
	stream_read_start(fuzz->layer);
}

static void on_failed(void *owner, int failure, const char *reason)
{
	struct fuzz *fuzz = owner;
	assert(!fuzz->ready && !fuzz->failed && failure < 0 && strlen(reason) > 0);
	fuzz->failed = true;
}

static void on_broken(void *owner, int failure, const char *reason)
{
	struct fuzz *fuzz = owner;
	assert(fuzz->ready && !fuzz->broken && !fuzz->gone && failure < 0 && strlen(reason) > 0);
	fuzz->broken = true;
}

static void on_closed(void *owner)
{
	struct fuzz *fuzz = owner;
	assert(fuzz->wire_closed && !fuzz->closed);
	fuzz->closed = true;
}

static void on_wire_closed(struct stream *stream)
{
	container_of(stream, struct fuzz, wire.base)->wire_closed = true;
}

/* ---- the other side, in a session ------------------------------------------------------------ */

static ssize_t peer_push(gnutls_transport_ptr_t transport, const void *bytes, size_t n)
{
	struct fuzz *fuzz = transport;
	assert(fuzz->wire.size + n <= sizeof(fuzz->to_layer));
	memcpy(fuzz->to_layer + fuzz->wire.size, bytes, n);
	fuzz->wire.size += n;
	memory_stream_kick(&fuzz->wire);
	return (ssize_t)n;
}

static ssize_t peer_pull(gnutls_transport_ptr_t transport, void *bytes, size_t n)
{
	struct fuzz *fuzz = transport;
	size_t there = fuzz->wire.output - fuzz->peer_at;
	if (there == 0) {
		gnutls_transport_set_errno(fuzz->peer, EAGAIN);
		return -1;
	}
	n = n < there ? n : there;
	memcpy(bytes, fuzz->from_layer + fuzz->peer_at, n);
	fuzz->peer_at += n;
	return (ssize_t)n;
}

static void turn(struct loop *loop, int times)
{
	for (int i = 0; i < times; i++)
		loop_turn(loop);
}

static void begin_session(struct fuzz *fuzz, struct loop *loop)
{
	assert(gnutls_init(&fuzz->peer,
		       GNUTLS_NONBLOCK | (fuzz->is_server ? GNUTLS_CLIENT : GNUTLS_SERVER)) == 0);
	assert(gnutls_set_default_priority(fuzz->peer) == 0);
	gnutls_credentials_set(
		fuzz->peer, GNUTLS_CRD_CERTIFICATE, credentials[!fuzz->is_server]->x509);
	gnutls_transport_set_ptr(fuzz->peer, fuzz);
	gnutls_transport_set_push_function(fuzz->peer, peer_push);
	gnutls_transport_set_pull_function(fuzz->peer, peer_pull);
	int code;
	while ((code = gnutls_handshake(fuzz->peer)) == GNUTLS_E_AGAIN) {
		assert(!fuzz->failed);
		turn(loop, 1);
	}
	assert(code == 0);
	while (!fuzz->ready)
		turn(loop, 1);
}

static void peer_sends(struct fuzz *fuzz, size_t n)
{
	uint8_t bytes[256];
	if (n == 0 || fuzz->said_end || fuzz->wire.size + 1024 > sizeof(fuzz->to_layer))
		return;
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(fuzz->sent + i);
	if (gnutls_record_send(fuzz->peer, bytes, n) == (ssize_t)n)
		fuzz->sent += n;
}

static void layer_writes(struct fuzz *fuzz, size_t n)
{
	uint8_t bytes[3 * 255 + 1];
	if (fuzz->wire.output + 4096 > sizeof(fuzz->from_layer))
		return;
	n = 3 * n + 1;
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(fuzz->written + i);
	struct iovec iov[2] = {{bytes, n / 2}, {bytes + n / 2, n - n / 2}};
	ssize_t taken = stream_write(fuzz->layer, iov, 2);
	assert(taken <= (ssize_t)n);
	fuzz->written += taken > 0 ? (size_t)taken : 0;
}

static void peer_receives(struct fuzz *fuzz)
{
	uint8_t bytes[1000];
	for (;;) {
		ssize_t n = gnutls_record_recv(fuzz->peer, bytes, sizeof(bytes));
		if (n == GNUTLS_E_AGAIN && fuzz->peer_at < fuzz->wire.output)
			continue;
		if (n <= 0)
			return;
		for (ssize_t i = 0; i < n; i++)
			assert(bytes[i] == pattern(fuzz->peer_received + (size_t)i));
		fuzz->peer_received += (size_t)n;
		assert(fuzz->peer_received <= fuzz->written);
	}
}

static void inject(struct fuzz *fuzz, const uint8_t *bytes, size_t n)
{
	if (n == 0 || fuzz->wire.size + 1024 > sizeof(fuzz->to_layer))
		return;
	fuzz->injected = true;
	peer_push(fuzz, bytes, n);
}

/* One step: what is done, and a number of its own. */
static size_t step(struct fuzz *fuzz, struct loop *loop, const uint8_t *data, size_t size)
{
	uint8_t number = size > 1 ? data[1] : 0;
	size_t n = size > 2 && number > size - 2 ? size - 2 : number;
	switch (data[0] % 9) {
	case 0:
		peer_sends(fuzz, number);
		break;
	case 1:
		layer_writes(fuzz, number);
		break;
	case 2:
		turn(loop, number % 16);
		break;
	case 3:
		fuzz->paused = number % 2;
		fuzz->room = 1 + number;
		stream_read_start(fuzz->layer);
		break;
	case 4:
		peer_receives(fuzz);
		break;
	case 5:
		/* GnuTLS takes no more than eight a second. */
		if (!fuzz->said_end && fuzz->new_keys++ < 8)
			gnutls_session_key_update(fuzz->peer, number % 2 ? GNUTLS_KU_PEER : 0);
		break;
	case 6:
		if (!fuzz->said_end)
			gnutls_bye(fuzz->peer, GNUTLS_SHUT_WR);
		fuzz->said_end = true;
		break;
	case 7:
		inject(fuzz, data + 2, size > 2 ? n : 0);
		return size > 2 ? 2 + n : 2;
	default:
		fuzz->wire.piece = number;
		break;
	}
	return 2;
}

static void play(struct fuzz *fuzz, struct loop *loop, const uint8_t *data, size_t size)
{
	begin_session(fuzz, loop);
	while (size > 0 && !fuzz->gone) {
		size_t n = step(fuzz, loop, data, size);
		n = n < size ? n : size;
		data += n;
		size -= n;
	}
	/* What was sent arrives, and then the end. */
	fuzz->paused = false;
	fuzz->room = sizeof(fuzz->space) / 2;
	fuzz->wire.piece = 0;
	fuzz->wire.ends = true;
	memory_stream_kick(&fuzz->wire);
	for (int i = 0; i < 100000 && !fuzz->gone; i++) {
		stream_read_start(fuzz->layer);
		turn(loop, 1);
	}
	assert(fuzz->gone);
	assert(fuzz->injected || (fuzz->ended && !fuzz->broken));
	peer_receives(fuzz);
	assert(fuzz->injected || fuzz->peer_received == fuzz->written);
	gnutls_deinit(fuzz->peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct layer_listener listener = {on_ready, on_failed, on_broken, on_closed};
	struct fuzz *fuzz = calloc(1, sizeof(*fuzz));
	struct loop *loop;
	assert(fuzz != NULL && loop_new(&loop) == 0);
	if (credentials[0] == NULL)
		make_credentials();
	int how = size > 0 ? data[0] : 0;
	data += size > 0;
	size -= size > 0;
	bool in_session = how & IN_SESSION;
	fuzz->is_server = !(how & AS_CLIENT);
	fuzz->room = 1000;
	fuzz->wire.input = in_session ? fuzz->to_layer : data;
	fuzz->wire.size = in_session ? 0 : size;
	fuzz->wire.ends = !in_session;
	fuzz->wire.piece = how & PIECES ? 1 + (how >> 3) : 0;
	fuzz->wire.kept = fuzz->from_layer;
	fuzz->wire.kept_size = sizeof(fuzz->from_layer);
	memory_stream_init(&fuzz->wire, loop, on_wire_closed);
	const struct layer_params params = {.loop = loop,
		.is_server = fuzz->is_server,
		.tls = credentials[fuzz->is_server],
		.host = "localhost",
		.listener = &listener,
		.owner = fuzz};
	assert(layer_tls.wrap(&fuzz->wire.base, &params, &fuzz->layer) == 0);
	if (in_session) {
		play(fuzz, loop, data, size);
	} else {
		/* Nobody who has no key gets in, and nobody waits for the deadline. */
		for (size_t i = 0; i < 2 * size + 1000 && !fuzz->failed; i++)
			turn(loop, 1);
		assert(fuzz->failed && !fuzz->ready);
	}
	stream_close(fuzz->layer);
	loop_drain(loop);
	assert(fuzz->closed);
	loop_free(loop);
	free(fuzz);
	return 0;
}

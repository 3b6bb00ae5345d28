/* Two sides of TLS on one loop; see tls_pair.h. */
#include "tls_pair.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_side(const struct tls_files *files, const char *dir, const char *name,
	const struct certificate_wish *wish)
{
	assert_int_equal(mkdir(dir, 0700), 0);
	struct certificate own = certificate_make(&files->ca, wish);
	certificate_write(&files->ca, dir, "ca", 0);
	certificate_write(&own, dir, name, 1);
	certificate_free(&own);
}

void tls_files_make(struct tls_files *files)
{
	static const struct certificate_wish ca = {.dn = "CN=test authority"};
	static const struct certificate_wish other = {.dn = "CN=other authority"};
	static const struct certificate_wish server = {
		.dn = "CN=server", .host = "localhost", .address = "127.0.0.1"};
	static const struct certificate_wish client = {.dn = "CN=alice,O=Example"};
	strcpy(files->base, "/tmp/chardev-tls-XXXXXX");
	assert_non_null(mkdtemp(files->base));
	snprintf(files->server, sizeof(files->server), "%s/server", files->base);
	snprintf(files->client, sizeof(files->client), "%s/client", files->base);
	files->ca = certificate_make(NULL, &ca);
	files->other = certificate_make(NULL, &other);
	write_side(files, files->server, "server", &server);
	write_side(files, files->client, "client", &client);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void tls_files_remove(struct tls_files *files)
{
	certificate_free(&files->ca);
	certificate_free(&files->other);
	assert_int_equal(nftw(files->base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

struct tls_credentials *tls_files_load(const char *dir, bool is_server, const char *allow)
{
	const struct tls_settings settings = {.dir = dir, .verify = true, .allow = allow};
	struct tls_credentials *credentials = NULL;
	struct error err = {0};
	if (tls_credentials_load(&settings, is_server, &credentials, &err) < 0)
		fail_msg("%s", err.message);
	return credentials;
}

static void on_ready(void *owner)
{
	struct tls_side *side = owner;
	assert_false(side->in_operation || side->ready || side->failed);
	side->ready = true;
	recorder_attach(&side->recorder, side->loop, side->stream);
	loop_stop(side->loop);
	if (side->close_when_ready)
		stream_close(side->stream);
}

static void note(struct tls_side *side, int failure, const char *reason)
{
	assert_false(side->in_operation || side->closed);
	assert_true(failure < 0 && strlen(reason) > 0);
	side->failure = failure;
	snprintf(side->reason, sizeof(side->reason), "%s", reason);
	loop_stop(side->loop);
}

static void on_failed(void *owner, int failure, const char *reason)
{
	struct tls_side *side = owner;
	assert_false(side->ready || side->failed);
	side->failed = true;
	note(side, failure, reason);
}

static void on_broken(void *owner, int failure, const char *reason)
{
	struct tls_side *side = owner;
	assert_true(side->ready && !side->broken);
	assert_int_equal(side->recorder.count[RECORDER_GONE], 0);
	side->broken = true;
	note(side, failure, reason);
	if (side->close_when_broken)
		stream_close(side->stream);
}

static void on_closed(void *owner)
{
	struct tls_side *side = owner;
	assert_true(side->lower_closed && !side->closed && !side->in_operation);
	side->closed = true;
	loop_stop(side->loop);
}

static void on_lower_closed(struct stream *lower)
{
	container_of(lower, struct tls_side, lower.base)->lower_closed = true;
}

void tls_side_begin(struct tls_side *side, struct loop *loop, int fd,
	struct tls_credentials *credentials, const char *host, unsigned handshake_ms)
{
	static const struct layer_listener listener = {on_ready, on_failed, on_broken, on_closed};
	*side = (struct tls_side){.loop = loop, .in_operation = true};
	const struct layer_params params = {.loop = loop,
		.is_server = host == NULL,
		.tls = credentials,
		.host = host,
		.handshake_ms = handshake_ms,
		.listener = &listener,
		.owner = side};
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	enum fd_stream_kind kind = address.ss_family == AF_UNIX ? FD_STREAM_SOCKET : FD_STREAM_TCP;
	assert_int_equal(fd_stream_init(&side->lower, loop, kind, fd, fd, on_lower_closed), 0);
	assert_int_equal(layer_tls.wrap(&side->lower.base, &params, &side->stream), 0);
	side->in_operation = false;
	tls_credentials_unref(credentials);
}

void tls_side_wait(struct tls_side *side)
{
	while (!side->ready && !side->failed)
		loop_run(side->loop);
}

void tls_side_end(struct tls_side *side)
{
	side->in_operation = side->recorder.in_operation = true;
	if (!side->closed)
		stream_close(side->stream);
	side->in_operation = side->recorder.in_operation = false;
	while (!side->closed)
		loop_run(side->loop);
	if (side->recorder.input != NULL)
		test_free(side->recorder.input);
	side->recorder.input = NULL;
}

void tls_pair_begin(struct tls_side *server, struct tls_side *client, struct loop *loop,
	const struct tls_files *files)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(server, loop, fds[0], tls_files_load(files->server, true, NULL), NULL, 0);
	tls_side_begin(
		client, loop, fds[1], tls_files_load(files->client, false, NULL), "localhost", 0);
	tls_side_wait(server);
	tls_side_wait(client);
	if (!server->ready || !client->ready)
		fail_msg("server: %s, client: %s", server->reason, client->reason);
}

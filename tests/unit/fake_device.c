/* A device that remembers; see fake_device.h. */
#include "fake_device.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { INPUT_SIZE = 1024 * 1024 };

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct fake_peer *peer = consumer;
	size_t room = INPUT_SIZE - 1 - peer->input_size;
	size_t n = peer->space < room ? peer->space : room;
	if (n == 0)
		return 0;
	iov[0] = (struct iovec){peer->input + peer->input_size, n};
	return 1;
}

static void on_received(void *consumer, size_t n)
{
	struct fake_peer *peer = consumer;
	assert_true(n > 0 && n <= peer->space);
	assert_false(peer->gone);
	peer->input_size += n;
	peer->input[peer->input_size] = '\0';
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	struct fake_peer *peer = consumer;
	assert_int_equal(signal->type, STREAM_SIGNAL_BREAK);
	assert_true(peer->break_count < 16);
	peer->breaks[peer->break_count++] = peer->input_size;
}

static void on_writable(void *consumer)
{
	struct fake_peer *peer = consumer;
	peer->writables++;
	if (peer->offer != NULL)
		peer->offer(peer);
}

static void on_written(void *consumer, size_t done, int failure)
{
	struct fake_peer *peer = consumer;
	peer->writes_done++;
	peer->written += done;
	peer->write_failure = failure;
	if (peer->offer != NULL)
		peer->offer(peer);
}

static void on_end_of_input(void *consumer)
{
	struct fake_peer *peer = consumer;
	assert_false(peer->input_ended);
	peer->input_ended = true;
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct fake_peer *peer = consumer;
	assert_false(peer->gone);
	peer->gone = true;
	peer->gone_reason = reason;
	peer->unsent = unsent;
	if (!peer->device->keep_gone)
		fake_peer_close(peer);
}

static const struct stream_sink stream_sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

struct fake_peer *fake_adopt(struct fake_device *device, struct stream *stream)
{
	assert_true(device->peer_count < FAKE_PEERS);
	struct fake_peer *peer = &device->peers[device->peer_count++];
	peer->device = device;
	peer->stream = stream;
	peer->input = calloc(1, INPUT_SIZE);
	assert_non_null(peer->input);
	peer->space = INPUT_SIZE;
	stream_attach(stream, &stream_sink, peer);
	return peer;
}

static void on_peer(void *context, struct stream *stream, const struct peer_info *info)
{
	struct fake_device *device = context;
	assert_non_null(device->backend); /* never before open returned */
	struct fake_peer *peer = fake_adopt(device, stream);
	peer->kind = info->kind;
	peer->no_input = info->no_input;
	peer->no_output = info->no_output;
	snprintf(peer->name, sizeof(peer->name), "%s", info->name);
	if (!peer->no_input && !device->start_paused)
		stream_read_start(stream);
}

static void on_state(void *context, enum backend_state state, int failure, const char *reason)
{
	struct fake_device *device = context;
	device->state = state;
	device->states++;
	device->failure = failure;
	snprintf(device->reason, sizeof(device->reason), "%s", reason != NULL ? reason : "");
}

static const struct backend_sink backend_sink = {.peer = on_peer, .state = on_state};

void fake_init(struct fake_device *device, enum device_kind kind, enum source_type type)
{
	*device = (struct fake_device){0};
	assert_int_equal(loop_new(&device->loop), 0);
	device->config = (struct device_config){
		.kind = kind,
		.alias = "serial0",
		.alias_of_serial = -1,
		.source.type = type,
	};
	device->config.extensions.clients_max = -1;
	device->config.extensions.socket.mode = -1;
	device->config.extensions.overflow.patience_ms = -1;
	device->params = (struct backend_params){
		.loop = device->loop,
		.config = &device->config,
		.sink = &backend_sink,
		.device = device,
	};
}

int fake_open(struct fake_device *device, struct error *err)
{
	const struct backend_ops *ops = backend_ops_for(device->config.source.type);
	assert_non_null(ops);
	device->closed = false;
	return ops->open(&device->params, &device->backend, err);
}

void fake_peer_close(struct fake_peer *peer)
{
	struct stream *stream = peer->stream;
	peer->stream = NULL;
	if (stream != NULL)
		stream_close(stream);
}

static void on_closed(void *context)
{
	struct fake_device *device = context;
	assert_false(device->closed);
	device->closed = true;
	device->backend = NULL;
}

void fake_close(struct fake_device *device)
{
	for (int i = 0; i < device->peer_count; i++)
		fake_peer_close(&device->peers[i]);
	if (device->backend == NULL)
		return;
	device->backend->ops->close(device->backend, on_closed);
	assert_false(device->closed); /* on a later turn */
	fake_wait(device, device->closed);
}

void fake_fini(struct fake_device *device)
{
	fake_close(device);
	loop_drain(device->loop);
	device->loop = loop_free(device->loop);
	for (int i = 0; i < device->peer_count; i++)
		free(device->peers[i].input);
}

static bool turn_within(struct fake_device *device, int ms)
{
	struct pollfd wait = {.fd = loop_fd(device->loop), .events = POLLIN};
	if (poll(&wait, 1, ms) <= 0)
		return false;
	loop_turn(device->loop);
	return true;
}

bool fake_turn(struct fake_device *device)
{
	return turn_within(device, FAKE_WAIT_MS);
}

void fake_settle(struct fake_device *device)
{
	while (turn_within(device, 0))
		;
}

void fake_assert_idle(struct fake_device *device)
{
	fake_settle(device);
	uint64_t before = loop_wakeups(device->loop);
	assert_false(turn_within(device, FAKE_IDLE_MS));
	assert_int_equal(loop_wakeups(device->loop), before);
}

ssize_t fake_write(struct fake_peer *peer, const char *text)
{
	struct iovec iov = {(char *)text, strlen(text)};
	return stream_write(peer->stream, &iov, 1);
}

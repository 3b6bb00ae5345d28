/*
 * A device between a guest port and a backend of the test's own, whose streams take, refuse, borrow
 * and fail exactly as a test tells them. It runs on a real loop.
 *
 * A test runs between setup() and teardown(), and finds everything in `bench`.
 */
#ifndef CHARDEV_TEST_DEVICE_BENCH_H
#define CHARDEV_TEST_DEVICE_BENCH_H

#include "test.h"

#include "device/device_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RING = 4096 };

/* ---- streams that do as they are told -------------------------------------------------------- */

struct fake {
	struct stream base;
	struct list link;
	struct loop_task closed_task;
	bool reading;
	bool closed;
	size_t quota; /* how much it takes before it says "not now" */
	bool borrows; /* takes nothing, borrows everything */
	struct iovec borrowed[STREAM_MAX_PARTS];
	int borrowed_parts;
	int write_failure;
	unsigned breaks;
	bool refuses_break;
	bool is_busy; /* "not now" to signals */
	struct stream_signal last_signal;
	uint64_t gap; /* the bytes that it was told of to be missing, */
	unsigned gaps;
	size_t gap_at; /* and how many had come before the last gap */
	unsigned char got[1 << 20];
	size_t got_count;
};

static inline void fake_read_start(struct stream *stream)
{
	container_of(stream, struct fake, base)->reading = true;
}

static inline void fake_read_stop(struct stream *stream)
{
	container_of(stream, struct fake, base)->reading = false;
}

static inline void keep(struct fake *fake, const struct iovec *iov, int count, size_t n)
{
	for (int i = 0; i < count && n > 0; i++) {
		size_t part = iov[i].iov_len < n ? iov[i].iov_len : n;
		assert_true(fake->got_count + part <= sizeof(fake->got));
		memcpy(fake->got + fake->got_count, iov[i].iov_base, part);
		fake->got_count += part;
		n -= part;
	}
}

static inline ssize_t fake_write(struct stream *stream, const struct iovec *iov, int count)
{
	struct fake *fake = container_of(stream, struct fake, base);
	size_t offered = 0;
	if (fake->write_failure != 0)
		return fake->write_failure;
	for (int i = 0; i < count; i++)
		offered += iov[i].iov_len;
	assert_true(offered > 0);
	if (fake->borrows) {
		assert_int_equal(fake->borrowed_parts, 0);
		memcpy(fake->borrowed, iov, (size_t)count * sizeof(*iov));
		fake->borrowed_parts = count;
		return STREAM_BORROWED;
	}
	size_t n = offered < fake->quota ? offered : fake->quota;
	keep(fake, iov, count, n);
	fake->quota -= n;
	return (ssize_t)n;
}

static inline int fake_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct fake *fake = container_of(stream, struct fake, base);
	if (fake->is_busy)
		return -EAGAIN;
	if (fake->refuses_break)
		return -EOPNOTSUPP;
	fake->last_signal = *signal;
	if (signal->type == STREAM_SIGNAL_GAP) {
		fake->gap += signal->u.gap;
		fake->gap_at = fake->got_count;
		fake->gaps++;
	}
	if (signal->type != STREAM_SIGNAL_BREAK)
		return 0;
	fake->breaks++;
	keep(fake, &(struct iovec){"!", 1}, 1, 1);
	return 0;
}

static inline void fake_close(struct stream *stream)
{
	struct fake *fake = container_of(stream, struct fake, base);
	fake->closed = true;
}

static const struct stream_ops fake_ops = {
	.name = "fake",
	.read_start = fake_read_start,
	.read_stop = fake_read_stop,
	.write = fake_write,
	.signal = fake_signal,
	.close = fake_close,
};

static inline void on_fake_closed(struct stream *stream)
{
	(void)stream;
}

static inline struct fake *fake_new(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	assert_non_null(fake);
	stream_init(&fake->base, &fake_ops, on_fake_closed);
	fake->quota = SIZE_MAX;
	return fake;
}

/* The stream says that it can take `quota` more. */
static inline void fake_take(struct fake *fake, size_t quota)
{
	fake->quota = quota;
	fake->base.sink->writable(fake->base.consumer);
}

/* The borrowed write ends: `done` bytes of it were written. */
static inline void fake_written(struct fake *fake, size_t done, int failure)
{
	int parts = fake->borrowed_parts;
	fake->borrowed_parts = 0;
	keep(fake, fake->borrowed, parts, done);
	fake->base.sink->written(fake->base.consumer, done, failure);
}

static inline size_t borrowed_bytes(const struct fake *fake)
{
	size_t n = 0;
	for (int i = 0; i < fake->borrowed_parts; i++)
		n += fake->borrowed[i].iov_len;
	return n;
}

/* ---- the two ends ---------------------------------------------------------------------------- */

struct bench {
	struct loop *loop;
	struct device_config config;
	struct state_slot slot;
	bool slot_found;
	char index_path[64];
	const char *ring_dir;
	struct device *device;
	struct guest_port guest;
	struct backend backend;
	struct fake *guest_stream;
	struct fake *peers[8];
	size_t peer_count;
	uint64_t written; /* by the guest */
	uint64_t paused_ms;
	bool attended;
	bool guest_kept;
	unsigned guest_breaks;
	bool breaks_take_time;
	unsigned closed;
	unsigned endings;
	struct device_status last_status;
	unsigned orphaned;
	bool backend_fails;
	bool backend_has_file;
	struct loop_task guest_closed;
	struct loop_task backend_closed;
	void (*guest_closed_call)(void *device);
	void (*backend_closed_call)(void *device);
};

/* The one bench of the test that runs: operations of fake ends have no other way to find it. */
static struct bench *bench;

static inline int guest_open(
	const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	bench->guest.params = *params;
	*ret = &bench->guest;
	return 0;
}

static inline void run_guest_closed(struct loop_task *task)
{
	bench->guest_closed_call(bench->guest.params.device);
}

static inline void guest_close(struct guest_port *port, bool keep, void (*closed)(void *device))
{
	bench->guest_kept = keep;
	bench->guest_closed_call = closed;
	loop_task_init(&bench->guest_closed, bench->loop, run_guest_closed);
	loop_task_post(&bench->guest_closed);
}

static inline void guest_describe(const struct guest_port *port, struct guest_description *ret)
{
	*ret = (struct guest_description){.type = GUEST_PORT_PROCESS};
}

static inline void guest_attend(struct guest_port *port, bool peers)
{
	bench->attended = peers;
}

static const struct guest_ops guest_ops = {guest_open, guest_close, guest_describe, guest_attend};

/* These stand in for the registries, which the archive then leaves out. */
const struct guest_ops *guest_ops_for(enum guest_port_type type)
{
	bench->guest.ops = &guest_ops;
	return &guest_ops;
}

enum guest_port_type guest_port_type_of(const struct device_config *config)
{
	return GUEST_PORT_PROCESS;
}

void guest_discard(const struct device_config *config, const char *runtime_dir)
{
}

static inline int backend_open(
	const struct backend_params *params, struct backend **ret, struct error *err)
{
	if (bench->backend_fails)
		return error_set(err, -EADDRINUSE, "port 1 is in use");
	bench->backend.params = *params;
	*ret = &bench->backend;
	return 0;
}

static inline void run_backend_closed(struct loop_task *task)
{
	bench->backend_closed_call(bench->backend.params.device);
}

static inline void backend_close(struct backend *backend, void (*closed)(void *device))
{
	bench->backend_closed_call = closed;
	loop_task_init(&bench->backend_closed, bench->loop, run_backend_closed);
	loop_task_post(&bench->backend_closed);
}

static inline void backend_describe(const struct backend *backend, struct backend_description *ret)
{
	*ret = (struct backend_description){
		.where = "here",
		.has_file = bench->backend_has_file,
		.file = {.bytes = 77, .files = 2, .failing = true},
	};
}

static inline void backend_reopen(struct backend *backend)
{
}

static const struct backend_ops backend_ops = {
	backend_open, backend_close, backend_describe, backend_reopen};

const struct backend_ops *backend_ops_for(enum source_type type)
{
	bench->backend.ops = &backend_ops;
	return type == SOURCE_DBUS ? NULL : &backend_ops;
}

static inline bool on_guest_break(void *user)
{
	bench->guest_breaks++;
	return bench->breaks_take_time;
}

static inline void on_ending(void *user)
{
	bench->endings++;
	assert_int_equal(bench->closed, 0);
	device_status(bench->device, &bench->last_status);
}

static inline void on_closed(void *user)
{
	bench->closed++;
}

static inline void on_orphaned(void *user)
{
	bench->orphaned++;
}

static const struct device_listener listener = {
	.guest_break = on_guest_break,
	.ending = on_ending,
	.closed = on_closed,
	.orphaned = on_orphaned,
};

static inline int setup(void **state)
{
	bench = calloc(1, sizeof(*bench));
	*state = bench;
	if (loop_new(&bench->loop) != 0)
		return -1;
	bench->config.alias = (char *)"serial0";
	bench->config.alias_of_serial = -1;
	bench->config.source.type = SOURCE_UNIX;
	bench->config.extensions.overflow.patience_ms = -1;
	bench->config.extensions.log.max_backups = -1;
	bench->config.extensions.history.size = RING;
	bench->config.extensions.history.size_set = true;
	return 0;
}

static inline void open_device(enum overflow_policy policy, int64_t patience_ms)
{
	struct error err = {0};
	bench->config.extensions.overflow.policy = policy;
	bench->config.extensions.overflow.patience_ms = patience_ms;
	struct device_params params = {
		.loop = bench->loop,
		.config = &bench->config,
		.slot = &bench->slot,
		.slot_found = bench->slot_found,
		.ring_dir = bench->ring_dir,
		.listener = &listener,
	};
	assert_int_equal(device_open(&params, &bench->device, &err), 0);
	bench->guest_stream = fake_new();
	bench->guest.params.sink->stream(bench->guest.params.device, &bench->guest_stream->base);
	bench->guest.params.sink->present(bench->guest.params.device, true);
	assert_true(bench->guest_stream->reading);
}

/* Turns the loop until `done` says so, or 5 s are over: waiting for an event, never for time. */
static inline void turn_until(bool (*done)(void))
{
	for (uint64_t end = loop_now_ms(bench->loop) + 5000; !done();) {
		struct timespec tick = {.tv_nsec = 1000000};
		nanosleep(&tick, NULL);
		loop_turn(bench->loop);
		assert_true(loop_now_ms(bench->loop) < end);
	}
}

static inline bool is_closed(void)
{
	return bench->closed > 0;
}

static inline bool guest_reads(void)
{
	return bench->guest_stream->reading;
}

static inline int teardown(void **state)
{
	if (bench->device != NULL && bench->closed == 0) {
		bench->guest.params.sink->present(bench->guest.params.device, false);
		device_close(bench->device, false);
		turn_until(is_closed);
	}
	loop_drain(bench->loop);
	loop_free(bench->loop);
	for (size_t i = 0; i < bench->peer_count; i++)
		free(bench->peers[i]);
	free(bench->guest_stream);
	free(bench);
	return 0;
}

static inline struct fake *add_peer(enum peer_kind kind)
{
	struct fake *fake = fake_new();
	struct peer_info info = {.kind = kind, .name = "peer"};
	bench->peers[bench->peer_count++] = fake;
	fake->borrows = kind == PEER_FILE;
	bench->backend.params.sink->peer(bench->backend.params.device, &fake->base, &info);
	return fake;
}

static inline struct fake *add_viewer(uint64_t offset, bool lossless)
{
	struct fake *fake = fake_new();
	struct peer_info info = {.kind = PEER_VIEWER, .name = "viewer"};
	bench->peers[bench->peer_count++] = fake;
	device_add_viewer(bench->device, &fake->base, &info, offset, lossless);
	return fake;
}

static inline unsigned char sequence(uint64_t offset)
{
	return (unsigned char)((offset * 2654435761U) >> 11);
}

/* The guest writes n bytes; returns how many the device took before it paused the guest. */
static inline size_t guest_writes(size_t n)
{
	struct stream *stream = &bench->guest_stream->base;
	size_t taken = 0;
	while (taken < n && bench->guest_stream->reading) {
		struct iovec iov[STREAM_MAX_PARTS];
		int parts = stream->sink->space(stream->consumer, iov);
		size_t came = 0;
		for (int i = 0; i < parts; i++)
			for (size_t j = 0; j < iov[i].iov_len && taken + came < n; j++)
				((unsigned char *)iov[i].iov_base)[j] =
					sequence(bench->written + came++);
		bench->written += came;
		taken += came;
		if (parts == 0)
			bench->guest_stream->reading = false;
		else
			stream->sink->received(stream->consumer, came);
	}
	return taken;
}

static inline void assert_has(const struct fake *fake, size_t at, uint64_t from, size_t n)
{
	assert_true(at + n <= fake->got_count);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fake->got[at + i], sequence(from + i));
}

static inline struct reader_status reader(size_t index)
{
	struct reader_status all[8];
	assert_true(device_readers(bench->device, all, 8) > index);
	return all[index];
}

static inline void peer_types(struct fake *fake, const char *text)
{
	struct stream *stream = &fake->base;
	size_t n = strlen(text);
	while (n > 0 && fake->reading) {
		struct iovec iov[STREAM_MAX_PARTS];
		if (stream->sink->space(stream->consumer, iov) == 0) {
			fake->reading = false;
			break;
		}
		size_t part = iov[0].iov_len < n ? iov[0].iov_len : n;
		memcpy(iov[0].iov_base, text, part);
		stream->sink->received(stream->consumer, part);
		text += part;
		n -= part;
	}
}

#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif

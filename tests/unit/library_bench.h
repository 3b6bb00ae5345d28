/*
 * What the tests of the library share: they see the public header alone, as a VMM does. A bench has
 * an engine nested in a foreign epoll loop, a directory of its own, and devices of one domain whose
 * callbacks count; every wait is for an event, with a deadline.
 */
#ifndef LIBRARY_BENCH_H
#define LIBRARY_BENCH_H

#include "test.h"

#include <chardev.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

struct bench {
	struct chardev_engine *engine;
	struct chardev_domain *domain;
	int epoll;
	char dir[64];
};

/* A device's user data. */
struct heard {
	struct bench *bench;
	struct chardev_device *device;
	unsigned inputs, rooms, changes;
	char input[4096]; /* what was typed, read in on_input */
	size_t input_size;
	bool close_on_input;
	bool stop_on_input;
	bool *dispatching; /* where not NULL: callbacks must come while it is true */
};

static inline int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void bench_init(struct bench *bench)
{
	*bench = (struct bench){.dir = "/tmp/chardev-lib-XXXXXX"};
	assert_non_null(mkdtemp(bench->dir));
	assert_int_equal(chardev_engine_new(&bench->engine, NULL), 0);
	bench->epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	int fd = chardev_engine_fd(bench->engine);
	assert_int_equal(epoll_ctl(bench->epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

/* The directory must be empty by then: nothing stays behind. */
static inline void bench_fini(struct bench *bench)
{
	assert_null(chardev_engine_free(bench->engine));
	chardev_domain_free(bench->domain);
	close(bench->epoll);
	assert_int_equal(rmdir(bench->dir), 0);
}

/* "DIR/NAME", in one of a few buffers that take turns. */
static inline const char *bench_path(const struct bench *bench, const char *name)
{
	static __thread char paths[8][128];
	static __thread unsigned turn;
	char *path = paths[turn++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", bench->dir, name);
	return path;
}

/* A domain with the devices given, in which every %s is the bench's directory. */
static inline void bench_parse(struct bench *bench, const char *devices)
{
	char xml[8192];
	int n = snprintf(xml, sizeof(xml),
		"<domain type='qemu' xmlns:chardev='urn:chardev:1'><name>vm</name>"
		"<memory>1</memory><os><type arch='x86_64'>hvm</type></os><devices>");
	for (const char *at = devices; *at != '\0'; at++) {
		if (at[0] == '%' && at[1] == 's')
			n += snprintf(xml + n, sizeof(xml) - (size_t)n, "%s", bench->dir), at++;
		else
			xml[n++] = *at;
	}
	n += snprintf(xml + n, sizeof(xml) - (size_t)n, "</devices></domain>");
	struct chardev_error error = {0};
	if (chardev_domain_parse(xml, (size_t)n, &bench->domain, &error) < 0)
		fail_msg("%s", error.message);
}

/* ---- devices ---------------------------------------------------------------------------- */

static inline void note_input(struct chardev_device *device, void *user)
{
	struct heard *heard = user;
	heard->inputs++;
	assert_true(heard->dispatching == NULL || *heard->dispatching);
	ssize_t n;
	while ((n = chardev_device_read(device, heard->input + heard->input_size,
			sizeof(heard->input) - 1 - heard->input_size)) > 0)
		heard->input_size += (size_t)n;
	if (heard->close_on_input)
		heard->device = chardev_device_close(device);
	if (heard->stop_on_input)
		chardev_engine_stop(heard->bench->engine);
}

static inline void note_room(struct chardev_device *device, void *user)
{
	((struct heard *)user)->rooms++;
}

static inline void note_change(struct chardev_device *device, void *user)
{
	((struct heard *)user)->changes++;
}

static const struct chardev_device_events noting = {
	.size = sizeof(noting),
	.on_input = note_input,
	.on_room = note_room,
	.on_change = note_change,
};

static inline void bench_open(struct bench *bench, const char *alias, struct heard *heard)
{
	struct chardev_error error = {0};
	*heard = (struct heard){.bench = bench};
	if (chardev_device_open(bench->engine, bench->domain, alias, bench->dir, &noting, heard,
		    &heard->device, &error) < 0)
		fail_msg("%s", error.message);
}

static inline struct chardev_device_status status_of(const struct heard *heard)
{
	struct chardev_device_status status = {.size = sizeof(status)};
	assert_int_equal(chardev_device_status(heard->device, &status), 0);
	return status;
}

/* ---- the foreign loop ------------------------------------------------------------------- */

/* One round of it: waits until the engine has something to do, and lets it. */
static inline void bench_round(struct bench *bench, int64_t deadline)
{
	struct epoll_event event;
	int64_t left = deadline - now_ms();
	if (left <= 0 || epoll_wait(bench->epoll, &event, 1, (int)left) == 0)
		fail_msg("waited in vain");
	chardev_engine_dispatch(bench->engine);
}

#define serve_until(bench, condition)                      \
	do {                                               \
		int64_t deadline = now_ms() + PATIENCE_MS; \
		while (!(condition))                       \
			bench_round(bench, deadline);      \
	} while (0)

/* Whether the engine asks for a dispatch now. */
static inline bool engine_is_due(const struct bench *bench)
{
	struct pollfd wanted = {.fd = chardev_engine_fd(bench->engine), .events = POLLIN};
	return poll(&wanted, 1, 0) == 1;
}

/* Serves the engine until it has nothing to do: all that has happened so far is told. */
static inline void settle(struct bench *bench)
{
	while (engine_is_due(bench))
		chardev_engine_dispatch(bench->engine);
}

/* ---- peers ------------------------------------------------------------------------------ */

static inline int unix_client(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_in_range(strlen(path), 1, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

/* Reads `size` bytes while the engine is served; fails at an early end. */
static inline void expect_bytes(struct bench *bench, int fd, const char *wanted)
{
	char got[4096];
	size_t size = strlen(wanted);
	size_t at = 0;
	for (int64_t deadline = now_ms() + PATIENCE_MS; at < size;) {
		ssize_t n = read(fd, got + at, size - at);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			fail_msg("the stream ended after %zu of %zu bytes", at, size);
		if (n > 0)
			at += (size_t)n;
		else
			bench_round(bench, deadline);
	}
	assert_memory_equal(got, wanted, size);
}

/* Serves the engine until the peer's stream has ended, with no byte before. */
static inline void expect_end(struct bench *bench, int fd)
{
	char byte;
	ssize_t n;
	int64_t deadline = now_ms() + PATIENCE_MS;
	while ((n = read(fd, &byte, 1)) < 0 && errno == EAGAIN)
		bench_round(bench, deadline);
	assert_int_equal(n, 0);
}

static inline void type(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline bool has_typed(const struct heard *heard, const char *text)
{
	return heard->input_size == strlen(text) &&
	       memcmp(heard->input, text, heard->input_size) == 0;
}

/* Writes it all, going on whenever there is room. */
static inline void say_much(struct heard *heard, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		unsigned rooms = heard->rooms;
		at += (size_t)chardev_device_write(
			heard->device, (const char *)bytes + at, size - at);
		if (at < size)
			serve_until(heard->bench, heard->rooms > rooms);
	}
}

static inline void say(const struct heard *heard, const char *text)
{
	assert_int_equal(chardev_device_write(heard->device, text, strlen(text)), strlen(text));
}

#endif

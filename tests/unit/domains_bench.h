/*
 * Domains on a real loop and real directories, whose guests are played by the test: it holds the
 * FIFOs as QEMU does, and connects to the sockets as a client does.
 */
#ifndef CHARDEV_TEST_DOMAINS_BENCH_H
#define CHARDEV_TEST_DOMAINS_BENCH_H

#include "test.h"

#include "device/domains.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 10000, NAMES_MAX = 64 };

/* What the last `done` said. */
struct answer {
	unsigned count;
	int code;
	char message[ERROR_MESSAGE_SIZE];
	struct served *served;
	char names[NAMES_MAX * 16]; /* with a blank after each */
};

struct bench {
	struct loop *loop;
	struct domains *domains;
	char top[64];
	char run[80];
	char log[80];
	struct answer answer;
	unsigned states;
	unsigned troubles;
	unsigned endings;
	unsigned closed;
};

static inline bool on_guest_break(void *user, struct served *served, struct device *device)
{
	return false;
}

static inline void on_changed(void *user, struct served *served, struct device *device)
{
}

static inline void on_trouble(
	void *user, struct served *served, const struct device_config *config, const char *reason)
{
	((struct bench *)user)->troubles++;
}

static inline void on_ending(void *user, struct served *served, struct device *device)
{
	((struct bench *)user)->endings++;
}

static inline void on_state(void *user, struct served *served)
{
	((struct bench *)user)->states++;
}

static inline void on_closed(void *user)
{
	((struct bench *)user)->closed++;
}

static const struct domains_listener bench_listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.state = on_state,
	.closed = on_closed,
};

static inline void open_domains(struct bench *bench)
{
	const struct domains_params params = {
		.loop = bench->loop,
		.runtime_dir = bench->run,
		.log_dir = bench->log,
		.listener = &bench_listener,
		.user = bench,
	};
	bench->closed = 0;
	assert_int_equal(domains_new(&params, &bench->domains, NULL), 0);
}

static inline int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	*state = bench;
	strcpy(bench->top, "/tmp/chardev-domains-XXXXXX");
	assert_non_null(mkdtemp(bench->top));
	snprintf(bench->run, sizeof(bench->run), "%s/run", bench->top);
	snprintf(bench->log, sizeof(bench->log), "%s/log", bench->top);
	assert_int_equal(loop_new(&bench->loop), 0);
	open_domains(bench);
	return 0;
}

/* Waits for an event, with a deadline. */
static inline void turn(struct bench *bench)
{
	struct pollfd wait = {.fd = loop_fd(bench->loop), .events = POLLIN};
	assert_true(poll(&wait, 1, WAIT_MS) == 1);
	loop_turn(bench->loop);
}

#define until(bench, condition)      \
	do {                         \
		while (!(condition)) \
			turn(bench); \
	} while (0)

static inline void close_domains(struct bench *bench, bool keep)
{
	domains_close(bench->domains, keep);
	until(bench, bench->closed == 1);
	bench->domains = NULL;
}

/*
 * Nothing may be left: a test removes its own files. RUNTIME and the logs' directory go with the
 * domain that made them, so that they may stay, empty, where another ended last.
 */
static inline int teardown(void **state)
{
	struct bench *bench = *state;
	if (bench->domains != NULL)
		close_domains(bench, false);
	loop_drain(bench->loop);
	loop_free(bench->loop);
	rmdir(bench->run);
	rmdir(bench->log);
	assert_int_equal(rmdir(bench->top), 0);
	free(bench);
	return 0;
}

static inline void on_done(void *user, const struct domains_result *result)
{
	struct bench *bench = user;
	struct answer *answer = &bench->answer;
	answer->count++;
	answer->code = result->code;
	answer->served = result->served;
	snprintf(answer->message, sizeof(answer->message), "%s",
		result->code < 0 ? result->message : "");
	answer->names[0] = '\0';
	for (size_t i = 0; i < result->device_count && i < NAMES_MAX; i++) {
		strcat(answer->names, result->devices[i]);
		strcat(answer->names, " ");
	}
}

static inline struct document *parse(const char *name, const char *devices)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	char *xml = NULL;
	int n = asprintf(&xml,
		"<domain type='kvm' xmlns:c='urn:chardev:1'><name>%s</name>"
		"<os><type arch='x86_64'>hvm</type></os><devices>%s</devices></domain>",
		name, devices);
	assert_true(n > 0);
	assert_int_equal(document_parse(xml, (size_t)n, &diagnostics, &document), 0);
	diagnostics_fini(&diagnostics);
	free(xml);
	return document;
}

/* Defines and waits; the result is in bench->answer. */
static inline int define(struct bench *bench, const char *name, const char *devices)
{
	unsigned before = bench->answer.count;
	domains_define(bench->domains, parse(name, devices), NULL, true, on_done, bench);
	until(bench, bench->answer.count > before);
	return bench->answer.code;
}

static inline int operate(struct bench *bench, struct served *served,
	void (*operation)(struct served *served, domains_done *done, void *user))
{
	unsigned before = bench->answer.count;
	operation(served, on_done, bench);
	until(bench, bench->answer.count > before);
	return bench->answer.code;
}

static inline struct device *device_of(struct bench *bench, const char *name, const char *alias)
{
	struct served *served = domains_find(bench->domains, name);
	assert_non_null(served);
	return served_device(served, alias, NULL);
}

static inline struct device_status status_of(
	struct bench *bench, const char *name, const char *alias)
{
	struct device_status status;
	struct device *device = device_of(bench, name, alias);
	assert_non_null(device);
	device_status(device, &status);
	return status;
}

static inline const char *path_of(const struct bench *bench, const char *leaf)
{
	static char path[160];
	snprintf(path, sizeof(path), "%s/%s", bench->top, leaf);
	return path;
}

static inline bool exists(const struct bench *bench, const char *leaf)
{
	return access(path_of(bench, leaf), F_OK) == 0;
}

static inline void remove_file(const struct bench *bench, const char *leaf)
{
	assert_int_equal(unlink(path_of(bench, leaf)), 0);
}

/* A log, and the index beside it if anything was marked there. */
static inline void remove_log(const struct bench *bench, const char *leaf)
{
	char index[96];
	snprintf(index, sizeof(index), "%s.idx", leaf);
	remove_file(bench, leaf);
	unlink(path_of(bench, index));
}

/* A text that names the test's directory as %s. */
static inline const char *with_top(const struct bench *bench, const char *format)
{
	static char text[4][4096];
	static unsigned next;
	char *ret = text[next++ % 4];
	size_t used = 0;
	for (const char *at = format; *at != '\0'; at++) {
		bool named = at[0] == '%' && at[1] == 's';
		used += (size_t)snprintf(ret + used, sizeof(text[0]) - used, named ? "%s" : "%.1s",
			named ? bench->top : at);
		at += named;
	}
	return ret;
}

/* ---- whoever is at the two ends -------------------------------------------------------------- */

/* A VMM, which holds both FIFOs as QEMU does. */
struct vmm {
	int in, out;
};

static inline struct vmm vmm_attach(const struct bench *bench, const char *leaf)
{
	char name[96];
	struct vmm vmm;
	snprintf(name, sizeof(name), "%s.in", leaf);
	vmm.in = open(path_of(bench, name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(name, sizeof(name), "%s.out", leaf);
	vmm.out = open(path_of(bench, name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(vmm.in >= 0 && vmm.out >= 0);
	return vmm;
}

static inline void vmm_leave(struct vmm *vmm)
{
	close(vmm->in);
	close(vmm->out);
}

static inline void vmm_says(const struct vmm *vmm, const char *text)
{
	assert_int_equal(write(vmm->out, text, strlen(text)), strlen(text));
}

static inline int peer_connect(const struct bench *bench, const char *leaf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const char *path = path_of(bench, leaf);
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Waits until the peer has exactly this to read. */
static inline void peer_reads(struct bench *bench, int fd, const char *text)
{
	char got[4096];
	size_t n = 0;
	while (n < strlen(text)) {
		ssize_t r = read(fd, got + n, sizeof(got) - n);
		assert_int_not_equal(r, 0);
		if (r < 0)
			turn(bench);
		else
			n += (size_t)r;
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

static inline bool is_connected(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

#endif

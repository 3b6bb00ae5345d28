/*
 * The agent inside a test guest: moves known bytes through the guest's ports on the host's word.
 *
 * Runs as PID 1 (the init script execs it), statically linked, and takes requests from one control
 * channel, by default the virtio port org.chardev.test. It is not part of the product.
 *
 * A request is a line "ID VERB ARGUMENT...", a reply "ID ok RESULT..." or "ID error REASON".
 * Requests that move bytes run at the same time, each in a process of its own, and answer when they
 * are done.
 *
 *   ping                        ok
 *   open DEV, close DEV         ports stay open from their first use until close
 *   send DEV BYTES SEED [CHUNK] writes the generator's stream           -> ok BYTES CRC32
 *   recv DEV BYTES SEED|-       reads, compares with the stream unless - -> ok BYTES CRC32
 *   echo DEV BYTES              reads, writes each byte back            -> ok BYTES CRC32
 *   at ID                       how far that request has come           -> ok BYTES
 *   cancel ID                   ends it; it answers with an error
 *   break DEV                   sends a BREAK
 *   modem DEV [+|-WORD]...      sets dtr, rts, loop                     -> ok dtr=N rts=N cts=N ...
 *   sh COMMAND                  runs it: "ID out LINE" for its output   -> ok STATUS
 *   poweroff                    as does the end of the control channel
 *
 * DEV is a name under /dev, a path, or a virtio port's name. Terminals are made raw. The stream of
 * a seed is generator.h's.
 */
#include "device.h"
#include "generator.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
	MAX_PORTS = 32,
	MAX_JOBS = 64,
	MAX_WORDS = 8,
	LINE_SIZE = 4096,
	CHUNK = 4096,
	MAX_CHUNK = 65536,
	LOOP_BACK = 0x8000, /* the kernel's TIOCM_LOOP, which libc's headers lack */
};

struct port {
	char name[64];
	int fd;
};

struct job {
	pid_t pid; /* 0: the slot is free */
	unsigned long id;
};

struct agent {
	int control;
	struct port ports[MAX_PORTS];
	struct job jobs[MAX_JOBS];
	volatile uint64_t *progress; /* by job, shared with the processes that run them */
};

/* One request being served. */
struct call {
	struct agent *agent;
	unsigned long id;
	int argc;
	char *argv[MAX_WORDS + 1];
	const char *text; /* what follows the verb, unsplit */
	struct port *port;
	volatile uint64_t *progress;
};

static void reply(const struct call *c, const char *word, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One write, so that the lines of processes running side by side stay whole. */
static void reply(const struct call *c, const char *word, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	int n = snprintf(line, sizeof(line), "%lu %s ", c->id, word);
	va_start(ap, format);
	n += vsnprintf(line + n, sizeof(line) - n - 1, format, ap);
	va_end(ap);
	if (n > LINE_SIZE - 2)
		n = LINE_SIZE - 2;
	line[n++] = '\n';
	if (write(c->agent->control, line, n) != n)
		perror("agent: control channel");
}

static struct port *find_port(struct agent *a, const char *name)
{
	for (int i = 0; i < MAX_PORTS; i++)
		if (strcmp(a->ports[i].name, name) == 0)
			return &a->ports[i];
	return NULL;
}

static struct port *open_port(struct agent *a, const char *name)
{
	struct port *port = find_port(a, name);

	if (port)
		return port;
	port = find_port(a, "");
	if (!port || strlen(name) >= sizeof(port->name)) {
		errno = ENOSPC;
		return NULL;
	}
	int fd = device_open(name);
	if (fd < 0)
		return NULL;
	port->fd = fd;
	snprintf(port->name, sizeof(port->name), "%s", name);
	return port;
}

static void do_ping(struct call *c)
{
	reply(c, "ok", "%s", "");
}

static void do_close(struct call *c)
{
	struct port *port = find_port(c->agent, c->argv[1]);

	if (!port) {
		reply(c, "error", "%s is not open", c->argv[1]);
		return;
	}
	close(port->fd);
	*port = (struct port){0};
	reply(c, "ok", "%s", "");
}

static void do_send(struct call *c)
{
	uint64_t total = strtoull(c->argv[2], NULL, 0);
	size_t chunk = c->argc > 4 ? strtoul(c->argv[4], NULL, 0) : CHUNK;
	uint8_t buf[MAX_CHUNK];
	struct generator g;
	uint32_t crc = 0;

	if (chunk == 0 || chunk > sizeof(buf)) {
		reply(c, "error", "a chunk has 1 to %zu bytes", sizeof(buf));
		return;
	}
	generator_init(&g, strtoull(c->argv[3], NULL, 0));
	for (uint64_t at = 0; at < total;) {
		size_t n = total - at < chunk ? total - at : chunk;
		generator_fill(&g, buf, n);
		crc = crc32(crc, buf, n);
		if (device_write(c->port->fd, buf, n) != 0) {
			reply(c, "error", "write after %llu bytes: %s", (unsigned long long)at,
				strerror(errno));
			return;
		}
		at += n;
		*c->progress = at;
	}
	tcdrain(c->port->fd);
	reply(c, "ok", "%llu %08x", (unsigned long long)total, crc);
}

/* Where the two first differ, or n. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* recv and echo */
static void do_recv(struct call *c)
{
	uint64_t total = strtoull(c->argv[2], NULL, 0);
	bool back = strcmp(c->argv[0], "echo") == 0;
	bool compare = !back && c->argc > 3 && strcmp(c->argv[3], "-") != 0;
	uint8_t buf[CHUNK], want[CHUNK];
	struct generator g;
	uint32_t crc = 0;

	generator_init(&g, compare ? strtoull(c->argv[3], NULL, 0) : 0);
	for (uint64_t at = 0; at < total;) {
		ssize_t n = device_read(
			c->port->fd, buf, total - at < sizeof(buf) ? total - at : sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (back && device_write(c->port->fd, buf, n) != 0)) {
			reply(c, "error", "after %llu bytes: %s", (unsigned long long)at,
				n == 0 ? "end of file" : strerror(errno));
			return;
		}
		crc = crc32(crc, buf, n);
		if (compare) {
			generator_fill(&g, want, n);
			size_t i = first_difference(buf, want, n);
			if (i < (size_t)n) {
				reply(c, "error", "byte %llu is 0x%02x, not 0x%02x",
					(unsigned long long)at + i, buf[i], want[i]);
				return;
			}
		}
		at += n;
		*c->progress = at;
	}
	reply(c, "ok", "%llu %08x", (unsigned long long)total, crc);
}

static int find_job(struct call *c)
{
	unsigned long id = strtoul(c->argv[1], NULL, 0);

	for (int i = 0; i < MAX_JOBS; i++)
		if (c->agent->jobs[i].pid && c->agent->jobs[i].id == id)
			return i;
	reply(c, "error", "no request %lu is running", id);
	return -1;
}

static void do_at(struct call *c)
{
	int i = find_job(c);

	if (i >= 0)
		reply(c, "ok", "%llu", (unsigned long long)c->agent->progress[i]);
}

static void do_cancel(struct call *c)
{
	int i = find_job(c);

	if (i < 0)
		return;
	struct call other = {.agent = c->agent, .id = c->agent->jobs[i].id};
	kill(-c->agent->jobs[i].pid, SIGKILL);
	waitpid(c->agent->jobs[i].pid, NULL, 0);
	c->agent->jobs[i].pid = 0;
	reply(&other, "error", "cancelled after %llu bytes",
		(unsigned long long)c->agent->progress[i]);
	reply(c, "ok", "%s", "");
}

static void do_break(struct call *c)
{
	if (tcsendbreak(c->port->fd, 0) != 0)
		reply(c, "error", "%s", strerror(errno));
	else
		reply(c, "ok", "%s", "");
}

static void do_modem(struct call *c)
{
	static const struct {
		const char *name;
		int bit;
	} lines[] = {
		{"dtr", TIOCM_DTR},
		{"rts", TIOCM_RTS},
		{"loop", LOOP_BACK},
		{"cts", TIOCM_CTS},
		{"dsr", TIOCM_DSR},
		{"cd", TIOCM_CD},
		{"ri", TIOCM_RI},
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);
	char text[256] = "";
	int now = 0;

	for (int i = 2; i < c->argc; i++)
		for (size_t k = 0; k < count; k++)
			if (strcmp(c->argv[i] + 1, lines[k].name) == 0)
				ioctl(c->port->fd, *c->argv[i] == '-' ? TIOCMBIC : TIOCMBIS,
					&lines[k].bit);
	if (ioctl(c->port->fd, TIOCMGET, &now) != 0) {
		reply(c, "error", "%s", strerror(errno));
		return;
	}
	for (size_t k = 0; k < count; k++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s=%d", lines[k].name,
			!!(now & lines[k].bit));
	reply(c, "ok", "%s", text + 1);
}

static void do_sh(struct call *c)
{
	char line[LINE_SIZE - 64];

	signal(SIGCHLD, SIG_DFL);
	fflush(NULL);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	FILE *f = popen(c->text, "r"); /* NOLINT(cert-env33-c): a shell is what was asked for */
	if (!f) {
		reply(c, "error", "%s", strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		reply(c, "out", "%s", line);
	}
	int status = pclose(f);
	reply(c, "ok", "%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void do_poweroff(struct call *c)
{
	sync();
	reboot(RB_POWER_OFF);
	reply(c, "error", "%s", strerror(errno));
}

static const struct verb {
	const char *name;
	void (*run)(struct call *c);
	int argc;   /* at least, with the verb */
	bool port;  /* the first argument is a device to open */
	bool apart; /* runs in a process of its own */
} verbs[] = {
	{"ping", do_ping, 1, false, false},
	{"open", do_ping, 2, true, false},
	{"close", do_close, 2, false, false},
	{"send", do_send, 4, true, true},
	{"recv", do_recv, 4, true, true},
	{"echo", do_recv, 3, true, true},
	{"at", do_at, 2, false, false},
	{"cancel", do_cancel, 2, false, false},
	{"break", do_break, 2, true, true},
	{"modem", do_modem, 2, true, false},
	{"sh", do_sh, 2, false, true},
	{"poweroff", do_poweroff, 1, false, false},
};

static void run_apart(struct call *c, const struct verb *verb)
{
	struct agent *a = c->agent;
	int slot = 0;

	while (slot < MAX_JOBS && a->jobs[slot].pid)
		slot++;
	if (slot == MAX_JOBS) {
		reply(c, "error", "more than %d requests at once", MAX_JOBS);
		return;
	}
	a->progress[slot] = 0;
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		c->progress = &a->progress[slot];
		verb->run(c);
		_exit(0);
	}
	if (pid < 0) {
		reply(c, "error", "fork: %s", strerror(errno));
		return;
	}
	setpgid(pid, pid);
	a->jobs[slot] = (struct job){.pid = pid, .id = c->id};
}

static void serve(struct agent *a, char *line)
{
	struct call c = {.agent = a};
	char *rest = line;

	c.id = strtoul(line, &rest, 10);
	rest += strspn(rest, " ");
	c.text = strchr(rest, ' ') ? strdup(strchr(rest, ' ') + 1) : strdup("");
	for (char *word = strtok(rest, " "); word && c.argc < MAX_WORDS; word = strtok(NULL, " "))
		c.argv[c.argc++] = word;

	const struct verb *verb = NULL;
	for (size_t i = 0; c.argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, c.argv[0]) == 0 && c.argc >= verbs[i].argc)
			verb = &verbs[i];
	if (!verb)
		reply(&c, "error", "not understood");
	else if (verb->port && !(c.port = open_port(a, c.argv[1])))
		reply(&c, "error", "%s: %s", c.argv[1], strerror(errno));
	else if (verb->apart)
		run_apart(&c, verb);
	else
		verb->run(&c);
	free((char *)c.text);
}

static void reap(struct agent *a)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		for (int i = 0; i < MAX_JOBS; i++)
			if (a->jobs[i].pid == pid)
				a->jobs[i].pid = 0;
}

static void on_child(int signal)
{
}

int main(int argc, char **argv)
{
	static struct agent a;
	static char line[LINE_SIZE];
	size_t used = 0;

	/* Its only effect is to interrupt the read below. */
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
	a.progress = mmap(NULL, MAX_JOBS * sizeof(*a.progress), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	a.control = device_open(argc > 1 ? argv[1] : "org.chardev.test");
	if (a.control < 0 || a.progress == MAP_FAILED) {
		perror("agent: cannot open the control channel");
		return 1;
	}
	reply(&(struct call){.agent = &a}, "ok", "ready");

	for (;;) {
		ssize_t n = read(a.control, line + used, sizeof(line) - 1 - used);
		bool interrupted = n < 0 && errno == EINTR;
		reap(&a);
		if (interrupted)
			continue;
		if (n <= 0)
			do_poweroff(&(struct call){.agent = &a});
		used += n;
		for (char *end; (end = memchr(line, '\n', used));) {
			*end++ = '\0';
			serve(&a, line);
			used -= end - line;
			memmove(line, end, used);
		}
		if (used == sizeof(line) - 1)
			used = 0;
	}
}

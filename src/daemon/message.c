/* What chardevd says; see message.h. */
#include "daemon/message.h"

#include "util/strbuf.h"
#include "util/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* systemd.exec(5): $JOURNAL_STREAM names the journal's end, which may not be our standard error. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	uint64_t device, inode;
	return stream != NULL && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void messages_init(struct messages *messages)
{
	*messages = (struct messages){.journal = is_journal()};
}

/* ---- one line -------------------------------------------------------------------------------- */

static bool is_in_c1(unsigned char c)
{
	return c >= 0x80 && c < 0xa0;
}

/* Of UTF-8, too, U+0080 to U+009F are controls: 0xc2 and then such a byte. */
static bool is_control(const char *text, size_t i)
{
	const unsigned char *bytes = (const unsigned char *)text;
	return bytes[i] < 0x20 || bytes[i] == 0x7f ||
	       (bytes[i] == 0xc2 && is_in_c1(bytes[i + 1])) ||
	       (i > 0 && bytes[i - 1] == 0xc2 && is_in_c1(bytes[i]));
}

static void add_escaped(struct strbuf *line, const char *text, bool is_name)
{
	for (size_t i = 0; text[i] != '\0' && line->length < MESSAGE_MAX; i++) {
		bool odd = is_name && (text[i] == ' ' || text[i] == '\\');
		if (odd || is_control(text, i))
			strbuf_addf(line, "\\x%02x", (unsigned)(unsigned char)text[i]);
		else
			strbuf_add_bytes(line, text + i, 1);
	}
	if (line->length >= MESSAGE_MAX)
		strbuf_add(line, "...");
}

/* Whether it was taken. A pipe that can be written to takes a line of this size at once. */
static bool write_line(const char *line, size_t n)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
	       write(STDERR_FILENO, line, n) == (ssize_t)n;
}

static void begin_line(const struct messages *messages, int level, struct strbuf *line)
{
	if (messages->journal)
		strbuf_addf(line, "<%d>", level);
	else
		strbuf_add(line, "chardevd: ");
}

static void say_lost(struct messages *messages)
{
	struct strbuf line = STRBUF_INIT;
	begin_line(messages, LOG_WARNING, &line);
	strbuf_addf(&line, "%" PRIu64 " lines were lost: nobody read them\n", messages->lost);
	if (!line.failed && write_line(line.data, line.length))
		messages->lost = 0;
	strbuf_fini(&line);
}

static void end_line(struct messages *messages, struct strbuf *line)
{
	strbuf_add(line, "\n");
	if (messages->lost > 0)
		say_lost(messages);
	if (line->failed || messages->lost > 0 || !write_line(line->data, line->length))
		messages->lost++;
	strbuf_fini(line);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void format(char ret[MESSAGE_MAX], const char *text, va_list args)
{
	vsnprintf(ret, MESSAGE_MAX, text, args);
}

void message(struct messages *messages, int level, const char *text, ...)
{
	char formatted[MESSAGE_MAX];
	struct strbuf line = STRBUF_INIT;
	va_list args;
	va_start(args, text);
	format(formatted, text, args);
	va_end(args);
	begin_line(messages, level, &line);
	add_escaped(&line, formatted, false);
	end_line(messages, &line);
}

static void add_name(struct strbuf *line, const char *key, const char *name)
{
	if (name[0] == '\0')
		return;
	strbuf_addf(line, " %s=", key);
	add_escaped(line, name, true);
}

void message_audit(struct messages *messages, const struct control_event *event)
{
	struct strbuf line = STRBUF_INIT;
	char time[TIME_TEXT_SIZE];
	time_text(time_now_ms(), time);
	begin_line(messages, LOG_NOTICE, &line);
	strbuf_addf(&line, "audit: %s", event->event);
	add_name(&line, "domain", event->domain);
	add_name(&line, "device", event->device);
	if (event->by != NULL)
		strbuf_addf(&line, " uid=%u pid=%d", (unsigned)event->by->uid, (int)event->by->pid);
	strbuf_addf(&line, " time=%s", time);
	if (event->text[0] != '\0') {
		strbuf_add(&line, ": ");
		add_escaped(&line, event->text, false);
	}
	end_line(messages, &line);
}

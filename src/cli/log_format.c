/* A log's frames as text; see log_format.h. */
#include "cli/log_format.h"

#include "cli/json_text.h"
#include "util/base64.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_format_init(struct log_format *format, enum log_format_mode mode,
	const struct log_format_sink *sink, void *user)
{
	format->mode = mode;
	format->sink = sink;
	format->user = user;
	format->failed = format->ended = format->started = format->in_line = false;
	format->time[0] = format->end_reason[0] = '\0';
	format->line_size = 0;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *time_or_null(const char *time)
{
	return time[0] != '\0' ? json_string(time) : json_null();
}

/* Takes the object over; NULL: memory ran out. */
static void put_object(struct log_format *format, json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (text == NULL) {
		format->failed = true;
		return;
	}
	format->sink->out(format->user, text, strlen(text));
	format->sink->out(format->user, "\n", 1);
	free(text);
}

static json_t *base64_of(const char *bytes, size_t n)
{
	char *text = malloc(BASE64_ENCODED_SIZE(n) + 1);
	if (text == NULL)
		return NULL;
	base64_encode((const uint8_t *)bytes, n, text);
	json_t *result = json_string(text);
	free(text);
	return result;
}

/* jansson takes nothing but UTF-8. */
static void put_line(struct log_format *format, bool continues)
{
	size_t n = format->line_size;
	if (!continues && n > 0 && format->line[n - 1] == '\r')
		n--;
	json_t *text = json_stringn(format->line, n);
	const char *key = text != NULL ? "text" : "data";
	if (text == NULL)
		text = base64_of(format->line, n);
	json_t *object = json_pack("{s:o, s:I, s:o}", "time", time_or_null(format->line_time),
		"offset", (json_int_t)format->line_offset, key, text);
	if (continues && object != NULL &&
		json_object_set_new(object, "continues", json_true()) < 0)
		format->failed = true;
	put_object(format, object);
	format->line_size = 0;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void begin_line(struct log_format *format, uint64_t offset)
{
	format->in_line = true;
	format->line_offset = offset;
	memcpy(format->line_time, format->time, sizeof(format->time));
	if (format->mode != LOG_FORMAT_TIMESTAMPS)
		return;
	const char *time = format->time[0] != '\0' ? format->time : "-";
	format->sink->out(format->user, time, strlen(time));
	format->sink->out(format->user, " ", 1);
}

/* Bytes of one line, without its '\n'. */
static void keep(struct log_format *format, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t room = LOG_FORMAT_LINE_MAX - format->line_size;
		size_t taken = n < room ? n : room;
		memcpy(format->line + format->line_size, bytes, taken);
		format->line_size += taken;
		bytes += taken;
		n -= taken;
		if (n == 0)
			break;
		put_line(format, true);
		format->line_offset += LOG_FORMAT_LINE_MAX;
	}
}

/* Up to the end of a line, or of the bytes: how many. */
static size_t take_piece(struct log_format *format, uint64_t offset, const uint8_t *bytes, size_t n)
{
	const uint8_t *end = memchr(bytes, '\n', n);
	size_t length = end != NULL ? (size_t)(end - bytes) : n;
	size_t taken = end != NULL ? length + 1 : n;
	if (!format->in_line)
		begin_line(format, offset);
	if (format->mode == LOG_FORMAT_JSON) {
		keep(format, bytes, length);
		if (end != NULL)
			put_line(format, false);
	} else {
		format->sink->out(format->user, bytes, taken);
	}
	format->in_line = end == NULL;
	return taken;
}

static void put_gap(struct log_format *format, uint64_t offset, uint64_t missed)
{
	/* What stands on both sides of it is no line. */
	log_format_end(format);
	if (format->mode == LOG_FORMAT_JSON)
		put_object(format,
			json_pack("{s:o, s:I, s:o}", "time", time_or_null(format->time), "offset",
				(json_int_t)offset, "gap",
				missed > 0 ? json_integer((json_int_t)missed) : json_null()));
	else
		format->sink->gap(format->user, offset, missed);
}

static void on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct log_format *format = user;
	if (format->started && offset > format->next)
		put_gap(format, offset, offset - format->next);
	format->started = true;
	format->next = offset + n;
	if (format->mode == LOG_FORMAT_RAW) {
		format->sink->out(format->user, bytes, n);
		return;
	}
	while (n > 0) {
		size_t taken = take_piece(format, offset, bytes, n);
		offset += taken;
		bytes += taken;
		n -= taken;
	}
}

void log_format_end(struct log_format *format)
{
	if (!format->in_line)
		return;
	format->in_line = false;
	if (format->mode == LOG_FORMAT_JSON)
		put_line(format, false);
	else
		format->sink->out(format->user, "\n", 1);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void take_mark(struct log_format *format, uint64_t offset, const json_t *mark)
{
	const json_t *gap = json_object_get(mark, "gap");
	const char *time = json_text(mark, "time");
	const char *what = json_text(mark, "what");
	if (gap != NULL) {
		json_int_t missed = json_integer_value(gap);
		put_gap(format, offset, missed > 0 ? (uint64_t)missed : 0);
		format->started = true;
		format->next = offset;
	}
	if (time[0] == '\0')
		return;
	snprintf(format->time, sizeof(format->time), "%s", time);
	if (format->mode == LOG_FORMAT_JSON && what[0] != '\0')
		put_object(format, json_pack("{s:s, s:I, s:s}", "time", format->time, "offset",
					   (json_int_t)offset, "event", what));
}

/* What is missing up to the end is told by where the end is. */
static void take_end(struct log_format *format, uint64_t offset, const json_t *notice)
{
	if (strcmp(json_text(notice, "notice"), "end") != 0)
		return;
	format->ended = true;
	if (format->started && offset > format->next)
		put_gap(format, offset, offset - format->next);
	if (json_number(notice, "code") != 0)
		snprintf(format->end_reason, sizeof(format->end_reason), "%s",
			json_text(notice, "reason"));
}

static void on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct log_format *format = user;
	if (frame->type != FRAME_MARK && frame->type != FRAME_NOTICE)
		return;
	json_t *object = json_loadb((const char *)payload, frame->length, 0, NULL);
	if (object == NULL)
		format->failed = true;
	else if (frame->type == FRAME_MARK)
		take_mark(format, frame->offset, object);
	else
		take_end(format, frame->offset, object);
	json_decref(object);
}

const struct frame_sink log_format_frames = {.data = on_data, .frame = on_frame};

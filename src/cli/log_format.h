/*
 * What `chardev log` prints: the frames of a log in, text out. Pure.
 *
 * RAW is the log's bytes. TIMESTAMPS puts at the beginning of each line when the log says it began,
 * "-" where it says nothing. JSON is an object on each line, for a line of the log, without its
 * end (CR LF or LF):
 *
 *     {"time":TIME|null,"offset":N,"text":TEXT}     or, when it is not UTF-8, "data":BASE64
 *     {"time":TIME|null,"offset":N,"text":TEXT,"continues":true}    a piece of a longer line
 *     {"time":TIME,"offset":N,"event":TEXT}         a client came, the VMM was started ...
 *     {"time":TIME|null,"offset":N,"gap":N|null}    bytes before `offset` are missing
 */
#ifndef CHARDEV_CLI_LOG_FORMAT_H
#define CHARDEV_CLI_LOG_FORMAT_H

#include "control/frame.h"
#include "util/time_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_FORMAT_LINE_MAX = 64 * 1024 }; /* longer lines are cut into pieces */

enum log_format_mode { LOG_FORMAT_RAW, LOG_FORMAT_TIMESTAMPS, LOG_FORMAT_JSON };

struct log_format_sink {
	void (*out)(void *user, const void *bytes, size_t n);
	/* RAW and TIMESTAMPS: so many bytes before `offset` are missing; 0: nobody knows how many.
	 */
	void (*gap)(void *user, uint64_t offset, uint64_t missed);
};

struct log_format {
	enum log_format_mode mode;
	const struct log_format_sink *sink;
	void *user;
	bool failed;   /* out of memory, or a mark that is none: what is printed is not all */
	bool ended;    /* the server said that it is the end */
	bool started;  /* `next` means something */
	bool in_line;  /* its beginning was seen, its end was not */
	uint64_t next; /* where the next DATA should begin */
	uint64_t line_offset;
	char time[TIME_TEXT_SIZE];      /* as of the last mark; "": none said it */
	char line_time[TIME_TEXT_SIZE]; /* when this line began */
	char end_reason[256];           /* a sentence when it did not end in order, else "" */
	size_t line_size;
	char line[LOG_FORMAT_LINE_MAX]; /* JSON: what there is of the line */
};

void log_format_init(struct log_format *format, enum log_format_mode mode,
	const struct log_format_sink *sink, void *user);

/* For frame_decode(), whose user is the struct log_format. */
extern const struct frame_sink log_format_frames;

/* Prints a last line that has no end. */
void log_format_end(struct log_format *format);

#endif

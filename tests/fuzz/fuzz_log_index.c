/*
 * Any bytes as an index of a log: what is read as a mark is written as the same mark, and a file of
 * them is read to its end.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/log_source.h"
#include "fuzz.h"

static void check_line(const char *line, size_t n)
{
	struct log_mark mark, back;
	char text[LOG_MARK_LINE_SIZE];
	uint64_t number;
	if (!log_mark_parse(line, n, &mark))
		return;
	size_t length = log_mark_format(&mark, text);
	assert(length < sizeof(text) && text[length - 1] == '\n');
	assert(log_mark_parse(text, length - 1, &back));
	assert(back.offset == mark.offset && back.history == mark.history);
	assert(back.time_ms == mark.time_ms && strcmp(back.what, mark.what) == 0);
	assert(!log_mark_is_gap(&mark, &number) || !log_mark_is_start(&mark, &number));
}

static void read_index(const char *bytes, size_t n)
{
	struct log_source source = {.fd = -1, .index_fd = memfd_create("index", MFD_CLOEXEC)};
	struct log_mark mark;
	size_t marks = 0;
	assert(source.index_fd >= 0);
	assert(write(source.index_fd, bytes, n) == (ssize_t)n);
	for (; log_source_mark(&source, &mark); marks++)
		log_source_pass_mark(&source);
	assert(marks <= n);
	log_source_close(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size;
	read_index(text, size);
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline != NULL ? newline : end;
		check_line(text, (size_t)(line_end - text));
		text = line_end + 1;
	}
	return 0;
}

/* What a log's writer adds to the index; see log_writer_internal.h. */
#include "backend/log_writer_internal.h"

#include <inttypes.h>
#include <stdio.h>

static void add_line(struct log_writer *writer, const struct log_mark *mark)
{
	writer->text_size += log_mark_format(mark, writer->text + writer->text_size);
}

static void add_start(struct log_writer *writer, uint64_t history)
{
	char epoch[24] = "-";
	struct log_mark mark = {
		.offset = writer->files.size,
		.history = history,
		.time_ms = log_mark_now_ms(),
	};
	if (writer->params.epoch != 0)
		snprintf(epoch, sizeof(epoch), "%016" PRIx64, writer->params.epoch);
	snprintf(mark.what, sizeof(mark.what), "start %" PRIu64 " %s", writer->files.start, epoch);
	add_line(writer, &mark);
}

static bool is_time_due(const struct log_writer *writer, int64_t now)
{
	int64_t passed = now - writer->time_marked_ms;
	return writer->params.limits.timestamps && writer->part_count > 0 &&
	       (passed >= LOG_WRITER_TIME_MS || passed < 0);
}

void log_writer_prepare_text(struct log_writer *writer, uint64_t reach)
{
	uint64_t history = writer->params.owner->history(writer->params.user);
	int64_t now = log_mark_now_ms();
	bool is_first = writer->files.index_size == 0;
	bool tells_time = is_time_due(writer, now);
	writer->text_size = 0;
	writer->flushes = false;
	if (!is_first && !tells_time && !log_marks_is_due(&writer->waiting, reach))
		return;
	log_marks_take_due(&writer->waiting, reach, &writer->writing);
	if (is_first)
		add_start(writer, history);
	for (unsigned i = 0; i < writer->writing.count; i++) {
		struct log_mark *mark = &writer->writing.list[i];
		/* Those of a file that is gone belong before the first byte of this one. */
		if (mark->offset > writer->files.size)
			mark->offset = writer->files.size;
		add_line(writer, mark);
	}
	if (tells_time) {
		struct log_mark mark = {writer->files.size, history, now, ""};
		add_line(writer, &mark);
		writer->time_marked_ms = now;
	}
}

void log_writer_settle_marks(struct log_writer *writer)
{
	uint64_t missed = log_marks_missed(&writer->writing, UINT64_MAX);
	if (writer->marks_failure < 0)
		log_marks_put_back(&writer->waiting, &writer->writing);
	writer->writing.count = 0;
	const struct log_writer_owner *owner = writer->params.owner;
	if (missed > 0 && writer->marks_failure == 0 && !writer->closing && owner->gap_told != NULL)
		owner->gap_told(writer->params.user, missed);
}

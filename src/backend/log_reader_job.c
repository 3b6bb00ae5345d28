/* A log's next byte, mark or gap, on a thread; see log_reader_internal.h. */
#include "backend/log_reader_internal.h"

#include "util/fd.h"

#include <errno.h>

/* ---- from one file to the next --------------------------------------------------------------- */

static int find_start(struct log_reader *reader)
{
	if (reader->start.has_tail)
		return log_catalog_tail(&reader->catalog, reader->start.tail, &reader->place);
	if (reader->start.has_since)
		return log_catalog_since(&reader->catalog, reader->start.since_ms, &reader->place);
	reader->place = 0;
	return 0;
}

static void tell_gap(struct log_reader *reader, uint64_t place, uint64_t missed)
{
	reader->event = EVENT_GAP;
	reader->place = place;
	reader->missed = missed;
}

/* Marks before where it begins: only the last time is of interest, that of the first bytes. */
static void skip_marks(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	struct log_mark mark;
	bool has_time = false;
	while (log_source_mark(source, &mark) && mark.offset < source->offset) {
		reader->mark.time_ms = mark.time_ms;
		has_time = true;
		log_source_pass_mark(source);
	}
	if (!has_time || reader->event != EVENT_NONE)
		return;
	reader->event = EVENT_MARK;
	reader->mark.what[0] = '\0';
}

static void leave_source(struct log_reader *reader)
{
	log_source_close(&reader->source);
	reader->drained = false;
}

/* Nothing more is there, for now or at all. */
static void end_for_now(struct log_reader *reader)
{
	reader->event = EVENT_LAST;
	reader->code = 0;
}

/* FILE before its first byte: its index, which says where it begins, comes with that. */
static bool is_unborn(const struct log_source *source)
{
	return source->number < 0 && !source->has_start && source->length == 0;
}

static int open_next(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	int code = reader->begun ? 0 : find_start(reader);
	if (code == 0)
		code = log_catalog_open(&reader->catalog, reader->place, source);
	if (code == -ENOENT) {
		end_for_now(reader);
		return 0;
	}
	if (code < 0)
		return code;
	if (is_unborn(source)) {
		leave_source(reader);
		end_for_now(reader);
		return 0;
	}
	uint64_t at = source->start + source->offset;
	if (reader->begun && at != reader->place)
		tell_gap(reader, at, at > reader->place ? at - reader->place : 0);
	reader->begun = true;
	reader->place = at;
	skip_marks(reader);
	return 0;
}

/* It was cut by others (copytruncate): it begins anew, and who knows what was in between. */
static int follow_cut(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	source->start = reader->place;
	source->index_fd = fd_close(source->index_fd);
	source->index_at = 0;
	source->index_held = 0;
	tell_gap(reader, reader->place, 0);
	return log_source_seek(source, 0);
}

static int at_end(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	if (log_source_is_current(source, &reader->catalog.files)) {
		if (source->length < source->offset)
			return follow_cut(reader);
		end_for_now(reader);
		return 0;
	}
	/* Something may have been written between our last look and its last byte. */
	if (!reader->drained) {
		reader->drained = true;
	} else if (source->number < 0 && !log_catalog_has_current(&reader->catalog)) {
		/* Moved away, and nothing in its place yet: it may still be written to. */
		reader->drained = false;
		end_for_now(reader);
	} else {
		leave_source(reader);
	}
	return 0;
}

/* ---- marks and bytes ------------------------------------------------------------------------- */

static void tell_mark(struct log_reader *reader, const struct log_mark *mark)
{
	uint64_t position;
	log_source_pass_mark(&reader->source);
	if (log_mark_is_start(mark, &position))
		return;
	reader->mark = *mark;
	reader->event = EVENT_MARK;
}

static int read_bytes(struct log_reader *reader, uint64_t limit)
{
	struct log_source *source = &reader->source;
	size_t n = limit < sizeof(reader->bytes) ? (size_t)limit : sizeof(reader->bytes);
	ssize_t got = log_source_read(source, reader->bytes, n);
	if (got == -EBADMSG) {
		/* A compressed file that is damaged: what it had is lost, what follows is not. */
		tell_gap(reader, source->start + source->length, source->length - source->offset);
		leave_source(reader);
		return 0;
	}
	if (got <= 0)
		return got < 0 ? (int)got : at_end(reader);
	reader->event = EVENT_BYTES;
	reader->size = (size_t)got;
	reader->place += (uint64_t)got;
	return 0;
}

/*
 * The length first, then the index: marks are written before their bytes, so that those of all
 * bytes up to that length are there.
 */
static int advance(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	struct log_mark mark;
	if (source->fd < 0)
		return open_next(reader);
	int code = log_source_refresh(source);
	if (code < 0)
		return code;
	if (source->index_fd < 0 && source->length > source->offset)
		log_source_find_index(source, &reader->catalog.files);
	bool has_mark = log_source_mark(source, &mark);
	uint64_t left = source->length > source->offset ? source->length - source->offset : 0;
	if (has_mark && (mark.offset <= source->offset || left == 0)) {
		tell_mark(reader, &mark);
		return 0;
	}
	if (left == 0)
		return at_end(reader);
	if (has_mark && mark.offset - source->offset < left)
		left = mark.offset - source->offset;
	return read_bytes(reader, left);
}

void log_reader_produce(struct loop_job *job)
{
	struct log_reader *reader = container_of(job, struct log_reader, job);
	reader->event = EVENT_NONE;
	reader->code = 0;
	while (reader->event == EVENT_NONE && reader->code == 0)
		reader->code = atomic_load(&reader->closing) ? -ECANCELED : advance(reader);
	if (reader->code < 0)
		reader->event = EVENT_LAST;
}

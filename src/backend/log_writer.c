/*
 * Writes one log; see log_writer.h. One job at a time has `files` and what it was lent; between two
 * jobs they are the loop's, which looks what is to be done next: step().
 */
#include "backend/log_writer.h"

#include "backend/log_compress.h"
#include "backend/log_file.h"
#include "backend/log_index.h"
#include "util/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A write that is at most this part of the limit is not torn: it begins a new file. */
enum { WHOLE_PART = 8 };

/* The marks of one job, the first line of an index and the time of the bytes. */
enum { TEXT_SIZE = (LOG_MARKS_MAX + 2) * LOG_MARK_LINE_SIZE };

struct log_writer {
	struct log_writer_params params;
	struct log_quota_member member;
	struct loop_task step_task;

	/* What is to be done. */
	bool opens;   /* FILE anew */
	bool drops;   /* as the quota asks */
	bool commits; /* a compressed file takes its place */
	bool writes;  /* the loan */
	bool flushes; /* marks that are due */
	bool compresses;
	bool closing;
	struct iovec loan[LOG_WRITER_PARTS]; /* of the write; it may come while a job runs */
	int loan_count;

	/* The job that is under way, and what it may touch. */
	bool busy;
	struct loop_job job;
	struct loop_task not_started; /* no thread could be had: it has failed */
	void (*after)(struct log_writer *writer);
	struct log_files files;
	struct log_compress compress;
	bool has_loan;
	struct iovec parts[LOG_WRITER_PARTS]; /* of the loan, as many as are written at a time */
	int part_count;
	size_t done;
	bool just_opened; /* others have not had the time to change FILE */
	bool stale;       /* FILE has to be opened before anything is written to it */
	char *text;       /* lines for the index; TEXT_SIZE, made with the first */
	size_t text_size;
	int failure;
	int marks_failure;

	struct log_marks waiting;
	struct log_marks writing;
	int64_t time_marked_ms;
	uint64_t size; /* of FILE, as of the last job that ended */
	unsigned rotated_count;
	bool failing;
};

static void step(struct log_writer *writer);

/* ---- jobs ------------------------------------------------------------------------------------ */

static struct log_writer *of_job(struct loop_job *job)
{
	return container_of(job, struct log_writer, job);
}

/* What the owner does when it is told begins nothing before all is settled. */
static void end_job(struct log_writer *writer)
{
	writer->after(writer);
	writer->busy = false;
	step(writer);
}

static void on_done(struct loop_job *job)
{
	end_job(of_job(job));
}

static void on_not_started(struct loop_task *task)
{
	end_job(container_of(task, struct log_writer, not_started));
}

static void run(struct log_writer *writer, void (*work)(struct loop_job *job),
	void (*after)(struct log_writer *writer))
{
	writer->busy = true;
	writer->after = after;
	writer->failure = 0;
	writer->marks_failure = 0;
	writer->done = 0;
	int code = loop_job_submit(&writer->job, writer->params.loop, work, on_done);
	if (code < 0) {
		writer->failure = code;
		writer->marks_failure = code;
		loop_task_post(&writer->not_started);
	}
}

static void open_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = log_files_open(&writer->files, true, NULL);
}

static void add_marks(struct log_writer *writer)
{
	if (writer->text_size > 0)
		writer->marks_failure =
			log_files_add_marks(&writer->files, writer->text, writer->text_size);
}

/* What waits belongs to the file that goes. */
static void rotate_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	add_marks(writer);
	writer->failure = log_files_rotate(&writer->files);
}

static void drop_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = writer->files.fd < 0 ? -ENOENT : log_files_drop(&writer->files);
}

static void commit_compressed(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = log_compress_commit(&writer->compress, &writer->files);
	if (writer->failure == 0)
		writer->failure = log_files_scan(&writer->files);
}

/* Marks first: whoever reads bytes finds when they came. */
static void write_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	int code = writer->just_opened ? 0 : log_files_check(&writer->files);
	writer->stale = code == -ESTALE;
	if (code < 0) {
		writer->failure = code;
		writer->marks_failure = code;
		return;
	}
	add_marks(writer);
	writer->failure =
		log_files_write(&writer->files, writer->parts, writer->part_count, &writer->done);
}

static void close_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	if (writer->files.fd >= 0) {
		if (writer->commits)
			log_compress_commit(&writer->compress, &writer->files);
		add_marks(writer);
		fdatasync(writer->files.fd);
	}
	log_files_fini(&writer->files);
}

/* ---- marks ----------------------------------------------------------------------------------- */

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

/* Puts down what the next job has to add to the index, for a file that is open: marks whose place
 * is not beyond `reach`. */
static void prepare_text(struct log_writer *writer, uint64_t reach)
{
	uint64_t history = writer->params.owner->history(writer->params.user);
	int64_t now = log_mark_now_ms();
	bool is_first = writer->files.index_size == 0;
	bool tells_time = is_time_due(writer, now);
	writer->text_size = 0;
	writer->flushes = false;
	if (!is_first && !tells_time && !log_marks_is_due(&writer->waiting, reach))
		return;
	if (writer->text == NULL && (writer->text = malloc(TEXT_SIZE)) == NULL)
		return; /* what waits waits on */
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

static void settle_marks(struct log_writer *writer)
{
	if (writer->marks_failure < 0)
		log_marks_put_back(&writer->waiting, &writer->writing);
	writer->writing.count = 0;
}

static void add_mark(struct log_writer *writer, const struct log_mark *mark)
{
	log_marks_add(&writer->waiting, mark);
	writer->flushes = log_marks_is_due(&writer->waiting, writer->size);
	step(writer);
}

void log_writer_gap(struct log_writer *writer, uint64_t offset, uint64_t history, uint64_t missed)
{
	struct log_mark mark = {
		.offset = offset,
		.history = history,
		.time_ms = log_mark_now_ms(),
	};
	snprintf(mark.what, sizeof(mark.what), "gap %" PRIu64, missed);
	add_mark(writer, &mark);
}

void log_writer_event(struct log_writer *writer, uint64_t offset, uint64_t history,
	const char *kind, const char *name)
{
	struct log_mark mark = {
		.offset = offset,
		.history = history,
		.time_ms = log_mark_now_ms(),
	};
	log_mark_name(&mark, kind, name);
	add_mark(writer, &mark);
}

/* ---- after a job ----------------------------------------------------------------------------- */

static struct log_usage usage_of(const struct log_writer *writer)
{
	const struct log_files *files = &writer->files;
	const struct log_rotated *rotated = &files->rotated;
	uint64_t current = files->size + files->index_size;
	return (struct log_usage){
		.bytes = current + rotated->bytes,
		.current = current,
		.oldest = rotated->files > 0 ? rotated->bytes / rotated->files : 0,
		.oldest_ms = rotated->oldest_ms,
		.has_rotated = rotated->files > 0,
	};
}

static void count(struct log_writer *writer)
{
	struct log_usage usage = usage_of(writer);
	writer->rotated_count = writer->files.rotated.files;
	log_quota_update(&writer->member, &usage);
}

static void end_write(struct log_writer *writer)
{
	writer->writes = false;
	writer->failing = writer->failure < 0;
	if (!writer->closing)
		writer->params.owner->written(writer->params.user, writer->done, writer->failure);
}

static void tell_trouble(struct log_writer *writer, int code)
{
	if (!writer->closing)
		writer->params.owner->trouble(writer->params.user, code, log_file_trouble(code));
}

/* FILE is another one, or there is none. */
static void settle_file(struct log_writer *writer)
{
	writer->stale = writer->files.fd < 0;
	if (writer->stale || writer->closing)
		return;
	writer->just_opened = writer->writes;
	log_marks_move(&writer->waiting, writer->size, writer->files.size);
	writer->size = writer->files.size;
	writer->time_marked_ms = 0;
	writer->compresses = true;
	writer->params.owner->moved(writer->params.user, writer->size);
}

static void after_open(struct log_writer *writer)
{
	settle_marks(writer);
	settle_file(writer);
	if (writer->failure < 0) {
		writer->done = 0;
		if (writer->writes)
			end_write(writer);
		else if (writer->opens)
			tell_trouble(writer, writer->failure);
		writer->flushes = false;
	}
	writer->opens = false;
	count(writer);
}

static void after_drop(struct log_writer *writer)
{
	struct log_usage usage = usage_of(writer);
	writer->drops = false;
	if (writer->files.fd < 0 || writer->files.size < writer->size)
		settle_file(writer);
	log_quota_released(&writer->member, &usage, writer->failure < 0);
}

static void after_commit(struct log_writer *writer)
{
	writer->commits = false;
	writer->compresses = writer->failure == 0;
	if (writer->failure < 0)
		tell_trouble(writer, writer->failure);
	count(writer);
}

static void after_write(struct log_writer *writer)
{
	settle_marks(writer);
	writer->just_opened = false;
	if (writer->stale)
		return; /* it is opened, and written to again */
	writer->size = writer->files.size;
	/* What could not be written waits for a write. */
	writer->flushes =
		writer->marks_failure == 0 && log_marks_is_due(&writer->waiting, writer->size);
	if (writer->has_loan)
		end_write(writer);
	count(writer);
}

/* Instead of end_job(): there is nothing after it. */
static void finish_close(struct log_writer *writer)
{
	const struct log_writer_owner *owner = writer->params.owner;
	void *user = writer->params.user;
	log_files_fini(&writer->files); /* when there was no thread for it */
	log_quota_leave(&writer->member);
	loop_task_cancel(&writer->step_task);
	free(writer->text);
	free(writer);
	owner->closed(user);
}

static void on_closed(struct loop_job *job)
{
	finish_close(of_job(job));
}

static void on_close_not_started(struct loop_task *task)
{
	finish_close(container_of(task, struct log_writer, not_started));
}

static void on_compressed(struct log_compress *compress)
{
	struct log_writer *writer = container_of(compress, struct log_writer, compress);
	writer->commits = compress->failure == 0;
	/* A file that was deleted meanwhile needs none. The next rotation is the next try. */
	if (compress->failure < 0 && compress->failure != -ENOENT)
		tell_trouble(writer, compress->failure);
	step(writer);
}

/* ---- what is next ---------------------------------------------------------------------------- */

static bool wants_new_file(const struct log_writer *writer)
{
	const struct log_files *files = &writer->files;
	uint64_t limit = files->limits.max_size;
	size_t n = writer->writes ? iov_total(writer->loan, writer->loan_count) : 0;
	if (log_files_is_full(files))
		return true;
	return limit != 0 && files->size > 0 && n <= limit / WHOLE_PART &&
	       n + LOG_MARK_LINE_SIZE > log_files_room(files);
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where the quota is used up, something is deleted first, as far as it is this log's own. */
static bool has_quota(struct log_writer *writer)
{
	uint64_t n = writer->writes ? iov_total(writer->loan, writer->loan_count) : 0;
	uint64_t room = log_files_room(&writer->files);
	n = min_of(min_of(n, LOG_WRITER_MAX_WRITE), room);
	log_quota_reserve(&writer->member, n + (writer->waiting.count + 2) * LOG_MARK_LINE_SIZE);
	return !writer->drops;
}

/* The next mark that waits has its place between two writes. */
static uint64_t until_next_mark(const struct log_writer *writer)
{
	const struct log_marks *waiting = &writer->waiting;
	return waiting->count > 0 && waiting->list[0].offset > writer->files.size
		       ? waiting->list[0].offset - writer->files.size
		       : UINT64_MAX;
}

static void begin_write(struct log_writer *writer)
{
	writer->has_loan = writer->writes;
	writer->part_count = writer->writes ? writer->loan_count : 0;
	memcpy(writer->parts, writer->loan, sizeof(writer->loan));
	prepare_text(writer, writer->files.size);
	uint64_t room = log_files_room(&writer->files);
	room = room > writer->text_size ? room - writer->text_size : 1;
	size_t limit = (size_t)min_of(min_of(room, until_next_mark(writer)), LOG_WRITER_MAX_WRITE);
	if (writer->part_count > 0)
		writer->part_count = iov_limit(writer->parts, writer->part_count, limit);
	run(writer, write_files, after_write);
}

static void begin_rotation(struct log_writer *writer)
{
	writer->part_count = 0; /* no bytes, no time */
	prepare_text(writer, writer->files.size);
	run(writer, rotate_files, after_open);
}

static void begin_close(struct log_writer *writer)
{
	writer->part_count = 0;
	writer->text_size = 0;
	if (writer->files.fd >= 0 && writer->waiting.count > 0)
		prepare_text(writer, UINT64_MAX);
	writer->busy = true;
	loop_task_init(&writer->not_started, writer->params.loop, on_close_not_started);
	if (loop_job_submit(&writer->job, writer->params.loop, close_files, on_closed) < 0)
		loop_task_post(&writer->not_started);
}

/* Nothing else is to be done: the loop may lend what it knows of the files. */
static void begin_compression(struct log_writer *writer)
{
	writer->compresses = false;
	if (!writer->params.limits.compress || writer->compress.running ||
		writer->files.rotated.plain < 0 || writer->files.fd < 0)
		return;
	int code = log_compress_start(&writer->compress, writer->params.loop, &writer->files,
		writer->files.rotated.plain, on_compressed);
	if (code < 0)
		tell_trouble(writer, code);
}

static void step(struct log_writer *writer)
{
	if (writer->busy)
		return;
	/* One at a time: what is compressed has to take its place before the next one begins. */
	if (writer->compresses && !writer->commits && !writer->closing)
		begin_compression(writer);
	if (writer->closing) {
		if (!writer->compress.running)
			begin_close(writer);
	} else if (writer->drops) {
		run(writer, drop_files, after_drop);
	} else if (writer->commits && writer->files.fd >= 0) {
		run(writer, commit_compressed, after_commit);
	} else if (writer->opens) {
		run(writer, open_files, after_open);
	} else if (writer->writes || writer->flushes) {
		if (writer->stale)
			run(writer, open_files, after_open);
		else if (wants_new_file(writer))
			begin_rotation(writer);
		else if (!has_quota(writer))
			run(writer, drop_files, after_drop);
		else
			begin_write(writer);
	}
}

static void on_step(struct loop_task *task)
{
	step(container_of(task, struct log_writer, step_task));
}

/* Within one of our own calls: not on this stack. */
static void on_release(struct log_quota_member *member)
{
	struct log_writer *writer = container_of(member, struct log_writer, member);
	writer->drops = true;
	loop_task_post(&writer->step_task);
}

/* ---- from outside ---------------------------------------------------------------------------- */

int log_writer_new(
	const struct log_writer_params *params, struct log_writer **ret, struct error *err)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int code = log_files_init(&writer->files, params->path, &params->limits, err);
	if (code == 0 && (code = log_files_open(&writer->files, params->append, err)) < 0)
		log_files_fini(&writer->files);
	if (code < 0) {
		free(writer);
		return code;
	}
	writer->params = *params;
	writer->params.path = writer->files.path;
	writer->size = writer->files.size;
	writer->compresses = true;
	writer->member.release = on_release;
	loop_task_init(&writer->step_task, params->loop, on_step);
	loop_task_init(&writer->not_started, params->loop, on_not_started);
	log_quota_join(&writer->member, params->share);
	count(writer);
	loop_task_post(&writer->step_task);
	*ret = writer;
	return 0;
}

void log_writer_write(struct log_writer *writer, const struct iovec *parts, int count_of_parts)
{
	memcpy(writer->loan, parts, (size_t)count_of_parts * sizeof(*parts));
	writer->loan_count = count_of_parts;
	writer->writes = true;
	step(writer);
}

uint64_t log_writer_size(const struct log_writer *writer)
{
	return writer->size;
}

void log_writer_reopen(struct log_writer *writer)
{
	writer->opens = true;
	step(writer);
}

void log_writer_status(const struct log_writer *writer, struct log_status *ret)
{
	const struct log_usage *usage = &writer->member.usage;
	*ret = (struct log_status){
		.bytes = usage->bytes,
		.files = writer->rotated_count + 1,
		.failing = writer->failing,
	};
}

void log_writer_close(struct log_writer *writer)
{
	writer->closing = true;
	log_compress_cancel(&writer->compress);
	loop_task_post(&writer->step_task);
}

/*
 * log_writer.c and its parts: log_writer_job.c (what runs on a thread), log_writer_marks.c (what
 * the next job adds to the index). Nobody else includes this.
 */
#ifndef CHARDEV_BACKEND_LOG_WRITER_INTERNAL_H
#define CHARDEV_BACKEND_LOG_WRITER_INTERNAL_H

#include "backend/log_compress.h"
#include "backend/log_index.h"
#include "backend/log_writer.h"

/* The marks of one job, the first line of an index and the time of the bytes. */
enum { LOG_WRITER_TEXT_SIZE = (LOG_MARKS_MAX + 2) * LOG_MARK_LINE_SIZE };
_Static_assert((int)LOG_INDEX_LAST_LINES >= LOG_MARKS_MAX + 2,
	"what a job has written is found again by log_index_missed()");

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
	char *text;       /* lines for the index; LOG_WRITER_TEXT_SIZE */
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

/* log_writer_job.c: the work of `job`, with what the writer holds ready for it */
void log_writer_open_files(struct loop_job *job);
void log_writer_rotate_files(struct loop_job *job);
void log_writer_drop_files(struct loop_job *job);
void log_writer_commit_compressed(struct loop_job *job);
void log_writer_write_files(struct loop_job *job);
void log_writer_close_files(struct loop_job *job);

/*
 * log_writer_marks.c: puts down what the next job has to add to the index, for a file that is open:
 * marks whose place is not beyond `reach`.
 */
void log_writer_prepare_text(struct log_writer *writer, uint64_t reach);
/* After the job: what was not written waits on; gaps that were are told of. */
void log_writer_settle_marks(struct log_writer *writer);
#endif

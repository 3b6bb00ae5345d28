/* What a log's writer does on a thread; see log_writer_internal.h. */
#include "backend/log_writer_internal.h"

#include <errno.h>
#include <unistd.h>

static struct log_writer *of_job(struct loop_job *job)
{
	return container_of(job, struct log_writer, job);
}

void log_writer_open_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = log_files_open(&writer->files, true, NULL);
}

/* False: a gap could not be told, and so nothing may come behind it. */
static bool add_marks(struct log_writer *writer)
{
	if (writer->text_size > 0)
		writer->marks_failure =
			log_files_add_marks(&writer->files, writer->text, writer->text_size);
	return writer->marks_failure == 0 || log_marks_missed(&writer->writing, UINT64_MAX) == 0;
}

/* What waits belongs to the file that goes. */
void log_writer_rotate_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure =
		add_marks(writer) ? log_files_rotate(&writer->files) : writer->marks_failure;
}

void log_writer_drop_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = writer->files.fd < 0 ? -ENOENT : log_files_drop(&writer->files);
}

void log_writer_commit_compressed(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	writer->failure = log_compress_commit(&writer->compress, &writer->files);
	if (writer->failure == 0)
		writer->failure = log_files_scan(&writer->files);
}

/* Marks first: whoever reads bytes finds when they came. */
void log_writer_write_files(struct loop_job *job)
{
	struct log_writer *writer = of_job(job);
	int code = writer->just_opened ? 0 : log_files_check(&writer->files);
	writer->stale = code == -ESTALE;
	if (code < 0) {
		writer->failure = code;
		writer->marks_failure = code;
		return;
	}
	if (add_marks(writer))
		writer->failure = log_files_write(
			&writer->files, writer->parts, writer->part_count, &writer->done);
}

void log_writer_close_files(struct loop_job *job)
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

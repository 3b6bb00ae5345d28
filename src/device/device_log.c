/*
 * <log file= append=>: the raw log of a device, of any type, written from the history and so
 * complete whatever the peers do. It is a peer that only reads; its stream is a log.
 *
 * Where it goes on after a kill stands in the device's slot and in the file's size: the writer
 * tells of each new or cut file before anything is in it (log_writer.h).
 *
 * A gap is noted when its line is in the index, and nothing is written behind it before: whoever is
 * killed in between leaves a successor that finds the gap again. Killed after the line, it leaves
 * one that finds the line.
 */
#include "device/device_internal.h"

#include "backend/log_stream.h"
#include "model/device_equal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct device_log {
	struct log_stream stream;
	struct device *device;
	struct peer *peer; /* NULL before it is one, and once it is none */
	uint64_t untold;   /* bytes that the reader missed, of which the index does not tell yet */
};

static void on_stream_closed(struct stream *stream)
{
	struct log_stream *log_stream = container_of(stream, struct log_stream, base);
	struct device_log *log = container_of(log_stream, struct device_log, stream);
	struct device *device = log->device;
	device->log = NULL;
	free(log);
	device_closed_one(device);
}

/* Notes that the file, `size` bytes long, has everything that the reader is told of before. */
static void note_position(const struct device_log *log, uint64_t size)
{
	struct state_slot *slot = log->device->params.slot;
	uint64_t offset = log->peer->reader.offset - log->untold;
	/* In this order: a kill in between must not make an old size look like a cut. */
	slot->log_at = offset;
	atomic_signal_fence(memory_order_seq_cst);
	slot->log_base = offset - size;
}

/* An earlier device's history goes on, and so does its log, unless that was another file. */
static bool continues(const struct device *device)
{
	const struct device_params *params = &device->params;
	return params->slot_found &&
	       (params->before == NULL || device_log_equals(params->before, params->config));
}

/*
 * Where the log goes on: after a crash its size tells, for a write may have ended unseen; else it
 * begins with what is to come. A file that is shorter than it was seen to be has been cut since
 * (copytruncate), or was begun anew, and its size tells nothing.
 */
static uint64_t first_offset(const struct device *device, uint64_t size)
{
	const struct state_slot *slot = device->params.slot;
	uint64_t offset = slot->log_base + size;
	if (slot->log_at != 0 && size < slot->log_at - slot->log_base)
		offset = slot->log_at;
	if (!continues(device) || offset > device->history.head)
		return device->history.head;
	return offset;
}

/* ---- what the writer tells ------------------------------------------------------------------- */

static void on_moved(void *user, uint64_t size)
{
	struct device_log *log = user;
	if (log->peer != NULL)
		note_position(log, size);
}

static void on_gap_told(void *user, uint64_t missed)
{
	struct device_log *log = user;
	if (log->peer == NULL)
		return;
	log->untold -= missed;
	note_position(log, log_writer_size(log->stream.writer));
}

static uint64_t on_history(void *user)
{
	struct device_log *log = user;
	return log->peer != NULL ? log->peer->reader.offset : log->device->history.head;
}

static void on_trouble(void *user, int code, const char *clause)
{
	struct device_log *log = user;
	device_note_error(log->device, log->device->params.config->log.file, clause);
}

static const struct log_writer_owner writer_owner = {
	.moved = on_moved,
	.gap_told = on_gap_told,
	.history = on_history,
	.trouble = on_trouble,
};

/* ---- what the device tells ------------------------------------------------------------------- */

/*
 * What is missing before the reader's place, less what the index tells of: by who was killed. That
 * may be more, for then nobody had to skip half of the history, and the log goes on behind it.
 */
static int tell_first_gap(struct device_log *log)
{
	struct log_writer *writer = log->stream.writer;
	struct reader *reader = &log->peer->reader;
	uint64_t told, place = reader->offset - reader->dropped;
	if (reader->dropped == 0)
		return 0;
	int code = log_writer_missed(writer, place, &told);
	if (code < 0)
		return code;
	if (told < reader->dropped) {
		log->untold = reader->dropped - told;
		log_writer_gap(writer, log_writer_size(writer), reader->offset, log->untold);
	} else if (told <= reader->history->head - place) {
		reader->dropped = told;
		reader->offset = place + told;
	}
	return 0;
}

static int add_reader(struct device *device, struct device_log *log)
{
	struct peer_info info = {
		.kind = PEER_FILE,
		.name = device->params.config->log.file,
		.no_input = true,
	};
	uint64_t size = log_writer_size(log->stream.writer);
	int code = device_peer_new(
		device, &log->stream.base, &info, first_offset(device, size), &log->peer);
	if (code < 0)
		return code;
	log->peer->is_log = true;
	code = tell_first_gap(log);
	note_position(log, size);
	return code;
}

int device_log_open(struct device *device, struct error *err)
{
	const struct log_config *config = &device->params.config->log;
	if (config->file == NULL)
		return 0;
	struct device_log *log = calloc(1, sizeof(*log));
	if (log == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	log->device = device;
	const struct log_writer_params params = {
		.loop = device->params.loop,
		.path = config->file,
		.limits = log_limits_of(&device->params.config->extensions),
		.append = config->append == TRISTATE_YES || continues(device),
		.epoch = device->params.slot->epoch,
		.share = device->params.log_share,
		.owner = &writer_owner,
		.user = log,
	};
	int code = log_stream_init(&log->stream, &params, on_stream_closed, err);
	if (code < 0) {
		free(log);
		return code;
	}
	device->log = log;
	code = add_reader(device, log);
	if (code < 0) {
		stream_close(&log->stream.base);
		return error_set(
			err, code, "cannot write the log %s: %s", config->file, error_text(code));
	}
	return 0;
}

void device_log_gap(struct device *device, const struct peer *peer, uint64_t missed)
{
	struct device_log *log = device->log;
	struct log_writer *writer = log->stream.writer;
	log->untold += missed;
	log_writer_gap(writer, log_writer_size(writer), peer->reader.offset, missed);
}

void device_log_written(struct device *device, const struct peer *peer)
{
	note_position(device->log, log_writer_size(device->log->stream.writer));
}

void device_log_event(struct device *device, const char *kind, const char *name)
{
	if (device->log == NULL || device->log->peer == NULL)
		return;
	/* Behind what came before it, be that in the log already or not. */
	struct log_writer *writer = device->log->stream.writer;
	uint64_t head = device->history.head;
	uint64_t ahead = head - device->log->peer->reader.offset;
	log_writer_event(writer, log_writer_size(writer) + ahead, head, kind, name);
}

void device_log_left(struct device *device)
{
	device->log->peer = NULL;
}

/* ---- from outside ---------------------------------------------------------------------------- */

void device_reopen_logs(struct device *device)
{
	if (device->log != NULL && device->log->peer != NULL)
		log_writer_reopen(device->log->stream.writer);
	if (device->backend != NULL)
		device->backend->ops->reopen(device->backend);
}

static bool file_status(const struct device *device, struct device_log_status *ret)
{
	struct backend_description text = {0};
	if (device->backend != NULL)
		device->backend->ops->describe(device->backend, &text);
	if (!text.has_file)
		return false;
	*ret = (struct device_log_status){
		.path = device->params.config->source.u.file.path,
		.bytes = text.file.bytes,
		.files = text.file.files,
		.failing = text.file.failing,
	};
	return true;
}

bool device_log_status(const struct device *device, struct device_log_status *ret)
{
	struct log_status status;
	if (device->log == NULL)
		return file_status(device, ret);
	if (device->log->peer == NULL)
		return false;
	log_writer_status(device->log->stream.writer, &status);
	*ret = (struct device_log_status){
		.path = device->params.config->log.file,
		.bytes = status.bytes,
		.files = status.files,
		.failing = status.failing || device_peer_is_failing(device->log->peer),
	};
	return true;
}

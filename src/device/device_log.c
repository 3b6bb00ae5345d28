/*
 * <log file= append=>: the raw log of a device, of any type, written from the history and so
 * complete whatever the peers do. It is a peer that only reads; its stream is a file.
 */
#include "device/device_internal.h"

#include "backend/log_file.h"
#include "device/log_index.h"
#include "model/device_equal.h"
#include "stream/file_stream.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct device_log {
	struct file_stream stream;
	struct device *device;
	struct log_index *index;
};

static void on_index_closed(void *user)
{
	struct device_log *log = user;
	struct device *device = log->device;
	device->log = NULL;
	free(log);
	device_closed_one(device);
}

static void on_stream_closed(struct stream *stream)
{
	struct file_stream *file = container_of(stream, struct file_stream, base);
	struct device_log *log = container_of(file, struct device_log, stream);
	log_index_close(log->index, on_index_closed, log);
}

/* Notes that the file, `size` bytes long, has everything before `offset`. */
static void note_position(struct device *device, uint64_t offset, uint64_t size)
{
	struct state_slot *slot = device->params.slot;
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
 * (copytruncate), and its size tells nothing.
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

static int add_reader(struct device *device, struct device_log *log, uint64_t size)
{
	struct peer_info info = {
		.kind = PEER_FILE,
		.name = device->params.config->log.file,
		.no_input = true,
	};
	struct peer *peer;
	int code = device_peer_new(
		device, &log->stream.base, &info, first_offset(device, size), &peer);
	if (code < 0)
		return code;
	peer->is_log = true;
	note_position(device, peer->reader.offset, size);
	if (peer->reader.dropped != 0)
		log_index_gap(log->index, size, peer->reader.offset, peer->reader.dropped);
	return 0;
}

/* The log on an open file; takes over fd whatever happens. */
static int start(struct device *device, int fd, struct device_log **ret)
{
	struct stat st;
	struct device_log *log = calloc(1, sizeof(*log));
	if (log == NULL || fstat(fd, &st) < 0) {
		free(log);
		fd_close(fd);
		return -ENOMEM;
	}
	log->device = device;
	log->index = log_index_new(device->params.loop, device->params.config->log.file);
	int code = log->index == NULL ? -ENOMEM
				      : file_stream_init(&log->stream, device->params.loop, fd,
						on_stream_closed);
	if (code < 0) {
		fd_close(fd);
		log_index_free(log->index);
		free(log);
		return code;
	}
	*ret = log;
	code = add_reader(device, log, (uint64_t)st.st_size);
	if (code < 0)
		stream_close(&log->stream.base);
	return code;
}

int device_log_open(struct device *device, struct error *err)
{
	const struct log_config *config = &device->params.config->log;
	if (config->file == NULL)
		return 0;
	bool append = config->append == TRISTATE_YES || continues(device);
	int fd;
	int code = log_file_open(config->file, append, &fd, err);
	if (code < 0)
		return code;
	code = start(device, fd, &device->log);
	if (code < 0)
		return error_set(
			err, code, "cannot write the log %s: %s", config->file, error_text(code));
	return 0;
}

/*
 * The new file takes over the descriptor of the old one, under a write that may be on its way: its
 * bytes are then in the one file or the other, in order. The next write notes where it stands.
 */
void device_reopen_logs(struct device *device)
{
	struct error err = {0};
	struct stat st;
	int fd;
	if (device->log == NULL || device->closing != CLOSE_NOT)
		return;
	struct file_stream *stream = &device->log->stream;
	int code = log_file_open(device->params.config->log.file, true, &fd, &err);
	if (code < 0) {
		device_note_error(device, "log not opened anew", err.message);
		return;
	}
	if (dup3(fd, stream->fd, O_CLOEXEC) < 0)
		device_note_error(device, "log not opened anew", error_text(errno));
	const struct peer *peer = stream->base.consumer;
	if (peer->reader.borrowed == 0 && fstat(fd, &st) == 0)
		note_position(device, peer->reader.offset, (uint64_t)st.st_size);
	fd_close(fd);
}

void device_log_gap(struct device *device, const struct peer *peer, uint64_t missed)
{
	struct state_slot *slot = device->params.slot;
	uint64_t log_offset = peer->reader.offset - missed - slot->log_base;
	note_position(device, peer->reader.offset, log_offset);
	log_index_gap(device->log->index, log_offset, peer->reader.offset, missed);
}

void device_log_written(struct device *device, const struct peer *peer, int failure)
{
	int64_t size = device->log->stream.size;
	if (size >= 0)
		note_position(device, peer->reader.offset, (uint64_t)size);
	/* Its disk has space again: the index may take what it could not before. */
	if (failure == 0)
		log_index_flush(device->log->index);
}

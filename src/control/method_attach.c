/*
 * Attach: finds the place in the history, registers the viewer, and hands it the connection with
 * the reply. What happens from then on is viewer.h's.
 */
#include "control/method_functions.h"

#include "control/method_values.h"
#include "control/viewer.h"
#include "util/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct start {
	uint64_t offset;
	uint64_t missed;
};

/* `offset` of `epoch`, or of the one there is now. False: the call has ended. */
static bool start_at(
	struct call *call, uint64_t asked, const struct device_status *status, struct start *ret)
{
	const char *epoch = call_text(call, "epoch");
	char ours[17];
	snprintf(ours, sizeof(ours), "%016" PRIx64, status->epoch);
	if (epoch != NULL && strcmp(epoch, ours) != 0)
		asked = 0; /* of another life of the device: all of this one is new */
	if (asked > status->head) {
		call_fail(call, CONTROL_INVALID,
			"the output has only come to offset %" PRIu64 " of epoch %s", status->head,
			ours);
		return false;
	}
	bool is_there = asked >= status->oldest;
	ret->offset = is_there ? asked : status->oldest;
	ret->missed = is_there ? 0 : status->oldest - asked;
	return true;
}

/* At most one of tail, since and offset. False: the call has ended. */
static bool find_start(struct call *call, const struct device *device,
	const struct device_status *status, struct start *ret)
{
	uint64_t tail, offset;
	int64_t since_ms;
	bool has_tail = call_number(call, "tail", &tail);
	bool has_offset = call_number(call, "offset", &offset);
	const char *since = call_text(call, "since");
	if (has_tail + has_offset + (since != NULL) > 1 ||
		(!has_offset && call_text(call, "epoch") != NULL)) {
		call_fail(call, CONTROL_INVALID,
			"only one of tail, since and offset says where to begin; epoch belongs to "
			"offset");
		return false;
	}
	if (since != NULL && time_parse(since, &since_ms) < 0) {
		call_fail(call, CONTROL_INVALID,
			"since is a time as 2026-01-31T23:59:59Z (RFC 3339), not \"%.40s\"", since);
		return false;
	}
	if (has_offset)
		return start_at(call, offset, status, ret);
	ret->missed = 0;
	ret->offset = has_tail        ? device_offset_of_tail(device, tail)
		      : since != NULL ? device_offset_since(device, since_ms)
				      : status->head;
	return true;
}

static json_t *reply_of(const struct call *call, const struct device *device,
	const struct device_status *status, const struct start *start,
	const struct viewer_info *viewer)
{
	const struct device_config *config = device_config(device);
	char epoch[17];
	snprintf(epoch, sizeof(epoch), "%016" PRIx64, status->epoch);
	return json_pack("{s:o, s:I, s:s, s:I, s:I, s:I, s:b, s:b, s:o, s:o, s:o}", "device",
		message_text(config->alias), "id", (json_int_t)viewer->id, "epoch", epoch, "offset",
		(json_int_t)start->offset, "head", (json_int_t)status->head, "missed",
		(json_int_t)start->missed, "pen", (int)viewer->pen, "guest_attached",
		(int)status->guest_present, "last_output", value_of_time(status->last_output_ms),
		"log", value_of_text(config->log.file), "viewers",
		value_of_viewers(call_server(call)->viewers, device));
}

/* The viewer is registered: it is started with its reply, or was not to be. */
static void start_viewer(struct call *call, const struct device *device,
	const struct device_status *status, const struct start *start, struct viewer *viewer)
{
	struct viewer_info info;
	const char *rest;
	size_t n = 0, rest_size;
	viewer_describe(viewer, &info);
	char *reply = message_reply(reply_of(call, device, status, start, &info), false, &n);
	if (reply == NULL) {
		viewer_cancel(viewer);
		call_fail(call, CONTROL_FAILED, "no memory for the reply");
		return;
	}
	int fd = call_upgrade(call, &rest, &rest_size);
	viewer_start(viewer, fd, reply, n, rest, rest_size);
}

static void attach(struct call *call, const struct served *served, struct device *device)
{
	struct device_status status;
	struct start start;
	struct viewer *viewer;
	device_status(device, &status);
	if (!find_start(call, device, &status, &start))
		return;
	const struct viewer_params params = {
		.domain = served_name(served),
		.device = device,
		.peer = call_peer(call),
		.read_only = call_flag(call, "read_only"),
		.force = call_flag(call, "force"),
		.lossless = call_flag(call, "lossless"),
		.offset = start.offset,
	};
	int rc = viewers_add(call_server(call)->viewers, &params, &viewer);
	if (rc == -EMFILE)
		call_fail(call, CONTROL_BUSY, "%s has %d viewers, and cannot have more",
			device_config(device)->alias, VIEWERS_PER_DEVICE_MAX);
	else if (rc < 0)
		call_fail_code(call, rc, "no memory for a viewer");
	else
		start_viewer(call, device, &status, &start, viewer);
}

void method_attach(struct call *call)
{
	const char *domain = call_text(call, "domain");
	bool types = !call_flag(call, "read_only") || call_flag(call, "force");
	if ((types || call_flag(call, "lossless")) && !call_has_role(call, ROLE_OPERATOR, domain))
		return;
	struct served *served = call_served(call);
	struct device *device = served != NULL ? call_device(call, served) : NULL;
	if (device == NULL)
		return;
	if (call_flag(call, "read_only") && call_flag(call, "force"))
		call_fail(call, CONTROL_INVALID,
			"read_only and force exclude each other: a viewer that does not type takes "
			"no pen");
	else
		attach(call, served, device);
}

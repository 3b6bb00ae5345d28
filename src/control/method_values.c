/* The types of org.chardev; see method_values.h. */
#include "control/method_values.h"

#include "control/message.h"
#include "util/time_text.h"

#include <stdio.h>
#include <stdlib.h>

/* An integer of JSON. Counters that outgrow it stay at its end. */
static json_int_t number(uint64_t value)
{
	return value <= INT64_MAX ? (json_int_t)value : INT64_MAX;
}

json_t *value_of_time(int64_t realtime_ms)
{
	char text[TIME_TEXT_SIZE];
	if (realtime_ms == 0)
		return json_null();
	time_text(realtime_ms, text);
	return json_string(text);
}

json_t *value_of_text(const char *text)
{
	return text != NULL ? message_text(text) : json_null();
}

json_t *value_of_strings(const char *const *texts, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(array, message_text(texts[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* ---- a domain ------------------------------------------------------------------------------- */

static size_t count_presented(const struct domain *domain)
{
	size_t count = 0;
	for (size_t i = 0; i < domain->device_count; i++)
		count += device_is_presented(&domain->devices[i]) ? 1 : 0;
	return count;
}

static size_t count_attached(const struct active_domain *active)
{
	struct device_status status;
	size_t count = 0;
	for (size_t i = 0; i < active_domain_count(active); i++) {
		device_status(active_domain_device(active, i), &status);
		count += status.guest_present ? 1 : 0;
	}
	return count;
}

json_t *value_of_domain(const struct served *served)
{
	static const char *const states[SERVED_STATE_COUNT] = {
		[SERVED_STOPPED] = "stopped",
		[SERVED_RUNNING] = "running",
		[SERVED_FAILED] = "failed",
		[SERVED_CHANGING] = "changing",
	};
	const struct active_domain *active = served_active(served);
	size_t devices = active != NULL ? active_domain_count(active)
					: count_presented(document_domain(served_document(served)));
	return json_pack("{s:o, s:s, s:o, s:o, s:I, s:I}", "name",
		message_text(served_name(served)), "state", states[served_state(served)], "reason",
		message_text(served_reason(served)), "definition",
		message_text(served_origin(served)), "devices", number(devices), "attached",
		number(active != NULL ? count_attached(active) : 0));
}

/* ---- who reads ------------------------------------------------------------------------------ */

static json_t *value_of_reader(const struct reader_status *reader)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "name",
		message_text(reader->name), "offset", number(reader->offset), "taken",
		number(reader->taken), "dropped", number(reader->dropped), "gaps",
		number(reader->gaps), "typed", number(reader->typed), "behind", (int)reader->behind,
		"failing", (int)reader->failing);
}

static json_t *value_of_readers(const struct device *device)
{
	size_t count = device_readers(device, NULL, 0);
	struct reader_status *readers = calloc(count + 1, sizeof(readers[0]));
	json_t *array = readers != NULL ? json_array() : NULL;
	if (readers != NULL)
		count = device_readers(device, readers, count);
	for (size_t i = 0; array != NULL && i < count; i++)
		if (json_array_append_new(array, value_of_reader(&readers[i])) < 0) {
			json_decref(array);
			array = NULL;
		}
	free(readers);
	return array;
}

static json_t *value_of_viewer(const struct viewer_info *viewer)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:b, s:b, s:b, s:I, s:I, s:I, s:I}", "id",
		number(viewer->id), "uid", (json_int_t)viewer->uid, "pid", (json_int_t)viewer->pid,
		"since", value_of_time(viewer->since_ms), "pen", (int)viewer->pen, "asks",
		(int)viewer->asks, "read_only", (int)viewer->read_only, "offset",
		number(viewer->offset), "dropped", number(viewer->dropped), "typed",
		number(viewer->typed), "refused", number(viewer->refused));
}

json_t *value_of_viewers(const struct viewers *viewers, const struct device *device)
{
	size_t count = viewers_of(viewers, device, NULL, 0);
	struct viewer_info *infos = calloc(count + 1, sizeof(infos[0]));
	json_t *array = infos != NULL ? json_array() : NULL;
	if (infos != NULL)
		count = viewers_of(viewers, device, infos, count);
	for (size_t i = 0; array != NULL && i < count; i++)
		if (json_array_append_new(array, value_of_viewer(&infos[i])) < 0) {
			json_decref(array);
			array = NULL;
		}
	free(infos);
	return array;
}

/* ---- a device ------------------------------------------------------------------------------- */

static json_t *value_of_sides(
	const struct device_config *config, const struct device_status *status)
{
	static const char *const states[BACKEND_STATE_COUNT] = {
		[BACKEND_IDLE] = "idle",
		[BACKEND_LISTENING] = "listening",
		[BACKEND_CONNECTING] = "connecting",
		[BACKEND_CONNECTED] = "connected",
	};
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:b, s:o}", "alias",
		message_text(config->alias), "kind", device_kind_name(config->kind), "type",
		source_type_name(config->source.type), "where", message_text(status->backend.where),
		"command", message_text(status->backend.command), "state",
		states[status->backend_state], "note", message_text(status->backend_note), "guest",
		message_text(status->guest.where), "guest_attached", (int)status->guest_present,
		"guest_note", message_text(status->guest_note));
}

static json_t *value_of_counters(const struct device_status *status)
{
	char epoch[17];
	snprintf(epoch, sizeof(epoch), "%016jx", (uintmax_t)status->epoch);
	return json_pack("{s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:i, s:i}",
		"epoch", epoch, "oldest", number(status->oldest), "head", number(status->head),
		"last_output", value_of_time(status->last_output_ms), "history_bytes",
		number(status->history_bytes), "input_bytes", number(status->input_bytes),
		"input_dropped", number(status->input_dropped), "dropped", number(status->dropped),
		"paused_ms", number(status->guest_paused_ms), "connects", number(status->connects),
		"errors", number(status->errors), "last_error", message_text(status->last_error),
		"columns", (int)status->window.columns, "rows", (int)status->window.rows);
}

/* null: it has none */
static json_t *value_of_log(const struct device *device)
{
	struct device_log_status log;
	if (!device_log_status(device, &log))
		return json_null();
	return json_pack("{s:o, s:I, s:I, s:b}", "path", message_text(log.path), "bytes",
		number(log.bytes), "files", (json_int_t)log.files, "failing", (int)log.failing);
}

json_t *value_of_device(const struct viewers *viewers, struct device *device)
{
	struct device_status status;
	device_status(device, &status);
	json_t *json = value_of_sides(device_config(device), &status);
	json_t *counters = value_of_counters(&status);
	int rc = json != NULL && counters != NULL ? json_object_update(json, counters) : -1;
	json_decref(counters);
	if (rc == 0)
		rc = json_object_set_new(json, "log", value_of_log(device));
	if (rc == 0)
		rc = json_object_set_new(json, "readers", value_of_readers(device));
	if (rc == 0)
		rc = json_object_set_new(json, "viewers", value_of_viewers(viewers, device));
	if (rc == 0)
		return json;
	json_decref(json);
	return NULL;
}

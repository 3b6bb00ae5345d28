/* Status for people; see status_format.h. */
#include "cli/status_format.h"

#include "cli/json_text.h"
#include "cli/since.h"
#include "util/time_text.h"

#include <stdarg.h>
#include <string.h>

void silence_text(const char *last_output, int64_t now_ms, char ret[SILENCE_SIZE])
{
	int64_t then_ms;
	char ago[AGO_SIZE];
	if (last_output == NULL || time_parse(last_output, &then_ms) < 0) {
		snprintf(ret, SILENCE_SIZE, "has not written anything since it was opened");
		return;
	}
	ago_text(now_ms - then_ms, ago);
	snprintf(ret, SILENCE_SIZE, "silent for %s, since %.40s", ago, last_output);
}

/* ---- the table ------------------------------------------------------------------------------- */

void status_table_init(struct table *table)
{
	static const char *const titles[] = {"DOMAIN", "DEVICE", "TYPE", "STATE", "GUEST",
		"VIEWERS", "PEN", "DROPPED", "SILENT", "WHERE", NULL};
	table_init(table, titles);
}

static const json_t *pen_holder(const json_t *device)
{
	size_t i;
	const json_t *viewer;
	json_array_foreach(json_object_get(device, "viewers"), i, viewer)
		if (json_flag(viewer, "pen"))
			return viewer;
	return NULL;
}

static void add_silence(struct table *table, const json_t *device, int64_t now_ms)
{
	int64_t then_ms;
	char ago[AGO_SIZE] = "";
	if (time_parse(json_text(device, "last_output"), &then_ms) == 0)
		ago_text(now_ms - then_ms, ago);
	table_add(table, ago);
}

static void add_row(struct table *table, const char *domain, const json_t *device, int64_t now_ms)
{
	char who[WHO_SIZE] = "";
	const json_t *holder = pen_holder(device);
	if (holder != NULL)
		who_text(holder, who);
	table_add(table, domain);
	table_add(table, json_text(device, "alias"));
	table_add(table, json_text(device, "type"));
	table_add(table, json_text(device, "state"));
	table_add(table, json_flag(device, "guest_attached") ? "attached" : "");
	table_addf(table, "%zu", json_array_size(json_object_get(device, "viewers")));
	table_add(table, who);
	table_addf(table, "%" JSON_INTEGER_FORMAT, json_number(device, "dropped"));
	add_silence(table, device, now_ms);
	table_add(table, json_text(device, "where"));
}

void status_table_add(struct table *table, const json_t *reply, int64_t now_ms)
{
	size_t i;
	const json_t *device;
	const json_t *domain = json_object_get(reply, "domain");
	const json_t *devices = json_object_get(reply, "devices");
	json_array_foreach(devices, i, device)
		add_row(table, json_text(domain, "name"), device, now_ms);
	if (json_array_size(devices) > 0)
		return;
	/* One that does not run. */
	table_add(table, json_text(domain, "name"));
	table_add(table, "");
	table_add(table, "");
	table_add(table, json_text(domain, "state"));
	for (int cell = 4; cell < table->columns - 1; cell++)
		table_add(table, "");
	table_add(table, json_text(domain, "reason"));
}

/* ---- pages ----------------------------------------------------------------------------------- */

enum { LABEL_WIDTH = 10, LINE_SIZE = 1024 };

/* A line of a page; nothing when the text is empty. */
__attribute__((format(printf, 3, 4))) static void line(
	FILE *to, const char *label, const char *format, ...)
{
	char text[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (text[0] == '\0')
		return;
	fprintf(to, "  %-*s  ", LABEL_WIDTH, label);
	table_print_text(text, to);
	fputc('\n', to);
}

static const char *comma(const char *text)
{
	return text[0] != '\0' ? ", " : "";
}

static void print_guest(const json_t *device, FILE *to)
{
	const char *note = json_text(device, "guest_note");
	const char *guest = json_text(device, "guest");
	line(to, "guest", "%s%s%s%s%s",
		json_flag(device, "guest_attached") ? "attached" : "no VMM is attached",
		comma(guest), guest, comma(note), note);
}

static void print_output(const json_t *device, int64_t now_ms, FILE *to)
{
	char silence[SILENCE_SIZE];
	silence_text(json_string_value(json_object_get(device, "last_output")), now_ms, silence);
	line(to, "output",
		"%" JSON_INTEGER_FORMAT " bytes, of which %" JSON_INTEGER_FORMAT
		" can be had again; %s",
		json_number(device, "head"),
		json_number(device, "head") - json_number(device, "oldest"), silence);
	line(to, "input",
		"%" JSON_INTEGER_FORMAT " bytes given to the guest, %" JSON_INTEGER_FORMAT " lost",
		json_number(device, "input_bytes"), json_number(device, "input_dropped"));
	line(to, "losses",
		"%" JSON_INTEGER_FORMAT
		" bytes dropped in all, the guest held up for %" JSON_INTEGER_FORMAT " ms",
		json_number(device, "dropped"), json_number(device, "paused_ms"));
	if (json_number(device, "columns") > 0)
		line(to, "window", "%" JSON_INTEGER_FORMAT " x %" JSON_INTEGER_FORMAT,
			json_number(device, "columns"), json_number(device, "rows"));
}

static void print_log(const json_t *log, FILE *to)
{
	if (!json_is_object(log))
		return;
	line(to, "log",
		"%s, %" JSON_INTEGER_FORMAT " bytes on disk in %" JSON_INTEGER_FORMAT " file%s%s",
		json_text(log, "path"), json_number(log, "bytes"), json_number(log, "files"),
		json_number(log, "files") == 1 ? "" : "s",
		json_flag(log, "failing") ? ", which cannot be written now" : "");
}

static void print_readers(const json_t *device, FILE *to)
{
	size_t i;
	const json_t *reader;
	json_array_foreach(json_object_get(device, "readers"), i, reader)
		line(to, "reader",
			"%s, took %" JSON_INTEGER_FORMAT " bytes, dropped %" JSON_INTEGER_FORMAT
			" in %" JSON_INTEGER_FORMAT " gaps, typed %" JSON_INTEGER_FORMAT "%s%s",
			json_text(reader, "name"), json_number(reader, "taken"),
			json_number(reader, "dropped"), json_number(reader, "gaps"),
			json_number(reader, "typed"), json_flag(reader, "behind") ? ", behind" : "",
			json_flag(reader, "failing") ? ", failing" : "");
}

static const char *standing(const json_t *viewer)
{
	return json_flag(viewer, "pen")         ? ", has the pen"
	       : json_flag(viewer, "asks")      ? ", asks for the pen"
	       : json_flag(viewer, "read_only") ? ", only reads"
						: "";
}

static void print_viewers(const json_t *device, FILE *to)
{
	size_t i;
	char who[WHO_SIZE];
	const json_t *viewer;
	json_array_foreach(json_object_get(device, "viewers"), i, viewer) {
		who_text(viewer, who);
		line(to, "viewer",
			"%s%s, since %s, dropped %" JSON_INTEGER_FORMAT
			", typed %" JSON_INTEGER_FORMAT ", refused %" JSON_INTEGER_FORMAT,
			who, standing(viewer), json_text(viewer, "since"),
			json_number(viewer, "dropped"), json_number(viewer, "typed"),
			json_number(viewer, "refused"));
	}
}

static void print_device(const json_t *device, int64_t now_ms, FILE *to)
{
	const char *note = json_text(device, "note");
	fputc('\n', to);
	table_print_text(json_text(device, "alias"), to);
	fputc('\n', to);
	line(to, "kind", "%s of type %s", json_text(device, "kind"), json_text(device, "type"));
	line(to, "state", "%s%s%s", json_text(device, "state"), comma(note), note);
	line(to, "where", "%s", json_text(device, "where"));
	line(to, "connect", "%s", json_text(device, "command"));
	print_guest(device, to);
	print_output(device, now_ms, to);
	if (json_number(device, "errors") > 0)
		line(to, "errors", "%" JSON_INTEGER_FORMAT ", the last: %s",
			json_number(device, "errors"), json_text(device, "last_error"));
	print_log(json_object_get(device, "log"), to);
	print_readers(device, to);
	print_viewers(device, to);
}

void status_pages(const json_t *reply, int64_t now_ms, FILE *to)
{
	size_t i;
	const json_t *device;
	const json_t *domain = json_object_get(reply, "domain");
	const char *reason = json_text(domain, "reason");
	table_print_text(json_text(domain, "name"), to);
	fputc('\n', to);
	line(to, "state", "%s%s%s", json_text(domain, "state"), comma(reason), reason);
	line(to, "definition", "%s", json_text(domain, "definition"));
	json_array_foreach(json_object_get(reply, "devices"), i, device)
		print_device(device, now_ms, to);
}

/* What an attached viewer knows; see attach_state.h. */
#include "cli/attach_state.h"

#include "cli/status_format.h"
#include "util/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the pen --------------------------------------------------------------------------------- */

/* The holder: NULL or null is nobody. */
static void set_pen(struct attach_state *state, bool yours, const json_t *holder)
{
	state->has_pen = yours;
	state->pen_is_free = !yours && !json_is_object(holder);
	state->holder[0] = '\0';
	if (!yours && json_is_object(holder))
		who_text(holder, state->holder);
	state->told = false;
}

void attach_state_pen(const struct attach_state *state, char ret[ATTACH_MESSAGE_MAX])
{
	if (state->has_pen)
		snprintf(ret, ATTACH_MESSAGE_MAX, "you have the pen");
	else if (state->pen_is_free)
		snprintf(ret, ATTACH_MESSAGE_MAX, "nobody has the pen%s",
			state->read_only ? "" : ": who types gets it");
	else if (state->asked)
		snprintf(ret, ATTACH_MESSAGE_MAX, "%s has the pen, and was asked for it",
			state->holder);
	else if (state->has_menu)
		snprintf(ret, ATTACH_MESSAGE_MAX, "%s has the pen: %s p asks for it", state->holder,
			state->escape);
	else
		snprintf(ret, ATTACH_MESSAGE_MAX, "%s has the pen", state->holder);
}

bool attach_state_may_type(const struct attach_state *state)
{
	return !state->read_only && (state->has_pen || state->pen_is_free);
}

/* ---- the beginning --------------------------------------------------------------------------- */

void attach_state_init(struct attach_state *state, const json_t *reply, const char *domain,
	int escape, bool has_menu, bool read_only)
{
	size_t i;
	const json_t *viewer, *holder = NULL;
	json_array_foreach(json_object_get(reply, "viewers"), i, viewer)
		if (json_flag(viewer, "pen"))
			holder = viewer;
	*state = (struct attach_state){
		.has_menu = has_menu && escape != MENU_NO_ESCAPE,
		.read_only = read_only,
		.next = (uint64_t)json_number(reply, "offset"),
	};
	snprintf(state->name, sizeof(state->name), "%s/%s", domain, json_text(reply, "device"));
	attach_escape_name(escape, state->escape);
	set_pen(state, json_flag(reply, "pen"), holder);
}

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
	size_t n = strlen(text);
	va_list args;
	va_start(args, format);
	vsnprintf(text + n, ATTACH_MESSAGE_MAX - n, format, args);
	va_end(args);
}

static void greet(const struct attach_state *state, const json_t *reply, int64_t now_ms, char *ret)
{
	char pen[ATTACH_MESSAGE_MAX];
	char silence[SILENCE_SIZE];
	int64_t then_ms = 0;
	const char *last = json_string_value(json_object_get(reply, "last_output"));
	attach_state_pen(state, pen);
	add(ret, "%s: %.200s", state->name, state->read_only ? "you only read" : pen);
	if (state->has_menu)
		add(ret, "; %s opens the menu", state->escape);
	if (state->read_only && !state->pen_is_free)
		add(ret, "; %.200s", pen);
	add(ret, "%s", "\n");
	if (!json_flag(reply, "guest_attached"))
		add(ret, "no VMM is attached to the device\n");
	if (last == NULL || time_parse(last, &then_ms) < 0 ||
		now_ms - then_ms >= ATTACH_SILENT_MS) {
		silence_text(last, now_ms, silence);
		add(ret, "the guest %s%s\n", last != NULL ? "is " : "", silence);
	}
}

void attach_state_greeting(const struct attach_state *state, const json_t *reply, int64_t now_ms,
	char ret[ATTACH_MESSAGE_MAX])
{
	ret[0] = '\0';
	if (!state->is_quiet)
		greet(state, reply, now_ms, ret);
	if (json_number(reply, "missed") > 0)
		add(ret, "%" JSON_INTEGER_FORMAT " bytes missed: they are not kept any more",
			json_number(reply, "missed"));
}

/* ---- what comes then ------------------------------------------------------------------------- */

static uint64_t gap_before(struct attach_state *state, uint64_t offset)
{
	uint64_t missed = offset > state->next ? offset - state->next : 0;
	state->next = offset;
	return missed;
}

uint64_t attach_state_output(struct attach_state *state, uint64_t offset, size_t n)
{
	uint64_t missed = gap_before(state, offset);
	state->next = offset + n;
	return missed;
}

static void take_pen(struct attach_state *state, const json_t *notice, char *ret)
{
	char before[WHO_SIZE];
	memcpy(before, state->holder, sizeof(before));
	set_pen(state, json_flag(notice, "yours"), json_object_get(notice, "holder"));
	/* In answer to our asking it is who it was; in other hands nobody was asked yet. */
	state->asked =
		state->asked && state->holder[0] != '\0' && strcmp(before, state->holder) == 0;
	if (!state->is_quiet)
		attach_state_pen(state, ret);
}

static void take_refused(struct attach_state *state, const json_t *notice, char *ret)
{
	char pen[ATTACH_MESSAGE_MAX];
	bool told = state->told;
	state->refused = (uint64_t)json_number(notice, "bytes");
	state->told = true;
	attach_state_pen(state, pen);
	if (!told && !state->is_quiet)
		snprintf(ret, ATTACH_MESSAGE_MAX, "not typed: %.400s", pen);
}

static void take_asked(struct attach_state *state, const json_t *notice, char *ret)
{
	char who[WHO_SIZE];
	const json_t *by = json_object_get(notice, "by");
	if (!json_is_object(by) || state->is_quiet)
		return;
	who_text(by, who);
	snprintf(ret, ATTACH_MESSAGE_MAX, "%s asks for the pen%s%s%s", who,
		state->has_menu ? ": " : "", state->has_menu ? state->escape : "",
		state->has_menu ? " g gives it, typing keeps it" : "");
}

static void take_guest(struct attach_state *state, const json_t *notice, char *ret)
{
	snprintf(ret, ATTACH_MESSAGE_MAX, "%s",
		json_flag(notice, "attached") ? "the VMM is here" : "the VMM has left");
}

/* The sentence is for the one who ends: it stands last. */
static void take_end(struct attach_state *state, const json_t *notice, char *ret)
{
	state->ended = true;
	state->end_code = (int)json_number(notice, "code");
	snprintf(state->end_reason, sizeof(state->end_reason), "%s", json_text(notice, "reason"));
}

int attach_state_notice(struct attach_state *state, uint64_t offset, const uint8_t *payload,
	size_t n, char ret[ATTACH_MESSAGE_MAX])
{
	static const struct {
		const char *name;
		void (*take)(struct attach_state *state, const json_t *notice, char *ret);
	} notices[] = {
		{"pen", take_pen},
		{"refused", take_refused},
		{"asked", take_asked},
		{"guest", take_guest},
		{"end", take_end},
	};
	json_t *notice = json_loadb((const char *)payload, n, 0, NULL);
	ret[0] = '\0';
	if (!json_is_object(notice)) {
		json_decref(notice);
		return -EPROTO;
	}
	const char *name = json_text(notice, "notice");
	for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++)
		if (strcmp(notices[i].name, name) == 0)
			notices[i].take(state, notice, ret);
	uint64_t missed = state->ended ? gap_before(state, offset) : 0;
	if (missed > 0)
		snprintf(
			ret, ATTACH_MESSAGE_MAX, "%" PRIu64 " bytes missed before the end", missed);
	json_decref(notice);
	return 0;
}

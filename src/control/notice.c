/* The payloads of NOTICE and MARK frames; see notice.h. */
#include "control/notice.h"

#include "util/time_text.h"

#include <jansson.h>
#include <string.h>

/* Takes over the object, which may be NULL. */
static char *text_of(json_t *object)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return text;
}

static json_t *who_to_json(const struct notice_who *who)
{
	if (who == NULL)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "id", (json_int_t)who->id, "uid", (json_int_t)who->uid,
		"pid", (json_int_t)who->pid);
}

/* Names and messages come from elsewhere, and may be anything. */
static json_t *string_of(const char *text)
{
	char plain[NOTICE_TEXT_MAX];
	size_t n = strnlen(text, sizeof(plain));
	json_t *string = json_stringn(text, n);
	if (string != NULL)
		return string;
	for (size_t i = 0; i < n; i++)
		plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(plain, n);
}

char *notice_pen(const struct notice_who *holder, bool yours)
{
	return text_of(json_pack(
		"{s:s, s:o, s:b}", "notice", "pen", "holder", who_to_json(holder), "yours", yours));
}

char *notice_asked(const struct notice_who *by)
{
	return text_of(json_pack("{s:s, s:o}", "notice", "asked", "by", who_to_json(by)));
}

char *notice_refused(uint64_t bytes)
{
	return text_of(json_pack("{s:s, s:I}", "notice", "refused", "bytes", (json_int_t)bytes));
}

char *notice_guest(bool attached)
{
	return text_of(json_pack("{s:s, s:b}", "notice", "guest", "attached", attached));
}

char *notice_viewers(uint64_t count)
{
	return text_of(json_pack("{s:s, s:I}", "notice", "viewers", "count", (json_int_t)count));
}

char *notice_end(int code, const char *reason)
{
	return text_of(json_pack(
		"{s:s, s:i, s:o}", "notice", "end", "code", code, "reason", string_of(reason)));
}

char *mark_time(int64_t realtime_ms, const char *what)
{
	char time[TIME_TEXT_SIZE];
	time_text(realtime_ms, time);
	return text_of(json_pack("{s:s, s:o}", "time", time, "what", string_of(what)));
}

char *mark_gap(uint64_t missed)
{
	return text_of(json_pack(
		"{s:o}", "gap", missed != 0 ? json_integer((json_int_t)missed) : json_null()));
}

/* Send and Break: typing without attaching, under the rule of the pen. */
#include "control/method_functions.h"

#include "control/viewer.h"
#include "util/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPED_MAX = 64 * 1024, TYPED_TEXT_MAX = (TYPED_MAX + 2) / 3 * 4 };

struct typed {
	uint8_t *bytes;
	size_t n;
};

/* What `data` stands for; nothing without it. False: the call has ended. */
static bool read_data(struct call *call, struct typed *ret)
{
	const char *text = call_text(call, "data");
	size_t n = text != NULL ? strlen(text) : 0;
	struct typed typed = {.bytes = malloc(BASE64_DECODED_MAX(n) + 1)};
	if (typed.bytes == NULL)
		call_fail(call, CONTROL_FAILED, "no memory for this call");
	else if (n > TYPED_TEXT_MAX || base64_decode(text, n, typed.bytes, &typed.n) < 0 ||
		 typed.n > TYPED_MAX)
		call_fail(call, CONTROL_INVALID,
			"\"data\" is base64 with its padding, of at most %d bytes", TYPED_MAX);
	else {
		*ret = typed;
		return true;
	}
	free(typed.bytes);
	return false;
}

/* Who has the pen is asked by force alone, and that is told. False: the call has ended. */
static bool may_type(struct call *call, const struct served *served, struct device *device)
{
	struct viewer_info holder;
	char text[128];
	if (!viewers_pen(call_server(call)->viewers, device, &holder))
		return true;
	if (!call_flag(call, "force")) {
		call_fail(call, CONTROL_BUSY,
			"viewer %ju (uid %u, pid %d) has the pen; with force it is typed all the "
			"same",
			(uintmax_t)holder.id, (unsigned)holder.uid, (int)holder.pid);
		return false;
	}
	snprintf(text, sizeof(text), "typed by force while viewer %ju (uid %u, pid %d) has the pen",
		(uintmax_t)holder.id, (unsigned)holder.uid, (int)holder.pid);
	call_tell(call, "pen", served_name(served), device_config(device)->alias, text);
	return true;
}

static void type(struct call *call, struct served *served, struct device *device, bool with_break,
	const struct typed *typed)
{
	int rc = device_type(device, with_break, typed->bytes, typed->n);
	if (rc == -ENOBUFS)
		call_fail(call, CONTROL_BUSY,
			"the guest has left no room for %zu bytes on %s; try again when it reads",
			typed->n, device_config(device)->alias);
	else if (rc < 0)
		call_fail(call, CONTROL_NOT_RUNNING, "%s is being closed",
			device_config(device)->alias);
	if (rc < 0)
		return;
	if (with_break)
		call_tell(call, "break", served_name(served), device_config(device)->alias,
			typed->n > 0 ? "sent a BREAK and input" : "sent a BREAK");
	call_reply(call, json_object());
}

static void type_call(struct call *call, bool with_break)
{
	struct typed typed;
	struct served *served = call_served(call);
	struct device *device = served != NULL ? call_device(call, served) : NULL;
	if (device == NULL || !read_data(call, &typed))
		return;
	if (may_type(call, served, device))
		type(call, served, device, with_break, &typed);
	free(typed.bytes);
}

void method_send(struct call *call)
{
	type_call(call, false);
}

void method_break(struct call *call)
{
	type_call(call, true);
}

/* Varlink's messages; see message.h. */
#include "control/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- cutting -------------------------------------------------------------------------------- */

static void move_to_front(struct message_buffer *buffer)
{
	size_t n = buffer->end - buffer->start;
	if (buffer->start == 0)
		return;
	memmove(buffer->bytes, buffer->bytes + buffer->start, n);
	buffer->scanned -= buffer->start;
	buffer->start = 0;
	buffer->end = n;
}

static int resize(struct message_buffer *buffer, size_t capacity)
{
	char *bytes = realloc(buffer->bytes, capacity);
	if (bytes == NULL)
		return -ENOMEM;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;
}

int message_buffer_space(struct message_buffer *buffer, size_t max, char **ret, size_t *ret_n)
{
	if (buffer->end - buffer->start > max)
		return -EMSGSIZE;
	move_to_front(buffer);
	if (buffer->end == buffer->capacity) {
		size_t wanted = buffer->capacity != 0 ? 2 * buffer->capacity : MESSAGE_READ_SIZE;
		int rc = resize(buffer, wanted);
		if (rc < 0)
			return rc;
	}
	size_t n = buffer->capacity - buffer->end;
	size_t allowed = max + 1 - buffer->end; /* with its NUL */
	if (n > allowed)
		n = allowed;
	*ret = buffer->bytes + buffer->end;
	*ret_n = n < MESSAGE_READ_SIZE ? n : MESSAGE_READ_SIZE;
	return 0;
}

void message_buffer_filled(struct message_buffer *buffer, size_t n)
{
	buffer->end += n;
}

const char *message_buffer_next(struct message_buffer *buffer, size_t *ret_n)
{
	if (buffer->scanned == buffer->end)
		return NULL;
	char *found = memchr(buffer->bytes + buffer->scanned, '\0', buffer->end - buffer->scanned);
	if (found == NULL) {
		buffer->scanned = buffer->end;
		return NULL;
	}
	const char *message = buffer->bytes + buffer->start;
	*ret_n = (size_t)(found - message);
	buffer->start = (size_t)(found - buffer->bytes) + 1;
	buffer->scanned = buffer->start;
	return message;
}

void message_buffer_trim(struct message_buffer *buffer)
{
	size_t n = buffer->end - buffer->start;
	if (n == 0) {
		message_buffer_fini(buffer);
		return;
	}
	size_t wanted = (n + MESSAGE_READ_SIZE - 1) / MESSAGE_READ_SIZE * MESSAGE_READ_SIZE;
	if (wanted > buffer->capacity / 2)
		return;
	move_to_front(buffer);
	(void)resize(buffer, wanted); /* what could not be given back stays */
}

const char *message_buffer_rest(const struct message_buffer *buffer, size_t *ret_n)
{
	*ret_n = buffer->end - buffer->start;
	return *ret_n != 0 ? buffer->bytes + buffer->start : NULL;
}

void message_buffer_fini(struct message_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct message_buffer){0};
}

/* ---- calls ---------------------------------------------------------------------------------- */

static int read_flag(json_t *root, const char *name, bool *ret, struct error *err)
{
	json_t *value = json_object_get(root, name);
	if (value != NULL && !json_is_boolean(value))
		return error_set(err, -EINVAL, "\"%s\" of a call is true or false", name);
	*ret = json_is_true(value);
	return 0;
}

static int read_members(struct message_call *call, struct error *err)
{
	call->method = json_string_value(json_object_get(call->root, "method"));
	call->parameters = json_object_get(call->root, "parameters");
	if (call->method == NULL)
		return error_set(err, -EINVAL,
			"a call is an object with a text \"method\"; see chardev-control(7)");
	if (json_is_null(call->parameters))
		call->parameters = NULL;
	if (call->parameters != NULL && !json_is_object(call->parameters))
		return error_set(err, -EINVAL, "\"parameters\" of a call is an object");
	int rc = read_flag(call->root, "more", &call->more, err);
	if (rc == 0)
		rc = read_flag(call->root, "oneway", &call->oneway, err);
	if (rc == 0)
		rc = read_flag(call->root, "upgrade", &call->upgrade, err);
	return rc;
}

/*
 * What else stands in a call is nobody's. It may be many times larger than its text, and the call
 * may last.
 */
static void forget_rest(json_t *root)
{
	const char *name;
	json_t *value;
	void *next;
	json_object_foreach_safe(root, next, name, value)
	{
		if (strcmp(name, "method") != 0 && strcmp(name, "parameters") != 0)
			json_object_del(root, name);
	}
}

int message_read_call(const char *text, size_t n, struct message_call *ret, struct error *err)
{
	json_error_t why;
	struct message_call call = {.root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why)};
	if (call.root == NULL && json_error_code(&why) == json_error_out_of_memory)
		return error_set(err, -ENOMEM, "no memory for this call");
	if (call.root == NULL)
		return error_set(
			err, -EINVAL, "this is no JSON: %s (at byte %d)", why.text, why.position);
	int rc = read_members(&call, err);
	if (rc < 0) {
		message_call_fini(&call);
		return rc;
	}
	forget_rest(call.root);
	*ret = call;
	return 0;
}

void message_call_fini(struct message_call *call)
{
	json_decref(call->root);
	*call = (struct message_call){0};
}

/* ---- replies -------------------------------------------------------------------------------- */

/* jansson's text and its end, which is the message's, too. */
static char *write_message(json_t *message, size_t *ret_n)
{
	char *text = message != NULL ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (text != NULL)
		*ret_n = strlen(text) + 1;
	return text;
}

char *message_reply(json_t *parameters, bool continues, size_t *ret_n)
{
	if (parameters == NULL)
		return NULL;
	json_t *message = continues ? json_pack("{s:o, s:b}", "parameters", parameters, "continues",
					      (int)continues)
				    : json_pack("{s:o}", "parameters", parameters);
	return write_message(message, ret_n);
}

char *message_error(const char *error, json_t *parameters, size_t *ret_n)
{
	if (parameters == NULL)
		return NULL;
	return write_message(
		json_pack("{s:s, s:o}", "error", error, "parameters", parameters), ret_n);
}

json_t *message_text(const char *text)
{
	json_t *string = json_string(text);
	if (string != NULL)
		return string;
	char *plain = strdup(text);
	if (plain == NULL)
		return NULL;
	for (char *at = plain; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	string = json_string(plain);
	free(plain);
	return string;
}

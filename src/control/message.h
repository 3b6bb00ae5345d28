/*
 * Varlink's messages (https://varlink.org): JSON objects that end in NUL. Cuts them out of a stream
 * of bytes, reads calls, writes replies. Pure: no descriptor, no loop. JSON is jansson's business;
 * it bounds the depth (2,048), and here no name may come twice in an object.
 *
 * What is said here of parameters is their form alone; what they mean is the methods' business.
 */
#ifndef CHARDEV_CONTROL_MESSAGE_H
#define CHARDEV_CONTROL_MESSAGE_H

#include "util/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { MESSAGE_READ_SIZE = 4096 }; /* bytes, of one read */

/* ---- cutting -------------------------------------------------------------------------------- */

/* Bytes that came and were not consumed yet. A zeroed one is empty and owns nothing. */
struct message_buffer {
	char *bytes;
	size_t start, end; /* of what was not consumed */
	size_t scanned;    /* no NUL between start and here */
	size_t capacity;
};

/*
 * Room for the next bytes: at least one, at most MESSAGE_READ_SIZE. Only when message_buffer_next()
 * has nothing more. -EMSGSIZE: what came is no whole message and has more than `max` bytes.
 */
int message_buffer_space(struct message_buffer *buffer, size_t max, char **ret, size_t *ret_n);
/* n bytes were read into it. */
void message_buffer_filled(struct message_buffer *buffer, size_t n);

/* Consumes a whole message, which ends in NUL; good until the next other call. NULL: there is none.
 */
const char *message_buffer_next(struct message_buffer *buffer, size_t *ret_n);

/* Gives back memory that is not needed: an empty buffer has none, a large one no more than it
 * needs.
 */
void message_buffer_trim(struct message_buffer *buffer);

/* What was not consumed. */
const char *message_buffer_rest(const struct message_buffer *buffer, size_t *ret_n);
void message_buffer_fini(struct message_buffer *buffer);

/* ---- calls ---------------------------------------------------------------------------------- */

struct message_call {
	json_t *root;       /* owned; the others are its own */
	const char *method; /* "org.chardev.List" */
	json_t *parameters; /* an object; NULL: none were given */
	bool more, oneway, upgrade;
};

/* -EINVAL and a sentence: not a call; -ENOMEM. Names that no call has are passed over. */
int message_read_call(const char *text, size_t n, struct message_call *ret, struct error *err);
void message_call_fini(struct message_call *call);

/* ---- replies -------------------------------------------------------------------------------- */

/*
 * Both take the parameters over (NULL is what jansson gives when memory ran out) and return the
 * whole message with its NUL, malloc'ed; NULL: no memory. *ret_n counts the NUL.
 */
char *message_reply(json_t *parameters, bool continues, size_t *ret_n);
char *message_error(const char *error, json_t *parameters, size_t *ret_n);

/* A string of JSON; bytes that are not UTF-8 (a file's name, a sentence cut off) become '?'. */
json_t *message_text(const char *text);

#endif

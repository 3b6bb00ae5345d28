/*
 * The client's end of a framed connection, for tests: a blocking-free reader that checks and keeps
 * what it gets, and a writer of frames. Loops are turned by the test.
 */
#ifndef CHARDEV_TEST_FRAME_CLIENT_H
#define CHARDEV_TEST_FRAME_CLIENT_H

#include "test.h"

#include "control/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_LOG_SIZE = 16 * 1024 };

struct frame_client {
	int fd; /* -1: closed by the test */
	struct frame_decoder decoder;
	size_t preamble; /* bytes of the reply that are still to come */
	char reply[64];
	size_t reply_size;
	/* DATA: every byte is what `byte_at` says of its offset. */
	uint8_t (*byte_at)(uint64_t offset);
	bool has_data;
	uint64_t first, next; /* offsets: of the first byte, after the last one */
	uint64_t bytes, gaps, missed;
	uint64_t end; /* the offset of the last NOTICE that has one: the end's */
	/* Other frames as lines: "B 12", "N {...}", "M 7 {...}". The last ones that fit. */
	char log[CLIENT_LOG_SIZE];
	size_t log_size;
	unsigned frames;
	bool ended; /* the server closed */
};

static inline void client_on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct frame_client *client = user;
	if (!client->has_data) {
		client->first = offset;
	} else if (offset != client->next) {
		assert_true(offset > client->next);
		client->gaps++;
		client->missed += offset - client->next;
	}
	for (size_t i = 0; client->byte_at != NULL && i < n; i++)
		if (bytes[i] != client->byte_at(offset + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(offset + i));
	client->has_data = true;
	client->next = offset + n;
	client->bytes += n;
}

static inline void client_on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct frame_client *client = user;
	char offset[32] = "";
	if (frame->type == FRAME_NOTICE && frame->offset != 0)
		client->end = frame->offset;
	if (frame->type != FRAME_NOTICE)
		snprintf(offset, sizeof(offset), "%llu ", (unsigned long long)frame->offset);
	if (client->log_size + frame->length + 40 > sizeof(client->log))
		client->log_size = 0;
	client->log_size += (size_t)snprintf(client->log + client->log_size,
		sizeof(client->log) - client->log_size, "%c %s%.*s\n", frame->type, offset,
		(int)frame->length, (const char *)payload);
	client->frames++;
}

static const struct frame_sink client_sink = {.data = client_on_data, .frame = client_on_frame};

static inline void client_init(struct frame_client *client, int fd, size_t preamble)
{
	memset(client, 0, sizeof(*client));
	client->fd = fd;
	client->preamble = preamble;
	frame_decoder_init(&client->decoder);
}

static inline void client_take(struct frame_client *client, const uint8_t *bytes, size_t n)
{
	size_t reply = n < client->preamble ? n : client->preamble;
	assert_true(client->reply_size + reply < sizeof(client->reply));
	memcpy(client->reply + client->reply_size, bytes, reply);
	client->reply_size += reply;
	client->preamble -= reply;
	assert_int_equal(
		frame_decode(&client->decoder, bytes + reply, n - reply, &client_sink, client), 0);
}

/* Takes up to `max` of what is there. False: nothing. */
static inline bool client_read(struct frame_client *client, size_t max)
{
	uint8_t bytes[64 * 1024];
	if (client->fd < 0 || client->ended)
		return false;
	ssize_t n =
		recv(client->fd, bytes, max < sizeof(bytes) ? max : sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		client_take(client, bytes, (size_t)n);
	else if (n == 0 || errno == ECONNRESET)
		client->ended = true;
	return n > 0;
}

static inline void client_send(
	struct frame_client *client, enum frame_type type, const void *payload, size_t n)
{
	const struct frame frame = {(uint8_t)type, (uint32_t)n, 0};
	uint8_t bytes[FRAME_HEADER_SIZE + 1024];
	assert_true(n <= 1024);
	frame_encode(&frame, bytes);
	memcpy(bytes + FRAME_HEADER_SIZE, payload, n);
	assert_int_equal(send(client->fd, bytes, FRAME_HEADER_SIZE + n, MSG_NOSIGNAL),
		FRAME_HEADER_SIZE + n);
}

static inline bool client_has(const struct frame_client *client, const char *text)
{
	return client->log_size > 0 && strstr(client->log, text) != NULL;
}

static inline void client_forget(struct frame_client *client)
{
	client->log[0] = '\0';
	client->log_size = 0;
}

static inline void client_close(struct frame_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

#endif

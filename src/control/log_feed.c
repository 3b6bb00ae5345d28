/*
 * A log as frames; see log_feed.h.
 *
 * One piece is asked for at a time, and only when the connection has taken the one before. Bytes
 * that the connection does not take now stay where the reader lent them. What the caller sends is
 * read and thrown away, so that its end is noticed.
 */
#include "control/log_feed.h"

#include "control/framed.h"
#include "control/notice.h"
#include "util/fd.h"
#include "util/list.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)LOG_READER_PIECE_MAX <= (int)FRAME_PAYLOAD_MAX, "a piece is a frame");

enum { REST_SIZE = 256 };

struct log_feeds {
	struct loop *loop;
	struct list list; /* struct log_feed */
	struct loop_task closed_task;
	void (*closed)(void *user);
	void *user;
};

struct log_feed {
	struct list link;
	struct log_feeds *feeds;
	struct framed framed;
	uid_t uid; /* the caller's */
	struct log_reader *reader;
	struct loop_task pull_task;
	bool is_pulled; /* a piece is on its way */
	bool is_closing;
	unsigned closes_pending; /* of the reader and the connection */

	uint64_t next; /* the position after what was sent */
	/* The piece that the connection has not taken. size 0: none. */
	enum frame_type type;
	uint64_t position;
	const void *bytes; /* lent by the reader, or `text` */
	size_t size;
	char *text;              /* a MARK's; owned */
	uint8_t rest[REST_SIZE]; /* what the caller sends */
};

/* ---- the end of one -------------------------------------------------------------------------- */

static void closed_one(void *owner)
{
	struct log_feed *feed = owner;
	struct log_feeds *feeds = feed->feeds;
	if (--feed->closes_pending > 0)
		return;
	list_remove(&feed->link);
	free(feed->text);
	free(feed);
	if (feeds->closed != NULL && list_is_empty(&feeds->list))
		loop_task_post(&feeds->closed_task);
}

/* A disk that hangs may keep the reader; the connection ends without it. */
static void close_feed(struct log_feed *feed, int code, const char *reason)
{
	if (feed->is_closing)
		return;
	feed->is_closing = true;
	feed->size = 0;
	loop_task_cancel(&feed->pull_task);
	framed_close(&feed->framed, feed->next, code, reason);
	if (feed->reader != NULL)
		log_reader_close(feed->reader, closed_one);
}

/* ---- the pieces ------------------------------------------------------------------------------ */

static void clear_piece(struct log_feed *feed)
{
	free(feed->text);
	feed->text = NULL;
	feed->bytes = NULL;
	feed->size = 0;
}

static void send_piece(struct log_feed *feed)
{
	int rc = framed_put(&feed->framed, feed->type, feed->position, feed->bytes, feed->size);
	if (rc < 0) {
		close_feed(feed, rc, "the connection failed");
	} else if (rc > 0) {
		feed->next = feed->position + (feed->type == FRAME_DATA ? feed->size : 0);
		clear_piece(feed);
		loop_task_post(&feed->pull_task);
	}
}

static void on_pull(struct loop_task *task)
{
	struct log_feed *feed = container_of(task, struct log_feed, pull_task);
	if (feed->is_pulled || feed->size > 0 || framed_is_busy(&feed->framed))
		return;
	feed->is_pulled = true;
	log_reader_next(feed->reader);
}

static void on_bytes(void *user, uint64_t position, const void *bytes, size_t n)
{
	struct log_feed *feed = user;
	feed->is_pulled = false;
	feed->type = FRAME_DATA;
	feed->position = position;
	feed->bytes = bytes;
	feed->size = n;
	send_piece(feed);
}

/* Takes over the text, which may be NULL. */
static void send_mark(struct log_feed *feed, uint64_t position, char *text)
{
	feed->is_pulled = false;
	if (text == NULL) {
		close_feed(feed, -ENOMEM, "out of memory");
		return;
	}
	feed->type = FRAME_MARK;
	feed->position = position;
	feed->bytes = feed->text = text;
	feed->size = strlen(text);
	send_piece(feed);
}

static void on_mark(void *user, uint64_t position, int64_t time_ms, const char *what)
{
	send_mark(user, position, mark_time(time_ms, what));
}

static void on_gap(void *user, uint64_t position, uint64_t missed)
{
	send_mark(user, position, mark_gap(missed));
}

static void on_end(void *user, int code, const char *message)
{
	struct log_feed *feed = user;
	feed->is_pulled = false;
	close_feed(feed, code, code < 0 ? message : "the log ends here");
}

static const struct log_reader_sink reader_sink = {
	.bytes = on_bytes,
	.mark = on_mark,
	.gap = on_gap,
	.end = on_end,
};

/* ---- the connection -------------------------------------------------------------------------- */

static int framed_space(void *owner, struct iovec iov[STREAM_MAX_PARTS])
{
	struct log_feed *feed = owner;
	iov[0] = (struct iovec){feed->rest, sizeof(feed->rest)};
	return 1;
}

static void framed_received(void *owner, size_t n)
{
}

static void framed_writable(void *owner)
{
	struct log_feed *feed = owner;
	if (feed->size > 0)
		send_piece(feed);
	else
		loop_task_post(&feed->pull_task);
}

static void framed_end_of_input(void *owner)
{
	close_feed(owner, 0, "the caller has left");
}

static void framed_gone(void *owner, int reason)
{
	framed_end_of_input(owner);
}

static const struct framed_listener framed_listener = {
	.space = framed_space,
	.received = framed_received,
	.writable = framed_writable,
	.end_of_input = framed_end_of_input,
	.gone = framed_gone,
	.closed = closed_one,
};

/* ---- all of them ----------------------------------------------------------------------------- */

static void tell_closed(struct loop_task *task)
{
	struct log_feeds *feeds = container_of(task, struct log_feeds, closed_task);
	void (*closed)(void *user) = feeds->closed;
	void *user = feeds->user;
	free(feeds);
	closed(user);
}

int log_feeds_new(struct loop *loop, struct log_feeds **ret)
{
	struct log_feeds *feeds = calloc(1, sizeof(*feeds));
	if (feeds == NULL)
		return -ENOMEM;
	feeds->loop = loop;
	list_init(&feeds->list);
	loop_task_init(&feeds->closed_task, loop, tell_closed);
	*ret = feeds;
	return 0;
}

/* 0 and a feed with its connection, or a negative errno with both gone. */
static int connect_feed(struct log_feeds *feeds, int fd, char *preamble, size_t preamble_size,
	struct log_feed **ret)
{
	struct log_feed *feed = calloc(1, sizeof(*feed));
	if (feed == NULL) {
		fd_close(fd);
		free(preamble);
		return -ENOMEM;
	}
	int rc = framed_init(
		&feed->framed, feeds->loop, fd, preamble, preamble_size, &framed_listener, feed);
	if (rc < 0) {
		free(feed);
		return rc;
	}
	feed->feeds = feeds;
	feed->closes_pending = 1;
	loop_task_init(&feed->pull_task, feeds->loop, on_pull);
	list_append(&feeds->list, &feed->link);
	*ret = feed;
	return 0;
}

int log_feeds_add(struct log_feeds *feeds, const char *path, const struct log_reader_start *start,
	uid_t uid, int fd, char *preamble, size_t preamble_size, struct error *err)
{
	struct log_feed *feed;
	struct error why = {0};
	int rc = connect_feed(feeds, fd, preamble, preamble_size, &feed);
	if (rc < 0)
		return error_set(err, rc, "%s: the log cannot be sent: %s", path, error_text(rc));
	feed->uid = uid;
	rc = log_reader_new(feeds->loop, path, start, &reader_sink, feed, &feed->reader, &why);
	if (rc < 0) {
		close_feed(feed, rc, why.message);
		return error_set(err, rc, "%s", why.message);
	}
	feed->closes_pending++;
	framed_read_start(&feed->framed);
	loop_task_post(&feed->pull_task);
	return 0;
}

size_t log_feeds_count(const struct log_feeds *feeds, const uid_t *uid)
{
	size_t count = 0;
	list_for_each(link, &feeds->list)
		count += uid == NULL || container_of(link, struct log_feed, link)->uid == *uid ? 1
											       : 0;
	return count;
}

void log_feeds_close(struct log_feeds *feeds, void (*closed)(void *user), void *user)
{
	feeds->closed = closed;
	feeds->user = user;
	list_for_each(link, &feeds->list)
		close_feed(container_of(link, struct log_feed, link), 0, "the server ends");
	if (list_is_empty(&feeds->list))
		loop_task_post(&feeds->closed_task);
}

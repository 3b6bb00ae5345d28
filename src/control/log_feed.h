/*
 * What Log's connection carries after its reply: a log_reader's bytes and marks as frames. Nothing
 * is read ahead of what the caller takes. It ends when the log does, or when the caller leaves or
 * shuts its side down; what the caller sends is thrown away.
 */
#ifndef CHARDEV_CONTROL_LOG_FEED_H
#define CHARDEV_CONTROL_LOG_FEED_H

#include "backend/log_reader.h"

#include <sys/types.h>

struct log_feeds;

int log_feeds_new(struct loop *loop, struct log_feeds **ret);

/* How many there are; uid NULL: everybody's. */
size_t log_feeds_count(const struct log_feeds *feeds, const uid_t *uid);

/*
 * For a caller who is `uid`. As viewer_start(): fd and preamble are taken over whatever happens.
 * When the log cannot be read the caller is told so as well, by a NOTICE of the end with the same
 * code and sentence.
 */
int log_feeds_add(struct log_feeds *feeds, const char *path, const struct log_reader_start *start,
	uid_t uid, int fd, char *preamble, size_t preamble_size, struct error *err);

/* Ends all; `closed` once, on a later turn, with everything freed. */
void log_feeds_close(struct log_feeds *feeds, void (*closed)(void *user), void *user);

#endif

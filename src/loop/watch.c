/*
 * Path watches: one inotify(7) descriptor per loop, made by the first watch.
 *
 * The kernel has one watch per inode and descriptor; watches that fall on one inode share it, with
 * the union of their masks (IN_MASK_ADD), and the last one of them removes it. Its union does not
 * shrink when one of several leaves: the others are told of their own events only.
 */
#include "loop/internal.h"

#include "util/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	BUCKETS = 256,
	BUFFER_SIZE = 32 * 1024,
	NEVER_SHARED = IN_ONESHOT | IN_MASK_ADD | IN_MASK_CREATE,
	ALWAYS_TOLD = IN_IGNORED | IN_Q_OVERFLOW,
};

struct watcher {
	struct loop_poll poll;
	uint64_t events;              /* read so far */
	struct list buckets[BUCKETS]; /* by kernel descriptor */
};

static struct list *bucket_of(struct watcher *watcher, int descriptor)
{
	return &watcher->buckets[(unsigned)descriptor % BUCKETS];
}

static struct loop_watch *next_untold(struct watcher *watcher, struct list *bucket, int descriptor)
{
	list_for_each(node, bucket) {
		struct loop_watch *watch = container_of(node, struct loop_watch, link);
		if (watch->told != watcher->events &&
			(descriptor < 0 || watch->descriptor == descriptor))
			return watch;
	}
	return NULL;
}

/* Starts over after each callback, which may have ended any watch and begun others. */
static void tell_bucket(struct watcher *watcher, struct list *bucket, int descriptor,
	const struct inotify_event *event)
{
	struct loop_watch *watch;
	while ((watch = next_untold(watcher, bucket, descriptor)) != NULL) {
		watch->told = watcher->events;
		if (event->mask & IN_IGNORED) {
			list_remove(&watch->link);
			watch->descriptor = -1;
		}
		if (event->mask & (watch->mask | ALWAYS_TOLD))
			watch->changed(watch, event->mask, event->len > 0 ? event->name : NULL);
	}
}

static void tell(struct watcher *watcher, const struct inotify_event *event)
{
	watcher->events++;
	if (event->wd >= 0) {
		tell_bucket(watcher, bucket_of(watcher, event->wd), event->wd, event);
		return;
	}
	for (int i = 0; i < BUCKETS; i++)
		tell_bucket(watcher, &watcher->buckets[i], -1, event);
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct watcher *watcher = container_of(poll, struct watcher, poll);
	char buffer[BUFFER_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(poll->fd, buffer, sizeof(buffer));
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buffer + at);
		at += (ssize_t)(sizeof(*event) + event->len);
		tell(watcher, event);
	}
}

static int make_watcher(struct loop *loop)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	if (watcher == NULL)
		return -ENOMEM;
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc = fd < 0 ? -errno : loop_poll_init(&watcher->poll, loop, fd, on_ready);
	if (rc < 0) {
		fd_close(fd);
		free(watcher);
		return rc;
	}
	/* What watches paths has something else to live for. */
	uv_unref((uv_handle_t *)&watcher->poll.uv);
	for (int i = 0; i < BUCKETS; i++)
		list_init(&watcher->buckets[i]);
	loop_poll_want(&watcher->poll, LOOP_READABLE);
	loop->watcher = watcher;
	return 0;
}

static void on_closed(struct loop_poll *poll)
{
	free(container_of(poll, struct watcher, poll));
}

void watcher_close(struct watcher *watcher)
{
	if (watcher == NULL)
		return;
	int fd = watcher->poll.fd;
	loop_poll_close(&watcher->poll, on_closed);
	fd_close(fd);
}

int loop_watch_init(struct loop_watch *watch, struct loop *loop, const char *path, uint32_t mask,
	void (*changed)(struct loop_watch *watch, uint32_t mask, const char *name))
{
	if (mask & NEVER_SHARED)
		return -EINVAL;
	int rc = loop->watcher == NULL ? make_watcher(loop) : 0;
	if (rc < 0)
		return rc;
	struct watcher *watcher = loop->watcher;
	int descriptor = inotify_add_watch(watcher->poll.fd, path, mask | IN_MASK_ADD);
	if (descriptor < 0)
		return -errno;
	*watch = (struct loop_watch){
		.loop = loop,
		.descriptor = descriptor,
		.mask = mask & IN_ALL_EVENTS,
		.told = watcher->events,
		.changed = changed,
	};
	list_append(bucket_of(watcher, descriptor), &watch->link);
	return 0;
}

static bool is_shared(struct list *bucket, int descriptor)
{
	list_for_each(node, bucket) {
		if (container_of(node, struct loop_watch, link)->descriptor == descriptor)
			return true;
	}
	return false;
}

void loop_watch_fini(struct loop_watch *watch)
{
	if (watch->loop == NULL)
		return;
	struct watcher *watcher = watch->loop->watcher;
	list_remove(&watch->link);
	if (watch->descriptor >= 0 &&
		!is_shared(bucket_of(watcher, watch->descriptor), watch->descriptor))
		inotify_rm_watch(watcher->poll.fd, watch->descriptor);
	watch->loop = NULL;
}

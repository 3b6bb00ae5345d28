/*
 * Who views what, and what of it is told; see viewer.h.
 *
 * Viewers of one device form a group, found by the device as long as that is served. A group is
 * made with its first viewer and freed with its last.
 */
#include "control/viewer_internal.h"
#include "util/time_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is told ---------------------------------------------------------------------------- */

void viewer_name(const struct viewer *viewer, char ret[VIEWER_NAME_SIZE])
{
	snprintf(ret, VIEWER_NAME_SIZE, "viewer %llu (uid %u, pid %d)",
		(unsigned long long)viewer->id, (unsigned)viewer->uid, (int)viewer->pid);
}

void viewers_tell(const struct viewer *by, const char *event, const char *text)
{
	const struct control_peer peer = {.uid = by->uid, .pid = by->pid};
	const struct control_event what = {
		.event = event,
		.domain = by->group->domain,
		.device = by->group->alias,
		.text = text,
		.by = &peer,
	};
	by->viewers->tell(by->viewers->user, &what);
}

void viewer_tell(const struct viewer *viewer, const char *event, const char *text)
{
	char name[VIEWER_NAME_SIZE], sentence[VIEWER_TEXT_SIZE];
	viewer_name(viewer, name);
	snprintf(sentence, sizeof(sentence), "%s %s", name, text);
	viewers_tell(viewer, event, sentence);
}

static void tell_attached(const struct viewer *viewer)
{
	char text[VIEWER_TEXT_SIZE];
	snprintf(text, sizeof(text), "attached at offset %llu%s%s%s",
		(unsigned long long)viewer->offset, viewer->read_only ? ", read-only" : "",
		viewer->lossless ? ", lossless" : "",
		viewer_has_pen(viewer) ? ", with the pen" : "");
	viewer_tell(viewer, "attach", text);
}

static void tell_detached(const struct viewer *viewer)
{
	char text[VIEWER_TEXT_SIZE];
	snprintf(text, sizeof(text), "detached: %s", viewer->end_reason);
	viewer_tell(viewer, "detach", text);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void tell_closed(struct loop_task *task)
{
	struct viewers *viewers = container_of(task, struct viewers, closed_task);
	void (*closed)(void *user) = viewers->closed;
	void *user = viewers->user;
	free(viewers);
	closed(user);
}

/* A viewer or a group is freed. */
static void freed_one(struct viewers *viewers)
{
	viewers->open--;
	if (viewers->is_closing && viewers->open == 0)
		loop_task_post(&viewers->closed_task);
}

static void on_tell_timer_closed(struct loop_timer *timer)
{
	struct viewer_group *group = container_of(timer, struct viewer_group, tell_timer);
	struct viewers *viewers = group->viewers;
	free(group->domain);
	free(group->alias);
	free(group);
	freed_one(viewers);
}

static void on_pen_timer_closed(struct loop_timer *timer)
{
	struct viewer_group *group = container_of(timer, struct viewer_group, pen_timer);
	loop_timer_close(&group->tell_timer, on_tell_timer_closed);
}

static void on_tell_due(struct loop_timer *timer)
{
	struct viewer_group *group = container_of(timer, struct viewer_group, tell_timer);
	list_for_each(link, &group->members)
		viewer_notify(container_of(link, struct viewer, link), 0);
}

/* So a thousand who come in a row do not cost a million notices. */
void viewers_notify_all(struct viewer_group *group, unsigned notices)
{
	list_for_each(link, &group->members)
		viewer_note(container_of(link, struct viewer, link), notices);
	if (!loop_timer_is_active(&group->tell_timer))
		loop_timer_start(&group->tell_timer, VIEWERS_TELL_MS);
}

static struct viewer_group *find_group(const struct viewers *viewers, const struct device *device)
{
	list_for_each(link, &viewers->groups) {
		struct viewer_group *group = container_of(link, struct viewer_group, link);
		if (group->device == device)
			return group;
	}
	return NULL;
}

static bool guest_is_attached(const struct device *device)
{
	struct device_status status;
	device_status(device, &status);
	return status.guest_present;
}

static struct viewer_group *group_new(
	struct viewers *viewers, const char *domain, const struct device *device)
{
	struct viewer_group *group = calloc(1, sizeof(*group));
	char *domain_copy = strdup(domain);
	char *alias = strdup(device_config(device)->alias);
	if (group == NULL || domain_copy == NULL || alias == NULL) {
		free(alias);
		free(domain_copy);
		free(group);
		return NULL;
	}
	group->viewers = viewers;
	group->device = device;
	group->domain = domain_copy;
	group->alias = alias;
	group->guest_attached = guest_is_attached(device);
	list_init(&group->members);
	pen_init(&group->pen);
	loop_timer_init(&group->pen_timer, viewers->loop, viewers_pen_due);
	loop_timer_init(&group->tell_timer, viewers->loop, on_tell_due);
	list_append(&viewers->groups, &group->link);
	viewers->open++;
	return group;
}

static void leave_group_if_empty(struct viewer_group *group)
{
	if (group->count > 0)
		return;
	list_remove(&group->link);
	loop_timer_close(&group->pen_timer, on_pen_timer_closed);
}

/* ---- coming and going ------------------------------------------------------------------------ */

static struct viewer *viewer_new(struct viewers *viewers, const struct viewer_params *params)
{
	struct viewer *viewer = malloc(sizeof(*viewer));
	if (viewer == NULL)
		return NULL;
	memset(viewer, 0, offsetof(struct viewer, decoder));
	viewer->viewers = viewers;
	viewer->device = params->device;
	viewer->id = ++viewers->last_id;
	viewer->uid = params->peer->uid;
	viewer->pid = params->peer->pid;
	viewer->since_ms = time_now_ms();
	viewer->read_only = params->read_only;
	viewer->lossless = params->lossless;
	viewer->offset = params->offset;
	pen_user_init(&viewer->pen);
	viewers->open++;
	return viewer;
}

static void join(struct viewer_group *group, struct viewer *viewer, bool force)
{
	uint64_t now = loop_now_ms(group->viewers->loop);
	viewer->group = group;
	list_append(&group->members, &viewer->link);
	group->count++;
	if (force && !viewer->read_only)
		viewers_pen_changed(group, pen_force(&group->pen, &viewer->pen, now));
	else if (group->pen.holder == NULL && !viewer->read_only)
		viewers_pen_changed(group, pen_ask(&group->pen, &viewer->pen, now));
	viewers_notify_all(group, NOTICE_VIEWERS);
	tell_attached(viewer);
}

int viewers_add(struct viewers *viewers, const struct viewer_params *params, struct viewer **ret)
{
	struct viewer_group *group = find_group(viewers, params->device);
	if (group != NULL && group->count >= VIEWERS_PER_DEVICE_MAX)
		return -EMFILE;
	if (group == NULL)
		group = group_new(viewers, params->domain, params->device);
	if (group == NULL)
		return -ENOMEM;
	struct viewer *viewer = viewer_new(viewers, params);
	if (viewer == NULL) {
		leave_group_if_empty(group);
		return -ENOMEM;
	}
	join(group, viewer, params->force);
	*ret = viewer;
	return 0;
}

/*
 * A device that ends closes all its viewers in a row, none of which said that it is gone: then
 * nobody gets the pen any more.
 */
static void note_end_of_device(struct viewer *viewer)
{
	struct viewer_group *group = viewer->group;
	if (!viewer->has_started || viewer->told_gone || group->is_ending)
		return;
	group->is_ending = true;
	list_remove(&group->link);
	loop_timer_stop(&group->pen_timer);
	loop_timer_stop(&group->tell_timer);
}

void viewer_leave(struct viewer *viewer)
{
	struct viewer_group *group = viewer->group;
	uint64_t now = loop_now_ms(viewer->viewers->loop);
	note_end_of_device(viewer);
	tell_detached(viewer);
	struct pen_change change = pen_leave(&group->pen, &viewer->pen, now);
	if (!group->is_ending) {
		viewers_pen_changed(group, change);
		viewers_notify_all(group, NOTICE_VIEWERS);
	}
	list_remove(&viewer->link);
	viewer->group = NULL;
	group->count--;
	leave_group_if_empty(group);
}

void viewer_free(struct viewer *viewer)
{
	struct viewers *viewers = viewer->viewers;
	free(viewer->in);
	free(viewer);
	freed_one(viewers);
}

void viewer_cancel(struct viewer *viewer)
{
	viewer->end_reason = "the connection failed before it began";
	viewer_leave(viewer);
	viewer_free(viewer);
}

/* ---- who is here ----------------------------------------------------------------------------- */

void viewer_describe(const struct viewer *viewer, struct viewer_info *ret)
{
	*ret = (struct viewer_info){
		.id = viewer->id,
		.uid = viewer->uid,
		.pid = viewer->pid,
		.since_ms = viewer->since_ms,
		.pen = viewer_has_pen(viewer),
		.asks = pen_waits(&viewer->pen),
		.read_only = viewer->read_only,
		.offset = viewer->offset,
		.dropped = viewer->dropped,
		.typed = viewer->typed,
		.refused = viewer->refused,
	};
}

size_t viewers_of(const struct viewers *viewers, const struct device *device,
	struct viewer_info *ret, size_t max)
{
	const struct viewer_group *group = find_group(viewers, device);
	size_t n = 0;
	if (group == NULL)
		return 0;
	list_for_each(link, &group->members) {
		if (n == max)
			break;
		viewer_describe(container_of(link, struct viewer, link), &ret[n++]);
	}
	return group->count;
}

size_t viewers_count(const struct viewers *viewers, const uid_t *uid)
{
	size_t count = 0;
	list_for_each(group_link, &viewers->groups) {
		const struct viewer_group *group =
			container_of(group_link, struct viewer_group, link);
		list_for_each(link, &group->members) {
			const struct viewer *viewer = container_of(link, struct viewer, link);
			count += uid == NULL || viewer->uid == *uid ? 1 : 0;
		}
	}
	return count;
}

bool viewers_pen(
	const struct viewers *viewers, const struct device *device, struct viewer_info *ret)
{
	const struct viewer_group *group = find_group(viewers, device);
	if (group == NULL || group->pen.holder == NULL)
		return false;
	viewer_describe(container_of(group->pen.holder, struct viewer, pen), ret);
	return true;
}

void viewers_device_changed(struct viewers *viewers, const struct device *device)
{
	struct viewer_group *group = find_group(viewers, device);
	if (group == NULL)
		return;
	bool attached = guest_is_attached(device);
	if (attached == group->guest_attached)
		return;
	group->guest_attached = attached;
	viewers_notify_all(group, NOTICE_GUEST);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int viewers_new(struct loop *loop, void (*tell)(void *user, const struct control_event *event),
	void *user, struct viewers **ret)
{
	struct viewers *viewers = calloc(1, sizeof(*viewers));
	if (viewers == NULL)
		return -ENOMEM;
	viewers->loop = loop;
	viewers->tell = tell;
	viewers->user = user;
	list_init(&viewers->groups);
	loop_task_init(&viewers->closed_task, loop, tell_closed);
	*ret = viewers;
	return 0;
}

void viewers_close(struct viewers *viewers, void (*closed)(void *user))
{
	viewers->is_closing = true;
	viewers->closed = closed;
	list_for_each(group_link, &viewers->groups) {
		struct viewer_group *group = container_of(group_link, struct viewer_group, link);
		list_for_each(link, &group->members) {
			struct viewer *viewer = container_of(link, struct viewer, link);
			if (viewer->has_started)
				viewer_end(viewer, 0, "the server ends");
		}
	}
	if (viewers->open == 0)
		loop_task_post(&viewers->closed_task);
}

/*
 * The pen of a device's viewers: what pen.c decides, carried out. Whom it concerns is told, the
 * audit too, and a clock runs while somebody waits for it.
 */
#include "control/viewer_internal.h"

#include <stdio.h>

static struct viewer *viewer_of(const struct pen_user *user)
{
	return user != NULL ? container_of(user, struct viewer, pen) : NULL;
}

bool viewer_has_pen(const struct viewer *viewer)
{
	return viewer->group != NULL && viewer->group->pen.holder == &viewer->pen;
}

/* Who did it, and the sentence of it; nobody: there is nothing to tell. */
static const struct viewer *describe_move(
	const struct pen_change *change, char ret[VIEWER_TEXT_SIZE])
{
	const struct viewer *from = viewer_of(change->from), *to = viewer_of(change->to);
	char from_name[VIEWER_NAME_SIZE] = "", to_name[VIEWER_NAME_SIZE] = "";
	if (from != NULL)
		viewer_name(from, from_name);
	if (to != NULL)
		viewer_name(to, to_name);
	switch (change->how) {
	case PEN_TAKEN:
		snprintf(ret, VIEWER_TEXT_SIZE, "%s took the free pen", to_name);
		return to;
	case PEN_GIVEN:
		if (to == NULL)
			snprintf(ret, VIEWER_TEXT_SIZE, "%s gave up the pen", from_name);
		else
			snprintf(
				ret, VIEWER_TEXT_SIZE, "%s gave the pen to %s", from_name, to_name);
		return from;
	case PEN_LEFT:
		snprintf(ret, VIEWER_TEXT_SIZE, "%s left, and the pen went to %s", from_name,
			to_name);
		return to != NULL ? from : NULL;
	case PEN_WAITED:
		snprintf(ret, VIEWER_TEXT_SIZE,
			"%s asked for the pen and got it from %s, who was silent", to_name,
			from_name);
		return to;
	case PEN_FORCED:
		snprintf(ret, VIEWER_TEXT_SIZE, "%s took the pen by force from %s", to_name,
			from_name);
		return to;
	default:
		return NULL;
	}
}

static void restart_pen_timer(struct viewer_group *group)
{
	uint64_t due, now = loop_now_ms(group->viewers->loop);
	if (pen_due(&group->pen, &due))
		loop_timer_start(&group->pen_timer, due > now ? due - now : 1);
	else
		loop_timer_stop(&group->pen_timer);
}

/* Tells everyone what concerns them. */
void viewers_pen_changed(struct viewer_group *group, struct pen_change change)
{
	struct viewer *holder = viewer_of(group->pen.holder);
	char text[VIEWER_TEXT_SIZE];
	if (change.how == PEN_KEPT && !change.asked)
		return;
	restart_pen_timer(group);
	if (change.asked && holder != NULL)
		viewer_notify(holder, NOTICE_ASKED);
	if (change.how == PEN_KEPT)
		return;
	viewers_notify_all(group, NOTICE_PEN);
	for (int i = 0; i < 2; i++) {
		struct viewer *concerned = viewer_of(i == 0 ? change.from : change.to);
		if (concerned != NULL)
			viewer_notify(concerned, NOTICE_PEN);
	}
	if (holder != NULL && holder->window.columns != 0)
		holder->window_due = true;
	const struct viewer *by = describe_move(&change, text);
	/* Of who comes and takes a free pen, its coming tells. */
	if (by != NULL && (change.how != PEN_TAKEN || by->has_started))
		viewers_tell(by, "pen", text);
}

/* The holder may have typed meanwhile: then the rest of its time begins. */
void viewers_pen_due(struct loop_timer *timer)
{
	struct viewer_group *group = container_of(timer, struct viewer_group, pen_timer);
	struct pen_change change = pen_expire(&group->pen, loop_now_ms(group->viewers->loop));
	if (change.how == PEN_KEPT)
		restart_pen_timer(group);
	else
		viewers_pen_changed(group, change);
}

bool viewer_may_type(struct viewer *viewer)
{
	if (viewer->read_only)
		return false;
	viewers_pen_changed(viewer->group,
		pen_type(&viewer->group->pen, &viewer->pen, loop_now_ms(viewer->viewers->loop)));
	return viewer_has_pen(viewer);
}

void viewer_use_pen(struct viewer *viewer, enum frame_pen what)
{
	struct pen *pen = &viewer->group->pen;
	uint64_t now = loop_now_ms(viewer->viewers->loop);
	struct pen_change change = {0};
	if (what == FRAME_PEN_GIVE)
		change = pen_give(pen, &viewer->pen, now);
	else if (what == FRAME_PEN_ASK && !viewer->read_only)
		change = pen_ask(pen, &viewer->pen, now);
	else if (what == FRAME_PEN_FORCE && !viewer->read_only)
		change = pen_force(pen, &viewer->pen, now);
	viewers_pen_changed(viewer->group, change);
	viewer_notify(viewer, NOTICE_PEN);
}

/* Who types; see pen.h. */
#include "control/pen.h"

#include <stddef.h>

void pen_init(struct pen *pen)
{
	*pen = (struct pen){0};
	list_init(&pen->waiting);
}

void pen_user_init(struct pen_user *user)
{
	list_init(&user->link);
}

bool pen_waits(const struct pen_user *user)
{
	return !list_is_empty(&user->link);
}

struct pen_user *pen_next(const struct pen *pen)
{
	if (list_is_empty(&pen->waiting))
		return NULL;
	return container_of(pen->waiting.next, struct pen_user, link);
}

/* The pen goes to `to`, or to nobody. */
static void move(struct pen *pen, struct pen_user *to, enum pen_how how, uint64_t now_ms,
	struct pen_change *change)
{
	change->how = how;
	change->from = pen->holder;
	change->to = to;
	pen->holder = to;
	pen->polite_since = now_ms;
	if (to != NULL)
		list_remove(&to->link);
}

static struct pen_change done(
	const struct pen *pen, const struct pen_user *first_before, struct pen_change change)
{
	change.asked = pen_next(pen) != first_before;
	return change;
}

struct pen_change pen_ask(struct pen *pen, struct pen_user *user, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	if (pen->holder == NULL) {
		move(pen, user, PEN_TAKEN, now_ms, &change);
	} else if (pen->holder != user && !pen_waits(user)) {
		list_append(&pen->waiting, &user->link);
		if (first == NULL)
			pen->polite_since = now_ms;
	}
	return done(pen, first, change);
}

struct pen_change pen_force(struct pen *pen, struct pen_user *user, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	if (pen->holder != user)
		move(pen, user, pen->holder == NULL ? PEN_TAKEN : PEN_FORCED, now_ms, &change);
	return done(pen, first, change);
}

struct pen_change pen_give(struct pen *pen, struct pen_user *user, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	if (pen->holder == user)
		move(pen, pen_next(pen), PEN_GIVEN, now_ms, &change);
	else
		list_remove(&user->link);
	return done(pen, first, change);
}

struct pen_change pen_type(struct pen *pen, struct pen_user *user, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	if (pen->holder == NULL)
		move(pen, user, PEN_TAKEN, now_ms, &change);
	else if (pen->holder == user)
		pen->polite_since = now_ms;
	return done(pen, first, change);
}

struct pen_change pen_leave(struct pen *pen, struct pen_user *user, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	list_remove(&user->link);
	if (pen->holder == user)
		move(pen, pen_next(pen), PEN_LEFT, now_ms, &change);
	return done(pen, first, change);
}

bool pen_due(const struct pen *pen, uint64_t *ret_at_ms)
{
	if (list_is_empty(&pen->waiting))
		return false;
	*ret_at_ms = pen->polite_since + PEN_POLITE_MS;
	return true;
}

struct pen_change pen_expire(struct pen *pen, uint64_t now_ms)
{
	struct pen_change change = {0};
	const struct pen_user *first = pen_next(pen);
	uint64_t due;
	if (pen_due(pen, &due) && now_ms >= due)
		move(pen, pen_next(pen), PEN_WAITED, now_ms, &change);
	return done(pen, first, change);
}

/* One-shot timers, on uv_timer: a heap in libuv, no descriptor each. */
#include "loop/internal.h"

static void on_expired(uv_timer_t *uv)
{
	struct loop_timer *timer = uv->data;
	timer->expired(timer);
}

void loop_timer_init(
	struct loop_timer *timer, struct loop *loop, void (*expired)(struct loop_timer *timer))
{
	*timer = (struct loop_timer){.expired = expired};
	uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms)
{
	struct loop *loop = timer->uv.loop->data;
	/* Between turns libuv's idea of now may be any age. */
	if (!loop->running)
		uv_update_time(&loop->uv);
	/* libuv runs a timer of 0 that its own callback sets again for ever, within one turn. */
	uv_timer_start(&timer->uv, on_expired, ms != 0 ? ms : 1, 0);
	loop_touch(loop);
}

void loop_timer_stop(struct loop_timer *timer)
{
	uv_timer_stop(&timer->uv);
}

bool loop_timer_is_active(const struct loop_timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct loop_timer *timer = handle->data;
	if (timer->closed != NULL)
		timer->closed(timer);
}

void loop_timer_close(struct loop_timer *timer, void (*closed)(struct loop_timer *timer))
{
	timer->closed = closed;
	uv_close((uv_handle_t *)&timer->uv, on_closed);
	loop_touch(timer->uv.loop->data);
}

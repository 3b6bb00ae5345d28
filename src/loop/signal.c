/* Signals as callbacks, on uv_signal. */
#include "loop/internal.h"

#include <errno.h>
#include <signal.h>

static void on_received(uv_signal_t *uv, int number)
{
	struct loop_signal *received = uv->data;
	received->received(received, number);
}

int loop_signal_init(struct loop_signal *signal, struct loop *loop, int number,
	void (*received)(struct loop_signal *signal, int number))
{
	/* Asked before: a handle that libuv has made can only be closed asynchronously. */
	struct sigaction now;
	if (number == SIGKILL || number == SIGSTOP || sigaction(number, NULL, &now) < 0)
		return -EINVAL;
	*signal = (struct loop_signal){.received = received};
	int rc = uv_signal_init(&loop->uv, &signal->uv);
	if (rc < 0)
		return rc;
	signal->uv.data = signal;
	rc = uv_signal_start(&signal->uv, on_received, number);
	loop_touch(loop);
	return rc;
}

static void on_closed(uv_handle_t *handle)
{
	struct loop_signal *signal = handle->data;
	if (signal->closed != NULL)
		signal->closed(signal);
}

void loop_signal_close(struct loop_signal *signal, void (*closed)(struct loop_signal *signal))
{
	signal->closed = closed;
	uv_close((uv_handle_t *)&signal->uv, on_closed);
	loop_touch(signal->uv.loop->data);
}

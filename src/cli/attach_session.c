/* A session of `chardev attach`; see attach_session.h and attach_internal.h. */
#include "cli/attach_internal.h"

#include "cli/terminal_mode.h"
#include "util/fd.h"
#include "util/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DRAIN_MS = 3000 };

/* ---- messages -------------------------------------------------------------------------------- */

void attach_say(struct attach *attach, const char *text)
{
	bool menu = attach->output.menu_shown;
	if (text[0] == '\0')
		return;
	attach_output_menu_end(&attach->output);
	attach_output_message(&attach->output, "%s", text);
	if (menu)
		attach_show_menu(attach);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_closed(struct attach *attach)
{
	if (--attach->closes_pending == 0)
		loop_stop(attach->loop);
}

static void on_server_closed(struct stream *stream)
{
	on_closed(container_of(stream, struct attach, server.base));
}

static void on_terminal_closed(void *user)
{
	struct attach *attach = user;
	attach->terminal = NULL;
	on_closed(attach);
}

/* What there is goes out as far as it is taken at once. */
static void write_once(struct attach *attach)
{
	struct iovec pending = attach_output_pending(&attach->output);
	if (attach->terminal == NULL || attach->is_writing || pending.iov_len == 0)
		return;
	ssize_t n = stream_write(terminal_stream(attach->terminal), &pending, 1);
	if (n > 0)
		attach_output_written(&attach->output, (size_t)n);
}

void attach_end(struct attach *attach, int status, const char *complaint)
{
	if (attach->closing)
		return;
	attach->status = status;
	if (complaint != NULL)
		snprintf(attach->complaint, sizeof(attach->complaint), "%s", complaint);
	attach_output_menu_end(&attach->output);
	if (complaint != NULL)
		attach_output_end_line(&attach->output);
	write_once(attach);
	attach->closing = true;
	attach_forget_who(attach);
	loop_task_cancel(&attach->task);
	/* One of the session's own: it ends here if there is nothing to be closed. */
	attach->closes_pending = 1;
	if (attach->terminal != NULL) {
		attach->closes_pending++;
		stream_close(terminal_stream(attach->terminal));
	}
	if (attach->server_open) {
		attach->closes_pending++;
		stream_close(&attach->server.base);
	}
	on_closed(attach);
}

/* Nothing comes from the server any more, and all of it was written. */
static void end_by_server(struct attach *attach)
{
	const struct attach_state *state = &attach->state;
	char text[ERROR_MESSAGE_SIZE];
	if (!state->ended) {
		attach_end(attach, 1, "the server is gone: it ended without a word");
	} else if (state->end_code != 0) {
		attach_end(attach, 1,
			state->end_reason[0] != '\0' ? state->end_reason : "the server ended it");
	} else if (!attach->is_interactive && !attach->input_told) {
		snprintf(text, sizeof(text), "not all of the input was typed: %s",
			state->end_reason);
		attach_end(attach, 1, text);
	} else {
		if (attach->is_interactive || attach->params->read_only)
			attach_say(attach, state->end_reason);
		attach_end(attach, 0, NULL);
	}
}

/* ---- from the server to the terminal --------------------------------------------------------- */

static void on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct attach *attach = user;
	char text[ATTACH_MESSAGE_MAX];
	uint64_t missed = attach_state_output(&attach->state, offset, n);
	snprintf(text, sizeof(text), "%" PRIu64 " bytes missed", missed);
	if (missed > 0)
		attach_say(attach, text);
	attach_output_data(&attach->output, bytes, n);
}

/* A program cannot ask for the pen; it shall know at once that it types in vain. */
static void end_refused(struct attach *attach)
{
	char text[ERROR_MESSAGE_SIZE];
	const struct attach_state *state = &attach->state;
	snprintf(text, sizeof(text),
		"%" PRIu64 " bytes were not typed: %s has the pen; --force takes it",
		state->refused, state->holder[0] != '\0' ? state->holder : "another viewer");
	attach_end(attach, 1, text);
}

static void on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct attach *attach = user;
	char text[ATTACH_MESSAGE_MAX] = "";
	if (frame->type == FRAME_BREAK)
		snprintf(text, sizeof(text), "the guest sent a BREAK");
	else if (frame->type == FRAME_NOTICE && attach_state_notice(&attach->state, frame->offset,
							payload, frame->length, text) < 0)
		attach_end(attach, 1, "the server sends notices that are no JSON objects");
	if (!attach->is_interactive && attach->state.refused > 0)
		end_refused(attach);
	attach_say(attach, text);
}

static const struct frame_sink frames = {.data = on_data, .frame = on_frame};

/* Frame by frame, so that each has room for what it says. The menu holds it up. */
static void take_frames(struct attach *attach)
{
	while (attach->in_from < attach->in_to && attach->menu.state == MENU_CLOSED &&
		attach_output_has_room(&attach->output) && !attach->closing) {
		size_t n = attach->in_to - attach->in_from;
		size_t wants = frame_decoder_wants(&attach->decoder);
		n = n < wants ? n : wants;
		if (frame_decode(
			    &attach->decoder, attach->in + attach->in_from, n, &frames, attach) < 0)
			attach_end(attach, 1, "the server sends what are no frames");
		attach->in_from += n;
	}
	if (attach->in_from == attach->in_to)
		attach->in_from = attach->in_to = 0;
}

/* As much as it takes; a failure comes as `gone`. */
static void write_output(struct attach *attach)
{
	struct iovec pending = attach_output_pending(&attach->output);
	while (pending.iov_len > 0 && !attach->is_writing) {
		ssize_t n = stream_write(terminal_stream(attach->terminal), &pending, 1);
		attach->is_writing = n == STREAM_BORROWED;
		if (n <= 0)
			return;
		attach_output_written(&attach->output, (size_t)n);
		pending = attach_output_pending(&attach->output);
	}
}

/* ---- from the terminal to the server --------------------------------------------------------- */

static void write_frames(struct attach *attach)
{
	while (attach->out_from < attach->out_to && attach->server_open && !attach->server_gone) {
		struct iovec iov = {
			attach->out + attach->out_from, attach->out_to - attach->out_from};
		ssize_t n = stream_write(&attach->server.base, &iov, 1);
		if (n <= 0)
			return;
		attach->out_from += (size_t)n;
	}
	attach->out_from = attach->out_to = 0;
}

/* The server takes what it was given, and then ends. */
static void tell_end_of_input(struct attach *attach)
{
	if (!attach->input_ended || attach->input_told || attach->keys_to > 0 ||
		attach->out_to > 0 || attach->server_gone)
		return;
	attach->input_told = true;
	shutdown(attach->server.in_fd, SHUT_WR);
}

/* ---- both ways ------------------------------------------------------------------------------- */

void attach_go_on(struct attach *attach)
{
	if (!attach->closing)
		loop_task_post(&attach->task);
}

static void on_task(struct loop_task *task)
{
	struct attach *attach = container_of(task, struct attach, task);
	attach_take_keys(attach);
	if (!attach->closing)
		take_frames(attach);
	if (attach->closing)
		return;
	attach_put_window(attach);
	write_frames(attach);
	tell_end_of_input(attach);
	write_output(attach);
	if (attach->in_to == 0 && !attach->server_gone)
		stream_read_start(&attach->server.base);
	if (attach->keys_to == 0 && !attach->input_ended)
		stream_read_start(terminal_stream(attach->terminal));
	bool is_empty = attach_output_pending(&attach->output).iov_len == 0;
	if (attach->server_gone && attach->in_to == 0 && is_empty)
		end_by_server(attach);
	else if (is_empty && attach->in_to > 0 && attach->menu.state == MENU_CLOSED)
		loop_task_post(&attach->task);
}

/* ---- the server's stream --------------------------------------------------------------------- */

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct attach *attach = consumer;
	if (attach->in_to > 0)
		return 0;
	iov[0] = (struct iovec){attach->in, ATTACH_IN_SIZE};
	return 1;
}

static void on_received(void *consumer, size_t n)
{
	struct attach *attach = consumer;
	attach->in_to = n;
	attach_go_on(attach);
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void on_writable(void *consumer)
{
	attach_go_on(consumer);
}

static void on_written(void *consumer, size_t done, int failure)
{
}

static void on_end_of_input(void *consumer)
{
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct attach *attach = consumer;
	attach->server_gone = true;
	/* A menu would hold up what came before the end. */
	attach_menu_init(&attach->menu, attach->menu.escape);
	attach_output_menu_end(&attach->output);
	attach_go_on(attach);
}

static const struct stream_sink server_sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

/* ---- the beginning --------------------------------------------------------------------------- */

static enum attach_screen screen_of_stdout(void)
{
	const char *term = getenv("TERM");
	if (!isatty(STDOUT_FILENO))
		return ATTACH_SCREEN_NONE;
	return term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0 ? ATTACH_SCREEN_DUMB
									    : ATTACH_SCREEN_FULL;
}

static int open_server(struct attach *attach, struct client_upgraded *upgraded, struct error *err)
{
	int code = fd_stream_init(&attach->server, attach->loop, FD_STREAM_SOCKET, upgraded->fd,
		upgraded->fd, on_server_closed);
	if (code < 0)
		return error_set(err, code, "cannot use the connection: %s", error_text(code));
	upgraded->fd = -1;
	attach->server_open = true;
	attach->server.ends_together = true;
	stream_attach(&attach->server.base, &server_sink, attach);
	return 0;
}

static int open_terminal(struct attach *attach, struct error *err)
{
	static const struct terminal_listener listener = {
		.leave = NULL, .closed = on_terminal_closed};
	int code = terminal_new(attach->loop, attach->params->read_only ? -1 : STDIN_FILENO,
		STDOUT_FILENO, &listener, attach, &attach->terminal, err);
	if (code < 0)
		return code;
	stream_attach(terminal_stream(attach->terminal), &attach_keys_sink, attach);
	/* A pager behind us has the terminal for itself. */
	if (attach->params->read_only && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		terminal_ignore_keys(STDIN_FILENO);
	attach->input_ended = attach->params->read_only;
	attach->input_told = attach->params->read_only;
	return 0;
}

static int begin(struct attach *attach, struct client_upgraded *upgraded, struct error *err)
{
	const struct attach_params *params = attach->params;
	char greeting[ATTACH_MESSAGE_MAX];
	int code = attach_watch_signals(attach, err);
	if (code == 0)
		code = open_server(attach, upgraded, err);
	if (code == 0)
		code = open_terminal(attach, err);
	if (code < 0)
		return code;
	attach_state_init(&attach->state, params->reply, params->target->domain, params->escape,
		attach->is_interactive, params->read_only);
	attach->state.is_quiet =
		!attach->is_interactive && attach->output.screen == ATTACH_SCREEN_NONE;
	attach_state_greeting(&attach->state, params->reply, time_now_ms(), greeting);
	attach_say(attach, greeting);
	attach->window_due = attach->is_interactive;
	attach_go_on(attach);
	return 0;
}

static void finish(struct attach *attach)
{
	if (!attach->closing)
		attach_end(attach, attach->status, NULL);
	if (attach->closes_pending > 0)
		loop_run(attach->loop);
	attach_forget_signals(attach);
	/* A disk, or a server, that hangs does not keep us. */
	if (loop_drain_within(attach->loop, DRAIN_MS) == 0)
		loop_free(attach->loop);
}

static int run(struct attach *attach, struct client_upgraded *upgraded)
{
	struct error err = {0};
	int code = loop_new(&attach->loop);
	if (code < 0) {
		error_set(&err, code, "cannot make an event loop: %s", error_text(code));
		return control_failed(&err);
	}
	loop_task_init(&attach->task, attach->loop, on_task);
	code = begin(attach, upgraded, &err);
	if (code == 0)
		loop_run(attach->loop);
	else
		attach_end(attach, 1, err.message);
	finish(attach);
	if (attach->complaint[0] != '\0')
		fprintf(stderr, "chardev: %s\n", attach->complaint);
	return attach->status;
}

/* What came after the reply comes first, in the memory in which it came, if that is large enough.
 */
static int take_rest(struct attach *attach, struct client_upgraded *upgraded)
{
	size_t size = upgraded->rest_size > ATTACH_IN_SIZE ? upgraded->rest_size : ATTACH_IN_SIZE;
	attach->in = realloc(upgraded->rest, size);
	if (attach->in == NULL)
		return -ENOMEM;
	upgraded->rest = NULL;
	attach->in_to = upgraded->rest_size;
	return 0;
}

int attach_session_run(const struct attach_params *params, struct client_upgraded *upgraded)
{
	int status = 1;
	struct attach *attach = calloc(1, sizeof(*attach));
	if (attach == NULL || take_rest(attach, upgraded) < 0) {
		fprintf(stderr, "chardev: out of memory\n");
	} else {
		attach->params = params;
		attach->is_interactive = !params->read_only && isatty(STDIN_FILENO);
		attach_menu_init(
			&attach->menu, attach->is_interactive ? params->escape : MENU_NO_ESCAPE);
		attach_output_init(&attach->output, screen_of_stdout());
		frame_decoder_init(&attach->decoder);
		status = run(attach, upgraded);
		free(attach->in);
	}
	fd_close(upgraded->fd);
	free(upgraded->rest);
	free(attach);
	return status;
}

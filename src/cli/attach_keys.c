/* What is typed, and what becomes of it; see attach_internal.h. */
#include "cli/attach_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* More than any key but a piece of typing becomes: a BREAK and a SysRq key. */
enum { KEY_ROOM = 64, MENU_LINE_SIZE = 160 };

/* ---- frames ---------------------------------------------------------------------------------- */

static size_t room(const struct attach *attach)
{
	return ATTACH_OUT_SIZE - attach->out_to;
}

bool attach_put_frame(struct attach *attach, enum frame_type type, const void *payload, size_t n)
{
	const struct frame frame = {.type = (uint8_t)type, .length = (uint32_t)n};
	if (FRAME_HEADER_SIZE + n > room(attach))
		return false;
	frame_encode(&frame, attach->out + attach->out_to);
	if (n > 0)
		memcpy(attach->out + attach->out_to + FRAME_HEADER_SIZE, payload, n);
	attach->out_to += FRAME_HEADER_SIZE + n;
	return true;
}

void attach_put_window(struct attach *attach)
{
	struct winsize size;
	if (!attach->window_due || room(attach) < KEY_ROOM)
		return;
	attach->window_due = false;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		return;
	const uint8_t payload[] = {(uint8_t)(size.ws_col >> 8), (uint8_t)size.ws_col,
		(uint8_t)(size.ws_row >> 8), (uint8_t)size.ws_row};
	attach_put_frame(attach, FRAME_WINDOW, payload, sizeof(payload));
}

static void put_pen(struct attach *attach, enum frame_pen what)
{
	const uint8_t payload = (uint8_t)what;
	attach_put_frame(attach, FRAME_PEN, &payload, 1);
}

/* ---- typing ---------------------------------------------------------------------------------- */

/* What has no chance is not sent, and said once. */
static bool may_type(struct attach *attach)
{
	char text[ATTACH_MESSAGE_MAX];
	if (attach_state_may_type(&attach->state))
		return true;
	if (!attach->state.told) {
		attach->state.told = true;
		attach_state_pen(&attach->state, text);
		attach_say(attach, text);
	}
	return false;
}

/* Up to n bytes; how many of them are done with. */
static size_t type(struct attach *attach, const uint8_t *bytes, size_t n)
{
	if (attach->is_interactive && !may_type(attach))
		return n;
	if (room(attach) < KEY_ROOM)
		return 0;
	size_t most = room(attach) - FRAME_HEADER_SIZE;
	n = n < most ? n : most;
	n = n < FRAME_PAYLOAD_MAX ? n : FRAME_PAYLOAD_MAX;
	attach_put_frame(attach, FRAME_DATA, bytes, n);
	return n;
}

/* A BREAK, and a key in the same breath. */
static void put_break(struct attach *attach, const uint8_t *key)
{
	if (!may_type(attach))
		return;
	attach_put_frame(attach, FRAME_BREAK, NULL, 0);
	if (key != NULL)
		attach_put_frame(attach, FRAME_DATA, key, 1);
}

/* ---- the menu -------------------------------------------------------------------------------- */

/* The escape key's name in place of "%s", which stands in the text once. */
static void fill(const struct attach *attach, const char *text, char *ret, size_t size)
{
	const char *gap = strstr(text, "%s");
	snprintf(ret, size, "%.*s%s%s", (int)(gap - text), text, attach->state.escape, gap + 2);
}

void attach_show_menu(struct attach *attach)
{
	char line[MENU_LINE_SIZE] = "SysRq: which key? (Escape: none)";
	if (attach->menu.state != MENU_CHOOSING_SYSRQ)
		fill(attach, attach_menu_line, line, sizeof(line));
	struct winsize size = {0};
	ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	attach_output_menu(&attach->output, line, size.ws_col);
}

static void on_open(struct attach *attach, uint8_t key)
{
	attach_show_menu(attach);
}

static void on_nothing(struct attach *attach, uint8_t key)
{
}

static void on_detach(struct attach *attach, uint8_t key)
{
	attach_say(attach, "detached");
	attach_end(attach, 0, NULL);
}

static void ask_for_pen(struct attach *attach, enum frame_pen how)
{
	attach->state.asked = how == FRAME_PEN_ASK;
	if (attach->state.has_pen)
		attach_say(attach, "you have the pen");
	else
		put_pen(attach, how);
}

static void on_ask(struct attach *attach, uint8_t key)
{
	ask_for_pen(attach, FRAME_PEN_ASK);
}

static void on_force(struct attach *attach, uint8_t key)
{
	ask_for_pen(attach, FRAME_PEN_FORCE);
}

static void on_give(struct attach *attach, uint8_t key)
{
	if (attach->state.has_pen)
		put_pen(attach, FRAME_PEN_GIVE);
	else
		attach_say(attach, "you do not have the pen");
}

static void on_break(struct attach *attach, uint8_t key)
{
	put_break(attach, NULL);
}

static void on_sysrq_key(struct attach *attach, uint8_t key)
{
	put_break(attach, &key);
}

static void on_who(struct attach *attach, uint8_t key)
{
	attach_ask_who(attach);
}

static void on_log(struct attach *attach, uint8_t key)
{
	char text[ATTACH_MESSAGE_MAX];
	const char *path = json_text(attach->params->reply, "log");
	snprintf(text, sizeof(text), "%s%s",
		path[0] != '\0' ? "the log is " : "the device has no log", path);
	attach_say(attach, text);
}

static void on_escape(struct attach *attach, uint8_t key)
{
	const uint8_t escape = (uint8_t)attach->menu.escape;
	type(attach, &escape, 1);
}

static void on_help(struct attach *attach, uint8_t key)
{
	char text[ATTACH_MESSAGE_MAX];
	fill(attach, attach_menu_help, text, sizeof(text));
	attach_say(attach, text);
}

static void (*const actions[MENU_ACTION_COUNT])(struct attach *attach, uint8_t key) = {
	[MENU_PASS] = on_nothing,
	[MENU_OPEN] = on_open,
	[MENU_BACK] = on_nothing,
	[MENU_DETACH] = on_detach,
	[MENU_ASK] = on_ask,
	[MENU_FORCE] = on_force,
	[MENU_GIVE] = on_give,
	[MENU_BREAK] = on_break,
	[MENU_SYSRQ] = on_open,
	[MENU_SYSRQ_KEY] = on_sysrq_key,
	[MENU_WHO] = on_who,
	[MENU_LOG] = on_log,
	[MENU_ESCAPE] = on_escape,
	[MENU_HELP] = on_help,
};

static void act(struct attach *attach, uint8_t key)
{
	enum menu_action action = attach_menu_key(&attach->menu, key);
	if (attach->menu.state == MENU_CLOSED)
		attach_output_menu_end(&attach->output);
	actions[action](attach, key);
}

void attach_take_keys(struct attach *attach)
{
	while (attach->keys_from < attach->keys_to && !attach->closing) {
		const uint8_t *keys = attach->keys + attach->keys_from;
		size_t n = attach->keys_to - attach->keys_from;
		if (attach->is_interactive)
			n = attach_menu_pass(&attach->menu, keys, n);
		if (room(attach) < KEY_ROOM)
			return;
		if (n > 0) {
			n = type(attach, keys, n);
		} else {
			n = 1;
			act(attach, keys[0]);
		}
		attach->keys_from += n;
	}
	attach->keys_from = attach->keys_to = 0;
}

/* ---- from the terminal ----------------------------------------------------------------------- */

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct attach *attach = consumer;
	if (attach->keys_to > 0)
		return 0;
	iov[0] = (struct iovec){attach->keys, sizeof(attach->keys)};
	return 1;
}

static void on_received(void *consumer, size_t n)
{
	struct attach *attach = consumer;
	attach->keys_to = n;
	attach_go_on(attach);
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void on_writable(void *consumer)
{
	attach_go_on(consumer);
}

static void output_failed(struct attach *attach, int code)
{
	char text[ERROR_MESSAGE_SIZE];
	snprintf(text, sizeof(text), "cannot write to standard output: %s", error_text(code));
	/* Whoever read it has had enough. */
	if (code == -EPIPE)
		attach_end(attach, 0, NULL);
	else
		attach_end(attach, 1, text);
}

static void on_written(void *consumer, size_t done, int failure)
{
	struct attach *attach = consumer;
	attach->is_writing = false;
	attach_output_written(&attach->output, done);
	if (failure < 0)
		output_failed(attach, failure);
	else
		attach_go_on(attach);
}

static void on_end_of_input(void *consumer)
{
	struct attach *attach = consumer;
	attach->input_ended = true;
	attach_go_on(attach);
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	output_failed(consumer, reason < 0 ? reason : -EPIPE);
}

const struct stream_sink attach_keys_sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

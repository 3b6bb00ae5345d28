/* The guest's bytes and our messages; see attach_output.h. */
#include "cli/attach_output.h"

#include "cli/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Sequences of the VT100 (ECMA-48; ESC 7, 8 and D are DEC's). */
static const char DIM[] = "\033[2m";
static const char REVERSE[] = "\033[7m";
static const char PLAIN[] = "\033[0m";
/* A line below the cursor, even at the bottom; remembers where it was; to the line's beginning. */
static const char BELOW[] = "\033D\033[A\0337\033[B\r";
static const char TO_LINE_START[] = "\r";
static const char ERASE_TO_END[] = "\033[K";
static const char BACK[] = "\0338";

/* What a message takes beside its text: every byte a new line, and the sequences. */
enum { MESSAGE_ROOM = 2 * ATTACH_MESSAGE_MAX + 64 };

void attach_output_init(struct attach_output *output, enum attach_screen screen)
{
	output->screen = screen;
	output->at_line_start = true;
	output->menu_shown = false;
	output->messages_lost = 0;
	output->from = output->to = 0;
}

bool attach_output_has_room(const struct attach_output *output)
{
	return ATTACH_OUTPUT_SIZE - output->to >= ATTACH_OUTPUT_PIECE + MESSAGE_ROOM;
}

static bool put(struct attach_output *output, const char *bytes, size_t n)
{
	if (n > ATTACH_OUTPUT_SIZE - output->to)
		return false;
	memcpy(output->bytes + output->to, bytes, n);
	output->to += n;
	return true;
}

static void put_text(struct attach_output *output, const char *text)
{
	put(output, text, strlen(text));
}

void attach_output_data(struct attach_output *output, const uint8_t *bytes, size_t n)
{
	bool fits = put(output, (const char *)bytes, n);
	assert(fits);
	output->at_line_start = bytes[n - 1] == '\n';
}

void attach_output_end_line(struct attach_output *output)
{
	if (!output->at_line_start && output->screen != ATTACH_SCREEN_NONE)
		put_text(output, "\r\n");
	output->at_line_start = true;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What others said (a reason, a name) does nothing to the terminal. */
static void put_line(struct attach_output *output, const char *text, size_t n)
{
	if (output->screen == ATTACH_SCREEN_FULL)
		put_text(output, DIM);
	for (size_t i = 0; i < n; i++) {
		bool is_control = (unsigned char)text[i] < ' ' || text[i] == 0x7f;
		put(output, is_control ? "?" : &text[i], 1);
	}
	if (output->screen == ATTACH_SCREEN_FULL)
		put_text(output, PLAIN);
	put_text(output, "\r\n");
}

static void put_message(struct attach_output *output, const char *text)
{
	attach_output_end_line(output);
	for (;;) {
		size_t n = strcspn(text, "\n");
		put_line(output, text, n);
		if (text[n] == '\0' || text[n + 1] == '\0')
			break;
		text += n + 1;
	}
}

static bool has_message_room(const struct attach_output *output)
{
	return ATTACH_OUTPUT_SIZE - output->to >= MESSAGE_ROOM;
}

static void tell_lost(struct attach_output *output)
{
	char text[64];
	if (output->messages_lost == 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " messages had no room", output->messages_lost);
	output->messages_lost = 0;
	put_message(output, text);
}

void attach_output_message(struct attach_output *output, const char *format, ...)
{
	char text[ATTACH_MESSAGE_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (output->screen == ATTACH_SCREEN_NONE) {
		fprintf(stderr, "chardev: %s%s", text, terminal_newline());
		return;
	}
	if (has_message_room(output))
		tell_lost(output);
	if (has_message_room(output))
		put_message(output, text);
	else
		output->messages_lost++;
}

/* ---- the menu -------------------------------------------------------------------------------- */

void attach_output_menu(struct attach_output *output, const char *text, int columns)
{
	size_t n = strlen(text);
	/* The last column stays free: some terminals go to the next line there. */
	if (columns > 1 && n > (size_t)columns - 1)
		n = (size_t)columns - 1;
	if (output->screen == ATTACH_SCREEN_NONE) {
		fprintf(stderr, "%.*s%s", (int)n, text, terminal_newline());
		return;
	}
	if (!has_message_room(output))
		return;
	if (output->screen == ATTACH_SCREEN_DUMB) {
		attach_output_end_line(output);
		put(output, text, n);
		put_text(output, "\r\n");
		return;
	}
	put_text(output, output->menu_shown ? TO_LINE_START : BELOW);
	put_text(output, REVERSE);
	put(output, text, n);
	put_text(output, PLAIN);
	put_text(output, ERASE_TO_END);
	output->menu_shown = true;
}

void attach_output_menu_end(struct attach_output *output)
{
	if (!output->menu_shown)
		return;
	output->menu_shown = false;
	put_text(output, TO_LINE_START);
	put_text(output, ERASE_TO_END);
	put_text(output, BACK);
}

/* ---- to standard output ---------------------------------------------------------------------- */

struct iovec attach_output_pending(struct attach_output *output)
{
	return (struct iovec){output->bytes + output->from, output->to - output->from};
}

void attach_output_written(struct attach_output *output, size_t n)
{
	output->from += n;
	if (output->from == output->to)
		output->from = output->to = 0;
}

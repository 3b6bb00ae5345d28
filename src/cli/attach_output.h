/*
 * What `chardev attach` writes: the guest's bytes, and on a terminal our messages and the menu
 * among them. Pure and bounded: the session takes what stands here to standard output, and reads no
 * more from the server while there is little room.
 *
 * On a terminal a message is one dim line that begins at the beginning of a line; the menu stands
 * in reverse video in the line below the cursor, which goes back to where it was. A dumb terminal
 * (TERM unset or "dumb") gets plain lines. Where standard output is no terminal, the bytes on it
 * are the guest's alone and messages go to standard error.
 */
#ifndef CHARDEV_CLI_ATTACH_OUTPUT_H
#define CHARDEV_CLI_ATTACH_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	ATTACH_OUTPUT_SIZE = 64 * 1024,
	ATTACH_OUTPUT_PIECE = 16 * 1024, /* of the guest's, at a time */
	ATTACH_MESSAGE_MAX = 512,
};

enum attach_screen {
	ATTACH_SCREEN_NONE, /* a pipe, a file */
	ATTACH_SCREEN_DUMB,
	ATTACH_SCREEN_FULL,
};

struct attach_output {
	enum attach_screen screen;
	bool at_line_start;
	bool menu_shown;
	uint64_t messages_lost; /* there was no room */
	size_t from, to;
	char bytes[ATTACH_OUTPUT_SIZE];
};

void attach_output_init(struct attach_output *output, enum attach_screen screen);

/* Whether a piece of the guest's has room, and a message after it. */
bool attach_output_has_room(const struct attach_output *output);
/* n <= ATTACH_OUTPUT_PIECE bytes, when there is room. */
void attach_output_data(struct attach_output *output, const uint8_t *bytes, size_t n);

/* One line, or several: every '\n' in it begins another. Cut to ATTACH_MESSAGE_MAX bytes. */
void attach_output_message(struct attach_output *output, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Shows a text instead of what the menu was; `columns`: of the screen. */
void attach_output_menu(struct attach_output *output, const char *text, int columns);
void attach_output_menu_end(struct attach_output *output);

/* A new line, unless one has just begun: before something else is printed at the end. */
void attach_output_end_line(struct attach_output *output);

/* What is to be written, and that n bytes of it were. */
struct iovec attach_output_pending(struct attach_output *output);
void attach_output_written(struct attach_output *output, size_t n);

#endif

/*
 * A session of `chardev attach`: for attach_session.c, which joins the streams, attach_keys.c,
 * which has what is typed, and the small ones beside them.
 *
 *     server --> in --> frame decoder --> output --> terminal
 *     server <-- out <-- frames <-- menu <-- keys <-- terminal
 *
 * Each buffer is filled only when it is empty, or has room for the most that may come: a side that
 * does not take holds up the other one, and nothing grows.
 */
#ifndef CHARDEV_CLI_ATTACH_INTERNAL_H
#define CHARDEV_CLI_ATTACH_INTERNAL_H

#include "cli/attach_menu.h"
#include "cli/attach_output.h"
#include "cli/attach_session.h"
#include "cli/attach_state.h"
#include "cli/terminal.h"
#include "control/frame.h"
#include "loop/loop.h"
#include "stream/fd_stream.h"

enum {
	ATTACH_IN_SIZE = ATTACH_OUTPUT_PIECE,
	ATTACH_KEYS_SIZE = 4 * 1024,
	ATTACH_OUT_SIZE = 64 * 1024,
};

struct attach_signal {
	struct loop_signal base;
	struct attach *attach;
};

enum { ATTACH_SIGNALS = 4 };

struct attach {
	const struct attach_params *params;
	struct loop *loop;
	struct attach_signal signals[ATTACH_SIGNALS];
	int signal_count;
	struct loop_task task; /* goes on: streams do not call back on the same stack */

	struct fd_stream server;
	bool server_open;
	bool server_gone; /* nothing comes any more */
	struct frame_decoder decoder;
	size_t in_from, in_to;
	uint8_t *in; /* of ATTACH_IN_SIZE bytes at least */
	size_t out_from, out_to;
	uint8_t out[ATTACH_OUT_SIZE];

	struct terminal *terminal; /* NULL once closed */
	bool is_interactive;       /* a person at a terminal, with the menu */
	bool input_ended;
	bool input_told; /* the server, of that */
	bool window_due; /* its size has changed */
	bool is_writing; /* output is borrowed */
	size_t keys_from, keys_to;
	uint8_t keys[ATTACH_KEYS_SIZE];

	struct attach_menu menu;
	struct attach_state state;
	struct attach_output output;
	struct attach_who *who; /* the question that is under way */

	bool closing;
	int status;
	int closes_pending;
	char complaint[ERROR_MESSAGE_SIZE]; /* for standard error, at the end; "": none */
};

/* ---- attach_session.c ------------------------------------------------------------------------ */

/* Says it among the output; the menu, if it is open, stays below. "" is not said. */
void attach_say(struct attach *attach, const char *text);

/* Ends the session now; `complaint` NULL: in order. The first call counts. */
void attach_end(struct attach *attach, int status, const char *complaint);

/* Passes on what is there, in both directions. */
void attach_go_on(struct attach *attach);

/* ---- attach_keys.c --------------------------------------------------------------------------- */

/* What the terminal's stream is given as its sink. */
extern const struct stream_sink attach_keys_sink;

/* Turns keys into frames, as far as there is room. */
void attach_take_keys(struct attach *attach);

/* Adds a frame for the server. False: there is no room. */
bool attach_put_frame(struct attach *attach, enum frame_type type, const void *payload, size_t n);

/* The menu, or what it asks for. */
void attach_show_menu(struct attach *attach);

/* The size of the terminal, if it has changed and there is room. */
void attach_put_window(struct attach *attach);

/* ---- attach_signals.c ------------------------------------------------------------------------ */

/* SIGINT, SIGTERM, SIGHUP (unless they are ignored), SIGWINCH; SIGPIPE is ignored from here on. */
int attach_watch_signals(struct attach *attach, struct error *err);
void attach_forget_signals(struct attach *attach);

/* ---- attach_who.c ---------------------------------------------------------------------------- */

/* Asks on a second connection, off the loop, and says the answer. One question at a time. */
void attach_ask_who(struct attach *attach);
/* Its answer is not wanted any more. */
void attach_forget_who(struct attach *attach);

#endif

/*
 * chardev log: a device's log, its rotated files included, as its server gives it. Blocking: what
 * is not written to standard output is not asked for, and what the server has it keeps.
 */
#include "cli/command.h"
#include "cli/control_options.h"
#include "cli/log_format.h"
#include "cli/number.h"
#include "cli/since.h"
#include "util/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_SIZE = 32 * 1024 };

struct log_options {
	struct control_options control;
	bool follow, has_since, has_tail;
	int64_t since_ms;
	uint64_t tail;
	enum log_format_mode mode;
};

struct printing {
	struct log_format format;
	struct frame_decoder decoder;
};

/* ---- printing -------------------------------------------------------------------------------- */

static void on_out(void *user, const void *bytes, size_t n)
{
	fwrite(bytes, 1, n, stdout);
}

static void on_gap(void *user, uint64_t offset, uint64_t missed)
{
	fflush(stdout);
	if (missed > 0)
		fprintf(stderr,
			"chardev: %" PRIu64 " bytes before offset %" PRIu64 " are missing\n",
			missed, offset);
	else
		fprintf(stderr, "chardev: bytes before offset %" PRIu64 " are missing\n", offset);
}

static const struct log_format_sink sink = {.out = on_out, .gap = on_gap};

/* Waits for the server, or for the one who reads us to leave. False: it left. */
static bool wait_for(int fd)
{
	struct pollfd polls[] = {{fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
	while (poll(polls, 2, -1) < 0 && errno == EINTR)
		continue;
	return (polls[1].revents & (POLLERR | POLLHUP)) == 0;
}

/* 0 at the end of the log. */
static int print_all(
	struct printing *printing, const struct client_upgraded *upgraded, struct error *err)
{
	uint8_t piece[PIECE_SIZE];
	int code = frame_decode(&printing->decoder, (const uint8_t *)upgraded->rest,
		upgraded->rest_size, &log_format_frames, &printing->format);
	while (code == 0 && !ferror(stdout)) {
		fflush(stdout);
		if (!wait_for(upgraded->fd))
			return 0;
		ssize_t n = read(upgraded->fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno,
				"the connection to the log's server failed: %s",
				error_text(-errno));
		if (n == 0)
			break;
		code = frame_decode(&printing->decoder, piece, (size_t)n, &log_format_frames,
			&printing->format);
	}
	log_format_end(&printing->format);
	if (code < 0)
		return error_set(err, code, "the log's server sends what are no frames");
	if (printing->format.failed)
		return error_set(err, -EIO,
			"a part of the log could not be printed: it is not "
			"understood, or memory ran out");
	if (!printing->format.ended)
		return error_set(err, -EPIPE, "the log's server ended the connection");
	return printing->format.end_reason[0] != '\0'
		       ? error_set(err, -EIO, "%s", printing->format.end_reason)
		       : 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static json_t *make_parameters(
	const struct log_options *options, const struct control_target *target)
{
	char since[TIME_TEXT_SIZE] = "";
	json_t *parameters = control_target_parameters(target);
	time_text(options->since_ms, since);
	json_t *rest = json_pack("{s:b, s:o*, s:s*}", "follow", options->follow, "tail",
		options->has_tail ? json_integer((json_int_t)options->tail) : NULL, "since",
		options->has_since ? since : NULL);
	int code = parameters != NULL && rest != NULL ? json_object_update(parameters, rest) : -1;
	json_decref(rest);
	if (code == 0)
		return parameters;
	json_decref(parameters);
	return NULL;
}

static int open_log(const struct log_options *options, const struct control_target *target,
	struct client_upgraded *ret, struct error *err)
{
	struct client *client = NULL;
	json_t *reply = NULL;
	bool continues;
	int code = control_connect(&options->control, target->domain, 0, &client, err);
	if (code == 0)
		code = client_send(client, "org.chardev.Log", make_parameters(options, target),
			CLIENT_UPGRADE, err);
	if (code == 0)
		code = client_receive(client, &reply, &continues, err);
	if (code == 0)
		client_upgrade(client, ret);
	json_decref(reply);
	client_free(client);
	return code;
}

static int show(const struct log_options *options, const char *where)
{
	struct control_target target;
	struct client_upgraded upgraded;
	struct error err = {0};
	struct printing *printing = calloc(1, sizeof(*printing));
	if (printing == NULL)
		return control_failed(&(struct error){.message = "out of memory"});
	int code = control_target_parse(where, &target, &err);
	if (code == 0) {
		code = open_log(options, &target, &upgraded, &err);
		control_target_fini(&target);
	}
	if (code == 0) {
		log_format_init(&printing->format, options->mode, &sink, NULL);
		frame_decoder_init(&printing->decoder);
		code = print_all(printing, &upgraded, &err);
		fd_close(upgraded.fd);
		free(upgraded.rest);
	}
	free(printing);
	return code < 0 ? control_failed(&err) : 0;
}

/* ---- options --------------------------------------------------------------------------------- */

/* 0, or EXIT_USAGE after a sentence. */
static int take_option(struct log_options *options, int c, const char *command)
{
	struct error err = {0};
	int code = 0;
	switch (c) {
	case 'f':
		options->follow = true;
		break;
	case 't':
		options->mode = LOG_FORMAT_TIMESTAMPS;
		break;
	case 'j':
		options->mode = LOG_FORMAT_JSON;
		break;
	case 'n':
		code = number_parse(optarg, "--tail", &options->tail, &err);
		options->has_tail = true;
		break;
	case 's':
		code = since_parse(optarg, time_now_ms(), &options->since_ms, &err);
		options->has_since = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return code < 0 ? control_usage(command, "%s", err.message) : 0;
}

int cli_log(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"follow", no_argument, NULL, 'f'},
		{"timestamps", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"tail", required_argument, NULL, 'n'},
		{"since", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct log_options options = {.mode = LOG_FORMAT_RAW};
	for (int c; (c = control_options_next(&options.control, argc, argv, ":f", table)) != -1;)
		if (take_option(&options, c, argv[0]) != 0)
			return EXIT_USAGE;
	if (argc - optind != 1)
		return control_usage(argv[0], "it takes one DOMAIN[/DEVICE]");
	if (options.has_tail && options.has_since)
		return control_usage(argv[0], "--tail and --since exclude each other");
	return show(&options, argv[optind]);
}

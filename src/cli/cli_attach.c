/* chardev attach: a device's output here, and what is typed here for its guest. */
#include "cli/attach_menu.h"
#include "cli/attach_session.h"
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/number.h"
#include "cli/since.h"
#include "util/fd.h"
#include "util/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ESCAPE_DEFAULT = 0x1d }; /* ^] */

struct attach_options {
	struct control_options control;
	bool read_only, force, lossless;
	bool has_tail, has_since, has_offset;
	uint64_t tail, offset;
	int64_t since_ms;
	int escape;
};

/* ---- options --------------------------------------------------------------------------------- */

/* A time, or where in the history. */
static int take_since(struct attach_options *options, const char *text, struct error *err)
{
	if (number_looks_like(text)) {
		options->has_offset = true;
		return number_parse(text, "--since", &options->offset, err);
	}
	options->has_since = true;
	return since_parse(text, time_now_ms(), &options->since_ms, err);
}

/* 0, or EXIT_USAGE after a sentence. */
static int take_option(struct attach_options *options, int c, const char *command)
{
	struct error err = {0};
	int code = 0;
	switch (c) {
	case 'r':
		options->read_only = true;
		break;
	case 'f':
		options->force = true;
		break;
	case 'l':
		options->lossless = true;
		break;
	case 'n':
		options->has_tail = true;
		code = number_parse(optarg, "--tail", &options->tail, &err);
		break;
	case 's':
		code = take_since(options, optarg, &err);
		break;
	case 'e':
		code = attach_escape_parse(optarg, &options->escape, &err);
		break;
	default:
		return EXIT_USAGE;
	}
	return code < 0 ? control_usage(command, "%s", err.message) : 0;
}

static int take_options(struct attach_options *options, int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"read-only", no_argument, NULL, 'r'},
		{"force", no_argument, NULL, 'f'},
		{"lossless", no_argument, NULL, 'l'},
		{"tail", required_argument, NULL, 'n'},
		{"since", required_argument, NULL, 's'},
		{"escape", required_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	for (int c; (c = control_options_next(&options->control, argc, argv, ":", table)) != -1;)
		if (take_option(options, c, argv[0]) != 0)
			return EXIT_USAGE;
	if (argc - optind != 1)
		return control_usage(argv[0], "it takes one DOMAIN[/DEVICE]");
	if (options->has_tail + options->has_since + options->has_offset > 1)
		return control_usage(argv[0], "give one of --tail and --since, once");
	if (options->read_only && options->force)
		return control_usage(argv[0], "--read-only and --force exclude each other");
	return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static json_t *make_parameters(
	const struct attach_options *options, const struct control_target *target)
{
	char since[TIME_TEXT_SIZE];
	json_t *parameters = control_target_parameters(target);
	time_text(options->since_ms, since);
	json_t *rest = json_pack("{s:b, s:b, s:b, s:o*, s:s*, s:o*}", "read_only",
		options->read_only, "force", options->force, "lossless", options->lossless, "tail",
		options->has_tail ? json_integer((json_int_t)options->tail) : NULL, "since",
		options->has_since ? since : NULL, "offset",
		options->has_offset ? json_integer((json_int_t)options->offset) : NULL);
	int code = parameters != NULL && rest != NULL ? json_object_update(parameters, rest) : -1;
	json_decref(rest);
	if (code == 0)
		return parameters;
	json_decref(parameters);
	return NULL;
}

static int ask(const struct attach_options *options, const struct control_target *target,
	json_t **ret_reply, struct client_upgraded *ret, struct error *err)
{
	struct client *client = NULL;
	bool continues;
	int code = control_connect(&options->control, target->domain, 0, &client, err);
	if (code == 0)
		code = client_send(client, "org.chardev.Attach", make_parameters(options, target),
			CLIENT_UPGRADE, err);
	if (code == 0)
		code = client_receive(client, ret_reply, &continues, err);
	if (code == 0)
		client_upgrade(client, ret);
	client_free(client);
	return code;
}

/* A program that types cannot wait for the pen: it is told before it begins. */
static bool is_refused(const struct attach_options *options, const struct control_target *target,
	const json_t *reply)
{
	size_t i;
	const json_t *viewer;
	char who[WHO_SIZE] = "another viewer";
	if (options->read_only || isatty(STDIN_FILENO) || json_flag(reply, "pen"))
		return false;
	json_array_foreach(json_object_get(reply, "viewers"), i, viewer)
		if (json_flag(viewer, "pen"))
			who_text(viewer, who);
	fprintf(stderr,
		"chardev: %s/%s: %s has the pen, so nothing can be typed; --force takes it, and "
		"--read-only does without\n",
		target->domain, json_text(reply, "device"), who);
	return true;
}

/* The exit status. */
static int attach_to(const struct attach_options *options, const struct control_target *target)
{
	struct error err = {0};
	struct client_upgraded upgraded;
	json_t *reply = NULL;
	if (ask(options, target, &reply, &upgraded, &err) < 0)
		return control_failed(&err);
	const struct attach_params params = {
		.control = &options->control,
		.target = target,
		.reply = reply,
		.read_only = options->read_only,
		.escape = options->escape,
	};
	int status = 1;
	if (is_refused(options, target, reply)) {
		fd_close(upgraded.fd);
		free(upgraded.rest);
	} else {
		status = attach_session_run(&params, &upgraded);
	}
	json_decref(reply);
	return status;
}

int cli_attach(int argc, char **argv)
{
	struct attach_options options = {.escape = ESCAPE_DEFAULT};
	struct control_target target;
	struct error err = {0};
	if (take_options(&options, argc, argv) != 0)
		return EXIT_USAGE;
	if (control_target_parse(argv[optind], &target, &err) < 0)
		return control_usage(argv[0], "%s", err.message);
	int status = attach_to(&options, &target);
	control_target_fini(&target);
	return status;
}

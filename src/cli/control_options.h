/*
 * What the commands of the control interface share: their options, DOMAIN[/DEVICE], and whom they
 * ask.
 *
 * Asked is the socket of --socket; else, for a domain, RUNTIME/NAME/control.sock (`chardev run`),
 * if something answers there; else RUNTIME/chardevd.sock. Sentences go to standard error.
 */
#ifndef CHARDEV_CLI_CONTROL_OPTIONS_H
#define CHARDEV_CLI_CONTROL_OPTIONS_H

#include "control/client.h"
#include "util/error.h"

#include <getopt.h>
#include <stdbool.h>

struct control_options {
	const char *socket;      /* --socket; NULL: see above */
	const char *runtime_dir; /* --runtime-dir; NULL: the default */
};

/* Values of getopt_long() that are no characters. */
enum { CONTROL_OPTION_SOCKET = 256, CONTROL_OPTION_RUNTIME_DIR };

/* The first lines of a command's table of options. */
/* clang-format off */
#define CONTROL_OPTIONS \
	{"socket", required_argument, NULL, CONTROL_OPTION_SOCKET}, \
	{"runtime-dir", required_argument, NULL, CONTROL_OPTION_RUNTIME_DIR}
/* clang-format on */

/*
 * getopt_long() that takes the shared options itself: the next one of the command's own, -1 at
 * their end, or '?' after a sentence. `letters` begins with ':', or "+:" where the first word that
 * is no option ends them.
 */
int control_options_next(struct control_options *options, int argc, char **argv,
	const char *letters, const struct option *table);

/* Says "chardev: COMMAND: ...; see "chardev help COMMAND"". EXIT_USAGE. */
int control_usage(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says the sentence. 1. */
int control_failed(const struct error *err);

/* ---- whom it is about ------------------------------------------------------------------------ */

struct control_target {
	char *domain;
	const char *device; /* within the same memory; NULL: the domain's console */
};

/* From "DOMAIN" or "DOMAIN/DEVICE". */
int control_target_parse(const char *word, struct control_target *ret, struct error *err);
void control_target_fini(struct control_target *target);

/* {"domain": ..., "device": ...} for a call; NULL when memory ran out. */
json_t *control_target_parameters(const struct control_target *target);

/* ---- whom it asks ---------------------------------------------------------------------------- */

enum { CONTROL_PATH_SIZE = 256, CONTROL_PATIENCE_MS = 5000 };

/* Where chardevd listens, and a domain's own server. */
int control_daemon_path(
	const struct control_options *options, char ret[CONTROL_PATH_SIZE], struct error *err);
int control_domain_path(const struct control_options *options, const char *domain,
	char ret[CONTROL_PATH_SIZE], struct error *err);

/* Connects for a domain (NULL: chardevd). patience_ms as in client_connect(). */
int control_connect(const struct control_options *options, const char *domain, int patience_ms,
	struct client **ret, struct error *err);

/* Asks the domain's server for one thing. `parameters` is stolen, as in client_send(). */
int control_call(const struct control_options *options, const char *domain, const char *method,
	json_t *parameters, json_t **ret, struct error *err);

#endif

/* Options, names and sockets of the control interface's commands; see control_options.h. */
#include "cli/control_options.h"

#include "cli/command.h"
#include "device/runtime.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SYSTEM_SOCKET[] = "/run/chardev/chardevd.sock";

/* ---- options --------------------------------------------------------------------------------- */

int control_options_next(struct control_options *options, int argc, char **argv,
	const char *letters, const struct option *table)
{
	opterr = 0;
	for (;;) {
		int c = getopt_long(argc, argv, letters, table, NULL);
		if (c == CONTROL_OPTION_SOCKET) {
			options->socket = optarg;
		} else if (c == CONTROL_OPTION_RUNTIME_DIR) {
			options->runtime_dir = optarg;
		} else if (c == ':' || c == '?') {
			control_usage(argv[0], "%s %s", argv[optind - 1],
				c == ':' ? "needs a value"
					 : "is not an option, or has a value too many");
			return '?';
		} else {
			return c;
		}
	}
}

int control_usage(const char *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "chardev: %s: ", command);
	vfprintf(stderr, format, args);
	fprintf(stderr, "; see \"chardev help %s\"\n", command);
	va_end(args);
	return EXIT_USAGE;
}

int control_failed(const struct error *err)
{
	fprintf(stderr, "chardev: %s\n", err->message);
	return 1;
}

/* ---- whom it is about ------------------------------------------------------------------------ */

static int check_name(const char *name, const char *what, const char *word, struct error *err)
{
	if (name[0] == '\0')
		return error_set(err, -EINVAL,
			"\"%.100s\" names no %s; it is DOMAIN or DOMAIN/DEVICE", word, what);
	/* JSON has no place for anything else. */
	json_t *text = json_string(name);
	if (text == NULL)
		return error_set(err, -EINVAL, "the name of the %s is not UTF-8", what);
	json_decref(text);
	return 0;
}

int control_target_parse(const char *word, struct control_target *ret, struct error *err)
{
	char *domain = strdup(word);
	if (domain == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	/* An alias has no slash. */
	char *slash = strrchr(domain, '/');
	if (slash != NULL)
		*slash++ = '\0';
	int code = check_name(domain, "domain", word, err);
	if (code == 0 && slash != NULL)
		code = check_name(slash, "device", word, err);
	if (code < 0)
		free(domain);
	else
		*ret = (struct control_target){.domain = domain, .device = slash};
	return code;
}

void control_target_fini(struct control_target *target)
{
	free(target->domain);
	*target = (struct control_target){0};
}

json_t *control_target_parameters(const struct control_target *target)
{
	return json_pack("{s:s, s:s*}", "domain", target->domain, "device", target->device);
}

/* ---- whom it asks ---------------------------------------------------------------------------- */

static int runtime_socket(const struct control_options *options, const char *leaf,
	char ret[CONTROL_PATH_SIZE], struct error *err)
{
	char base[CONTROL_PATH_SIZE];
	int code = 0;
	if (options->runtime_dir == NULL)
		code = runtime_default_dir(base, sizeof(base), err);
	else if (snprintf(base, sizeof(base), "%s", options->runtime_dir) >= (int)sizeof(base))
		code = -ENAMETOOLONG;
	if (code == 0 && snprintf(ret, CONTROL_PATH_SIZE, "%s/%s", base, leaf) >= CONTROL_PATH_SIZE)
		code = -ENAMETOOLONG;
	return code == -ENAMETOOLONG
		       ? error_set(err, code, "the runtime directory's name is too long")
		       : code;
}

int control_daemon_path(
	const struct control_options *options, char ret[CONTROL_PATH_SIZE], struct error *err)
{
	return runtime_socket(options, "chardevd.sock", ret, err);
}

int control_domain_path(const struct control_options *options, const char *domain,
	char ret[CONTROL_PATH_SIZE], struct error *err)
{
	char name[RUNTIME_NAME_SIZE];
	char leaf[RUNTIME_NAME_SIZE + sizeof("/control.sock")];
	runtime_name(domain, name);
	snprintf(leaf, sizeof(leaf), "%s/control.sock", name);
	return runtime_socket(options, leaf, ret, err);
}

static bool is_absent(int code)
{
	return code == -ENOENT || code == -ECONNREFUSED;
}

static int no_daemon(const char *path, struct error *err)
{
	bool has_other = strcmp(path, SYSTEM_SOCKET) != 0 && access(SYSTEM_SOCKET, F_OK) == 0;
	return error_set(err, -ENOENT,
		"chardevd does not run (nothing serves %s); start it with %s, or give --socket "
		"PATH%s%s",
		path, geteuid() == 0 ? "\"systemctl start chardevd\"" : "\"chardevd\"",
		has_other ? "; the system's is " : "", has_other ? SYSTEM_SOCKET : "");
}

static int connect_daemon(const struct control_options *options, int patience_ms,
	struct client **ret, struct error *err)
{
	char path[CONTROL_PATH_SIZE];
	int code = control_daemon_path(options, path, err);
	if (code == 0)
		code = client_connect(path, patience_ms, ret, err);
	return is_absent(code) ? no_daemon(path, err) : code;
}

int control_connect(const struct control_options *options, const char *domain, int patience_ms,
	struct client **ret, struct error *err)
{
	char path[CONTROL_PATH_SIZE];
	if (options->socket != NULL)
		return client_connect(options->socket, patience_ms, ret, err);
	if (domain == NULL)
		return connect_daemon(options, patience_ms, ret, err);
	int code = control_domain_path(options, domain, path, err);
	if (code == 0)
		code = client_connect(path, patience_ms, ret, err);
	return is_absent(code) ? connect_daemon(options, patience_ms, ret, err) : code;
}

int control_call(const struct control_options *options, const char *domain, const char *method,
	json_t *parameters, json_t **ret, struct error *err)
{
	struct client *client = NULL;
	int code = control_connect(options, domain, 0, &client, err);
	if (code == 0)
		code = client_call(client, method, parameters, ret, err);
	else
		json_decref(parameters);
	client_free(client);
	return code;
}

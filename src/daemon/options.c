/* The command line of chardevd; see options.h. */
#include "daemon/options.h"

#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
	"usage: chardevd [OPTIONS]\n"
	"\n"
	"  --config-dir DIR   the definitions, and chardevd.conf\n"
	"  --config FILE      the settings\n"
	"  --runtime-dir DIR  the domains' FIFOs, histories and sockets\n"
	"  --log-dir DIR      the domains' logs\n"
	"  --socket PATH      the control interface\n"
	"  --check            say what is wrong with the settings and definitions\n"
	"  --version\n"
	"\n"
	"See also chardevd(8).\n";

enum {
	OPTION_CHECK = 256,
	OPTION_CONFIG,
	OPTION_CONFIG_DIR,
	OPTION_HELP,
	OPTION_LOG_DIR,
	OPTION_RUNTIME_DIR,
	OPTION_SOCKET,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"check", no_argument, NULL, OPTION_CHECK},
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"config-dir", required_argument, NULL, OPTION_CONFIG_DIR},
	{"help", no_argument, NULL, OPTION_HELP},
	{"log-dir", required_argument, NULL, OPTION_LOG_DIR},
	{"runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

/* ---- the places ------------------------------------------------------------------------------ */

static int default_config_dir(char **ret, struct error *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;
	if (geteuid() == 0)
		n = asprintf(ret, "/etc/chardev");
	else if (config != NULL && config[0] == '/')
		n = asprintf(ret, "%s/chardev", config);
	else if (home != NULL && home[0] == '/')
		n = asprintf(ret, "%s/.config/chardev", home);
	else
		return error_set(err, -ENOENT,
			"neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the "
			"definitions; set one or give --config-dir");
	return n < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static int default_dir(
	int (*find)(char *ret, size_t size, struct error *err), char **ret, struct error *err)
{
	char path[RUNTIME_PATH_SIZE];
	int code = find(path, sizeof(path), err);
	if (code < 0)
		return code;
	*ret = strdup(path);
	return *ret == NULL ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static int below(const char *dir, const char *leaf, char **ret, struct error *err)
{
	if (asprintf(ret, "%s/%s", dir, leaf) >= 0)
		return 0;
	*ret = NULL;
	return error_set(err, -ENOMEM, "out of memory");
}

static int fill_in(struct options *options, struct error *err)
{
	int code = 0;
	if (options->config_dir == NULL)
		code = default_config_dir(&options->config_dir, err);
	if (code == 0 && options->config_file == NULL)
		code = below(options->config_dir, "chardevd.conf", &options->config_file, err);
	if (code == 0 && options->runtime_dir == NULL)
		code = default_dir(runtime_default_dir, &options->runtime_dir, err);
	if (code == 0 && options->log_dir == NULL)
		code = default_dir(runtime_default_log_dir, &options->log_dir, err);
	if (code == 0 && options->socket_path == NULL)
		code = below(options->runtime_dir, "chardevd.sock", &options->socket_path, err);
	return code;
}

/* ---- the arguments --------------------------------------------------------------------------- */

/* The last one of several counts. Slashes at the end would make two names of one directory. */
static bool take(char **field, const char *value)
{
	size_t n = strlen(value);
	while (n > 1 && value[n - 1] == '/')
		n--;
	free(*field);
	*field = strndup(value, n);
	return *field != NULL && n > 0;
}

static bool take_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case OPTION_CONFIG:
		options->config_given = true;
		return take(&options->config_file, value);
	case OPTION_CONFIG_DIR:
		return take(&options->config_dir, value);
	case OPTION_LOG_DIR:
		return take(&options->log_dir, value);
	case OPTION_RUNTIME_DIR:
		return take(&options->runtime_dir, value);
	case OPTION_SOCKET:
		options->socket_given = true;
		return take(&options->socket_path, value);
	default:
		return false; /* getopt_long() has said why */
	}
}

static enum options_verdict finish(struct options *options, bool check)
{
	struct error err = {0};
	if (fill_in(options, &err) == 0)
		return check ? OPTIONS_CHECK : OPTIONS_SERVE;
	fprintf(stderr, "chardevd: %s\n", err.message);
	return OPTIONS_WRONG;
}

enum options_verdict options_parse(int argc, char **argv, struct options *ret)
{
	bool check = false;
	int option;
	*ret = (struct options){0};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPTION_HELP || option == OPTION_VERSION) {
			fputs(option == OPTION_HELP ? USAGE : "chardevd " CHARDEV_VERSION "\n",
				stdout);
			return OPTIONS_DONE;
		}
		if (option == OPTION_CHECK) {
			check = true;
		} else if (!take_option(ret, option, optarg)) {
			fputs("chardevd: \"chardevd --help\" lists the options\n", stderr);
			return OPTIONS_WRONG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "chardevd: \"%s\" is no option; \"chardevd --help\" lists them\n",
			argv[optind]);
		return OPTIONS_WRONG;
	}
	return finish(ret, check);
}

void options_fini(struct options *options)
{
	free(options->config_dir);
	free(options->config_file);
	free(options->runtime_dir);
	free(options->log_dir);
	free(options->socket_path);
}

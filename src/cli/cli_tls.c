/* chardev tls init: certificates for a trial of TLS. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/tls_make.h"

static const char *const purposes[TLS_FILE_COUNT] = {
	[TLS_FILE_CA_CERT] = "the authority's certificate: both sides need it",
	[TLS_FILE_CA_KEY] = "the authority's key: signs others; no side needs it",
	[TLS_FILE_SERVER_CERT] = "the server's certificate",
	[TLS_FILE_SERVER_KEY] = "the server's key: for the server alone",
	[TLS_FILE_CLIENT_CERT] = "a client's certificate",
	[TLS_FILE_CLIENT_KEY] = "the client's key: for the client alone",
};

static void explain(const char *dir, const struct strlist *hosts)
{
	printf("%s has, valid for a year:\n\n", dir);
	for (int i = 0; i < TLS_FILE_COUNT; i++)
		printf("  %-15s  %s\n", tls_file_names[i], purposes[i]);
	printf("\nThe client's name is CN=%s; the server answers to", TLS_CLIENT_NAME);
	for (size_t i = 0; i < hosts->count; i++)
		printf("%s %s", i > 0 ? "," : "", hosts->items[i]);
	printf(".\n\nIn a device of type tcp with <protocol type='tls'/>, of either mode:\n\n"
	       "  <chardev:tls dir='%s'/>\n\n"
	       "Another client of a server on PORT:\n\n"
	       "  gnutls-cli --x509cafile '%s/ca-cert.pem' --x509certfile '%s/client-cert.pem' \\\n"
	       "    --x509keyfile '%s/client-key.pem' -p PORT localhost\n",
		dir, dir, dir, dir);
}

static int init(const char *dir, struct strlist *hosts)
{
	struct error err = {0};
	tls_own_hosts(hosts);
	if (hosts->failed) {
		fprintf(stderr, "chardev: out of memory\n");
		return 1;
	}
	if (tls_make_set(dir, hosts, &err) < 0) {
		fprintf(stderr, "chardev: %s\n", err.message);
		return 1;
	}
	char *whole = realpath(dir, NULL);
	explain(whole != NULL ? whole : dir, hosts);
	free(whole);
	return 0;
}

/* The hosts of the options, and how many words are left; < 0: wrong, and said so. */
static int read_options(int argc, char **argv, struct strlist *hosts)
{
	static const struct option options[] = {
		{"host", required_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		if (c != 'h') {
			fprintf(stderr, "chardev: tls: %s: see \"chardev help tls\"\n",
				argv[optind - 1]);
			return -1;
		}
		if (!tls_is_host(optarg)) {
			fprintf(stderr,
				"chardev: tls: \"%s\" is neither a host's name nor an IP address; "
				"mend --host\n",
				optarg);
			return -1;
		}
		strlist_add(hosts, optarg);
	}
	return argc - optind;
}

int cli_tls(int argc, char **argv)
{
	struct strlist hosts = STRLIST_INIT;
	int status = EXIT_USAGE;
	int words = read_options(argc, argv, &hosts);
	if (words == 2 && strcmp(argv[optind], "init") == 0 && argv[optind + 1][0] != '\0')
		status = init(argv[optind + 1], &hosts);
	else if (words >= 0)
		fprintf(stderr, "chardev: tls takes \"init\" and one DIR\n");
	strlist_fini(&hosts);
	return status;
}

/* chardev events: what happens, a line each, until it is ended or the servers are. */
#include "cli/command.h"
#include "cli/control_servers.h"
#include "cli/json_text.h"
#include "cli/table.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct following {
	struct control_servers servers;
	struct pollfd *polls; /* by server, and one more for standard output */
	bool as_json;
};

static void print_event(const json_t *event)
{
	char who[WHO_SIZE];
	const char *device = json_text(event, "device");
	if (json_number(event, "lost") > 0)
		fprintf(stderr, "chardev: %" JSON_INTEGER_FORMAT " events were not told in time\n",
			json_number(event, "lost"));
	printf("%s %-9s", json_text(event, "time"), json_text(event, "event"));
	if (json_text(event, "domain")[0] != '\0')
		putchar(' ');
	table_print_text(json_text(event, "domain"), stdout);
	if (device[0] != '\0') {
		putchar('/');
		table_print_text(device, stdout);
	}
	if (json_is_integer(json_object_get(event, "uid"))) {
		who_text(event, who);
		printf(" by %s", who);
	}
	if (json_text(event, "text")[0] != '\0') {
		fputs(": ", stdout);
		table_print_text(json_text(event, "text"), stdout);
	}
	putchar('\n');
	fflush(stdout);
}

/* Whole replies, until none is here. 0: more will come; 1: this server has ended its replies. */
static int take_replies(struct following *following, struct client *client, struct error *err)
{
	bool continues = true;
	do {
		json_t *reply = NULL;
		int code = client_receive(client, &reply, &continues, err);
		if (code < 0)
			return code;
		const json_t *event = json_object_get(reply, "event");
		if (!following->as_json)
			print_event(event);
		else if (event != NULL && json_print_line(event) < 0)
			code = error_set(err, -ENOMEM, "out of memory");
		json_decref(reply);
		if (code < 0)
			return code;
	} while (continues && client_has_reply(client));
	return continues ? 0 : 1;
}

/* The number of servers that are followed, or a negative errno. */
static int start(struct following *following, const char *domain, struct error *err)
{
	struct control_servers *servers = &following->servers;
	following->polls = calloc(servers->count + 1, sizeof(*following->polls));
	int code = 0;
	if (following->polls == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < servers->count && code == 0; i++) {
		code = client_send(servers->clients[i], "org.chardev.Events",
			json_pack("{s:s*}", "domain", domain), CLIENT_MORE, err);
		following->polls[i] = (struct pollfd){client_fd(servers->clients[i]), POLLIN, 0};
	}
	if (code < 0)
		return code;
	/* Whoever reads us may leave while nothing happens. */
	following->polls[servers->count] = (struct pollfd){STDOUT_FILENO, 0, 0};
	return (int)servers->count;
}

/* The exit status. */
static int follow(struct following *following, const char *domain)
{
	struct error err = {0};
	struct control_servers *servers = &following->servers;
	int status = servers->complete ? 0 : 1;
	int left = start(following, domain, &err);
	if (left < 0)
		return control_failed(&err);
	while (left > 0) {
		if (poll(following->polls, servers->count + 1, -1) < 0 && errno != EINTR)
			return control_failed(&(struct error){.message = "cannot wait for events"});
		if (following->polls[servers->count].revents & (POLLERR | POLLHUP))
			return 0;
		for (size_t i = 0; i < servers->count; i++) {
			if (following->polls[i].fd < 0 || following->polls[i].revents == 0)
				continue;
			int code = take_replies(following, servers->clients[i], &err);
			if (code < 0)
				status = control_failed(&err);
			if (code == 0)
				continue;
			following->polls[i].fd = -1;
			left--;
		}
	}
	return status;
}

/* One domain is one server's. */
static int connect_for(const struct control_options *options, const char *domain,
	struct control_servers *ret, struct error *err)
{
	if (domain == NULL)
		return control_servers_connect(options, ret, err);
	*ret = (struct control_servers){.complete = true};
	ret->clients = calloc(1, sizeof(struct client *));
	if (ret->clients == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int code = control_connect(options, domain, CONTROL_PATIENCE_MS, &ret->clients[0], err);
	ret->count = code == 0 ? 1 : 0;
	return code;
}

int cli_events(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct control_options options = {0};
	struct following following = {0};
	struct error err = {0};
	for (int c; (c = control_options_next(&options, argc, argv, ":", table)) != -1;) {
		if (c == '?')
			return EXIT_USAGE;
		following.as_json = true;
	}
	if (argc - optind > 1)
		return control_usage(argv[0], "it takes at most one DOMAIN");
	const char *domain = argv[optind];
	int code = connect_for(&options, domain, &following.servers, &err);
	int status = code < 0 ? control_failed(&err) : follow(&following, domain);
	control_servers_fini(&following.servers);
	free(following.polls);
	return status;
}

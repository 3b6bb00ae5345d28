/* Several servers, asked one after the other; see control_servers.h. */
#include "cli/control_servers.h"

#include "util/strlist.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- where they are -------------------------------------------------------------------------- */

static int is_domain_dir(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN);
}

/* RUNTIME, from the path of the daemon's socket in it. */
static void add_runs(struct strlist *paths, const char *daemon_path)
{
	char path[CONTROL_PATH_SIZE + NAME_MAX + 16];
	struct dirent **entries = NULL;
	int length = (int)(strrchr(daemon_path, '/') - daemon_path);
	snprintf(path, sizeof(path), "%.*s", length, daemon_path);
	int count = scandir(path, &entries, is_domain_dir, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%.*s/%s/control.sock", length, daemon_path,
			entries[i]->d_name);
		if (access(path, F_OK) == 0)
			strlist_add(paths, path);
		free(entries[i]);
	}
	free(entries);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void connect_one(struct control_servers *servers, const char *path)
{
	struct error err = {0};
	int code =
		client_connect(path, CONTROL_PATIENCE_MS, &servers->clients[servers->count], &err);
	if (code == 0) {
		servers->count++;
	} else if (code != -ENOENT && code != -ECONNREFUSED) {
		servers->complete = false;
		control_failed(&err);
	}
}

static int connect_all(const struct strlist *paths, struct control_servers *ret, struct error *err)
{
	ret->clients = calloc(paths->count + 1, sizeof(struct client *));
	if (ret->clients == NULL || paths->failed)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < paths->count; i++)
		connect_one(ret, paths->items[i]);
	return 0;
}

int control_servers_connect(
	const struct control_options *options, struct control_servers *ret, struct error *err)
{
	char path[CONTROL_PATH_SIZE];
	struct strlist paths = STRLIST_INIT;
	*ret = (struct control_servers){.complete = true};
	int code = 0;
	if (options->socket != NULL) {
		ret->clients = calloc(1, sizeof(struct client *));
		code = ret->clients != NULL ? client_connect(options->socket, CONTROL_PATIENCE_MS,
						      &ret->clients[0], err)
					    : error_set(err, -ENOMEM, "out of memory");
		ret->count = code == 0 ? 1 : 0;
		return code;
	}
	code = control_daemon_path(options, path, err);
	if (code < 0)
		return code;
	strlist_add(&paths, path);
	add_runs(&paths, path);
	code = connect_all(&paths, ret, err);
	strlist_fini(&paths);
	/* Nobody at all: the daemon's absence is the reason. */
	if (code == 0 && ret->count == 0 && ret->complete)
		code = control_connect(options, NULL, CONTROL_PATIENCE_MS, &ret->clients[0], err);
	if (code == 0 && ret->count == 0 && ret->complete)
		ret->count = 1;
	return code;
}

void control_servers_fini(struct control_servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		client_free(servers->clients[i]);
	free(servers->clients);
	*servers = (struct control_servers){0};
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int ask_one(struct client *client, const char *method, bool more,
	void (*on_reply)(void *user, const json_t *reply), void *user, struct error *err)
{
	bool continues = true;
	int code = client_send(client, method, json_object(), more ? CLIENT_MORE : 0, err);
	while (code == 0 && continues) {
		json_t *reply = NULL;
		code = client_receive(client, &reply, &continues, err);
		if (code == 0)
			on_reply(user, reply);
		json_decref(reply);
	}
	return code;
}

int control_servers_ask(const struct control_options *options, const char *method, bool more,
	void (*on_reply)(void *user, const json_t *reply), void *user)
{
	struct control_servers servers;
	struct error err = {0};
	int status =
		control_servers_connect(options, &servers, &err) < 0 ? control_failed(&err) : 0;
	if (!servers.complete)
		status = 1;
	for (size_t i = 0; i < servers.count; i++)
		if (ask_one(servers.clients[i], method, more, on_reply, user, &err) < 0)
			status = control_failed(&err);
	control_servers_fini(&servers);
	return status;
}

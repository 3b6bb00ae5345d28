/* Who may do what; see access.h. */
#include "control/access.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the caller ----------------------------------------------------------------------------- */

/* The kernel says how much room it wants; groups do not change once a process has connected. */
static int read_groups(int fd, gid_t primary, struct control_peer *peer)
{
	socklen_t size = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
		return -errno;
	size_t count = size / sizeof(gid_t);
	gid_t *groups = malloc((count + 1) * sizeof(gid_t));
	if (groups == NULL)
		return -ENOMEM;
	if (count > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		int code = -errno;
		free(groups);
		return code;
	}
	groups[count] = primary;
	peer->groups = groups;
	peer->group_count = count + 1;
	return 0;
}

int control_peer_of(int fd, struct control_peer *ret)
{
	struct ucred ucred;
	socklen_t size = sizeof(ucred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
		return -errno;
	struct control_peer peer = {.uid = ucred.uid, .pid = ucred.pid};
	int rc = read_groups(fd, ucred.gid, &peer);
	if (rc == 0)
		*ret = peer;
	return rc;
}

void control_peer_fini(struct control_peer *peer)
{
	free(peer->groups);
	*peer = (struct control_peer){0};
}

static bool is_member(const struct control_peer *peer, gid_t group)
{
	for (size_t i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == group)
			return true;
	return false;
}

/* ---- the rules ------------------------------------------------------------------------------ */

int access_allow(struct access *access, enum role role, gid_t group, const char *domain)
{
	struct access_rule rule = {.role = role, .group = group};
	struct access_rule *rules =
		reallocarray(access->rules, access->count + 1, sizeof(rules[0]));
	if (rules == NULL)
		return -ENOMEM;
	access->rules = rules;
	if (domain != NULL) {
		rule.domain = strdup(domain);
		if (rule.domain == NULL)
			return -ENOMEM;
	}
	rules[access->count++] = rule;
	return 0;
}

void access_fini(struct access *access)
{
	for (size_t i = 0; i < access->count; i++)
		free(access->rules[i].domain);
	free(access->rules);
	*access = (struct access){0};
}

static bool may_do_all(const struct access *access, const struct control_peer *peer)
{
	return peer->uid == 0 || peer->uid == access->owner;
}

enum role access_role(
	const struct access *access, const struct control_peer *peer, const char *domain)
{
	enum role role = ROLE_NONE;
	if (may_do_all(access, peer))
		return ROLE_ADMIN;
	for (size_t i = 0; i < access->count; i++) {
		const struct access_rule *rule = &access->rules[i];
		bool applies = rule->domain == NULL ||
			       (domain != NULL && strcmp(rule->domain, domain) == 0);
		if (applies && rule->role > role && is_member(peer, rule->group))
			role = rule->role;
	}
	return role;
}

enum role access_best_role(const struct access *access, const struct control_peer *peer)
{
	enum role role = ROLE_NONE;
	if (may_do_all(access, peer))
		return ROLE_ADMIN;
	for (size_t i = 0; i < access->count; i++)
		if (access->rules[i].role > role && is_member(peer, access->rules[i].group))
			role = access->rules[i].role;
	return role;
}

const char *role_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_NONE] = "none",
		[ROLE_VIEWER] = "viewer",
		[ROLE_OPERATOR] = "operator",
		[ROLE_ADMIN] = "admin",
	};
	return names[role];
}

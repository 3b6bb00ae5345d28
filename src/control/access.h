/*
 * Who may do what. A caller is whom the kernel says it is (SO_PEERCRED, SO_PEERGROUPS); no name is
 * looked up while serving. Root and the owner of the server may do all; members of a group what a
 * rule says.
 */
#ifndef CHARDEV_CONTROL_ACCESS_H
#define CHARDEV_CONTROL_ACCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Each may do what the ones before it may. */
enum role {
	ROLE_NONE,
	ROLE_VIEWER,   /* sees: lists, states, output, logs, events */
	ROLE_OPERATOR, /* types, sends BREAKs, has the pen */
	ROLE_ADMIN,    /* defines, starts, stops, reloads */
	ROLE_COUNT
};

struct access_rule {
	enum role role;
	gid_t group;
	char *domain; /* owned; NULL: every domain */
};

/* A zeroed one lets in root and uid 0's owner alone: set `owner`. */
struct access {
	uid_t owner;
	struct access_rule *rules; /* owned */
	size_t count;
};

/* The caller at the other end of a connection. */
struct control_peer {
	uid_t uid;
	pid_t pid;
	gid_t *groups; /* owned; the primary one included */
	size_t group_count;
};

/* 0 or a negative errno. */
int control_peer_of(int fd, struct control_peer *ret);
void control_peer_fini(struct control_peer *peer);

/* 0, or -ENOMEM. The domain's name is copied. */
int access_allow(struct access *access, enum role role, gid_t group, const char *domain);
void access_fini(struct access *access);

/* domain NULL: what it may on every domain. */
enum role access_role(
	const struct access *access, const struct control_peer *peer, const char *domain);
/* The most that it may on any domain. */
enum role access_best_role(const struct access *access, const struct control_peer *peer);

/* "none", "viewer", "operator", "admin". */
const char *role_name(enum role role);

#endif

/*
 * What changes the definitions: define, undefine, reload. One at a time, in the order in which they
 * were asked for; their files are read and written on threads, so a disk that hangs holds up those
 * who change something and nobody else.
 *
 * A crash at any moment leaves each domain's old definition or its new one, whole, and a caller who
 * was told that it is done finds it done: a definition is on the disk, under another name, before
 * the domain is changed, and gets its name before the caller is told. One whose domain could not be
 * changed is thrown away; one that the domain has, but fails to start with, is kept.
 */
#ifndef CHARDEV_DAEMON_CHANGES_H
#define CHARDEV_DAEMON_CHANGES_H

#include "control/server.h"
#include "daemon/settings.h"
#include "device/domains.h"

enum { CHANGES_MAX = 64 }; /* that wait; more are refused: each holds a document */

struct changes;

struct changes_params {
	struct loop *loop;
	struct domains *domains;
	const char *dir;           /* of the definitions; must outlive it, as what follows */
	const char *settings_path; /* read by each reload */
	bool settings_must_exist;
	/* The settings were read again, and are taken over. */
	void (*new_settings)(void *user, struct settings *settings);
	void *user;
};

/* 0 or -ENOMEM. */
int changes_new(const struct changes_params *params, struct changes **ret);

/* As control_host's. */
void changes_define(struct changes *changes, const char *xml, size_t n, bool start,
	control_done *done, void *call);
void changes_undefine(struct changes *changes, const char *domain, control_done *done, void *call);
void changes_reload(struct changes *changes, control_done *done, void *call);
/* The definitions alone: the first reading. */
void changes_load(struct changes *changes, control_done *done, void *call);

/*
 * Refuses those that wait, and ends the one under way as soon as its domain is whole. `closed`
 * once, on a later turn, with everything freed.
 */
void changes_close(struct changes *changes, void (*closed)(void *user));

#endif

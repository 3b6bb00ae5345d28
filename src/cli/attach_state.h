/*
 * What `chardev attach` knows of the device and its viewers, from the reply and the notices, and
 * what it says of them. Pure, but for the names of users (getpwuid(3)).
 */
#ifndef CHARDEV_CLI_ATTACH_STATE_H
#define CHARDEV_CLI_ATTACH_STATE_H

#include "cli/attach_menu.h"
#include "cli/attach_output.h"
#include "cli/json_text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { ATTACH_NAME_SIZE = 160, ATTACH_SILENT_MS = 10000 };

struct attach_state {
	char name[ATTACH_NAME_SIZE]; /* DOMAIN/DEVICE */
	char escape[ESCAPE_NAME_SIZE];
	bool has_menu;
	bool read_only;
	bool is_quiet; /* nobody looks: what is told is what was lost, and the VMM's state */
	bool has_pen;
	bool pen_is_free;      /* who types gets it */
	char holder[WHO_SIZE]; /* neither: who has it */
	bool asked;            /* we have, since it changed hands */
	bool told;             /* that typing is in vain, since it changed hands */
	uint64_t refused;      /* bytes that went nowhere, as the server says */
	uint64_t next;         /* where the next output should begin */
	bool ended;            /* the server said so */
	int end_code;
	char end_reason[ATTACH_MESSAGE_MAX / 2]; /* "" when none was given */
};

/* From Attach's reply. */
void attach_state_init(struct attach_state *state, const json_t *reply, const char *domain,
	int escape, bool has_menu, bool read_only);

/* The first message: the pen, the VMM, since when it is silent, what was missed. */
void attach_state_greeting(const struct attach_state *state, const json_t *reply, int64_t now_ms,
	char ret[ATTACH_MESSAGE_MAX]);

/* Who has the pen, and how to get it. */
void attach_state_pen(const struct attach_state *state, char ret[ATTACH_MESSAGE_MAX]);

/* Whether what is typed has a chance to be taken. */
bool attach_state_may_type(const struct attach_state *state);

/*
 * A NOTICE at `offset`; ret is "" when it is nothing to speak of. 0, or -EPROTO: it is no JSON
 * object.
 */
int attach_state_notice(struct attach_state *state, uint64_t offset, const uint8_t *payload,
	size_t n, char ret[ATTACH_MESSAGE_MAX]);

/* Output of n bytes begins at `offset`: how many before it are missing. */
uint64_t attach_state_output(struct attach_state *state, uint64_t offset, size_t n);

#endif

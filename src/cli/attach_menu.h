/*
 * The menu of `chardev attach`: which key is the guest's, and which one is for us. Pure: keys in,
 * actions out.
 *
 * The escape key opens the menu; the next key is a choice from it, and closes it.
 */
#ifndef CHARDEV_CLI_ATTACH_MENU_H
#define CHARDEV_CLI_ATTACH_MENU_H

#include "util/error.h"

#include <stddef.h>
#include <stdint.h>

enum { MENU_NO_ESCAPE = -1 };

enum menu_action {
	MENU_PASS, /* the key is the guest's */
	MENU_OPEN, /* the menu shall be shown */
	MENU_BACK, /* nothing was chosen */
	MENU_DETACH,
	MENU_ASK,   /* for the pen */
	MENU_FORCE, /* takes the pen */
	MENU_GIVE,  /* gives it */
	MENU_BREAK,
	MENU_SYSRQ,     /* the next key is SysRq's */
	MENU_SYSRQ_KEY, /* this is it: a BREAK, and this key */
	MENU_WHO,
	MENU_LOG,
	MENU_ESCAPE, /* the escape key itself is the guest's */
	MENU_HELP,
	MENU_ACTION_COUNT
};

enum menu_state { MENU_CLOSED, MENU_CHOOSING, MENU_CHOOSING_SYSRQ };

struct attach_menu {
	int escape; /* the key, or MENU_NO_ESCAPE */
	enum menu_state state;
};

void attach_menu_init(struct attach_menu *menu, int escape);

/* What a key means. After MENU_OPEN and MENU_SYSRQ the menu waits for another one. */
enum menu_action attach_menu_key(struct attach_menu *menu, uint8_t key);

/* How many of the n keys are the guest's, up to one that is not. */
size_t attach_menu_pass(const struct attach_menu *menu, const uint8_t *keys, size_t n);

/* From "^X" (control and that character, "^?" not being one), one character, or "none". */
int attach_escape_parse(const char *text, int *ret, struct error *err);

enum { ESCAPE_NAME_SIZE = 4 };

/* "^]". */
void attach_escape_name(int escape, char ret[ESCAPE_NAME_SIZE]);

/* The menu in one line; the escape key is to be put where it says "%s". */
extern const char attach_menu_line[];
/* The same in lines that end in '\n', for MENU_HELP. */
extern const char attach_menu_help[];

#endif

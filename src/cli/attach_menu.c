/* Keys and what they mean; see attach_menu.h. */
#include "cli/attach_menu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CONTROL_BIT = 0x40, ESC = 0x1b };

const char attach_menu_line[] =
	"d detach  p pen  P force  g give  b BREAK  s SysRq  w who  l log  ] %s  ? help";

const char attach_menu_help[] = "d  detach: the guest and the other viewers go on\n"
				"p  ask for the pen, which lets one viewer type\n"
				"P  take the pen by force\n"
				"g  give the pen to who asks for it, or to nobody\n"
				"b  send a BREAK\n"
				"s  SysRq: a BREAK and the next key (Escape: none)\n"
				"w  who is here\n"
				"l  where the log is\n"
				"]  send %s itself to the guest\n"
				"any other key: back\n";

static const struct {
	char key;
	enum menu_action action;
} choices[] = {
	{'d', MENU_DETACH},
	{'p', MENU_ASK},
	{'P', MENU_FORCE},
	{'g', MENU_GIVE},
	{'b', MENU_BREAK},
	{'s', MENU_SYSRQ},
	{'w', MENU_WHO},
	{'l', MENU_LOG},
	{']', MENU_ESCAPE},
	{'?', MENU_HELP},
};

void attach_menu_init(struct attach_menu *menu, int escape)
{
	*menu = (struct attach_menu){.escape = escape};
}

static enum menu_action choose(struct attach_menu *menu, uint8_t key)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (choices[i].key != (char)key)
			continue;
		if (choices[i].action == MENU_SYSRQ)
			menu->state = MENU_CHOOSING_SYSRQ;
		return choices[i].action;
	}
	return MENU_BACK;
}

enum menu_action attach_menu_key(struct attach_menu *menu, uint8_t key)
{
	enum menu_state state = menu->state;
	menu->state = MENU_CLOSED;
	if (state == MENU_CHOOSING)
		return choose(menu, key);
	if (state == MENU_CHOOSING_SYSRQ)
		return key == ESC || key == menu->escape ? MENU_BACK : MENU_SYSRQ_KEY;
	if (key != menu->escape)
		return MENU_PASS;
	menu->state = MENU_CHOOSING;
	return MENU_OPEN;
}

size_t attach_menu_pass(const struct attach_menu *menu, const uint8_t *keys, size_t n)
{
	if (menu->state != MENU_CLOSED)
		return 0;
	if (menu->escape == MENU_NO_ESCAPE)
		return n;
	const uint8_t *found = memchr(keys, menu->escape, n);
	return found != NULL ? (size_t)(found - keys) : n;
}

int attach_escape_parse(const char *text, int *ret, struct error *err)
{
	size_t n = strlen(text);
	unsigned char last = n > 0 ? (unsigned char)text[n - 1] : 0;
	if (last >= 'a' && last <= 'z')
		last = (unsigned char)(last - 'a' + 'A');
	if (strcmp(text, "none") == 0)
		*ret = MENU_NO_ESCAPE;
	else if (n == 2 && text[0] == '^' && last >= '@' && last <= '_')
		*ret = last ^ CONTROL_BIT;
	else if (n == 1 && text[0] > ' ' && text[0] < 0x7f)
		*ret = (unsigned char)text[0];
	else
		return error_set(err, -EINVAL,
			"\"%.20s\" is no escape key: give ^ and a character (^A to ^Z, ^@, ^[, "
			"^\\, ^], "
			"^^, ^_), one character, or \"none\"",
			text);
	return 0;
}

void attach_escape_name(int escape, char ret[ESCAPE_NAME_SIZE])
{
	if (escape >= 0 && escape < ' ')
		snprintf(ret, ESCAPE_NAME_SIZE, "^%c", escape ^ CONTROL_BIT);
	else
		snprintf(ret, ESCAPE_NAME_SIZE, "%c", escape >= 0 ? escape : '-');
}

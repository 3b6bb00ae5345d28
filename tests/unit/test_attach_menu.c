/* cli/attach_menu.c: keys in, actions out; and cli/attach_output.c: what stands on the screen. */
#include "test.h"

#include "cli/attach_menu.h"
#include "cli/attach_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CTRL_RIGHT_BRACKET = 0x1d };

static void every_choice(void **state)
{
	static const struct {
		const char *key;
		enum menu_action action;
	} cases[] = {{"d", MENU_DETACH}, {"p", MENU_ASK}, {"P", MENU_FORCE}, {"g", MENU_GIVE},
		{"b", MENU_BREAK}, {"w", MENU_WHO}, {"l", MENU_LOG}, {"]", MENU_ESCAPE},
		{"?", MENU_HELP}, {" ", MENU_BACK}, {"x", MENU_BACK}, {"\x1d", MENU_BACK},
		{"\r", MENU_BACK}, {"\xff", MENU_BACK}};
	struct attach_menu menu;
	attach_menu_init(&menu, CTRL_RIGHT_BRACKET);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(attach_menu_key(&menu, 'd'), MENU_PASS);
		assert_int_equal(attach_menu_key(&menu, CTRL_RIGHT_BRACKET), MENU_OPEN);
		assert_int_equal(attach_menu_key(&menu, (uint8_t)cases[i].key[0]), cases[i].action);
		assert_int_equal(menu.state, MENU_CLOSED);
	}
}

static void sysrq_takes_one_more_key(void **state)
{
	struct attach_menu menu;
	attach_menu_init(&menu, CTRL_RIGHT_BRACKET);
	static const struct {
		uint8_t key;
		enum menu_action action;
	} cases[] = {{'b', MENU_SYSRQ_KEY}, {'d', MENU_SYSRQ_KEY}, {0x1b, MENU_BACK},
		{CTRL_RIGHT_BRACKET, MENU_BACK}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(attach_menu_key(&menu, CTRL_RIGHT_BRACKET), MENU_OPEN);
		assert_int_equal(attach_menu_key(&menu, 's'), MENU_SYSRQ);
		assert_int_equal(menu.state, MENU_CHOOSING_SYSRQ);
		assert_int_equal(attach_menu_key(&menu, cases[i].key), cases[i].action);
		assert_int_equal(menu.state, MENU_CLOSED);
	}
}

static void typing_passes_up_to_the_escape_key(void **state)
{
	static const uint8_t keys[] = {'a', 'b', CTRL_RIGHT_BRACKET, 'd'};
	struct attach_menu menu;
	attach_menu_init(&menu, CTRL_RIGHT_BRACKET);
	assert_int_equal(attach_menu_pass(&menu, keys, sizeof(keys)), 2);
	assert_int_equal(attach_menu_pass(&menu, keys, 2), 2);
	assert_int_equal(attach_menu_key(&menu, CTRL_RIGHT_BRACKET), MENU_OPEN);
	assert_int_equal(attach_menu_pass(&menu, keys, sizeof(keys)), 0);
	attach_menu_init(&menu, MENU_NO_ESCAPE);
	assert_int_equal(attach_menu_pass(&menu, keys, sizeof(keys)), sizeof(keys));
	assert_int_equal(attach_menu_key(&menu, CTRL_RIGHT_BRACKET), MENU_PASS);
	assert_int_equal(attach_menu_key(&menu, 0xff), MENU_PASS);
}

static void escape_keys(void **state)
{
	static const struct {
		const char *text;
		int key;
		const char *name;
	} cases[] = {{"^]", 0x1d, "^]"}, {"^a", 1, "^A"}, {"^A", 1, "^A"}, {"^@", 0, "^@"},
		{"^_", 0x1f, "^_"}, {"~", '~', "~"}, {"^", '^', "^"}};
	static const char *const wrong[] = {
		"", "^1", "^~", "ab", "^AB", "\x1d", " ", "\xc3", "None"};
	int key;
	char name[ESCAPE_NAME_SIZE];
	struct error err = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(attach_escape_parse(cases[i].text, &key, &err), 0);
		assert_int_equal(key, cases[i].key);
		attach_escape_name(key, name);
		assert_string_equal(name, cases[i].name);
	}
	assert_int_equal(attach_escape_parse("none", &key, &err), 0);
	assert_int_equal(key, MENU_NO_ESCAPE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(attach_escape_parse(wrong[i], &key, &err), -EINVAL);
}

/* One line, also with its escape key in it; each text has one place for that. */
static void the_menu_fits_on_a_line(void **state)
{
	assert_in_range(strlen(attach_menu_line), 40, 79);
	assert_ptr_equal(strchr(attach_menu_line, '%'), strstr(attach_menu_line, "%s"));
	assert_ptr_equal(strchr(attach_menu_help, '%'), strstr(attach_menu_help, "%s"));
	assert_in_range(strlen(attach_menu_help), 100, ATTACH_MESSAGE_MAX - 1);
}

/* ---- the screen ------------------------------------------------------------------------------ */

static struct attach_output output;

static void put(const char *text)
{
	attach_output_data(&output, (const uint8_t *)text, strlen(text));
}

/* What stands there, which is written then. */
static void assert_output(const char *wanted)
{
	struct iovec pending = attach_output_pending(&output);
	assert_int_equal(pending.iov_len, strlen(wanted));
	assert_memory_equal(pending.iov_base, wanted, pending.iov_len);
	attach_output_written(&output, pending.iov_len);
}

static void messages_begin_at_the_beginning_of_a_line(void **state)
{
	attach_output_init(&output, ATTACH_SCREEN_DUMB);
	attach_output_message(&output, "first");
	put("a\r\n");
	attach_output_message(&output, "second\nthird\n");
	put("b");
	attach_output_message(&output, "fourth %d", 4);
	attach_output_end_line(&output);
	assert_output("first\r\na\r\nsecond\r\nthird\r\nb\r\nfourth 4\r\n");
	put("c");
	attach_output_end_line(&output);
	assert_output("c\r\n");
}

static void messages_are_dim_and_harmless(void **state)
{
	attach_output_init(&output, ATTACH_SCREEN_FULL);
	attach_output_message(&output, "%s", "evil \033[2J\x7f");
	assert_output("\033[2mevil ?[2J?\033[0m\r\n");
}

static void the_menu_goes_below_and_back(void **state)
{
	attach_output_init(&output, ATTACH_SCREEN_FULL);
	attach_output_menu(&output, "0123456789", 8);
	assert_output("\033D\033[A\0337\033[B\r\033[7m0123456\033[0m\033[K");
	attach_output_menu(&output, "other", 80);
	assert_output("\r\033[7mother\033[0m\033[K");
	attach_output_menu_end(&output);
	attach_output_menu_end(&output);
	assert_output("\r\033[K\0338");
	attach_output_init(&output, ATTACH_SCREEN_DUMB);
	put("$ ");
	attach_output_menu(&output, "menu", 0);
	attach_output_menu_end(&output);
	assert_output("$ \r\nmenu\r\n");
}

/* However much is said while nothing is written: bounded, and counted. */
static void what_is_not_written_is_bounded(void **state)
{
	char text[ATTACH_MESSAGE_MAX];
	int pieces = 0;
	static uint8_t piece[ATTACH_OUTPUT_PIECE];
	attach_output_init(&output, ATTACH_SCREEN_FULL);
	for (; attach_output_has_room(&output); pieces++)
		attach_output_data(&output, piece, sizeof(piece));
	assert_in_range(pieces, 3, ATTACH_OUTPUT_SIZE / ATTACH_OUTPUT_PIECE);
	memset(text, '\033', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		attach_output_message(&output, "%s", text);
		attach_output_menu(&output, text, 1000);
		attach_output_menu_end(&output);
	}
	assert_true(output.messages_lost > 900);
	attach_output_written(&output, attach_output_pending(&output).iov_len);
	uint64_t lost = output.messages_lost;
	char wanted[128];
	attach_output_message(&output, "hello");
	snprintf(wanted, sizeof(wanted),
		"\033[2m%d messages had no room\033[0m\r\n\033[2mhello\033[0m\r\n", (int)lost);
	assert_output(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_choice),
		cmocka_unit_test(sysrq_takes_one_more_key),
		cmocka_unit_test(typing_passes_up_to_the_escape_key),
		cmocka_unit_test(escape_keys),
		cmocka_unit_test(the_menu_fits_on_a_line),
		cmocka_unit_test(messages_begin_at_the_beginning_of_a_line),
		cmocka_unit_test(messages_are_dim_and_harmless),
		cmocka_unit_test(the_menu_goes_below_and_back),
		cmocka_unit_test(what_is_not_written_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

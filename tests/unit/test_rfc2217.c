/* COM-PORT-OPTION: tables of what each side says, answers and signals. */
#include "test.h"

#include "stream/rfc2217_codec.h"
#include "telnet_words.h"

#include <stdio.h>
#include <string.h>

/* ---- what was said and signalled, as text ---------------------------------------------------- */

static char text[512];

static void add(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t length = strlen(text);
	vsnprintf(text + length, sizeof(text) - length, format, args);
	va_end(args);
}

/* "65 00 01 c2 00, 66 08" */
static void add_messages(const struct rfc2217_messages *messages)
{
	for (size_t i = 0; i < messages->count; i++) {
		add("%s", i > 0 ? "," : "");
		for (size_t j = 0; j < messages->message[i].size; j++)
			add("%s%02x", i + j > 0 ? " " : "", messages->message[i].bytes[j]);
	}
}

static void add_signal(const struct stream_signal *signal)
{
	add("; ");
	switch (signal->type) {
	case STREAM_SIGNAL_BREAK:
		add("break");
		break;
	case STREAM_SIGNAL_LINE:
		add("line %u %u %d %d %d", signal->u.line.speed, signal->u.line.bits,
			signal->u.line.parity, signal->u.line.stop, signal->u.line.flow);
		break;
	case STREAM_SIGNAL_MODEM:
		add("modem %u %u", signal->u.modem.which, signal->u.modem.on);
		break;
	case STREAM_SIGNAL_PURGE:
		add("purge %u", signal->u.purge);
		break;
	default:
		add("?");
	}
}

static const char *receive(struct rfc2217 *port, const char *payload, size_t size)
{
	struct rfc2217_messages messages;
	struct stream_signal signal;
	/* Of exactly its size, so that a read beyond its end is seen. */
	uint8_t *exact = test_malloc(size + 1);
	memcpy(exact + 1, payload, size);
	text[0] = '\0';
	bool has_signal = rfc2217_receive(port, exact + 1, size, &messages, &signal);
	add_messages(&messages);
	if (has_signal)
		add_signal(&signal);
	test_free(exact);
	return text;
}

static const char *tell(struct rfc2217 *port, struct stream_signal signal)
{
	struct rfc2217_messages messages;
	text[0] = '\0';
	if (rfc2217_tell(port, &signal, &messages) < 0)
		return "not";
	add_messages(&messages);
	return text;
}

static const char *begin(struct rfc2217 *port)
{
	struct rfc2217_messages messages;
	text[0] = '\0';
	rfc2217_begin(port, &messages);
	add_messages(&messages);
	return text;
}

static struct stream_signal line(uint32_t speed, uint8_t bits, enum stream_parity parity,
	enum stream_stop stop, enum stream_flow flow)
{
	return (struct stream_signal){
		.type = STREAM_SIGNAL_LINE, .u.line = {speed, bits, parity, stop, flow}};
}

static struct stream_signal modem(uint8_t which, uint8_t on)
{
	return (struct stream_signal){.type = STREAM_SIGNAL_MODEM, .u.modem = {which, on}};
}

static const struct stream_signal a_break = {.type = STREAM_SIGNAL_BREAK};

/* ---- the server ------------------------------------------------------------------------------ */

/* One after the other on one connection: later rows see what earlier ones have set. */
static const struct {
	const char *payload;
	size_t size;
	const char *expected;
} requests[] = {
#define ROW(payload, expected)             \
	{                                  \
		LITERAL(payload), expected \
	}
	ROW("", ""),
	/* SIGNATURE: asked for, and told */
	ROW("\0", "64 63 68 61 72 64 65 76"),
	ROW("\0me", ""),
	/* what it is before anybody sets it */
	ROW("\1\0\0\0\0", "65 00 01 c2 00"),
	ROW("\2\0", "66 08"),
	ROW("\3\0", "67 01"),
	ROW("\4\0", "68 01"),
	ROW("\5\0", "69 01"),
	ROW("\5\15", "69 0e"),
	ROW("\5\21", "69 01"),
	ROW("\5\22", "69 0e"),
	ROW("\5\23", "69 01"),
	ROW("\5\4", "69 06"),
	ROW("\5\7", "69 08"),
	ROW("\5\12", "69 0b"),
	/* settings, and what they are then */
	ROW("\1\0\0\45\200", "65 00 00 25 80; line 9600 0 0 0 0"),
	ROW("\1\0\0\0\0", "65 00 00 25 80"),
	ROW("\1\377\377\377\377", "65 ff ff ff ff; line 4294967295 0 0 0 0"),
	ROW("\2\7", "66 07; line 0 7 0 0 0"),
	ROW("\2\5", "66 05; line 0 5 0 0 0"),
	ROW("\3\2", "67 02; line 0 0 2 0 0"),
	ROW("\3\5", "67 05; line 0 0 5 0 0"),
	ROW("\4\3", "68 03; line 0 0 0 3 0"),
	ROW("\5\3", "69 03; line 0 0 0 0 3"),
	ROW("\5\15", "69 10"),
	ROW("\5\16", "69 10"),
	/* none that there are: what it is */
	ROW("\2\4", "66 05"),
	ROW("\2\11", "66 05"),
	ROW("\3\6", "67 05"),
	ROW("\4\4", "68 03"),
	ROW("\5\24", ""),
	ROW("\5\377", ""),
	/* BREAK begins once */
	ROW("\5\5", "69 05; break"),
	ROW("\5\5", "69 05"),
	ROW("\5\4", "69 05"),
	ROW("\5\6", "69 06"),
	ROW("\5\6", "69 06"),
	ROW("\5\5", "69 05; break"),
	/* DTR, RTS */
	ROW("\5\11", "69 09; modem 1 0"),
	ROW("\5\7", "69 09"),
	ROW("\5\10", "69 08; modem 1 1"),
	ROW("\5\14", "69 0c; modem 2 0"),
	ROW("\5\12", "69 0c"),
	ROW("\5\7", "69 08"),
	ROW("\5\13", "69 0b; modem 2 2"),
	/* states */
	ROW("\6", "6a 60"),
	ROW("\7", "6b b0"),
	ROW("\7\377", "6b b0"),
	/* masks */
	ROW("\12\20", "6e 10"),
	ROW("\13\377", "6f ff"),
	/* purges */
	ROW("\14\1", "70 01; purge 1"),
	ROW("\14\2", "70 02; purge 2"),
	ROW("\14\3", "70 03; purge 3"),
	ROW("\14\0", ""),
	ROW("\14\4", ""),
	/* too short, too long, unknown, a server's own */
	ROW("\1", ""),
	ROW("\1\0\0\1", ""),
	ROW("\1\0\0\45\200\1", "65 00 00 25 80; line 9600 0 0 0 0"),
	ROW("\2", ""),
	ROW("\3", ""),
	ROW("\4", ""),
	ROW("\5", ""),
	ROW("\12", ""),
	ROW("\13", ""),
	ROW("\14", ""),
	ROW("\15\1", ""),
	ROW("\143\1", ""),
	ROW("\144", ""),
	ROW("\145\0\0\45\200", ""),
	ROW("\153\377", ""),
	ROW("\377\377", ""),
#undef ROW
};

static void a_server_answers(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, true);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const char *got = receive(&port, requests[i].payload, requests[i].size);
		if (strcmp(got, requests[i].expected) != 0)
			fail_msg("request %zu: \"%s\", not \"%s\"", i, got, requests[i].expected);
		assert_false(port.suspended);
	}
}

static void what_the_guest_has_set_is_answered(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, true);
	assert_string_equal(receive(&port, LITERAL("\2\6")), "66 06; line 0 6 0 0 0");
	assert_string_equal(tell(&port, line(2400, 7, STREAM_PARITY_UNSAID, 0, 0)), "");
	assert_string_equal(receive(&port, LITERAL("\2\0")), "66 07");
	/* The request is still told. */
	assert_string_equal(
		receive(&port, LITERAL("\1\0\0\45\200")), "65 00 00 09 60; line 9600 0 0 0 0");
	assert_string_equal(receive(&port, LITERAL("\2\10")), "66 07; line 0 8 0 0 0");
	/* What the guest has not set is the client's. */
	assert_string_equal(receive(&port, LITERAL("\3\3")), "67 03; line 0 0 3 0 0");
	assert_string_equal(tell(&port, line(300, 0, STREAM_PARITY_ODD, 0, 0)), "");
	assert_string_equal(receive(&port, LITERAL("\1\0\0\0\0")), "65 00 00 01 2c");
	assert_string_equal(receive(&port, LITERAL("\3\0")), "67 02");
}

static void a_server_notifies_of_modem_lines(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, true);
	assert_string_equal(begin(&port), "6b b0");
	const uint8_t all = STREAM_MODEM_CTS | STREAM_MODEM_DSR | STREAM_MODEM_RI | STREAM_MODEM_CD;
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CTS, STREAM_MODEM_CTS)), "");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CTS, 0)), "6b a1");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CD, 0)), "6b 28");
	assert_string_equal(tell(&port, modem(all, STREAM_MODEM_RI)), "6b 42");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_RI, 0)), "6b 04");
	/* What is not asked for is not told, but known. */
	assert_string_equal(receive(&port, LITERAL("\13\20")), "6f 10");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CD, STREAM_MODEM_CD)), "");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CTS, STREAM_MODEM_CTS)), "6b 10");
	assert_string_equal(receive(&port, LITERAL("\7")), "6b 90");
	assert_string_equal(receive(&port, LITERAL("\13\1")), "6f 01");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CTS, 0)), "6b 01");
	/* DTR and RTS are the client's to say. */
	assert_string_equal(tell(&port, modem(STREAM_MODEM_DTR | STREAM_MODEM_RTS, 0)), "");
	assert_string_equal(receive(&port, LITERAL("\5\7")), "69 08");
}

static void a_server_notifies_of_a_break_where_asked_to(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, true);
	assert_string_equal(tell(&port, a_break), "not");
	receive(&port, LITERAL("\12\20"));
	assert_string_equal(tell(&port, a_break), "6a 10");
	rfc2217_end(&port);
	assert_string_equal(tell(&port, a_break), "not");
	assert_string_equal(tell(&port, (struct stream_signal){STREAM_SIGNAL_PURGE}), "not");
	assert_string_equal(tell(&port, (struct stream_signal){STREAM_SIGNAL_WINDOW}), "not");
}

static void data_is_suspended(void **state)
{
	for (int is_server = 0; is_server < 2; is_server++) {
		struct rfc2217 port;
		rfc2217_init(&port, is_server);
		const char suspend = is_server ? 8 : 108, resume = is_server ? 9 : 109;
		assert_string_equal(receive(&port, &suspend, 1), "");
		assert_true(port.suspended);
		assert_string_equal(receive(&port, &resume, 1), "");
		assert_false(port.suspended);
		receive(&port, &suspend, 1);
		rfc2217_end(&port);
		assert_false(port.suspended);
		/* The other side's own are not for this side. */
		receive(&port, is_server ? "\154" : "\10", 1);
		assert_false(port.suspended);
	}
}

/* ---- the client ------------------------------------------------------------------------------ */

static const struct {
	const char *payload;
	size_t size;
	const char *expected;
} answers[] = {
#define ROW(payload, expected)             \
	{                                  \
		LITERAL(payload), expected \
	}
	ROW("\144", "00 63 68 61 72 64 65 76"),
	ROW("\144ser2net", ""),
	ROW("\145\0\0\45\200", "; line 9600 0 0 0 0"),
	ROW("\145\0\0\45\200\0\0\0\0", "; line 9600 0 0 0 0"), /* sredird */
	ROW("\145\0\0\0\0", ""),
	ROW("\145\0\0\45", ""),
	ROW("\146\7", "; line 0 7 0 0 0"),
	ROW("\146\0", ""),
	ROW("\147\4", "; line 0 0 4 0 0"),
	ROW("\150\2", "; line 0 0 0 2 0"),
	ROW("\151\2", "; line 0 0 0 0 2"),
	ROW("\151\20", ""),
	ROW("\151\5", ""),
	ROW("\151\10", "; modem 1 1"),
	ROW("\151\14", "; modem 2 0"),
	ROW("\151\7", ""),
	ROW("\152\140", ""),
	ROW("\152\20", "; break"),
	ROW("\152", ""),
	ROW("\153\260", "; modem 60 44"),
	ROW("\153\4", "; modem 60 0"),
	ROW("\153", ""),
	ROW("\156\20", ""),
	ROW("\157\377", ""),
	ROW("\160\3", ""),
	ROW("\161\3", ""),
	ROW("\1\0\0\45\200", ""),
#undef ROW
};

static void a_client_hears(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, false);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const char *got = receive(&port, answers[i].payload, answers[i].size);
		if (strcmp(got, answers[i].expected) != 0)
			fail_msg("answer %zu: \"%s\", not \"%s\"", i, got, answers[i].expected);
	}
}

static void a_client_asks(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, false);
	assert_string_equal(begin(&port), "0a 10");
	assert_string_equal(tell(&port, line(9600, 0, 0, 0, 0)), "01 00 00 25 80");
	assert_string_equal(
		tell(&port, line(0, 7, STREAM_PARITY_EVEN, STREAM_STOP_2, STREAM_FLOW_RTSCTS)),
		"02 07, 03 03, 04 02, 05 03");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_DTR, 0)), "05 09");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_DTR | STREAM_MODEM_RTS | STREAM_MODEM_CD,
						STREAM_MODEM_DTR | STREAM_MODEM_RTS)),
		"05 08, 05 0b");
	assert_string_equal(tell(&port, modem(STREAM_MODEM_CD, 0)), "not");
	const struct stream_signal purge = {.type = STREAM_SIGNAL_PURGE, .u.purge = 3};
	assert_string_equal(tell(&port, purge), "0c 03");
	assert_string_equal(tell(&port, a_break), "not");
	assert_string_equal(tell(&port, (struct stream_signal){STREAM_SIGNAL_WINDOW}), "not");
}

/* What was wanted before the server agreed, or of a server that agrees again, is asked for then. */
static void what_is_wanted_is_asked_for_at_the_start(void **state)
{
	struct rfc2217 port;
	rfc2217_init(&port, false);
	tell(&port, line(9600, 8, STREAM_PARITY_NONE, STREAM_STOP_1, STREAM_FLOW_NONE));
	tell(&port, line(0xffffffff, 7, 0, 0, 0));
	tell(&port, modem(STREAM_MODEM_DTR | STREAM_MODEM_RTS, STREAM_MODEM_DTR));
	assert_string_equal(begin(&port), "0a 10, 01 ff ff ff ff, 02 07, 03 01, 04 01, 05 01, "
					  "05 08, 05 0c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_answers),
		cmocka_unit_test(what_the_guest_has_set_is_answered),
		cmocka_unit_test(a_server_notifies_of_modem_lines),
		cmocka_unit_test(a_server_notifies_of_a_break_where_asked_to),
		cmocka_unit_test(data_is_suspended),
		cmocka_unit_test(a_client_hears),
		cmocka_unit_test(a_client_asks),
		cmocka_unit_test(what_is_wanted_is_asked_for_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

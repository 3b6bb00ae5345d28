/*
 * The telnet codec: tables of conversations, each held whole, byte by byte and in random pieces,
 * and what hostile peers send.
 */
#include "test.h"

#include "stream/telnet_codec.h"
#include "telnet_words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WIRE_SIZE = 16 * 1024, LOG_SIZE = 64 * 1024 };

/* One side, and what it has done: what it put out, with events in angle brackets, and on the wire.
 */
struct side {
	struct telnet_codec codec;
	struct telnet_wire wire;
	uint8_t wire_bytes[WIRE_SIZE];
	char log[LOG_SIZE];
	size_t log_size;
};

static unsigned seed;

static struct side *side_new(bool is_server)
{
	struct side *side = test_calloc(1, sizeof(*side));
	side->wire = (struct telnet_wire){side->wire_bytes, WIRE_SIZE, 0};
	assert_int_equal(telnet_codec_init(&side->codec, is_server, &side->wire), 0);
	return side;
}

static void side_free(struct side *side)
{
	telnet_codec_fini(&side->codec);
	test_free(side);
}

static void log_event(struct side *side, const struct telnet_result *r)
{
	char *at = side->log + side->log_size;
	size_t room = LOG_SIZE - side->log_size;
	int n = 0;
	if (r->event == TELNET_EVENT_BREAK)
		n = snprintf(at, room, "<break>");
	else if (r->event == TELNET_EVENT_WINDOW)
		n = snprintf(at, room, "<%ux%u>", r->window.columns, r->window.rows);
	else if (r->event == TELNET_EVENT_PORT_BEGIN)
		n = snprintf(at, room, "<begin>");
	else if (r->event == TELNET_EVENT_PORT_REFUSE)
		n = snprintf(at, room, "<refuse>");
	else if (r->event == TELNET_EVENT_PORT) {
		n = snprintf(at, room, "<port");
		for (size_t i = 0; i < r->payload_size; i++)
			n += snprintf(at + n, room - (size_t)n, " %02x", r->payload[i]);
		n += snprintf(at + n, room - (size_t)n, ">");
	}
	side->log_size += (size_t)n;
}

/* Gives one piece, with so much output room at a time, until nothing is taken any more. */
static size_t give(struct side *side, const uint8_t *in, size_t size, size_t room)
{
	size_t at = 0;
	for (;;) {
		uint8_t out[256];
		if (room > sizeof(out))
			room = sizeof(out);
		struct telnet_result r =
			telnet_codec_decode(&side->codec, in + at, size - at, out, room);
		assert_true(r.taken <= size - at && r.size <= room);
		assert_true(side->log_size + r.size + 4096 <= LOG_SIZE);
		memcpy(side->log + side->log_size, out, r.size);
		side->log_size += r.size;
		log_event(side, &r);
		at += r.taken;
		if (r.taken == 0)
			return at;
	}
}

/* In pieces of `step`; 0: of random sizes, with random room. */
static void give_in_pieces(struct side *side, const char *in, size_t size, size_t step)
{
	for (size_t at = 0; at < size;) {
		size_t n = step != 0 ? step : 1 + (size_t)rand() % 5;
		if (n > size - at)
			n = size - at;
		size_t room = step != 0 ? 256 : 1 + (size_t)rand() % 4;
		assert_int_equal(give(side, (const uint8_t *)in + at, n, room), n);
		at += n;
	}
}

static bool is_same(const void *a, size_t a_size, const void *b, size_t b_size)
{
	return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static void print_bytes(const char *title, const void *bytes, size_t n)
{
	fprintf(stderr, "%s", title);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %02x", ((const uint8_t *)bytes)[i]);
	fprintf(stderr, "\n");
}

/* Steps of a conversation: whole, byte by byte, by twos and threes, then random. */
static const size_t steps[] = {4096, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0};

enum { STEPS = sizeof(steps) / sizeof(steps[0]), SERVER = true, CLIENT = false };

static const char *opening(bool is_server)
{
	return is_server ? SERVER_OPENING : CLIENT_OPENING;
}

static size_t opening_size(bool is_server)
{
	return is_server ? sizeof(SERVER_OPENING) - 1 : sizeof(CLIENT_OPENING) - 1;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static const struct conversation {
	const char *name;
	bool is_server;
	const char *in;
	size_t in_size;
	const char *log;
	size_t log_size;
	const char *wire; /* after the opening */
	size_t wire_size;
} conversations[] = {
#define ROW(name, side, in, log, wire)                               \
	{                                                            \
		name, side, LITERAL(in), LITERAL(log), LITERAL(wire) \
	}
	ROW("nothing", SERVER, "", "", ""),
	ROW("a client that knows no telnet", SERVER, "ls\n\t\1\200\376", "ls\n\t\1\200\376", ""),
	ROW("a doubled 0xff", SERVER, "a" IAC IAC "b" IAC IAC IAC IAC, "a\377b\377\377", ""),
	ROW("an ordinary client agrees", SERVER,
		DO ECHO_ DO SGA DO BINARY WILL BINARY WILL NAWS SB NAWS "\0P\0\30" SE "x",
		"<80x24>x", ""),
	ROW("a client of few options", SERVER,
		DONT ECHO_ DONT SGA DONT BINARY WONT BINARY WONT NAWS "x", "x", ""),

	/* text and binary */
	ROW("Enter as CR NUL", SERVER, "a\r\0b\r\0\r\0", "a\rb\r\r", ""),
	ROW("Enter as CR LF", SERVER, "a\r\nb\r\n\r\n", "a\rb\r\r", ""),
	ROW("a lone CR, LF, NUL", SERVER, "\r\rx\n\n\0\0\r", "\r\rx\n\n\0\0\r", ""),
	ROW("only one byte belongs to a CR", SERVER, "\r\0\0\r\n\n\r\n\0", "\r\0\r\n\r\0", ""),
	ROW("commands between CR and its NUL", SERVER,
		"\r" NOP "\0"
		"x",
		"\rx", ""),
	ROW("a 0xff after CR", SERVER, "\r" IAC IAC "\n", "\r\377\n", ""),
	ROW("a BREAK after CR", SERVER, "\r" BRK "\n", "\r<break>\n", ""),
	ROW("binary is not touched", SERVER, WILL BINARY "\r\0\r\n\n\r", "\r\0\r\n\n\r", ""),
	ROW("binary ends", SERVER, WILL BINARY "\r\n" WONT BINARY "\r\n", "\r\n\r", DONT BINARY),
	ROW("binary begins within CR NUL", SERVER, "\r" WILL BINARY "\0", "\r\0", ""),
	ROW("binary for a while", SERVER, "\r" WILL BINARY "x" WONT BINARY "\n", "\rx\n",
		DONT BINARY),
	ROW("text from a server", CLIENT, "a\r\0b\r\nc\rd\n", "a\rb\r\nc\rd\n", ""),
	ROW("binary from a server", CLIENT, WILL BINARY "\r\0\r\n", "\r\0\r\n", ""),

	/* commands */
	ROW("NOP takes nothing along", SERVER, NOP "b" NOP NOP "c", "bc", ""),
	ROW("BREAK in its place", SERVER, "ab" BRK "c" BRK BRK, "ab<break>c<break><break>", ""),
	ROW("BREAK from a server", CLIENT, "ab" BRK "c", "ab<break>c", ""),
	ROW("keys", SERVER, IP EC EL IAC "\354" IAC "\355" IAC "\356", "\3\177\25\4\32\34", ""),
	ROW("a server has no keys", CLIENT,
		"a" IP EC EL IAC "\354" IAC "\355" IAC "\356"
		"b",
		"ab", ""),
	ROW("without effect", SERVER,
		"a" GA AO DM SE IAC "\357" IAC "\0" IAC "A"
		"b",
		"ab", ""),
	ROW("are you there?", SERVER, "a" AYT "b", "ab", "\r\n[Yes]\r\n"),
	ROW("a server that asks whether we are there", CLIENT, "a" AYT "b", "ab", ""),
	ROW("half a command at the end", SERVER, "a" IAC, "a", ""),

	/* options */
	ROW("unknown options are refused", SERVER, DO LINEMODE WILL LINEMODE DO TTYPE WILL TTYPE,
		"", WONT LINEMODE DONT LINEMODE WONT TTYPE DONT TTYPE),
	ROW("refusals are not answered", SERVER, DONT LINEMODE WONT LINEMODE DONT "\377", "", ""),
	ROW("what is on is not answered again", SERVER, DO SGA DO SGA DO SGA WILL SGA WILL SGA, "",
		DO SGA),
	ROW("on, off, on", SERVER, DO SGA DONT SGA DO SGA, "", WONT SGA WILL SGA),
	ROW("we do not echo for a server", CLIENT, WILL ECHO_ DO ECHO_, "", DO ECHO_ WONT ECHO_),
	ROW("a timing mark", SERVER, DO "\6", "", WONT "\6"),
	ROW("QEMU as the server", CLIENT, WILL ECHO_ WILL SGA WILL BINARY DO BINARY "ok\r\n",
		"ok\r\n", DO ECHO_),
	ROW("telnetd as the server", CLIENT, DO TTYPE DO NAWS SB TTYPE "\1" SE, "",
		WILL TTYPE WONT NAWS SB TTYPE "\0VT220" SE),
	ROW("the terminal type of who has not agreed", CLIENT, SB TTYPE "\1" SE, "", ""),
	ROW("a server is asked for no terminal type", SERVER, SB TTYPE "\1" SE, "", ""),

	/* sub-negotiations */
	ROW("a window before WILL", SERVER, SB NAWS "\0P\0\30" SE "x", "x", ""),
	ROW("no window", SERVER, WILL NAWS SB NAWS "\0\0\0\30" SE SB NAWS SE SB NAWS "\0P\0" SE "x",
		"x", ""),
	ROW("a window of 0xff", SERVER, WILL NAWS SB NAWS IAC IAC IAC IAC "\0" IAC IAC SE "x",
		"<65535x255>x", ""),
	ROW("in its place", SERVER, WILL NAWS "a" SB NAWS "\0P\0\30" SE "b" SB NAWS "\0Q\0\30" SE,
		"a<80x24>b<81x24>", ""),
	ROW("one that is broken off", SERVER, WILL NAWS SB NAWS "\0P\0\30" BRK "x", "<break>x", ""),
	ROW("one that is broken off by another", SERVER,
		WILL NAWS SB NAWS "\0P" SB NAWS "\0P\0\30" SE "x", "<80x24>x", ""),
	ROW("one of an unknown option", SERVER,
		SB "\126" SE "x" SB "\377"
		   "a" SE "y",
		"xy", ""),

	/* COM-PORT-OPTION */
	ROW("a port that a client offers", SERVER, WILL PORT SB PORT "\1\0\0\1\0" SE "x",
		"<begin><port 01 00 00 01 00>x", DO PORT),
	ROW("pyserial's opening", SERVER, DO ECHO_ WILL SGA DO SGA DO PORT WILL PORT, "<begin>",
		DO SGA WILL PORT DO PORT),
	ROW("one that is not agreed on", SERVER, SB PORT "\1\0\0\1\0" SE "x", "x", ""),
	ROW("one that ends", SERVER, WILL PORT WONT PORT SB PORT "\1" SE "x", "<begin><refuse>x",
		DO PORT DONT PORT),
	ROW("a server that has one", CLIENT, DO PORT "a" SB PORT "\153" IAC IAC SE "b",
		"<begin>a<port 6b ff>b", ""),
	ROW("a server that has none", CLIENT, DONT PORT "x", "<refuse>x", ""),
#undef ROW
};

static void hold(const struct conversation *row, size_t step)
{
	struct side *side = side_new(row->is_server);
	size_t first = opening_size(row->is_server);
	assert_int_equal(side->wire.end, first);
	assert_memory_equal(side->wire.bytes, opening(row->is_server), first);
	give_in_pieces(side, row->in, row->in_size, step);
	const uint8_t *wire = side->wire.bytes + first;
	size_t wire_size = side->wire.end - first;
	if (!is_same(side->log, side->log_size, row->log, row->log_size) ||
		!is_same(wire, wire_size, row->wire, row->wire_size)) {
		print_bytes("put out:", side->log, side->log_size);
		print_bytes("expected:", row->log, row->log_size);
		print_bytes("wire:", wire, wire_size);
		print_bytes("expected:", row->wire, row->wire_size);
		fail_msg("\"%s\" in pieces of %zu, seed %u", row->name, step, seed);
	}
	side_free(side);
}

static void conversations_are_held(void **state)
{
	for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++)
		for (size_t s = 0; s < STEPS; s++)
			hold(&conversations[i], steps[s]);
}

/* ---- what goes out --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool is_server;
	const char *in; /* from the other side, before */
	size_t in_size;
	const char *data;
	size_t data_size;
	const char *wire;
	size_t wire_size;
} outputs[] = {
#define ROW(name, side, in, data, wire)                               \
	{                                                             \
		name, side, LITERAL(in), LITERAL(data), LITERAL(wire) \
	}
	ROW("0xff is doubled", SERVER, "", "a\377b\377\377", "a" IAC IAC "b" IAC IAC IAC IAC),
	ROW("until it is refused it is binary", SERVER, "", "\r\n\rx\r", "\r\n\rx\r"),
	ROW("agreed", SERVER, DO BINARY, "\r\n\rx\r\0", "\r\n\rx\r\0"),
	ROW("text", SERVER, DONT BINARY, "\r\n\rx\n\r\r\n\0", "\r\n\r\0x\n\r\0\r\n\0"),
	ROW("text of a client", CLIENT, DONT BINARY, "ls\rx\r\n", "ls\r\0x\r\n"),
	ROW("CR and 0xff in text", SERVER, DONT BINARY, "\r\377\r\r", "\r\0" IAC IAC "\r\0\r"),
	ROW("agreed after all", SERVER, DONT BINARY DO BINARY, "\rx", WILL BINARY "\rx"),
#undef ROW
};

static void outputs_are_encoded(void **state)
{
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		for (size_t s = 0; s < STEPS; s++) {
			struct side *side = side_new(outputs[i].is_server);
			size_t first = side->wire.end;
			give_in_pieces(side, outputs[i].in, outputs[i].in_size, 4096);
			for (size_t at = 0; at < outputs[i].data_size;) {
				size_t n = steps[s] != 0 ? steps[s] : 1 + (size_t)rand() % 3;
				if (n > outputs[i].data_size - at)
					n = outputs[i].data_size - at;
				const uint8_t *data = (const uint8_t *)outputs[i].data + at;
				assert_int_equal(telnet_codec_encode(&side->codec, data, n), n);
				at += n;
			}
			if (!is_same(side->wire.bytes + first, side->wire.end - first,
				    outputs[i].wire, outputs[i].wire_size)) {
				print_bytes(
					"wire:", side->wire.bytes + first, side->wire.end - first);
				fail_msg("\"%s\" in pieces of %zu, seed %u", outputs[i].name,
					steps[s], seed);
			}
			side_free(side);
		}
	}
}

static void expect_wire(struct side *side, const char *bytes, size_t n)
{
	if (!is_same(side->wire.bytes, side->wire.end, bytes, n)) {
		print_bytes("wire:", side->wire.bytes, side->wire.end);
		print_bytes("expected:", bytes, n);
		fail();
	}
	side->wire.end = 0;
}

static void a_break_goes_out_in_its_place(void **state)
{
	struct side *side = side_new(SERVER);
	give_in_pieces(side, LITERAL(DONT BINARY), 4096);
	side->wire.end = 0;
	telnet_codec_encode(&side->codec, (const uint8_t *)"a\r", 2);
	telnet_codec_break(&side->codec);
	telnet_codec_encode(&side->codec, (const uint8_t *)"\n", 1);
	expect_wire(side, LITERAL("a\r\0" BRK "\n"));
	/* A CR that was sent as text is forgotten where binary begins. */
	telnet_codec_encode(&side->codec, (const uint8_t *)"\r", 1);
	give_in_pieces(side, LITERAL(DO BINARY), 4096);
	telnet_codec_encode(&side->codec, (const uint8_t *)"x", 1);
	expect_wire(side, LITERAL("\r" WILL BINARY "x"));
	side_free(side);
}

static void a_client_tells_its_window(void **state)
{
	struct side *side = side_new(CLIENT);
	side->wire.end = 0;
	give_in_pieces(side, LITERAL(DO NAWS), 1);
	expect_wire(side, LITERAL(WONT NAWS));
	telnet_codec_window(&side->codec, (struct stream_window){80, 24});
	expect_wire(side, LITERAL(WILL NAWS));
	telnet_codec_window(&side->codec, (struct stream_window){81, 25});
	expect_wire(side, LITERAL(""));
	give_in_pieces(side, LITERAL(DO NAWS), 1);
	expect_wire(side, LITERAL(SB NAWS "\0Q\0\31" SE));
	telnet_codec_window(&side->codec, (struct stream_window){255, 0x1ff});
	expect_wire(side, LITERAL(SB NAWS "\0" IAC IAC "\1" IAC IAC SE));
	give_in_pieces(side, LITERAL(DONT NAWS), 1);
	expect_wire(side, LITERAL(WONT NAWS));
	side_free(side);
}

static void a_port_message_is_wrapped(void **state)
{
	struct side *side = side_new(CLIENT);
	side->wire.end = 0;
	telnet_codec_port(&side->codec, (const uint8_t *)"\1\377\0\377\377", 5);
	expect_wire(side, LITERAL(SB PORT "\1" IAC IAC "\0" IAC IAC IAC IAC SE));
	side_free(side);
}

/* ---- room ------------------------------------------------------------------------------------ */

static void output_leaves_room_for_answers(void **state)
{
	static uint8_t data[2 * WIRE_SIZE];
	struct side *side = side_new(SERVER);
	memset(data, 0xff, sizeof(data));
	size_t n = telnet_codec_encode(&side->codec, data, sizeof(data));
	assert_in_range(n, 1, WIRE_SIZE / 2);
	assert_in_range(side->wire.end, WIRE_SIZE - TELNET_ANSWER_RESERVE - 4,
		WIRE_SIZE - TELNET_ANSWER_RESERVE);
	assert_int_equal(telnet_codec_encode(&side->codec, data, sizeof(data)), 0);
	assert_false(telnet_codec_has_room(&side->codec, 3));
	/* There is, for the answers to some. */
	assert_int_equal(give(side, (const uint8_t *)DO LINEMODE DO LINEMODE, 6, 9), 6);
	side_free(side);
}

/* Requests without end from somebody who does not read the answers. */
static void a_flood_of_requests_waits(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} floods[] = {{LITERAL(DO LINEMODE)}, {LITERAL(AYT)}, {LITERAL(WILL LINEMODE)}};
	static uint8_t flood[64 * 1024];
	for (size_t f = 0; f < sizeof(floods) / sizeof(floods[0]); f++) {
		struct side *side = side_new(SERVER);
		size_t size = 0;
		for (; size + floods[f].size <= sizeof(flood); size += floods[f].size)
			memcpy(flood + size, floods[f].bytes, floods[f].size);
		size_t taken = 0;
		while (taken < size) {
			size_t n = give(side, flood + taken, size - taken, 100);
			assert_in_range(n, 1, size - taken);
			taken += n;
			assert_int_equal(give(side, flood + taken, size - taken, 100), 0);
			assert_true(side->wire.end <= WIRE_SIZE);
			if (taken < size)
				assert_in_range(
					side->wire.end, WIRE_SIZE - TELNET_ANSWER_MAX, WIRE_SIZE);
			side->wire.end = 0; /* sent at last */
		}
		assert_int_equal(side->log_size, 0);
		side_free(side);
	}
}

/* A consumer that does not read holds up bytes and events, not the negotiation. */
static void without_room_options_are_negotiated(void **state)
{
	static const struct {
		const char *in;
		size_t in_size;
		size_t taken; /* before there is room */
	} rows[] = {
#define ROW(before, after) {LITERAL(before after), sizeof(before) - 1}
		ROW(DO LINEMODE NOP WILL PORT, "x"),
		ROW(DO LINEMODE "\377", "\363"),
		ROW(WILL NAWS SB NAWS "\0P\0\30\377", "\360"),
		ROW(WILL PORT SB PORT "\0\377", "\360"),
		ROW(SB "\126"
		       "hello" SE "\377",
			"\377"),
		ROW("\377", "\364"),
#undef ROW
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct side *side = side_new(SERVER);
		const uint8_t *in = (const uint8_t *)rows[i].in;
		assert_int_equal(give(side, in, rows[i].in_size, 0), rows[i].taken);
		size_t log_size = side->log_size;
		in += rows[i].taken;
		assert_int_equal(give(side, in, rows[i].in_size - rows[i].taken, 1), 1);
		assert_true(side->log_size > log_size);
		side_free(side);
	}
}

/* ---- hostile --------------------------------------------------------------------------------- */

static void a_subnegotiation_without_end_is_bounded(void **state)
{
	static uint8_t junk[1024 * 1024];
	struct side *side = side_new(SERVER);
	memset(junk, 'x', sizeof(junk));
	give_in_pieces(side, LITERAL(WILL PORT WILL NAWS SB PORT), 4096);
	side->log_size = 0;
	size_t wire_end = side->wire.end;
	assert_int_equal(give(side, junk, sizeof(junk), 100), sizeof(junk));
	memset(junk, 0xff, sizeof(junk)); /* IAC IAC, an even number of them */
	assert_int_equal(give(side, junk, sizeof(junk), 100), sizeof(junk));
	give_in_pieces(side, LITERAL(SE "ok" SB NAWS "\0P\0\30" SE), 4096);
	assert_true(is_same(side->log, side->log_size, LITERAL("ok<80x24>")));
	assert_int_equal(side->wire.end, wire_end);
	side_free(side);
}

static void the_longest_subnegotiation(void **state)
{
	static uint8_t text[TELNET_SUBNEGOTIATION_MAX + 1];
	for (size_t extra = 0; extra < 2; extra++) {
		struct side *side = side_new(SERVER);
		memset(text, 'x', sizeof(text));
		give_in_pieces(side, LITERAL(WILL PORT SB PORT), 4096);
		side->log_size = 0;
		give(side, text, TELNET_SUBNEGOTIATION_MAX + extra, 100);
		give_in_pieces(side, LITERAL(SE), 4096);
		assert_int_equal(side->log_size,
			extra ? 0 : strlen("<port>") + 3 * (size_t)TELNET_SUBNEGOTIATION_MAX);
		side_free(side);
	}
}

static void a_megabyte_of_iac(void **state)
{
	static uint8_t iacs[1024 * 1024];
	struct side *side = side_new(SERVER);
	memset(iacs, 0xff, sizeof(iacs));
	size_t wire_end = side->wire.end;
	size_t bytes = 0;
	for (size_t at = 0; at < sizeof(iacs); at += 4096) {
		assert_int_equal(give(side, iacs + at, 4096, 256), 4096);
		for (size_t i = 0; i < side->log_size; i++)
			assert_int_equal((uint8_t)side->log[i], 0xff);
		bytes += side->log_size;
		side->log_size = 0;
	}
	assert_int_equal(bytes, sizeof(iacs) / 2);
	assert_int_equal(side->wire.end, wire_end);
	side_free(side);
}

/* Every command for every option, again and again: an answer is at most one to one. */
static void storms_of_options_end(void **state)
{
	struct side *side = side_new(SERVER);
	for (int round = 0; round < 4; round++) {
		for (int command = 0xfb; command <= 0xfe; command++) {
			for (int option = 0; option < 256; option++) {
				const uint8_t in[] = {0xff, (uint8_t)command, (uint8_t)option};
				side->wire.end = 0;
				assert_int_equal(give(side, in, 3, 9), 3);
				bool is_on = command == 0xfb || command == 0xfd;
				assert_in_range(side->wire.end, 0, 3);
				size_t end = side->wire.end;
				/* A second time: a refusal to a wish, nothing to what is so. */
				side->wire.end = 0;
				assert_int_equal(give(side, in, 3, 9), 3);
				assert_true(side->wire.end == 0 || (is_on && end == 3));
				if (side->wire.end == 3)
					assert_true(side->wire.bytes[1] == 0xfc ||
						    side->wire.bytes[1] == 0xfe);
			}
		}
	}
	side_free(side);
}

/* Two of ours, joined: they agree, and then there is silence. */
static void two_of_ours_come_to_an_end(void **state)
{
	struct side *sides[] = {side_new(SERVER), side_new(CLIENT)};
	size_t rounds = 0;
	while (sides[0]->wire.end + sides[1]->wire.end > 0) {
		for (size_t i = 0; i < 2; i++) {
			struct side *from = sides[i];
			assert_int_equal(give(sides[1 - i], from->wire.bytes, from->wire.end, 9),
				from->wire.end);
			from->wire.end = 0;
		}
		assert_in_range(++rounds, 1, 4);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_true(sides[i]->codec.ours & TELNET_HAS_BINARY);
		assert_true(sides[i]->codec.theirs & TELNET_HAS_BINARY);
		assert_true((sides[i]->codec.ours | sides[i]->codec.theirs) & TELNET_HAS_PORT);
		assert_true(is_same(sides[i]->log, sides[i]->log_size, LITERAL("<begin>")));
		side_free(sides[i]);
	}
}

/* Half a command of one client is nothing to the next one. */
static void nothing_is_left_for_the_next_client(void **state)
{
	struct side *first = side_new(SERVER);
	give_in_pieces(first, LITERAL("a" SB NAWS IAC), 1);
	side_free(first);
	struct side *second = side_new(SERVER);
	give_in_pieces(second, LITERAL("KLM"), 1);
	assert_true(is_same(second->log, second->log_size, LITERAL("KLM")));
	side_free(second);
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
	srand(seed);
	fprintf(stderr, "seed %u\n", seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations_are_held),
		cmocka_unit_test(outputs_are_encoded),
		cmocka_unit_test(a_break_goes_out_in_its_place),
		cmocka_unit_test(a_client_tells_its_window),
		cmocka_unit_test(a_port_message_is_wrapped),
		cmocka_unit_test(output_leaves_room_for_answers),
		cmocka_unit_test(a_flood_of_requests_waits),
		cmocka_unit_test(without_room_options_are_negotiated),
		cmocka_unit_test(a_subnegotiation_without_end_is_bounded),
		cmocka_unit_test(the_longest_subnegotiation),
		cmocka_unit_test(a_megabyte_of_iac),
		cmocka_unit_test(storms_of_options_end),
		cmocka_unit_test(two_of_ours_come_to_an_end),
		cmocka_unit_test(nothing_is_left_for_the_next_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

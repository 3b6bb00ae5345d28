/* The telnet protocol of one connection; see telnet_codec.h. */
#include "stream/telnet_codec.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <libtelnet.h>

enum { OPTION_COM_PORT = 44, CR = '\r', LF = '\n', NUL = '\0' };

/* What a client's terminal is taken for: what serial gettys expect of one. */
static const char terminal_type[] = "VT220";

/* The answer to "are you there?", as telnetd gives it. */
static const char here[] = "\r\n[Yes]\r\n";

static const telnet_telopt_t server_options[] = {
	{TELNET_TELOPT_BINARY, TELNET_WILL, TELNET_DO},
	{TELNET_TELOPT_ECHO, TELNET_WILL, TELNET_DONT},
	{TELNET_TELOPT_SGA, TELNET_WILL, TELNET_DO},
	{TELNET_TELOPT_NAWS, TELNET_WONT, TELNET_DO},
	{OPTION_COM_PORT, TELNET_WILL, TELNET_DO},
	{-1, 0, 0},
};

static const telnet_telopt_t client_options[] = {
	{TELNET_TELOPT_BINARY, TELNET_WILL, TELNET_DO},
	{TELNET_TELOPT_ECHO, TELNET_WONT, TELNET_DO},
	{TELNET_TELOPT_SGA, TELNET_WILL, TELNET_DO},
	/* No NAWS: it is offered when the size is known, and refused until then. */
	{TELNET_TELOPT_TTYPE, TELNET_WILL, TELNET_DONT},
	{OPTION_COM_PORT, TELNET_WILL, TELNET_DO},
	{-1, 0, 0},
};

/* Keys of the NVT as a serial line's terminal types them. */
static const uint8_t keys[][2] = {
	{TELNET_IP, 0x03},
	{TELNET_EC, 0x7f},
	{TELNET_EL, 0x15},
	{TELNET_EOF, 0x04},
	{TELNET_SUSP, 0x1a},
	{TELNET_ABORT, 0x1c},
};

static unsigned option_bit(uint8_t option)
{
	switch (option) {
	case TELNET_TELOPT_BINARY:
		return TELNET_HAS_BINARY;
	case TELNET_TELOPT_NAWS:
		return TELNET_HAS_NAWS;
	case TELNET_TELOPT_TTYPE:
		return TELNET_HAS_TERMINAL_TYPE;
	case OPTION_COM_PORT:
		return TELNET_HAS_PORT;
	default:
		return 0;
	}
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void put(struct telnet_codec *codec, const void *bytes, size_t n)
{
	struct telnet_wire *wire = codec->wire;
	assert(n <= wire->size - wire->end);
	memcpy(wire->bytes + wire->end, bytes, n);
	wire->end += n;
}

static void put_subnegotiation(
	struct telnet_codec *codec, uint8_t option, const void *payload, size_t size)
{
	telnet_subnegotiation(codec->library, option, payload, size);
}

static void put_window(struct telnet_codec *codec)
{
	struct stream_window window = codec->window;
	const uint8_t payload[] = {(uint8_t)(window.columns >> 8), (uint8_t)window.columns,
		(uint8_t)(window.rows >> 8), (uint8_t)window.rows};
	put_subnegotiation(codec, TELNET_TELOPT_NAWS, payload, sizeof(payload));
}

static bool has_answer_room(const struct telnet_codec *codec)
{
	return codec->wire->size - codec->wire->end >= TELNET_ANSWER_MAX;
}

/* ---- options --------------------------------------------------------------------------------- */

static void set_ours(struct telnet_codec *codec, uint8_t option, bool on)
{
	unsigned bit = option_bit(option);
	codec->ours = on ? codec->ours | bit : codec->ours & ~bit;
	if (bit == TELNET_HAS_BINARY) {
		codec->sends_text = !on;
		codec->cr_sent = false;
	}
	if (bit == TELNET_HAS_NAWS && on)
		put_window(codec);
}

static void set_theirs(struct telnet_codec *codec, uint8_t option, bool on)
{
	unsigned bit = option_bit(option);
	codec->theirs = on ? codec->theirs | bit : codec->theirs & ~bit;
	if (bit == TELNET_HAS_BINARY)
		codec->cr_received = false;
}

static void on_library_event(telnet_t *library, telnet_event_t *event, void *user)
{
	struct telnet_codec *codec = user;
	if (event->type == TELNET_EV_SEND)
		put(codec, event->data.buffer, event->data.size);
	else if (event->type == TELNET_EV_DO)
		set_ours(codec, event->neg.telopt, true);
	else if (event->type == TELNET_EV_WILL)
		set_theirs(codec, event->neg.telopt, true);
}

/* IAC, command, option. The library has no event for an offer of ours that was refused. */
static void negotiate(struct telnet_codec *codec, uint8_t option)
{
	const char bytes[] = {(char)TELNET_IAC, (char)codec->command, (char)option};
	bool had_port = (codec->ours | codec->theirs) & TELNET_HAS_PORT;
	telnet_recv(codec->library, bytes, sizeof(bytes));
	if (codec->command == TELNET_DONT)
		set_ours(codec, option, false);
	else if (codec->command == TELNET_WONT)
		set_theirs(codec, option, false);
	bool has_port = (codec->ours | codec->theirs) & TELNET_HAS_PORT;
	if (option != OPTION_COM_PORT)
		return;
	if (has_port && !had_port)
		codec->result.event = TELNET_EVENT_PORT_BEGIN;
	else if (!has_port)
		codec->result.event = TELNET_EVENT_PORT_REFUSE;
}

/* ---- decoding: each step returns whether it could be taken ----------------------------------- */

static bool has_out_room(const struct telnet_codec *codec)
{
	return codec->result.size < codec->out_size;
}

static void put_out(struct telnet_codec *codec, uint8_t byte)
{
	codec->out[codec->result.size++] = byte;
}

static void take_text(struct telnet_codec *codec, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool skip =
			codec->cr_received && (in[i] == NUL || (in[i] == LF && codec->is_server));
		codec->cr_received = in[i] == CR;
		if (!skip)
			put_out(codec, in[i]);
	}
}

/* A run of data bytes, none of which is IAC. */
static bool take_data(struct telnet_codec *codec, const uint8_t *in, size_t n)
{
	size_t room = codec->out_size - codec->result.size;
	if (n > room)
		n = room;
	if (n == 0)
		return false;
	if (codec->theirs & TELNET_HAS_BINARY) {
		memcpy(codec->out + codec->result.size, in, n);
		codec->result.size += n;
	} else {
		take_text(codec, in, n);
	}
	codec->result.taken += n;
	return true;
}

static void begin_command(struct telnet_codec *codec, uint8_t command)
{
	codec->command = command;
	if (command == TELNET_SB)
		codec->state = TELNET_STATE_SB_OPTION;
	else if (command >= TELNET_WILL && command <= TELNET_DONT)
		codec->state = TELNET_STATE_OPTION;
	else
		codec->state = TELNET_STATE_DATA;
}

/* The byte that a command stands for; negative: none. */
static int key_of(const struct telnet_codec *codec, uint8_t command)
{
	if (command == TELNET_IAC)
		return TELNET_IAC;
	for (size_t i = 0; codec->is_server && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] == command)
			return keys[i][1];
	return -1;
}

static bool take_command(struct telnet_codec *codec, uint8_t command)
{
	int key = key_of(codec, command);
	bool is_break = command == TELNET_BREAK;
	bool is_question = command == TELNET_AYT && codec->is_server;
	if (((key >= 0 || is_break) && !has_out_room(codec)) ||
		(is_question && !has_answer_room(codec)))
		return false;
	begin_command(codec, command);
	if (key >= 0) {
		codec->cr_received = false;
		put_out(codec, (uint8_t)key);
	}
	if (is_break) {
		codec->cr_received = false;
		codec->result.event = TELNET_EVENT_BREAK;
	}
	if (is_question)
		put(codec, here, sizeof(here) - 1);
	return true;
}

static bool take_option(struct telnet_codec *codec, uint8_t option)
{
	if (!has_answer_room(codec))
		return false;
	codec->state = TELNET_STATE_DATA;
	negotiate(codec, option);
	return true;
}

static void take_window(struct telnet_codec *codec)
{
	const uint8_t *sb = codec->sb;
	struct stream_window window = {
		.columns = (uint16_t)(sb[0] << 8 | sb[1]),
		.rows = (uint16_t)(sb[2] << 8 | sb[3]),
	};
	/* RFC 1073: 0 is "not said". */
	if (codec->sb_size != 4 || window.columns == 0 || window.rows == 0)
		return;
	codec->result.window = window;
	codec->result.event = TELNET_EVENT_WINDOW;
}

static bool end_subnegotiation(struct telnet_codec *codec)
{
	unsigned bit = option_bit(codec->sb_option);
	bool is_event = bit == TELNET_HAS_NAWS || bit == TELNET_HAS_PORT;
	if (!has_answer_room(codec) || (is_event && !has_out_room(codec)))
		return false;
	codec->state = TELNET_STATE_DATA;
	if (codec->sb_size > sizeof(codec->sb))
		return true;
	if (bit == TELNET_HAS_NAWS && (codec->theirs & bit)) {
		take_window(codec);
	} else if (bit == TELNET_HAS_TERMINAL_TYPE && (codec->ours & bit)) {
		char payload[sizeof(terminal_type)] = {TELNET_TTYPE_IS};
		memcpy(payload + 1, terminal_type, sizeof(payload) - 1);
		if (codec->sb_size == 1 && codec->sb[0] == TELNET_TTYPE_SEND)
			put_subnegotiation(codec, codec->sb_option, payload, sizeof(payload));
	} else if (bit == TELNET_HAS_PORT && ((codec->ours | codec->theirs) & bit)) {
		codec->result.event = TELNET_EVENT_PORT;
		codec->result.payload = codec->sb;
		codec->result.payload_size = codec->sb_size;
	}
	return true;
}

static void collect(struct telnet_codec *codec, uint8_t byte)
{
	if (codec->sb_size < sizeof(codec->sb))
		codec->sb[codec->sb_size] = byte;
	if (codec->sb_size <= sizeof(codec->sb))
		codec->sb_size++;
}

static bool take_sb_iac(struct telnet_codec *codec, uint8_t byte)
{
	if (byte == TELNET_SE)
		return end_subnegotiation(codec);
	if (byte == TELNET_IAC) {
		codec->state = TELNET_STATE_SB;
		collect(codec, byte);
		return true;
	}
	/* Broken off: what was collected says nothing, and this is a command like any other. */
	return take_command(codec, byte);
}

static bool take_byte(struct telnet_codec *codec, uint8_t byte)
{
	switch (codec->state) {
	case TELNET_STATE_IAC_SEEN:
		return take_command(codec, byte);
	case TELNET_STATE_OPTION:
		return take_option(codec, byte);
	case TELNET_STATE_SB_OPTION:
		codec->sb_option = byte;
		codec->sb_size = 0;
		codec->state = TELNET_STATE_SB;
		return true;
	case TELNET_STATE_SB_IAC:
		return take_sb_iac(codec, byte);
	case TELNET_STATE_SB:
		if (byte == TELNET_IAC)
			codec->state = TELNET_STATE_SB_IAC;
		else
			collect(codec, byte);
		return true;
	default: /* data: only the IAC that ends it comes here */
		codec->state = TELNET_STATE_IAC_SEEN;
		return true;
	}
}

struct telnet_result telnet_codec_decode(struct telnet_codec *codec, const uint8_t *in,
	size_t in_size, uint8_t *out, size_t out_size)
{
	struct telnet_result *r = &codec->result;
	*r = (struct telnet_result){0};
	codec->out = out;
	codec->out_size = out_size;
	while (r->taken < in_size && r->event == TELNET_EVENT_NONE) {
		const uint8_t *at = in + r->taken;
		if (codec->state == TELNET_STATE_DATA && *at != TELNET_IAC) {
			const uint8_t *end = memchr(at, TELNET_IAC, in_size - r->taken);
			size_t n = end != NULL ? (size_t)(end - at) : in_size - r->taken;
			if (!take_data(codec, at, n))
				break;
		} else {
			if (!take_byte(codec, *at))
				break;
			r->taken++;
		}
	}
	return *r;
}

/* ---- encoding -------------------------------------------------------------------------------- */

bool telnet_codec_has_room(const struct telnet_codec *codec, size_t n)
{
	return codec->wire->end + n + TELNET_ANSWER_RESERVE <= codec->wire->size;
}

size_t telnet_codec_encode(struct telnet_codec *codec, const uint8_t *in, size_t in_size)
{
	enum { WORST = 3 }; /* NUL IAC IAC */
	struct telnet_wire *wire = codec->wire;
	size_t taken = 0, end = wire->end;
	for (; taken < in_size && end + WORST + TELNET_ANSWER_RESERVE <= wire->size; taken++) {
		uint8_t byte = in[taken];
		if (codec->cr_sent && byte != LF)
			wire->bytes[end++] = NUL;
		codec->cr_sent = codec->sends_text && byte == CR;
		if (byte == TELNET_IAC)
			wire->bytes[end++] = TELNET_IAC;
		wire->bytes[end++] = byte;
	}
	wire->end = end;
	return taken;
}

void telnet_codec_break(struct telnet_codec *codec)
{
	if (codec->cr_sent)
		put(codec, "", 1);
	codec->cr_sent = false;
	telnet_iac(codec->library, TELNET_BREAK);
}

void telnet_codec_port(struct telnet_codec *codec, const uint8_t *payload, size_t size)
{
	put_subnegotiation(codec, OPTION_COM_PORT, payload, size);
}

void telnet_codec_window(struct telnet_codec *codec, struct stream_window window)
{
	codec->window = window;
	if (codec->ours & TELNET_HAS_NAWS)
		put_window(codec);
	else
		telnet_negotiate(codec->library, TELNET_WILL, TELNET_TELOPT_NAWS);
}

/* ---- from beginning to end ------------------------------------------------------------------- */

int telnet_codec_init(struct telnet_codec *codec, bool is_server, struct telnet_wire *wire)
{
	static const uint8_t server_offers[][2] = {
		{TELNET_WILL, TELNET_TELOPT_ECHO},
		{TELNET_WILL, TELNET_TELOPT_SGA},
		{TELNET_WILL, TELNET_TELOPT_BINARY},
		{TELNET_DO, TELNET_TELOPT_BINARY},
		{TELNET_DO, TELNET_TELOPT_NAWS},
	};
	static const uint8_t client_offers[][2] = {
		{TELNET_DO, TELNET_TELOPT_SGA},
		{TELNET_WILL, TELNET_TELOPT_BINARY},
		{TELNET_DO, TELNET_TELOPT_BINARY},
		{TELNET_WILL, OPTION_COM_PORT},
	};
	*codec = (struct telnet_codec){.wire = wire, .is_server = is_server};
	codec->library = telnet_init(
		is_server ? server_options : client_options, on_library_event, 0, codec);
	if (codec->library == NULL)
		return -ENOMEM;
	const uint8_t(*offers)[2] = is_server ? server_offers : client_offers;
	size_t count = is_server ? sizeof(server_offers) / 2 : sizeof(client_offers) / 2;
	for (size_t i = 0; i < count; i++)
		telnet_negotiate(codec->library, offers[i][0], offers[i][1]);
	return 0;
}

void telnet_codec_fini(struct telnet_codec *codec)
{
	if (codec->library != NULL)
		telnet_free(codec->library);
	codec->library = NULL;
}

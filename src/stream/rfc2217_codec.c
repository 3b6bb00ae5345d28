/* The commands of COM-PORT-OPTION; see rfc2217_codec.h. */
#include "stream/rfc2217_codec.h"

#include <assert.h>
#include <string.h>

enum command {
	SIGNATURE,
	SET_BAUDRATE,
	SET_DATASIZE,
	SET_PARITY,
	SET_STOPSIZE,
	SET_CONTROL,
	NOTIFY_LINESTATE,
	NOTIFY_MODEMSTATE,
	FLOWCONTROL_SUSPEND,
	FLOWCONTROL_RESUME,
	SET_LINESTATE_MASK,
	SET_MODEMSTATE_MASK,
	PURGE_DATA,
	COMMAND_COUNT
};

/* A server's commands are a client's plus this. */
enum { SERVER = 100 };

/* The values of SET-CONTROL. */
enum {
	CONTROL_FLOW = 0, /* 0 asks, 1 to 3 are enum stream_flow */
	CONTROL_BREAK = 4,
	CONTROL_DTR = 7, /* asks; the next is on, then off; BREAK and RTS likewise */
	CONTROL_RTS = 10,
	CONTROL_FLOW_IN = 13,
	CONTROL_FLOW_DCD = 17,
	CONTROL_FLOW_DTR = 18,
	CONTROL_FLOW_DSR = 19,
};

/* Line states: nothing waits to be sent, a BREAK was seen. */
enum { LINESTATE_EMPTY = 0x60, LINESTATE_BREAK = 0x10 };

static const char signature[] = "chardev";

/* Modem states; the bits of what has changed are 4 places to the right. */
static const struct {
	uint8_t bit;
	uint8_t line;
} modem_bits[] = {
	{0x80, STREAM_MODEM_CD},
	{0x40, STREAM_MODEM_RI},
	{0x20, STREAM_MODEM_DSR},
	{0x10, STREAM_MODEM_CTS},
};

enum { MODEM_SEEN = STREAM_MODEM_CD | STREAM_MODEM_RI | STREAM_MODEM_DSR | STREAM_MODEM_CTS };
enum { MODEM_SET = STREAM_MODEM_DTR | STREAM_MODEM_RTS };

static uint8_t modem_state(uint8_t lines)
{
	uint8_t state = 0;
	for (size_t i = 0; i < sizeof(modem_bits) / sizeof(modem_bits[0]); i++)
		if (lines & modem_bits[i].line)
			state |= modem_bits[i].bit;
	return state;
}

static uint8_t modem_lines(uint8_t state)
{
	uint8_t lines = 0;
	for (size_t i = 0; i < sizeof(modem_bits) / sizeof(modem_bits[0]); i++)
		if (state & modem_bits[i].bit)
			lines |= modem_bits[i].line;
	return lines;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void say(const struct rfc2217 *port, struct rfc2217_messages *messages, enum command command,
	const void *value, size_t size)
{
	assert(messages->count < RFC2217_MESSAGES_MAX && size < RFC2217_PAYLOAD_MAX);
	struct rfc2217_message *message = &messages->message[messages->count++];
	message->bytes[0] = (uint8_t)(command + (port->is_server ? SERVER : 0));
	memcpy(message->bytes + 1, value, size);
	message->size = 1 + size;
}

static void say_byte(const struct rfc2217 *port, struct rfc2217_messages *messages,
	enum command command, unsigned value)
{
	const uint8_t byte = (uint8_t)value;
	say(port, messages, command, &byte, 1);
}

static void say_speed(const struct rfc2217 *port, struct rfc2217_messages *messages, uint32_t speed)
{
	const uint8_t bytes[] = {(uint8_t)(speed >> 24), (uint8_t)(speed >> 16),
		(uint8_t)(speed >> 8), (uint8_t)speed};
	say(port, messages, SET_BAUDRATE, bytes, sizeof(bytes));
}

/* Those of the settings that are said. */
static void say_line(const struct rfc2217 *port, struct rfc2217_messages *messages,
	const struct stream_line *line)
{
	if (line->speed != 0)
		say_speed(port, messages, line->speed);
	if (line->bits != 0)
		say_byte(port, messages, SET_DATASIZE, line->bits);
	if (line->parity != STREAM_PARITY_UNSAID)
		say_byte(port, messages, SET_PARITY, line->parity);
	if (line->stop != STREAM_STOP_UNSAID)
		say_byte(port, messages, SET_STOPSIZE, line->stop);
	if (line->flow != STREAM_FLOW_UNSAID)
		say_byte(port, messages, SET_CONTROL, line->flow);
}

static void say_switch(
	const struct rfc2217 *port, struct rfc2217_messages *messages, unsigned control, bool on)
{
	say_byte(port, messages, SET_CONTROL, control + (on ? 1 : 2));
}

static void say_modem(
	const struct rfc2217 *port, struct rfc2217_messages *messages, struct stream_modem modem)
{
	if (modem.which & STREAM_MODEM_DTR)
		say_switch(port, messages, CONTROL_DTR, modem.on & STREAM_MODEM_DTR);
	if (modem.which & STREAM_MODEM_RTS)
		say_switch(port, messages, CONTROL_RTS, modem.on & STREAM_MODEM_RTS);
}

static void merge(struct stream_line *line, const struct stream_line *news)
{
	if (news->speed != 0)
		line->speed = news->speed;
	if (news->bits != 0)
		line->bits = news->bits;
	if (news->parity != STREAM_PARITY_UNSAID)
		line->parity = news->parity;
	if (news->stop != STREAM_STOP_UNSAID)
		line->stop = news->stop;
	if (news->flow != STREAM_FLOW_UNSAID)
		line->flow = news->flow;
}

/* ---- from the other side --------------------------------------------------------------------- */

static uint32_t speed_of(const uint8_t *value)
{
	return (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 |
	       value[3];
}

/* One setting, if it is a valid one: false where it only asks, or is none that there is. */
static bool parse_setting(enum command command, const uint8_t *value, struct stream_line *ret)
{
	*ret = (struct stream_line){0};
	uint8_t byte = value[0];
	if (command == SET_BAUDRATE)
		ret->speed = speed_of(value);
	else if (command == SET_DATASIZE && byte >= 5 && byte <= 8)
		ret->bits = byte;
	else if (command == SET_PARITY && byte < STREAM_PARITY_COUNT)
		ret->parity = (enum stream_parity)byte;
	else if (command == SET_STOPSIZE && byte < STREAM_STOP_COUNT)
		ret->stop = (enum stream_stop)byte;
	else if (command == SET_CONTROL && byte < STREAM_FLOW_COUNT)
		ret->flow = (enum stream_flow)byte;
	return ret->speed != 0 || ret->bits != 0 || ret->parity != STREAM_PARITY_UNSAID ||
	       ret->stop != STREAM_STOP_UNSAID || ret->flow != STREAM_FLOW_UNSAID;
}

static void answer_setting(
	const struct rfc2217 *port, enum command command, struct rfc2217_messages *messages)
{
	const struct stream_line *line = &port->line;
	if (command == SET_BAUDRATE)
		say_speed(port, messages, line->speed);
	else if (command == SET_DATASIZE)
		say_byte(port, messages, command, line->bits);
	else if (command == SET_PARITY)
		say_byte(port, messages, command, line->parity);
	else if (command == SET_STOPSIZE)
		say_byte(port, messages, command, line->stop);
	else
		say_byte(port, messages, command, line->flow);
}

/* A server is asked to set or to tell; a client is told. */
static bool take_setting(struct rfc2217 *port, enum command command, const uint8_t *value,
	struct rfc2217_messages *messages, struct stream_signal *signal)
{
	struct stream_line news;
	bool is_said = parse_setting(command, value, &news);
	if (is_said)
		*signal = (struct stream_signal){.type = STREAM_SIGNAL_LINE, .u.line = news};
	if (port->is_server) {
		if (is_said)
			merge(&port->line, &news);
		merge(&port->line, &port->told);
		answer_setting(port, command, messages);
	}
	return is_said;
}

/* BREAK: a server answers with its state, and signals where it begins. */
static bool take_break(struct rfc2217 *port, unsigned action, struct rfc2217_messages *messages,
	struct stream_signal *signal)
{
	if (!port->is_server)
		return false;
	bool begins = action == 1 && !port->in_break;
	if (action != 0)
		port->in_break = action == 1;
	say_switch(port, messages, CONTROL_BREAK, port->in_break);
	*signal = (struct stream_signal){.type = STREAM_SIGNAL_BREAK};
	return begins;
}

static bool take_line(struct rfc2217 *port, unsigned control, unsigned action,
	struct rfc2217_messages *messages, struct stream_signal *signal)
{
	uint8_t which = control == CONTROL_DTR ? STREAM_MODEM_DTR : STREAM_MODEM_RTS;
	const struct stream_modem modem = {which, action == 1 ? which : 0};
	if (port->is_server) {
		if (action != 0)
			port->lines = (uint8_t)((port->lines & ~which) | modem.on);
		say_switch(port, messages, control, port->lines & which);
	}
	*signal = (struct stream_signal){.type = STREAM_SIGNAL_MODEM, .u.modem = modem};
	return action != 0;
}

static bool take_control(struct rfc2217 *port, uint8_t value, struct rfc2217_messages *messages,
	struct stream_signal *signal)
{
	if (value < CONTROL_BREAK)
		return take_setting(port, SET_CONTROL, &value, messages, signal);
	if (value < CONTROL_DTR)
		return take_break(port, value - CONTROL_BREAK, messages, signal);
	if (value < CONTROL_RTS)
		return take_line(port, CONTROL_DTR, value - CONTROL_DTR, messages, signal);
	if (value < CONTROL_FLOW_IN)
		return take_line(port, CONTROL_RTS, value - CONTROL_RTS, messages, signal);
	if (!port->is_server || value > CONTROL_FLOW_DSR)
		return false;
	bool is_out = value == CONTROL_FLOW_DCD || value == CONTROL_FLOW_DSR;
	say_byte(port, messages, SET_CONTROL, port->line.flow + (is_out ? 0 : CONTROL_FLOW_IN));
	return false;
}

/* A client that is notified. */
static bool take_state(enum command command, uint8_t state, struct stream_signal *signal)
{
	if (command == NOTIFY_LINESTATE) {
		*signal = (struct stream_signal){.type = STREAM_SIGNAL_BREAK};
		return state & LINESTATE_BREAK;
	}
	*signal = (struct stream_signal){
		.type = STREAM_SIGNAL_MODEM, .u.modem = {MODEM_SEEN, modem_lines(state)}};
	return true;
}

static bool take_purge(struct rfc2217 *port, uint8_t value, struct rfc2217_messages *messages,
	struct stream_signal *signal)
{
	if (!port->is_server || value == 0 || value > (STREAM_PURGE_RECEIVED | STREAM_PURGE_SENT))
		return false;
	say_byte(port, messages, PURGE_DATA, value);
	*signal = (struct stream_signal){.type = STREAM_SIGNAL_PURGE, .u.purge = value};
	return true;
}

static void take_mask(
	struct rfc2217 *port, enum command command, uint8_t mask, struct rfc2217_messages *messages)
{
	if (!port->is_server)
		return;
	if (command == SET_LINESTATE_MASK)
		port->line_mask = mask;
	else
		port->modem_mask = mask;
	say_byte(port, messages, command, mask);
}

/* Commands that may come without a value. */
static bool take_bare(
	struct rfc2217 *port, enum command command, size_t size, struct rfc2217_messages *messages)
{
	if (command == SIGNATURE) {
		if (size == 0)
			say(port, messages, SIGNATURE, signature, sizeof(signature) - 1);
	} else if (command == FLOWCONTROL_SUSPEND || command == FLOWCONTROL_RESUME) {
		port->suspended = command == FLOWCONTROL_SUSPEND;
	} else if (command == NOTIFY_LINESTATE && port->is_server) {
		say_byte(port, messages, command, LINESTATE_EMPTY);
	} else if (command == NOTIFY_MODEMSTATE && port->is_server) {
		say_byte(port, messages, command, modem_state(port->lines));
	} else {
		return false;
	}
	return true;
}

bool rfc2217_receive(struct rfc2217 *port, const uint8_t *payload, size_t size,
	struct rfc2217_messages *ret, struct stream_signal *ret_signal)
{
	ret->count = 0;
	unsigned base = port->is_server ? 0 : SERVER;
	if (size == 0 || payload[0] < base || payload[0] - base >= COMMAND_COUNT)
		return false;
	enum command command = (enum command)(payload[0] - base);
	const uint8_t *value = payload + 1;
	size--;
	if (take_bare(port, command, size, ret) || size < (command == SET_BAUDRATE ? 4 : 1))
		return false;
	switch (command) {
	case SET_BAUDRATE:
	case SET_DATASIZE:
	case SET_PARITY:
	case SET_STOPSIZE:
		return take_setting(port, command, value, ret, ret_signal);
	case SET_CONTROL:
		return take_control(port, *value, ret, ret_signal);
	case NOTIFY_LINESTATE:
	case NOTIFY_MODEMSTATE:
		return take_state(command, *value, ret_signal);
	case SET_LINESTATE_MASK:
	case SET_MODEMSTATE_MASK:
		take_mask(port, command, *value, ret);
		return false;
	case PURGE_DATA:
		return take_purge(port, *value, ret, ret_signal);
	default:
		return false;
	}
}

/* ---- from the consumer ----------------------------------------------------------------------- */

/* A server tells of what has changed and is wanted. */
static void tell_modem(
	struct rfc2217 *port, struct stream_modem modem, struct rfc2217_messages *messages)
{
	uint8_t which = modem.which & MODEM_SEEN;
	uint8_t before = modem_state(port->lines);
	port->lines = (uint8_t)((port->lines & ~which) | (modem.on & which));
	uint8_t now = modem_state(port->lines);
	uint8_t changed = before ^ now;
	/* A ring is told of where it ends. */
	unsigned delta = changed & ~(modem_state(STREAM_MODEM_RI) & now);
	if ((changed | delta >> 4) & port->modem_mask)
		say_byte(port, messages, NOTIFY_MODEMSTATE, (now | delta >> 4) & port->modem_mask);
}

static int tell_server(
	struct rfc2217 *port, const struct stream_signal *signal, struct rfc2217_messages *messages)
{
	switch (signal->type) {
	case STREAM_SIGNAL_LINE:
		merge(&port->told, &signal->u.line);
		merge(&port->line, &signal->u.line);
		return 0;
	case STREAM_SIGNAL_MODEM:
		tell_modem(port, signal->u.modem, messages);
		return 0;
	case STREAM_SIGNAL_BREAK:
		if (!(port->line_mask & LINESTATE_BREAK))
			return -EOPNOTSUPP;
		say_byte(port, messages, NOTIFY_LINESTATE, LINESTATE_BREAK);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int tell_client(
	struct rfc2217 *port, const struct stream_signal *signal, struct rfc2217_messages *messages)
{
	switch (signal->type) {
	case STREAM_SIGNAL_LINE:
		merge(&port->line, &signal->u.line);
		say_line(port, messages, &signal->u.line);
		return 0;
	case STREAM_SIGNAL_MODEM: {
		struct stream_modem modem = signal->u.modem;
		modem.which &= MODEM_SET;
		if (modem.which == 0)
			return -EOPNOTSUPP;
		port->lines_wanted |= modem.which;
		port->lines = (uint8_t)((port->lines & ~modem.which) | (modem.on & modem.which));
		say_modem(port, messages, modem);
		return 0;
	}
	case STREAM_SIGNAL_PURGE:
		if (signal->u.purge != 0)
			say_byte(port, messages, PURGE_DATA, signal->u.purge);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int rfc2217_tell(
	struct rfc2217 *port, const struct stream_signal *signal, struct rfc2217_messages *ret)
{
	ret->count = 0;
	return port->is_server ? tell_server(port, signal, ret) : tell_client(port, signal, ret);
}

/* ---- from beginning to end ------------------------------------------------------------------- */

void rfc2217_init(struct rfc2217 *port, bool is_server)
{
	*port = (struct rfc2217){.is_server = is_server};
	if (!is_server)
		return;
	port->line = (struct stream_line){
		115200, 8, STREAM_PARITY_NONE, STREAM_STOP_1, STREAM_FLOW_NONE};
	port->lines = MODEM_SET | STREAM_MODEM_CTS | STREAM_MODEM_DSR | STREAM_MODEM_CD;
	port->modem_mask = 0xff;
}

void rfc2217_begin(struct rfc2217 *port, struct rfc2217_messages *ret)
{
	ret->count = 0;
	if (port->is_server) {
		/* Clients that never ask for it wait for it (pyserial). */
		say_byte(port, ret, NOTIFY_MODEMSTATE, modem_state(port->lines) & port->modem_mask);
		return;
	}
	say_byte(port, ret, SET_LINESTATE_MASK, LINESTATE_BREAK);
	say_line(port, ret, &port->line);
	say_modem(port, ret, (struct stream_modem){port->lines_wanted, port->lines});
}

void rfc2217_end(struct rfc2217 *port)
{
	port->suspended = false;
	port->in_break = false;
	port->line_mask = 0;
	port->modem_mask = 0xff;
}

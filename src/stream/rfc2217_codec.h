/*
 * What is said inside of telnet's COM-PORT-OPTION, RFC 2217: settings, modem lines and purges of a
 * serial line. Both sides: the server has the line, the client asks. Pure: payloads of
 * sub-negotiations in, payloads and signals out; the envelope is telnet_codec.h's.
 *
 * A server's line is a virtual one. What a client sets is remembered, answered as asked for, and
 * handed on as a signal; where the server has been told what the guest's own settings are, it
 * answers those. Modem lines are as told, and all but the ring indicator on until then. What is too
 * short is ignored, bytes beyond a command's own likewise.
 *
 *	client says         a server answers           and signals
 *	SIGNATURE           its own, to an empty one
 *	SET-BAUDRATE to
 *	SET-STOPSIZE        the value as it is now     LINE with that member (0 asks only)
 *	SET-CONTROL 0-3     flow control, both ways    LINE
 *	            4-6     the BREAK's state          BREAK when it begins
 *	            7-12    DTR's, RTS's state         MODEM
 *	            13-19   what 0 answers: this line has one flow control (13-16, 18: plus 13)
 *	NOTIFY-*STATE       the state as it is now (a client that asks for it)
 *	SUSPEND, RESUME                                none: `suspended`
 *	SET-*STATE-MASK     the mask
 *	PURGE-DATA          the value                  PURGE
 *
 * A client asks for what it is signalled (LINE, MODEM for DTR and RTS, PURGE), and signals what it
 * is answered or notified of: LINE, MODEM, and BREAK for the line state's.
 */
#ifndef CHARDEV_STREAM_RFC2217_CODEC_H
#define CHARDEV_STREAM_RFC2217_CODEC_H

#include "stream/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RFC2217_PAYLOAD_MAX = 16,
	RFC2217_MESSAGES_MAX = 8, /* five settings, two modem lines, a mask */
	/*
	 * What they take on the wire: envelopes of 5, a command and a byte that is doubled each;
	 * of the speed four.
	 */
	RFC2217_MESSAGES_SIZE_MAX = RFC2217_MESSAGES_MAX * (5 + 1 + 2) + 6,
};

struct rfc2217_message {
	uint8_t bytes[RFC2217_PAYLOAD_MAX];
	size_t size;
};

struct rfc2217_messages {
	struct rfc2217_message message[RFC2217_MESSAGES_MAX];
	size_t count;
};

struct rfc2217 {
	bool is_server;
	bool suspended; /* the other side wants no data for now */
	/* server: as answered; client: as wanted, to be asked for when that is possible */
	struct stream_line line;
	/* server: which members are the guest's own and not a client's to set */
	struct stream_line told;
	uint8_t lines;        /* STREAM_MODEM_*: those that are on; client: that are wanted */
	uint8_t lines_wanted; /* client: which */
	bool in_break;        /* server: a client's is going on */
	uint8_t line_mask;    /* server: what the client wants to be notified of */
	uint8_t modem_mask;
};

void rfc2217_init(struct rfc2217 *port, bool is_server);

/* The option is agreed on: what to say first. */
void rfc2217_begin(struct rfc2217 *port, struct rfc2217_messages *ret);
/* It is over: nothing is suspended any more. */
void rfc2217_end(struct rfc2217 *port);

/* What the other side said. The answers; and whether there is a signal for the consumer. */
bool rfc2217_receive(struct rfc2217 *port, const uint8_t *payload, size_t size,
	struct rfc2217_messages *ret, struct stream_signal *ret_signal);

/*
 * What the consumer says: 0 and what to say of it (when the option is on), or -EOPNOTSUPP; a BREAK
 * that the other side has not asked to be notified of is telnet's own. LINE and MODEM are kept for
 * rfc2217_begin().
 */
int rfc2217_tell(
	struct rfc2217 *port, const struct stream_signal *signal, struct rfc2217_messages *ret);

#endif

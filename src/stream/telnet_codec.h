/*
 * The telnet protocol of one connection: RFC 854 and 855, the Q method of RFC 1143, BINARY (856),
 * ECHO (857), SUPPRESS-GO-AHEAD (858), TERMINAL-TYPE (1091), window size (1073), and the envelope
 * of COM-PORT-OPTION (2217), the letter in which is rfc2217_codec.h's.
 *
 * Pure: bytes in, bytes and events out; pieces may end anywhere. No descriptor, no loop, and no
 * memory that the other side can make grow. libtelnet keeps the options' states; it is not given
 * sub-negotiations, because 0.21 types the rest of one that is too long, and starts to decompress
 * when anybody tells it to.
 *
 * What passes. A line of the table is one direction of one side; "text" is what NVT calls so, and
 * lasts until BINARY is agreed on.
 *
 *	                      text                                       binary
 *	server, from client   CR NUL, CR LF: CR (a serial line's Enter)  as it is
 *	client, from server   CR NUL: CR; CR LF as it is                 as it is
 *	to either             CR LF as it is, any other CR: CR NUL       as it is
 *	                      (the NUL when the next byte is known)
 *	always, both ways     0xff is IAC IAC; a lone LF, a lone NUL and bytes over 0x7f as they are
 *
 * Output is binary from the start, until the other side refuses that: who agrees has seen our offer
 * before the first byte, and who does not know the protocol sees what the guest wrote.
 *
 * Commands. BRK is a BREAK, both ways, in its place. From a client, keys that a serial line has as
 * well are these: IP 0x03, EC 0x7f, EL 0x15, and EOF 0x04, SUSP 0x1a, ABORT 0x1c (what telnetd
 * takes from a terminal that nobody has set otherwise); AYT is answered, to the client. All else
 * (NOP, DM, AO, GA, what is unknown, and any key from a server) has no effect on the bytes.
 */
#ifndef CHARDEV_STREAM_TELNET_CODEC_H
#define CHARDEV_STREAM_TELNET_CODEC_H

#include "stream/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A longer sub-negotiation is ignored, whole. */
	TELNET_SUBNEGOTIATION_MAX = 512,
	/* What one step of decoding may put on the wire, with what its caller answers to an event.
	 */
	TELNET_ANSWER_MAX = 160,
	/* What output leaves free on the wire, so that answers do not wait for it. */
	TELNET_ANSWER_RESERVE = 1024,
};

/* Bytes for the other side: the codec appends at `end`, the caller takes away from the front. */
struct telnet_wire {
	uint8_t *bytes;
	size_t size; /* more than TELNET_ANSWER_RESERVE */
	size_t end;
};

enum telnet_event {
	TELNET_EVENT_NONE,
	TELNET_EVENT_BREAK,
	TELNET_EVENT_WINDOW,      /* the size of the client's terminal */
	TELNET_EVENT_PORT_BEGIN,  /* COM-PORT-OPTION is agreed on */
	TELNET_EVENT_PORT_REFUSE, /* it is not, or not any more */
	TELNET_EVENT_PORT,        /* what came in one of its sub-negotiations */
	TELNET_EVENT_COUNT
};

struct telnet_result {
	size_t taken;            /* bytes of the input that are done with */
	size_t size;             /* bytes put out */
	enum telnet_event event; /* and after them, this */
	struct stream_window window;
	const uint8_t *payload; /* of the sub-negotiation, until the next call */
	size_t payload_size;
};

/* A set of telnet options, of those that are spoken here. */
enum {
	TELNET_HAS_BINARY = 1,
	TELNET_HAS_NAWS = 2,
	TELNET_HAS_TERMINAL_TYPE = 4,
	TELNET_HAS_PORT = 8,
};

enum telnet_state {
	TELNET_STATE_DATA,
	TELNET_STATE_IAC_SEEN,
	TELNET_STATE_OPTION,
	TELNET_STATE_SB_OPTION,
	TELNET_STATE_SB,
	TELNET_STATE_SB_IAC,
	TELNET_STATE_COUNT
};

struct telnet_codec {
	struct telnet_t *library;
	struct telnet_wire *wire;
	bool is_server;
	unsigned ours;   /* the options that are on, on our side */
	unsigned theirs; /* and on theirs */

	enum telnet_state state;
	uint8_t command; /* TELNET_STATE_OPTION: which of WILL, WONT, DO, DONT */
	uint8_t sb_option;
	size_t sb_size; /* may exceed the array: too long */
	uint8_t sb[TELNET_SUBNEGOTIATION_MAX];
	bool cr_received; /* as text: a LF or NUL that follows belongs to it */

	bool sends_text;
	bool cr_sent; /* as text: a NUL follows unless a LF does */

	struct stream_window window; /* a client's own, once it is offered */

	struct telnet_result result; /* of the call that is going on */
	uint8_t *out;
	size_t out_size;
};

/*
 * Puts the opening offers on the wire, which is borrowed. 0 or -ENOMEM.
 *
 * A server offers what QEMU does, in its order (WILL ECHO, WILL SGA, WILL BINARY, DO BINARY), and
 * asks for the window's size. A client asks for SGA, offers BINARY both ways and COM-PORT-OPTION.
 */
int telnet_codec_init(struct telnet_codec *codec, bool is_server, struct telnet_wire *wire);
void telnet_codec_fini(struct telnet_codec *codec);

/*
 * Decodes until the input ends, the output is full, an event, or the wire has no room for the
 * answer to the next command (TELNET_ANSWER_MAX). Without output room (out_size 0) it goes as far
 * as there is neither a byte nor an event that has its place among them: all but PORT_BEGIN and
 * PORT_REFUSE have.
 */
struct telnet_result telnet_codec_decode(struct telnet_codec *codec, const uint8_t *in,
	size_t in_size, uint8_t *out, size_t out_size);

/* Puts on the wire what of the input finds room beside the reserve; returns how much that was. */
size_t telnet_codec_encode(struct telnet_codec *codec, const uint8_t *in, size_t in_size);

/* Whether a message of so many bytes finds room beside the reserve. */
bool telnet_codec_has_room(const struct telnet_codec *codec, size_t n);

/*
 * These find room on the wire: after telnet_codec_has_room(), or within TELNET_ANSWER_MAX after an
 * event. A payload grows by 5 bytes, and by one for each 0xff.
 */
void telnet_codec_break(struct telnet_codec *codec);
void telnet_codec_port(struct telnet_codec *codec, const uint8_t *payload, size_t size);
/* A client's window, which is offered or told as agreed on. */
void telnet_codec_window(struct telnet_codec *codec, struct stream_window window);

#endif

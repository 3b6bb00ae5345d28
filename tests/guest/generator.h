/*
 * The bytes that tests move: the same from a seed wherever they are made, and a checksum of them.
 *
 * The stream of a seed: 256 bytes (i + seed) mod 256, so that even a short transfer holds every
 * value, then xorshift64 (13, 7, 17) from (seed + 1) * 0x9e3779b97f4a7c15, low byte first.
 * guestkit.py makes the same stream. The checksum is zlib's CRC-32.
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stddef.h>
#include <stdint.h>

struct generator {
	uint64_t seed;
	uint64_t state;
	uint64_t at;
};

static inline void generator_init(struct generator *g, uint64_t seed)
{
	*g = (struct generator){.seed = seed, .state = (seed + 1) * 0x9e3779b97f4a7c15ull};
}

static inline void generator_fill(struct generator *g, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++, g->at++) {
		if (g->at < 256) {
			out[i] = (uint8_t)(g->at + g->seed);
			continue;
		}
		if (g->at % 8 == 0) {
			g->state ^= g->state << 13;
			g->state ^= g->state >> 7;
			g->state ^= g->state << 17;
		}
		out[i] = (uint8_t)(g->state >> (g->at % 8 * 8));
	}
}

static inline uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n)
{
	static const uint32_t nibbles[16] = {
		0x00000000,
		0x1db71064,
		0x3b6e20c8,
		0x26d930ac,
		0x76dc4190,
		0x6b6b51f4,
		0x4db26158,
		0x5005713c,
		0xedb88320,
		0xf00f9344,
		0xd6d6a3e8,
		0xcb61b38c,
		0x9b64c2b0,
		0x86d3d2d4,
		0xa00ae278,
		0xbdbdf21c,
	};

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

#endif

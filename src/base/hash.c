/*
 * hash.c - SipHash-2-4, fed in pieces.
 */
#include "config.h"

#include "base/hash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void compress(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

void hash_init(struct hash *h, uint64_t k0, uint64_t k1)
{
	/* the paper's constants: "somepseudorandomlygeneratedbytes" */
	h->v[0] = k0 ^ 0x736f6d6570736575ULL;
	h->v[1] = k1 ^ 0x646f72616e646f6dULL;
	h->v[2] = k0 ^ 0x6c7967656e657261ULL;
	h->v[3] = k1 ^ 0x7465646279746573ULL;
	h->tail = 0;
	h->length = 0;
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	const unsigned char *p = data;
	unsigned int held = h->length % 8;
	uint64_t v[4], word;

	h->length += len;
	if (held > 0) {
		for (; held < 8 && len > 0; held++, len--)
			h->tail |= (uint64_t)*p++ << (8 * held);
		if (held < 8)
			return;
		compress(h->v, h->tail);
		h->tail = 0;
	}
	memcpy(v, h->v, sizeof(v));
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		compress(v, le64toh(word));
	}
	memcpy(h->v, v, sizeof(v));
	for (held = 0; held < len; held++)
		h->tail |= (uint64_t)p[held] << (8 * held);
}

uint64_t hash_end(struct hash *h)
{
	compress(h->v, h->tail | (h->length & 0xff) << 56);
	h->v[2] ^= 0xff;
	sip_round(h->v);
	sip_round(h->v);
	sip_round(h->v);
	sip_round(h->v);
	return h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3];
}

uint64_t hash_of(uint64_t k0, uint64_t k1, const void *data, size_t len)
{
	struct hash h;

	hash_init(&h, k0, k1);
	hash_add(&h, data, len);
	return hash_end(&h);
}

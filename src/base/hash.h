/*
 * hash.h - SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input
 *          PRF", 2012), fed in pieces. The checksum of everything in the spool.
 * Used by:    spool/, relay/ (ids of reports).
 * Why ours:   OpenSSL's MAC interface loads a provider (300 KB a process) and
 *             the receiver is to carry no OpenSSL state.
 */
#ifndef GMRELAY_BASE_HASH_H
#define GMRELAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash {
	uint64_t v[4];
	uint64_t tail;
	uint64_t length;
};

/* Starts with the 128-bit key k0, k1. */
void hash_init(struct hash *h, uint64_t k0, uint64_t k1);
void hash_add(struct hash *h, const void *data, size_t len);

/* The 64-bit result; *h is used up. */
uint64_t hash_end(struct hash *h);

/* All three in one call. */
uint64_t hash_of(uint64_t k0, uint64_t k1, const void *data, size_t len);

#endif

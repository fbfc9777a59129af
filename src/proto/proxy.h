/*
 * proxy.h - the PROXY protocol: for whom a proxy connects.
 * Used by:    receiver/gate.
 * Pure:       no descriptor, no clock, no log.
 * Source:     "The PROXY protocol, versions 1 & 2" (haproxy.org), 2.1 and 2.2.
 */
#ifndef GMRELAY_PROTO_PROXY_H
#define GMRELAY_PROTO_PROXY_H

#include "base/err.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* 2.1: "107 chars with CRLF". */
#define PROXY_V1_MAX 107
/* Of version 2, with its TLVs, which are stepped over. The protocol would allow
 * 64 KiB; what proxies send is some hundred octets. */
#define PROXY_V2_MAX 4096
#define PROXY_MAX    PROXY_V2_MAX

enum proxy_client {
	PROXY_CLIENT,  /* one whose address follows */
	PROXY_ITSELF,  /* LOCAL: the proxy looks whether we are there */
	PROXY_UNKNOWN, /* one whose address it does not say */
};

struct proxy_header {
	enum proxy_client client;
	struct in6_addr source; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
	size_t used; /* octets of the header */
};

/* Looks for a whole header in the len octets at data, which are all that came.
 * Returns 1 with *out set; 0 need more: all of them belong to the header; -1
 * with err: this is none. */
int proxy_parse(struct proxy_header *out, const char *data, size_t len,
	struct err *err);

#endif

/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/type.h"

static const struct d4_type types[] = {
	{ 0, "reserved", "reserved", "bin", D4_BORDER_OPAQUE },
	{ 1, "pcap", "packet capture (libpcap 2.4)", "cap", D4_BORDER_PCAP },
	{ 2, "meta", "meta header (one JSON object)", "json",
	    D4_BORDER_OPAQUE },
	{ 3, "log", "log lines", "syslog.txt", D4_BORDER_LINES },
	{ 4, "dnscap", "dnscap output", "dnscap.txt", D4_BORDER_LINES },
	{ 5, "pcapng", "packet capture (pcapng)", "pcapng",
	    D4_BORDER_PCAPNG },
	{ 6, "ndjson", "generic NDJSON lines", "ndjson", D4_BORDER_LINES },
	{ 7, "yaf", "flows of YAF (IPFIX)", "ipfix", D4_BORDER_IPFIX },
	{ 8, "passivedns", "passivedns lines", "passivedns.txt",
	    D4_BORDER_LINES },
	{ 254, "extended", "as its meta header says", "txt",
	    D4_BORDER_LINES },
};

static const struct d4_type_extended extended[] = {
	{ "d4-telemetry", "state of a sensor and its D4 programs" },
	{ "fascia", "events of fascia" },
	{ "filewatcher", "files of a watched folder, base64, one a line" },
	{ "filewatcherjson", "JSON files of a watched folder, one a line" },
	{ "ja3-jl", "TLS sessions with JA3 and certificates, JSON lines" },
	{ "maltrail", "events of maltrail" },
};

static const struct d4_type unknown = {
	0, "unknown", "not a registered type", "bin", D4_BORDER_OPAQUE
};

const struct d4_type *
d4_type_get(uint8_t number)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].number == number)
			return &types[i];
	}
	return &unknown;
}

const struct d4_type *
d4_type_list(size_t *n)
{
	*n = sizeof(types) / sizeof(types[0]);
	return types;
}

const struct d4_type_extended *
d4_type_extended_list(size_t *n)
{
	*n = sizeof(extended) / sizeof(extended[0]);
	return extended;
}

bool
d4_type_name_ok(const char *name, size_t len)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t i;

	if (len < 1 || len > D4_TYPE_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (name[i] != '\0' && strchr(first, name[i]) != NULL)
			continue;
		if (i == 0 || name[i] == '\0' ||
		    strchr("._-", name[i]) == NULL)
			return false;
	}
	return true;
}

bool
d4_type_may_follow(uint8_t before, uint8_t after)
{
	return before == after ||
	    (before == D4_TYPE_META && after == D4_TYPE_EXTENDED);
}

/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4-pibs/report.h"

#define TOP	10	/* ports */

/* MISP's template for this kind of object. */
#define MISP_UUID	"e2f124d6-f57c-4f93-99e6-8450545fa05d"
#define MISP_VERSION	"6"

#define IPV4_SPACE	4294967296.0

const char *
report_protocol(uint8_t proto, char text[REPORT_PROTOCOL])
{
	switch (proto) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "icmpv6";
	default:
		(void)snprintf(text, REPORT_PROTOCOL, "%u", proto);
		return text;
	}
}

static double
seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* How many packets a second, without those sent again; 0 for no duration. */
static double
rate(const struct flow *f)
{
	return f->last > f->first ? (double)(f->packets - f->repeated) /
	    seconds(f->last - f->first) : 0;
}

/* What one packet here stands for at the victim; 0 when unknown. */
static double
factor(const struct report *r, const struct flow *f)
{
	return r->telescope == 0 || !addr_is_v4(f->target) ? 0 :
	    IPV4_SPACE / (double)r->telescope;
}

static void
put_time(struct out *o, uint64_t ns)
{
	out_printf(o, "%llu.%06llu", (unsigned long long)(ns / SECOND),
	    (unsigned long long)(ns % SECOND / 1000));
}

/* As RFC 3339, in UTC. */
static void
put_date(struct out *o, uint64_t ns)
{
	time_t t = (time_t)(ns / SECOND);
	char text[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	out_printf(o, "%s.%06lluZ", text,
	    (unsigned long long)(ns % SECOND / 1000));
}

/* -- JSON ------------------------------------------------------------------ */

/* "SYN+ACK", or "none". */
static void
put_flags(struct out *o, uint32_t flags)
{
	static const char *const names[] = {
		"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"
	};
	const char *sign = "";
	int i;

	for (i = 0; i < 8; i++) {
		if (flags & 1u << i) {
			out_printf(o, "%s%s", sign, names[i]);
			sign = "+";
		}
	}
	if (flags == 0)
		out_text(o, "none");
}

static void
put_tally(struct out *o, const char *name, const char *key, struct tally *t,
    uint32_t most)
{
	uint32_t i;

	tally_sort(t);
	out_printf(o, ",\"%s\":[", name);
	for (i = 0; i < t->n && i < most; i++)
		out_printf(o, "%s{\"%s\":%u,\"packets\":%u}",
		    i == 0 ? "" : ",", key, t->entry[i].key,
		    t->entry[i].count);
	out_text(o, "]");
}

static void
put_flag_mix(struct out *o, struct tally *t)
{
	uint32_t i;

	tally_sort(t);
	out_text(o, ",\"flags\":[");
	for (i = 0; i < t->n; i++) {
		out_printf(o, "%s{\"flags\":%u,\"names\":\"",
		    i == 0 ? "" : ",", t->entry[i].key);
		put_flags(o, t->entry[i].key);
		out_printf(o, "\",\"packets\":%u}", t->entry[i].count);
	}
	out_text(o, "]");
}

static void
put_icmp(struct out *o, struct tally *t)
{
	uint32_t i;

	tally_sort(t);
	out_text(o, ",\"icmp\":[");
	for (i = 0; i < t->n; i++)
		out_printf(o, "%s{\"type\":%u,\"code\":%u,\"packets\":%u}",
		    i == 0 ? "" : ",", t->entry[i].key >> 8,
		    t->entry[i].key & 255, t->entry[i].count);
	out_text(o, "]");
}

static void
put_reporters(struct out *o, const struct detail *d)
{
	char text[ADDR_TEXT];
	uint32_t i;

	out_text(o, ",\"reporters\":[");
	for (i = 0; i < d->nreporters; i++) {
		addr_text(text, d->reporter[i].addr);
		out_printf(o, "%s{\"address\":\"%s\",\"packets\":%llu}",
		    i == 0 ? "" : ",", text,
		    (unsigned long long)d->reporter[i].packets);
	}
	out_printf(o, "],\"by_other_reporters\":%llu",
	    (unsigned long long)d->morereporters);
}

/* One value is enough to call it constant only when it was seen twice; a tenth
 * that differs is noise or another sender. */
static const char *
isn_kind(const struct isn *n)
{
	if (n->packets < 2)
		return "unknown";
	if (n->same == n->packets)
		return "constant";
	return n->address >= n->packets - n->packets / 10 ? "address" :
	    "spread";
}

static void
put_isn(struct out *o, const struct isn *n)
{
	out_printf(o, ",\"isn\":{\"kind\":\"%s\",\"packets\":%llu,"
	    "\"first\":%u,\"same_as_first\":%llu,\"equal_to_address\":%llu,"
	    "\"least\":%u,\"most\":%u}", isn_kind(n),
	    (unsigned long long)n->packets, n->first,
	    (unsigned long long)n->same, (unsigned long long)n->address,
	    n->least, n->most);
}

static void
put_estimate(const struct report *r, const struct flow *f)
{
	double x = factor(r, f);

	if (x == 0)
		return;
	out_printf(r->out, ",\"estimate\":{\"telescope\":%llu,"
	    "\"packets\":%.0f,\"packets_per_second\":%.3f}",
	    (unsigned long long)r->telescope,
	    (double)(f->packets - f->repeated) * x, rate(f) * x);
}

static void
report_json(const struct report *r, struct flow *f, uint32_t sent_syn,
    bool open)
{
	char target[ADDR_TEXT], proto[REPORT_PROTOCOL];
	struct detail *d = f->detail;
	struct out *o = r->out;

	addr_text(target, f->target);
	out_printf(o, "{\"target\":\"%s\",\"protocol\":\"%s\",\"first\":",
	    target, report_protocol(f->proto, proto));
	put_time(o, f->first);
	out_text(o, ",\"last\":");
	put_time(o, f->last);
	out_text(o, ",\"duration\":");
	put_time(o, f->last - f->first);
	out_printf(o, ",\"packets\":%llu,\"bytes\":%llu,\"peak_ppm\":%llu,"
	    "\"destinations\":%llu,\"destinations_at_least\":%s",
	    (unsigned long long)f->packets, (unsigned long long)f->bytes,
	    (unsigned long long)flow_ppm(f, r->limits),
	    (unsigned long long)d->destinations, d->capped ? "true" : "false");
	out_printf(o, ",\"ports_seen\":%u,\"ports_at_least\":%s", d->ports.n,
	    d->ports.lost ? "true" : "false");
	put_tally(o, "ports", "port", &d->ports, TOP);
	put_flag_mix(o, &d->flags);
	put_icmp(o, &d->icmp);
	put_tally(o, "ttls", "ttl", &d->ttls, FLOW_VALUES);
	put_tally(o, "windows", "window", &d->windows, FLOW_VALUES);
	put_reporters(o, d);
	out_printf(o, ",\"quoted\":%llu,\"mismatched\":%llu,"
	    "\"repeated_synacks\":%llu", (unsigned long long)f->quoted,
	    (unsigned long long)f->mismatched,
	    (unsigned long long)f->repeated);
	put_isn(o, &d->isn);
	if (sent_syn != 0)
		out_printf(o, ",\"sent_syn\":%u", sent_syn);
	put_estimate(r, f);
	out_printf(o, ",\"open\":%s}\n", open ? "true" : "false");
}

/* -- a table --------------------------------------------------------------- */

static void
report_table(const struct report *r, struct flow *f, bool open)
{
	char target[ADDR_TEXT], proto[REPORT_PROTOCOL], first[24] = "";
	time_t t = (time_t)(f->first / SECOND);
	struct tally *ports = &f->detail->ports;
	struct tm tm;
	uint32_t i;

	addr_text(target, f->target);
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(first, sizeof(first), "%Y-%m-%d %H:%M:%S", &tm);
	out_printf(r->out, "%-39s %-6s %-19s %8.0f %10llu %12llu %8llu %8llu ",
	    target, report_protocol(f->proto, proto), first,
	    seconds(f->last - f->first), (unsigned long long)f->packets,
	    (unsigned long long)f->bytes,
	    (unsigned long long)flow_ppm(f, r->limits),
	    (unsigned long long)f->detail->destinations);
	tally_sort(ports);
	for (i = 0; i < ports->n && i < TOP; i++)
		out_printf(r->out, "%s%u", i == 0 ? "" : ",",
		    ports->entry[i].key);
	out_printf(r->out, "%s%s\n", ports->n == 0 ? "-" : "",
	    open ? " (open)" : "");
}

void
report_header(const struct report *r)
{
	if (r->format == REPORT_TABLE)
		out_printf(r->out, "%-39s %-6s %-19s %8s %10s %12s %8s %8s "
		    "%s\n", "target", "proto", "first (UTC)", "seconds",
		    "packets", "bytes", "peak/min", "dests", "ports");
}

/* -- MISP ------------------------------------------------------------------ */

static void
put_attribute(struct out *o, const char *relation, const char *type,
    const char *category, const char *value)
{
	out_printf(o, "{\"object_relation\":\"%s\",\"type\":\"%s\","
	    "\"category\":\"%s\",\"value\":\"%s\"},", relation, type,
	    category, value);
}

static void
put_misp_date(struct out *o, const char *relation, uint64_t ns)
{
	out_printf(o, "{\"object_relation\":\"%s\",\"type\":\"datetime\","
	    "\"category\":\"Other\",\"value\":\"", relation);
	put_date(o, ns);
	out_text(o, "\"},");
}

static const char *
misp_protocol(uint8_t proto)
{
	return proto == 6 ? "TCP" : proto == 17 ? "UDP" :
	    proto == 1 || proto == 58 ? "ICMP" : "IP";
}

/* The template has room for one port; all of them go to the text. */
static void
put_misp_ports(struct out *o, const struct tally *ports)
{
	uint32_t i;

	for (i = 0; i < ports->n && i < TOP; i++)
		out_printf(o, "%s%u", i == 0 ? ports->n == 1 ? "; port " :
		    "; ports " : ", ", ports->entry[i].key);
}

/* Rates at the victim where the telescope's size is known, else those seen. */
static void
put_misp_rates(const struct report *r, const struct flow *f)
{
	double x = factor(r, f), length = seconds(f->last - f->first);
	char text[64];

	if (length <= 0)
		return;
	(void)snprintf(text, sizeof(text), "%.0f",
	    rate(f) * (x == 0 ? 1 : x));
	put_attribute(r->out, "total-pps", "counter", "Other", text);
	(void)snprintf(text, sizeof(text), "%.0f",
	    (double)f->bytes * 8 / length * (x == 0 ? 1 : x));
	put_attribute(r->out, "total-bps", "counter", "Other", text);
}

static void
report_misp(const struct report *r, struct flow *f)
{
	char text[ADDR_TEXT];
	struct tally *ports = &f->detail->ports;
	struct out *o = r->out;

	out_text(o, "{\"name\":\"ddos\",\"meta-category\":\"network\","
	    "\"template_uuid\":\"" MISP_UUID "\",\"template_version\":\""
	    MISP_VERSION "\",\"first_seen\":\"");
	put_date(o, f->first);
	out_text(o, "\",\"last_seen\":\"");
	put_date(o, f->last);
	out_text(o, "\",\"Attribute\":[");
	addr_text(text, f->target);
	put_attribute(o, "ip-dst", "ip-dst", "Network activity", text);
	tally_sort(ports);
	if (ports->n > 0) {
		(void)snprintf(text, sizeof(text), "%u", ports->entry[0].key);
		put_attribute(o, "dst-port", "port", "Network activity", text);
	}
	put_attribute(o, "protocol", "text", "Other",
	    misp_protocol(f->proto));
	put_misp_date(o, "first-seen", f->first);
	put_misp_date(o, "last-seen", f->last);
	put_misp_rates(r, f);
	out_printf(o, "{\"object_relation\":\"text\",\"type\":\"text\","
	    "\"category\":\"Other\",\"value\":\"Seen by its backscatter:"
	    " %llu packets to %llu addresses, at most %llu a minute; rates %s",
	    (unsigned long long)f->packets,
	    (unsigned long long)f->detail->destinations,
	    (unsigned long long)flow_ppm(f, r->limits), factor(r, f) == 0 ?
	    "as seen here" : "estimated at the victim");
	put_misp_ports(o, ports);
	out_text(o, "\"}]}\n");
}

void
report_attack(const struct report *r, struct flow *f, uint32_t sent_syn,
    bool open)
{
	switch (r->format) {
	case REPORT_JSON:
		report_json(r, f, sent_syn, open);
		break;
	case REPORT_TABLE:
		report_table(r, f, open);
		break;
	case REPORT_MISP:
		report_misp(r, f);
		break;
	}
}

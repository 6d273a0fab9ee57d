/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4-pibs/plot.h"
#include "d4-pibs/report.h"

/* The picture, in pixels. */
#define WIDTH		960
#define LEFT		70
#define RIGHT		60
#define TOP		70
#define HEIGHT		240	/* of the time line */
#define SPACE		(WIDTH - LEFT - RIGHT)
#define COLUMNS		(SPACE / 2)
#define ROW		22	/* of a target */
#define LABEL		330

struct column {
	uint64_t	packets, targets;
};

void
plot_attack(struct plot *p, const struct flow *f)
{
	struct plot_target t = { .addr = f->target, .proto = f->proto,
	    .packets = f->packets, .first = f->first, .last = f->last };
	const struct tally *ports = &f->detail->ports;
	size_t i;

	p->attacks++;
	if (ports->n > 0)
		t.port = ports->entry[0].key;
	for (i = p->n; i > 0 && p->top[i - 1].packets < t.packets; i--) {
		if (i < PLOT_TOP)
			p->top[i] = p->top[i - 1];
	}
	if (i < PLOT_TOP)
		p->top[i] = t;
	p->n += p->n < PLOT_TOP;
}

/* 1, 2 or 5 times a power of ten, so that some four of them reach n. */
static uint64_t
step_of(uint64_t n)
{
	uint64_t step = 1;

	for (;;) {
		if (step * 5 >= n)
			return step;
		if (step * 10 >= n)
			return step * 2;
		if (step * 25 >= n)
			return step * 5;
		step *= 10;
	}
}

static void
put_count(struct out *o, uint64_t n)
{
	if (n >= 1000000 && n % 100000 == 0)
		out_printf(o, "%gM", (double)n / 1e6);
	else if (n >= 1000 && n % 100 == 0)
		out_printf(o, "%gk", (double)n / 1e3);
	else
		out_printf(o, "%llu", (unsigned long long)n);
}

/* The time of day, with the date before it or the seconds behind it. */
static void
put_when(struct out *o, uint64_t sec, bool date, bool second)
{
	time_t t = (time_t)sec;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		return;
	if (date)
		out_printf(o, "%02d-%02d ", tm.tm_mon + 1, tm.tm_mday);
	out_printf(o, "%02d:%02d", tm.tm_hour, tm.tm_min);
	if (second)
		out_printf(o, ":%02d", tm.tm_sec);
}

/* Bins into as many columns as there are, the greatest number of targets of
 * a column's bins standing for it.  Returns how many seconds a column is. */
static uint64_t
fold(const struct bin *bins, size_t n, uint64_t width, uint64_t *start,
    struct column columns[COLUMNS])
{
	uint64_t first = bins[0].number, span = bins[n - 1].number - first + 1;
	uint64_t each = (span + COLUMNS - 1) / COLUMNS;
	size_t i;

	memset(columns, 0, COLUMNS * sizeof(*columns));
	for (i = 0; i < n; i++) {
		struct column *c = &columns[(bins[i].number - first) / each];

		c->packets += bins[i].packets;
		if (bins[i].targets > c->targets)
			c->targets = bins[i].targets;
	}
	*start = first * width;
	return each * width;
}

/* Lines and numbers of an axis, at the left or the right. */
static void
draw_axis(struct out *o, uint64_t most, int right)
{
	uint64_t step = step_of(most), v;

	for (v = 0; v <= most; v += step) {
		double y = TOP + HEIGHT - (double)v * HEIGHT / (double)most;

		if (!right)
			out_printf(o, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" "
			    "y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, y,
			    WIDTH - RIGHT, y);
		out_printf(o, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\" "
		    "text-anchor=\"%s\">", right ? WIDTH - RIGHT + 6 :
		    LEFT - 6, y + 4, right ? "#b5482a" : "#2f6f9f",
		    right ? "start" : "end");
		put_count(o, v);
		out_text(o, "</text>\n");
	}
}

static void
draw_times(struct out *o, uint64_t start, uint64_t length)
{
	int i;

	for (i = 0; i <= 6; i++) {
		int x = LEFT + SPACE * i / 6;

		out_printf(o, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" "
		    "stroke=\"#888\"/>\n<text x=\"%d\" y=\"%d\" "
		    "text-anchor=\"middle\">", x, TOP + HEIGHT, x,
		    TOP + HEIGHT + 5, x, TOP + HEIGHT + 20);
		put_when(o, start + length * (uint64_t)i / 6, length > 86400,
		    length <= 600);
		out_text(o, "</text>\n");
	}
}

/* Packets as bars, targets as a line over them. */
static void
draw_columns(struct out *o, const struct column *c, size_t n,
    uint64_t packets, uint64_t targets)
{
	double width = (double)SPACE / (double)n;
	size_t i;

	out_text(o, "<g fill=\"#2f6f9f\">\n");
	for (i = 0; i < n; i++) {
		double h = (double)c[i].packets * HEIGHT / (double)packets;

		if (c[i].packets > 0)
			out_printf(o, "<rect x=\"%.2f\" y=\"%.2f\" "
			    "width=\"%.2f\" height=\"%.2f\"/>\n",
			    LEFT + width * (double)i, TOP + HEIGHT - h,
			    width > 3 ? width - 0.5 : width, h);
	}
	out_text(o, "</g>\n<polyline fill=\"none\" stroke=\"#b5482a\" "
	    "stroke-width=\"1.5\" points=\"");
	for (i = 0; i < n; i++)
		out_printf(o, "%.2f,%.2f ", LEFT + width * ((double)i + 0.5),
		    TOP + HEIGHT - (double)c[i].targets * HEIGHT /
		    (double)targets);
	out_text(o, "\"/>\n");
}

static void
draw_time_line(struct bins *bins, struct out *o)
{
	struct column c[COLUMNS];
	uint64_t start, each, packets = 1, targets = 1;
	size_t n, i, used;
	const struct bin *bin = bins_sorted(bins, &n);

	if (n == 0) {
		out_printf(o, "<text x=\"%d\" y=\"%d\">no backscatter</text>\n",
		    LEFT, TOP + HEIGHT / 2);
		return;
	}
	each = fold(bin, n, bins_width(bins), &start, c);
	used = (bin[n - 1].number - bin[0].number) * (uint64_t)
	    bins_width(bins) / each + 1;
	for (i = 0; i < used; i++) {
		packets = c[i].packets > packets ? c[i].packets : packets;
		targets = c[i].targets > targets ? c[i].targets : targets;
	}
	draw_axis(o, packets, 0);
	draw_axis(o, targets, 1);
	draw_columns(o, c, used, packets, targets);
	draw_times(o, start, each * used);
	out_printf(o, "<text x=\"%d\" y=\"%d\" fill=\"#2f6f9f\">backscatter "
	    "packets in %llu s</text>\n<text x=\"%d\" y=\"%d\" "
	    "fill=\"#b5482a\" text-anchor=\"end\">targets</text>\n", LEFT,
	    TOP - 8, (unsigned long long)each, WIDTH - RIGHT, TOP - 8);
}

static void
draw_target(struct out *o, const struct plot_target *t, uint64_t most, int y)
{
	char addr[ADDR_TEXT], proto[REPORT_PROTOCOL];
	double room = WIDTH - RIGHT - LABEL - 80;

	addr_text(addr, t->addr);
	out_printf(o, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s %s",
	    LABEL - 8, y + 14, addr, report_protocol(t->proto, proto));
	if (t->port != 0)
		out_printf(o, "/%u", t->port);
	out_printf(o, "</text>\n<rect x=\"%d\" y=\"%d\" width=\"%.1f\" "
	    "height=\"%d\" fill=\"#2f6f9f\"/>\n<text x=\"%.1f\" y=\"%d\">",
	    LABEL, y + 2, (double)t->packets * room / (double)most, ROW - 6,
	    LABEL + 6 + (double)t->packets * room / (double)most, y + 14);
	out_printf(o, "%llu, ", (unsigned long long)t->packets);
	put_when(o, t->first / SECOND, false, false);
	out_text(o, "&#8211;");
	put_when(o, t->last / SECOND, false, false);
	out_text(o, "</text>\n");
}

/* Text of others, which may hold what XML means something by. */
static void
put_xml(struct out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<' || c == '&' || c == '>')
			out_printf(o, "&#%u;", c);
		else
			out_bytes(o, c < ' ' || c >= 127 ? "?" : text, 1);
	}
}

/* The day of the first bin, and of the last one if it is another. */
static void
put_days(struct bins *bins, struct out *o)
{
	char day[2][16] = { "", "" };
	size_t n, i;
	const struct bin *bin = bins_sorted(bins, &n);

	for (i = 0; i < 2 && n > 0; i++) {
		time_t t = (time_t)bin[i * (n - 1)].number *
		    (time_t)bins_width(bins);
		struct tm tm;

		if (gmtime_r(&t, &tm) != NULL)
			(void)strftime(day[i], sizeof(day[i]), ", %Y-%m-%d",
			    &tm);
	}
	out_text(o, day[0]);
	if (strcmp(day[0], day[1]) != 0)
		out_printf(o, " to %s", day[1] + 2);
}

void
plot_draw(const struct plot *p, struct bins *bins, struct out *o,
    const char *what)
{
	int y = TOP + HEIGHT + 60, height = y + 30 + (int)p->n * ROW;
	size_t i;

	out_printf(o, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
	    "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
	    "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
	    "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH,
	    height, WIDTH, height, WIDTH, height);
	out_printf(o, "<text x=\"%d\" y=\"24\" font-size=\"17\">Backscatter: "
	    "who is under attack</text>\n<text x=\"%d\" y=\"42\" "
	    "fill=\"#666\">", LEFT, LEFT);
	put_xml(o, what);
	put_days(bins, o);
	out_text(o, " (UTC)</text>\n");
	draw_time_line(bins, o);
	out_printf(o, "<text x=\"%d\" y=\"%d\" font-size=\"14\">Attacks: "
	    "%llu%s</text>\n", LEFT, y, (unsigned long long)p->attacks,
	    p->attacks > p->n ? ", the greatest:" : "");
	for (i = 0; i < p->n; i++)
		draw_target(o, &p->top[i], p->top[0].packets,
		    y + 12 + (int)i * ROW);
	out_text(o, "</svg>\n");
}

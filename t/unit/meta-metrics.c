/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-meta/metrics.h"
#include "t/unit/tap.h"

static const struct {
	const char	*text;
	const char	*json;		/* NULL: refused */
	const char	*what;
} cases[] = {
	{ "", "{}", "an empty file" },
	{ "# HELP x y\n\n  \n# TYPE x counter\n", "{}", "comments, blanks" },
	{ "d4_records_total 12\n", "{\"d4_records_total\":12}", "a counter" },
	{ "a 1\nb 2", "{\"a\":1,\"b\":2}", "no newline at the end" },
	{ "a 9223372036854775807\nb 9223372036854775808\n",
	    "{\"a\":9223372036854775807,\"b\":9.2233720368547758e18}",
	    "the greatest whole number" },
	{ "a 0.5\nb -3\nc 1e3\n", "{\"a\":0.5,\"b\":-3.0,\"c\":1000.0}",
	    "other numbers" },
	{ "a NaN\nb +Inf\nc -Inf\n", "{\"a\":null,\"b\":null,\"c\":null}",
	    "what JSON has no number for" },
	{ " a\t 1 1795220274000 \n", "{\"a\":1}", "a timestamp" },
	{ "a{destination=\"x:4443\",t=\"1\"} 7\n",
	    "{\"a{destination=\\\"x:4443\\\",t=\\\"1\\\"}\":7}", "labels" },
	{ "a{l=\"} 1 \\\" {\"} 7\n", "{\"a{l=\\\"} 1 \\\\\\\" {\\\"}\":7}",
	    "brackets and quotes in a label" },
	{ "a{} 1\na 2\n", "{\"a{}\":1,\"a\":2}", "no labels" },
	{ "a\n", NULL, "no value" },
	{ "a x\n", NULL, "a word as value" },
	{ "a 1x\n", NULL, "a number with something behind it" },
	{ "a 1.5x\n", NULL, "another" },
	{ "a 1 2 3\n", NULL, "three numbers" },
	{ "a{b=\"c\" 1\n", NULL, "labels that do not end" },
	{ "{} 1\n", NULL, "no name" },
	{ "a 1\na 2\n", NULL, "a figure twice" },
	{ "a\xff 1\n", NULL, "a name that is not UTF-8" },
};

int
main(void)
{
	static char big[4096];
	const char *why;
	char *json;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json = metrics_parse(cases[i].text, strlen(cases[i].text),
		    &why);
		if (cases[i].json == NULL)
			ok(json == NULL && *why != '\0', "refused: %s",
			    cases[i].what);
		else if (!ok(json != NULL && strcmp(json, cases[i].json) == 0,
		    "%s", cases[i].what))
			diag("got %s", json == NULL ? why : json);
		free(json);
	}
	json = metrics_parse("a 1\0\n", 5, &why);
	ok(json == NULL, "refused: a NUL");
	memset(big, 'a', sizeof(big));
	json = metrics_parse(big, sizeof(big), &why);
	ok(json == NULL, "refused: a line of 4096 bytes");
	return tap_done();
}

/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/cert.h"
#include "t/unit/tap.h"

static char why[256];

static struct d4_cert *
make(enum d4_cert_kind kind, const char *cn, const struct d4_cert *ca,
    const char *const *names, size_t n)
{
	struct d4_cert_spec spec = {
		.kind = kind, .cn = cn, .names = names, .nnames = n,
		.days = 825, .ca = ca
	};

	return d4_cert_new(&spec, why);
}

static void
test_names(void)
{
	static const char *const good[] = {
		"a", "collector.example.org", "*.example.org", "192.0.2.1",
		"2001:db8::1", "a_b-c"
	};
	static const char *const bad[] = {
		"", ".", "a..b", "a.", "-a", "a b", "a,DNS:b", "*", "*a",
		"a.*.b", "192.0.2.1/24", "a\nb"
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(d4_cert_name_ok(good[i]), "name: %s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!d4_cert_name_ok(bad[i]), "no name: number %zu", i);
}

static int
join(void *cookie, const char *name)
{
	(void)strcat(cookie, name);
	(void)strcat(cookie, " ");
	return 0;
}

static void
test_round_trip(const struct d4_cert *ca)
{
	static const char *const names[] = {
		"a.example.org", "192.0.2.1", "2001:db8::1"
	};
	struct d4_cert *server = make(D4_CERT_SERVER, "a", ca, names, 3);
	char cn[D4_CERT_NAME], text[256] = "", *pem, *key;
	struct d4_cert *read;
	size_t len, keylen;

	ok(server != NULL, "a server's certificate");
	pem = d4_cert_pem(server, false, &len);
	key = d4_cert_pem(server, true, &keylen);
	ok(pem != NULL && strlen(pem) == len, "as PEM");
	ok(key != NULL && strstr(key, "PRIVATE KEY") != NULL, "its key too");
	read = d4_cert_parse(pem, len, why);
	ok(read != NULL && !d4_cert_has_key(read), "is read without its key");
	d4_cert_cn(read, cn);
	ok(strcmp(cn, "a") == 0, "with its common name");
	is(d4_cert_names(read, join, text), 0, "and its names:");
	ok(strcmp(text, "a.example.org 192.0.2.1 2001:db8::1 ") == 0, "%s",
	    text);
	ok(d4_cert_pem(read, true, &len) == NULL, "but has no key to write");
	d4_cert_free(read);
	free(pem);
	free(key);
	d4_cert_free(server);
}

static void
test_refusals(const struct d4_cert *ca)
{
	struct d4_cert *other = make(D4_CERT_CLIENT, "c", ca, NULL, 0), *read;
	char *one, *two, both[8192], cn[65 + 1];
	size_t onelen, twolen;

	one = d4_cert_pem(ca, false, &onelen);
	two = d4_cert_pem(other, true, &twolen);
	memcpy(both, one, onelen);
	memcpy(both + onelen, two, twolen);
	ok(d4_cert_parse(both, onelen + twolen, why) == NULL &&
	    strstr(why, "key") != NULL, "another's key: %s", why);
	ok(d4_cert_parse("x", 1, why) == NULL, "no PEM: %s", why);
	ok(d4_cert_parse(one, onelen / 2, why) == NULL, "half a one: %s", why);
	read = d4_cert_parse(one, onelen, why);
	ok(make(D4_CERT_CLIENT, "d", read, NULL, 0) == NULL,
	    "an authority without its key: %s", why);
	d4_cert_free(read);
	memset(cn, 'a', sizeof(cn) - 1);
	cn[sizeof(cn) - 1] = '\0';
	ok(make(D4_CERT_CLIENT, cn, ca, NULL, 0) == NULL,
	    "too long a common name: %s", why);
	free(one);
	free(two);
	d4_cert_free(other);
}

int
main(void)
{
	struct d4_cert *ca = make(D4_CERT_CA, "authority", NULL, NULL, 0);

	ok(ca != NULL && d4_cert_has_key(ca), "an authority");
	test_names();
	test_round_trip(ca);
	test_refusals(ca);
	d4_cert_free(ca);
	return tap_done();
}

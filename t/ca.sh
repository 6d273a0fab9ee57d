# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# Certificates for tests, to be read behind t/lib.sh.
#
#	authority ca			ca.crt, ca.key
#	certify ca name alternative-names [start end]
#					name.crt, name.key, name.pem with both;
#					start and end like 20200101000000Z,
#					without them from yesterday to tomorrow
#	self_signed name alternative-names

stamp() {
	date -u -d "$1" +%Y%m%d%H%M%SZ
}

new_key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
	    -out "$1" 2>> ca.log
}

authority() {
	new_key "$1.key"
	openssl req -x509 -new -key "$1.key" -days 2 -subj "/CN=$1" \
	    -out "$1.crt" 2>> ca.log
}

certify() {
	local ca=$1 name=$2
	: > "$name.index"
	printf '%s\n' '[ca]' "database = $name.index" 'default_md = sha256' \
	    'policy = any' 'rand_serial = yes' "new_certs_dir = ." \
	    'unique_subject = no' 'x509_extensions = ext' '[any]' \
	    'commonName = optional' '[ext]' "subjectAltName = $3" \
	    > "$name.cnf"
	new_key "$name.key"
	openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr" \
	    2>> ca.log
	openssl ca -batch -config "$name.cnf" -name ca -notext \
	    -cert "$ca.crt" -keyfile "$ca.key" -in "$name.csr" \
	    -startdate "${4-$(stamp yesterday)}" \
	    -enddate "${5-$(stamp tomorrow)}" -out "$name.crt" 2>> ca.log
	cat "$name.crt" "$name.key" > "$name.pem"
	chmod 600 "$name.pem"
}

self_signed() {
	new_key "$1.key"
	openssl req -x509 -new -key "$1.key" -days 2 -subj "/CN=$1" \
	    -addext "subjectAltName = $2" -out "$1.crt" 2>> ca.log
	cat "$1.crt" "$1.key" > "$1.pem"
	chmod 600 "$1.pem"
}

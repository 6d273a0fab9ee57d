#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Helpers of t/60*-pibs-*.t: judges output, and bends captures."""
import json
import os
import random
import struct
import subprocess
import sys
import time
import xml.dom.minidom


def records(path):
    data = open(path, 'rb').read()
    at = 24
    while at + 16 <= len(data):
        n = 16 + struct.unpack_from('<I', data, at + 8)[0]
        yield data[at:at + n]
        at += n


def head(path):
    return open(path, 'rb').read(24)


def judge(truth, out, loss, also):
    loss = float(loss)
    kinds = {'ack', 'dns'} - set(also.split(','))
    attacks = json.load(open(truth))['attacks']
    want = {a['victim']: a for a in attacks
            if a['above_thresholds'] and a['kind'] not in kinds}
    got = {}
    for line in open(out):
        a = json.loads(line)
        assert a['target'] not in got, 'twice: %s' % a['target']
        got[a['target']] = a
    extra = set(got) - {a['victim'] for a in attacks} if also else \
        set(got) - set(want)
    # Who scans with bare ACKs looks like a target; the page says so.
    if not also:
        assert not extra, 'invented: %s' % extra
    assert want, 'nothing to find'
    for v, a in want.items():
        assert v in got, 'missed: %s' % a
        g = got[v]
        slack = 60 / max(a['rate'], 0.01) / 60 * 20 if loss else 1e-5
        assert abs(g['packets'] - a['packets']) <= loss * a['packets'], (g, a)
        assert abs(g['first'] - a['start']) <= slack, (g, a)
        assert abs(g['last'] - a['end']) <= slack, (g, a)
        if a['kind'] != 'echo':
            ports = sorted(p['port'] for p in g['ports'])
            assert ports == a['ports'], (g, a)
        if not loss:
            assert g['destinations'] == a['unique_destinations'], (g, a)
            assert g['bytes'] == a['ip_bytes'], (g, a)
        if 'router' in a:
            assert [r['address'] for r in g['reporters']] == [a['router']], g


def shuffle(path):
    rng = random.Random(1)
    sys.stdout.buffer.write(head(path))

    def key(r):
        sec, usec = struct.unpack_from('<II', r)
        return sec + usec / 1e6 + rng.random()
    for r in sorted(records(path), key=key):
        sys.stdout.buffer.write(r)


def lose(path):
    rng = random.Random(2)
    sys.stdout.buffer.write(head(path))
    for r in records(path):
        if rng.random() >= 0.05:
            sys.stdout.buffer.write(r)


def double(path):
    sys.stdout.buffer.write(head(path))
    for r in records(path):
        sys.stdout.buffer.write(r + r)


def doubled(truth, out):
    """Each SYN/ACK was sent again at once, and no packet is another's."""
    want = {a['victim']: a['packets'] for a in json.load(open(truth))['attacks']
            if a['above_thresholds'] and a['kind'] in ('synack', 'ecnack')}
    got = {a['target']: a for a in map(json.loads, open(out))}
    assert want and set(want) <= set(got), set(want) - set(got)
    for v, n in want.items():
        assert (got[v]['packets'], got[v]['repeated_synacks']) == (2 * n, n), \
            got[v]


def split(path, parts):
    rs = list(records(path))
    parts = int(parts)
    for i in range(parts):
        with open('part%d.pcap' % i, 'wb') as f:
            f.write(head(path))
            f.write(b''.join(rs[len(rs) * i // parts:
                                len(rs) * (i + 1) // parts]))


def one(out):
    a = json.loads(open(out).read())
    assert a['target'] == '203.0.113.9' and a['protocol'] == 'tcp', a
    assert a['first'] == 1600000010 and a['last'] == 1600000310, a
    assert a['packets'] == 1201 and a['destinations'] == 1201, a
    assert sorted((p['port'], p['packets']) for p in a['ports']) == \
        [(80, 601), (443, 600)], a
    assert a['flags'] == [{'flags': 18, 'names': 'SYN+ACK',
                           'packets': 1201}], a
    assert a['ttls'] == [{'ttl': 50, 'packets': 1201}], a
    assert a['windows'] == [{'window': 16384, 'packets': 1201}], a
    assert 239 <= a['peak_ppm'] <= 241, a
    assert a['isn']['kind'] == 'constant', a
    assert abs(a['estimate']['packets_per_second'] -
               1201 / 300 * 65536) < 1, a
    assert a['repeated_synacks'] == 0, a


def misp(out):
    o = json.loads(open(out).read())
    assert o['name'] == 'ddos', o
    assert o['template_uuid'] == 'e2f124d6-f57c-4f93-99e6-8450545fa05d', o
    values = {}
    for a in o['Attribute']:
        values.setdefault(a['object_relation'], []).append(a['value'])
    assert values['ip-dst'] == ['203.0.113.9'], values
    # None of the template's attributes may be there more than once.
    assert all(len(v) == 1 for v in values.values()), values
    assert values['dst-port'] == ['80'], values
    assert 'ports 80, 443' in values['text'][0], values
    assert values['protocol'] == ['TCP'], values
    assert values['first-seen'] == ['2020-09-13T12:26:50.000000Z'], values
    assert values['total-pps'] == ['4'], values


def svg(path):
    doc = xml.dom.minidom.parse(path)
    assert doc.documentElement.tagName == 'svg'
    assert ', 2020-09-13 (UTC)<' in open(path).read(), 'no day'
    assert len(doc.getElementsByTagName('rect')) > 20


def attempt(pibs, data, args):
    p = subprocess.run([pibs] + args + ['-r', '-'], input=data,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       timeout=60 * int(os.environ.get('SLOW', '1')))
    assert p.returncode in (0, 1, 2) and b'Sanitizer' not in p.stderr, \
        (args, p.returncode, p.stderr[-2000:])


def mangle(pibs, folder, long):
    """Small captures cut everywhere, all of them at random and bent, some
    where each run takes long."""
    rng = random.Random(3)
    slow = int(os.environ.get('SLOW', '1'))
    modes = [['-b'], ['-a', '--min-packets', '1', '--min-duration', '0',
                      '--min-ppm', '0', '--also', 'ack,dns'],
             ['--pibs-compat', '-b'], ['-s', '-w', 'w.pcap']]
    for name in sorted(os.listdir(folder)):
        if '.pcap' not in name:
            continue
        data = open(os.path.join(folder, name), 'rb').read()
        cuts = range(len(data)) if long != '0' or len(data) * slow < 300 \
            else rng.sample(range(len(data)), 40 // slow)
        for i, cut in enumerate(cuts):
            attempt(pibs, data[:cut], modes[i % len(modes)])
        for i in range(40 // slow):
            bent = bytearray(data[:20000])
            for _ in range(rng.randint(1, 20)):
                at = rng.randrange(len(bent))
                bent[at] = rng.choice((bent[at] ^ 1 << rng.randrange(8),
                                       0, 255, rng.randrange(256)))
            attempt(pibs, bytes(bent), modes[i % len(modes)])


def nested(n):
    """A SYN/ACK under so many VLAN tags, another behind as many options."""
    n = int(n)
    tcp = struct.pack('>HHIIBBHHH', 80, 1, 1, 1, 0x50, 18, 9, 0, 0)
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 40, 0, 0, 64, 6, 0,
                     b'\xc0\0\2\1', b'\xc6\x12\0\1') + tcp
    for i in range(n):
        ip = struct.pack('>HH', i, 0x8100 if i else 0x0800) + ip
    options = b''.join(struct.pack('>BBHI', 60 if i + 1 < n else 6, 0, 0x0104,
                                   0) for i in range(n)) + tcp
    ip6 = struct.pack('>IHBB', 6 << 28, len(options), 60, 64) + \
        b'\x20\1\x0d\xb8' + bytes(11) + b'\1' + bytes(16) + options
    out = sys.stdout.buffer
    out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for p in b'\x81\0' + ip, b'\x86\xdd' + ip6:
        out.write(struct.pack('<IIII', 1, 0, 12 + len(p), 12 + len(p)) +
                  bytes(12) + p)


def ages(n):
    """Packets of one source, each of another second in all there are."""
    sources(n, 18, 'ages')


def sources(n, flags, how='spread'):
    """Packets of so many sources, all within a minute."""
    n = int(n)
    out = sys.stdout.buffer
    out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    record = bytearray(16 + 54)
    struct.pack_into('<II', record, 8, 54, 54)
    record[28:30] = b'\x08\x00'
    struct.pack_into('>BBHHHBBHI', record, 30, 0x45, 0, 40, 0, 0, 64, 6, 0, 0)
    struct.pack_into('>I', record, 46, 0xc6120001)
    struct.pack_into('>HHIIBB', record, 50, 80, 1024, 1, 2, 0x50, int(flags))
    buf = bytearray()
    for i in range(n):
        a = i * 0x9e3779b1 & 0xffffffff
        if how == 'collide':    # the low ten bits that PIBS takes, the same
            a = (i << 10 | 1) & 0xffffffff
        sec = 1600000000 + i * 60 // n
        if how == 'ages':
            sec, a = a, 1
        struct.pack_into('<I', record, 0, sec)
        struct.pack_into('>I', record, 42, a)
        buf += record
        if len(buf) > 1 << 20:
            out.write(buf)
            buf.clear()
    out.write(buf)


def compare(pibs, one, other):
    best = {one: 1e9, other: 1e9}
    for _ in range(7):
        for name in best:
            start = time.monotonic()
            subprocess.run([pibs, '-b', '-r', name], check=True,
                           stdout=subprocess.DEVNULL)
            best[name] = min(best[name], time.monotonic() - start)
    assert best[other] <= 2 * best[one], best


globals()[sys.argv[1]](*sys.argv[2:])

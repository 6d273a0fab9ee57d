#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
#
# usage: seeds.py
#
# Writes the seeds of the fuzz programs, t/fuzz/corpus/NAME/*, each an input
# made here from nothing, with a name that says what it is.  Run again it writes
# the same.  An input that once failed is a file beside them, regress-WHAT.

import gzip
import hashlib
import hmac
import os
import struct
import zlib

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus')
UUID = bytes.fromhex('0f3c2a9e5b714c8d9a647e2d1b0c9f35')
KEY = b'a key for these tests'


def seed(program, name, *parts):
    folder = os.path.join(TOP, program)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as f:
        for part in parts:
            f.write(part.encode() if isinstance(part, str) else part)


CALLS = ['alloc', 'read', 'write', 'sync', 'rename', 'remove', 'open', 'stat',
         'resize', 'lock', 'library', 'answer']
WAYS = ['EIO', 'ENOSPC', 'EINTR', 'EAGAIN', 'ENOENT', 'EACCES', 'EMFILE',
        'EEXIST', 'short', 'none']


def fault(call, way='EIO', k=0, forever=False, sweep=False):
    """What makes the call fail, at the end of an input (faults.h)."""
    return bytes([0xfa, CALLS.index(call), WAYS.index(way) | 128 * forever |
                  64 * sweep, k])


def choice(n):
    return bytes([0xfa, 15, n, 0])


def faulty(program, name, *parts, calls='', choices=()):
    """A seed for each call that may fail, at any place; "read" or "read:none".
    """
    for call in calls.split():
        what, _, way = call.partition(':')
        seed(program, 'faulty-%s-%s' % (call.replace(':', '-'), name), *parts,
             fault(what, way or 'EIO', sweep=True))
    for i in choices:
        seed(program, 'choice-%d-%s' % (i, name), *parts, choice(i))


def le(*numbers):
    return b''.join(struct.pack('<I', n) for n in numbers)


def be(*numbers):
    return b''.join(struct.pack('>I', n) for n in numbers)


# ---- records ----------------------------------------------------------------

def record(payload, type_=1, uuid=UUID, version=1, size=None, key=KEY):
    size = len(payload) if size is None else size
    head = struct.pack('<BB16sQ', version, type_, uuid, 1700000000)
    tail = struct.pack('<I', size)
    tag = hmac.new(key, head + bytes(32) + tail + payload,
                   hashlib.sha256).digest()
    return head + tag + tail + payload


seed('feed', 'empty-record', b'\3', record(b''))
seed('feed', 'three-records', b'\3', record(b'abc'), record(b'x' * 300),
     record(b'', 2))
seed('feed', 'cut-payload', b'\3', record(b'abc' * 100)[:200])
seed('feed', 'cut-header', b'\3', record(b'abc'), record(b'abc')[:30])
seed('feed', 'too-large-for-100', b'\1', record(b'a' * 100),
     record(b'a' * 101), record(b''))
seed('feed', 'too-large-for-0', b'\0', record(b''), record(b'a'))
seed('feed', 'largest-size', b'\3', record(b'abc', size=0xffffffff))
seed('feed', 'announces-a-million', b'\3', record(b'abc' * 40, size=1000000))
seed('feed', 'many-small', b'\2', b''.join(record(b'%d' % i)
                                           for i in range(20)))

# ---- captures ---------------------------------------------------------------


def ip4(payload, proto, src='192.0.2.1', dst='198.51.100.7', frag=0, ihl=5):
    quad = lambda a: bytes(int(x) for x in a.split('.'))
    return struct.pack('>BBHHHBBH', 0x40 | ihl, 0, 4 * ihl + len(payload), 1,
                       frag, 64, proto, 0) + quad(src) + quad(dst) + \
        bytes(4 * (ihl - 5)) + payload


def ip6(payload, proto, src=1, dst=2):
    net = bytes.fromhex('20010db8000000000000000000000000')
    return struct.pack('>IHBB', 0x60000000, len(payload), proto, 64) + \
        net[:15] + bytes([src]) + net[:15] + bytes([dst]) + payload


def tcp(flags, sport=80, dport=40000, data=b'', seq=1, ack=2):
    return struct.pack('>HHIIBBHHH', sport, dport, seq, ack, 0x50, flags,
                       8192, 0, 0) + data


def udp(sport=53, dport=40000, data=b'answer'):
    return struct.pack('>HHHH', sport, dport, 8 + len(data), 0) + data


def icmp(type_, code, data):
    return struct.pack('>BBHI', type_, code, 0, 0) + data


def ether(packet, type_=0x0800, tags=b''):
    return bytes(12) + tags + struct.pack('>H', type_) + packet


QUOTED = icmp(3, 3, ip4(udp(40000, 53), 17, '198.51.100.7', '192.0.2.1'))
FRAMES = {
    'syn': ip4(tcp(2), 6), 'syn-ack': ip4(tcp(0x12), 6),
    'syn-ack-ecn': ip4(tcp(0x52), 6),
    'rst': ip4(tcp(4), 6), 'rst-ack': ip4(tcp(0x14), 6),
    'ack': ip4(tcp(0x10), 6), 'data': ip4(tcp(0x18, data=b'x'), 6),
    'fin': ip4(tcp(1), 6), 'xmas': ip4(tcp(0x29), 6),
    'null': ip4(tcp(0), 6), 'odd': ip4(tcp(0x20), 6),
    'dns': ip4(udp(), 17), 'udp': ip4(udp(123), 17),
    'unreachable': ip4(QUOTED, 1), 'echo-reply': ip4(icmp(0, 0, b'x' * 8), 1),
    'exceeded': ip4(icmp(11, 0, ip4(tcp(2)[:8], 6, '198.51.100.7')), 1),
    'quoted-icmp': ip4(icmp(3, 1, ip4(icmp(8, 0, b''), 1)), 1),
    'echo': ip4(icmp(8, 0, b'x'), 1), 'fragment': ip4(b'rest', 6, frag=20),
    'first-fragment': ip4(tcp(0x12), 6, frag=0x2000),
    'options': ip4(tcp(0x12), 6, ihl=7), 'gre': ip4(b'', 47),
    'cut-tcp': ip4(tcp(0x12)[:10], 6),
}
FRAMES6 = {
    'syn-ack-6': ip6(tcp(0x12), 6), 'rst-6': ip6(tcp(4), 6),
    'dns-6': ip6(udp(), 17),
    'unreachable-6': ip6(icmp(1, 4, ip6(udp(40000, 53), 17, 2, 1)), 58),
    'echo-reply-6': ip6(icmp(129, 0, b'x'), 58),
    'hop-by-hop': ip6(struct.pack('>BB6x', 6, 0) + tcp(0x12), 0),
    'fragment-6': ip6(struct.pack('>BBHI', 6, 0, 8 << 3, 1) + b'x' * 16, 44),
    'first-fragment-6': ip6(struct.pack('>BBHI', 6, 0, 1, 1) + tcp(0x12), 44),
    'auth-6': ip6(struct.pack('>BBHII', 6, 1, 0, 1, 1) + tcp(4), 51),
    'no-next-6': ip6(b'', 59),
}


def lengths(frames):
    return b''.join(bytes([len(f)]) + f for f in frames)


LINKS = ['null', 'ethernet', 'ppp', 'raw', 'loop', 'sll', 'ipv4', 'ipv6',
         'sll2', 'unknown', 'raw-12', 'raw-14']


def link(name):
    return bytes([LINKS.index(name)])


for name, packet in FRAMES.items():
    seed('pibs-packet', 'ethernet-' + name, link('ethernet'),
         lengths([ether(packet)]))
for name, packet in FRAMES6.items():
    seed('pibs-packet', 'raw-' + name, link('raw'), lengths([packet]))
A, B = FRAMES['syn-ack'], FRAMES6['rst-6']
seed('pibs-packet', 'ethernet-vlan', link('ethernet'), lengths(
    [ether(A, 0x0800, b'\x81\0\0\1'), ether(B, 0x86dd, b'\x88\xa8\0\1\x81\0\0\2')]))
seed('pibs-packet', 'ethernet-arp-mpls', link('ethernet'), lengths(
    [ether(bytes(28), 0x0806), ether(b'\0\1\1\x40' + A, 0x8847)]))
seed('pibs-packet', 'null-both', link('null'), lengths(
    [le(2) + A, be(2) + A, le(24) + B, le(28) + B, le(30) + B, le(7) + A]))
seed('pibs-packet', 'loop-both', link('loop'), lengths(
    [be(2) + A, be(24) + B, be(9)]))
seed('pibs-packet', 'ppp-both', link('ppp'), lengths(
    [b'\0\x21' + A, b'\0\x57' + B, b'\xff\3\0\x21' + A, b'\x21' + A]))
seed('pibs-packet', 'sll-both', link('sll'), lengths(
    [bytes(14) + b'\x08\0' + A, bytes(14) + b'\x86\xdd' + B]))
seed('pibs-packet', 'sll2-both', link('sll2'), lengths(
    [b'\x08\0' + bytes(18) + A, b'\x86\xdd' + bytes(18) + B]))
seed('pibs-packet', 'ipv4-only', link('ipv4'), lengths([A, B]))
seed('pibs-packet', 'ipv6-only', link('ipv6'), lengths([B, A]))
seed('pibs-packet', 'unknown-link', link('unknown'), lengths([A]))
seed('pibs-packet', 'raw-short', link('raw'), lengths(
    [b'', b'\x45', A[:19], A[:21], B[:39], B[:41], b'\x95' + A[1:],
     b'\x42' + A[1:]]))
for name in ('raw-12', 'raw-14'):
    seed('pibs-packet', name, link(name), lengths([A, B, b'']))
seed('pibs-packet', 'links-cut', link('ethernet'), lengths(
    [bytes(13), ether(b'', 0x8100), ether(b'\0\1\x08', 0x9100), ether(b'')]))
seed('pibs-packet', 'null-cut', link('null'), lengths([b'', bytes(3), le(2)]))
seed('pibs-packet', 'ppp-cut', link('ppp'), lengths(
    [b'', b'\xff', b'\xff\3', b'\xff\4\0\x21' + A, b'\0\x22' + A]))
seed('pibs-packet', 'ethernet-tags', link('ethernet'), lengths(
    [ether(A, 0x0800, b'\x81\0\0\1' * n) for n in (4, 8, 9)] +
    [ether(A, 0x0800, b'\x91\0\0\1\x92\0\0\1')]))
seed('pibs-packet', 'ethernet-mpls', link('ethernet'), lengths(
    [ether(b'\0\1\0\x40' * n + b'\0\1\1\x40' + x, 0x8848)
     for n in (0, 1, 8, 9) for x in (A, B)] +
    [ether(b'\0\1\0\x40' * 2, 0x8847), ether(b'\0\1\1\x40', 0x8847),
     ether(b'\0\1\1\x40\x75', 0x8847)]))
LENGTH0 = A[:2] + b'\0\0' + A[4:]
seed('pibs-packet', 'ip4-odd', link('ethernet'), lengths(
    [ether(x) for x in (LENGTH0, b'\x65' + A[1:], b'\x44' + A[1:],
                        A[:3] + b'\x13' + A[4:] + bytes(20),
                        A[:3] + b'\x0a' + A[4:] + bytes(20),
                        FRAMES['options'][:24], A + bytes(20),
                        ip4(b'x' * 40, 6, frag=20), ip4(b'x' * 40, 6, frag=1),
                        LENGTH0[:9] + b'\x11' + LENGTH0[10:])]))
seed('pibs-packet', 'ip6-odd', link('ethernet'), lengths(
    [ether(x, 0x86dd) for x in (
        b'\x45' + B[1:], B[:4] + b'\0\0' + B[6:], B + bytes(20), B[:40])]))


def chain(n, what=0, then=6):
    """So many extension headers of a kind."""
    return struct.pack('>BB6x', what, 0) * (n - 1) + struct.pack(
        '>BB6x', then, 0)


for what in (0, 43, 44, 51, 60):
    whole_ = ip6(chain(1) + tcp(0x12), what)
    seed('pibs-packet', 'extension-%d' % what, link('raw'), lengths(
        [whole_, whole_[:47], whole_[:48], whole_[:56],
         ip6(struct.pack('>BB6x', 6, 200), what),
         ip6(struct.pack('>BB6x', 6, 4) + bytes(60), what)[:60]] +
        [ip6(chain(n, what) + tcp(0x12), what) for n in (2, 8, 9)]))
seed('pibs-packet', 'tcp-odd', link('raw'), lengths(
    [ip4(x, 6) for x in (tcp(0x12)[:13], tcp(0x12)[:12] + b'\x40\x12' + bytes(6),
                         tcp(0x12)[:12] + b'\xf0\x12' + bytes(6))] +
    [A[:33], A[:34], A[:35], A[:36]]))
PLAIN_TCP = ether(ip4(tcp(0x12, data=b'x' * 8), 6))
seed('pibs-packet', 'tcp-odd-plain', link('ethernet'), lengths(
    [PLAIN_TCP[:46] + bytes([n]) + PLAIN_TCP[47:] for n in (0x40, 0x60, 0xf0)] +
    [PLAIN_TCP[:-8], PLAIN_TCP[:17] + b'\x1e' + PLAIN_TCP[18:],
     PLAIN_TCP[:12] + b'\x08\1' + PLAIN_TCP[14:], PLAIN_TCP[:33],
     PLAIN_TCP[:34]]))
seed('pibs-packet', 'icmp-types', link('raw'), lengths(
    [ip4(icmp(t, 0, b'x' * 4), 1) for t in range(20)]))
seed('pibs-packet', 'icmp-6-types', link('raw'), lengths(
    [ip6(icmp(t, 0, b'x' * 4), 58) for t in (0, 1, 2, 3, 4, 5, 128, 129, 130)]))
INNER = ip4(udp(40000, 53), 17, '198.51.100.7', '192.0.2.1')
INNER6 = ip6(udp(40000, 53), 17, 2, 1)
seed('pibs-packet', 'icmp-quotes', link('raw'), lengths(
    [ip4(icmp(3, 3, x), 1) for x in (
        INNER[:20], INNER[:19], INNER[:22], b'\x75' + INNER[1:],
        b'\x44' + INNER[1:], b'\x4f' + INNER[1:], INNER6[:39], INNER6[:40],
        INNER6, ip6(b'\x06', 0, 2, 1)[:41], ip4(b'rest', 17, frag=20),
        ip4(tcp(2)[:8], 6), ip4(b'x' * 8, 47))] +
    [ip6(icmp(1, 4, x), 58) for x in (INNER6[:39], INNER6, INNER)]))
for name, proto in (('icmp', 1), ('udp', 17)):
    seed('pibs-packet', name + '-cut', link('raw'), lengths(
        [ip4(b'\3\0', proto), ip4(b'\3\0\0\0\0', proto)[:22]]))
seed('pibs-packet', 'icmp-of-the-other', link('raw'), lengths(
    [ip6(QUOTED, 1), ip4(QUOTED, 58)]))
seed('pibs-packet', 'raw-many', link('raw'), lengths([
    ip4(tcp(0x12, 80, 1024 + i), 6, dst='198.51.100.%d' % i)
    for i in range(40)]))


def pcap(frames, magic=0xa1b2c3d4, order='<', linktype=1, extra=b'', major=2,
         minor=4, snaplen=65535, zone=0):
    out = struct.pack(order + 'IHHiIII', magic, major, minor, zone, 0,
                      snaplen, linktype)
    for i, f in enumerate(frames):
        out += struct.pack(order + 'IIII', 1700000000 + i, i, len(f),
                           len(f)) + extra + f
    return out


def block(type_, body, order='<'):
    body += bytes(-len(body) % 4)
    n = len(body) + 12
    return struct.pack(order + 'II', type_, n) + body + \
        struct.pack(order + 'I', n)


def option(code, value, order='<'):
    return struct.pack(order + 'HH', code, len(value)) + value + \
        bytes(-len(value) % 4)


def pcapng(frames, order='<', resol=b'', length=-1, simple=False):
    out = block(0x0a0d0d0a, struct.pack(order + 'IHHq', 0x1a2b3c4d, 1, 0,
                                        length), order)
    opts = (option(9, resol, order) + option(0, b'', order)) if resol else b''
    out += block(1, struct.pack(order + 'HHI', 1, 0, 65535) + opts, order)
    for i, f in enumerate(frames):
        if simple:
            out += block(3, struct.pack(order + 'I', len(f)) + f, order)
        else:
            out += block(6, struct.pack(order + 'IIIII', 0, 0x5f5e1, i,
                                        len(f), len(f)) + f, order)
    return out


TWO = [ether(FRAMES['syn-ack']), ether(FRAMES6['rst-6'], 0x86dd)]
CAPTURES = {
    'pcap-little': pcap(TWO), 'pcap-big': pcap(TWO, order='>'),
    'pcap-nano': pcap(TWO, 0xa1b23c4d),
    'pcap-nano-big': pcap(TWO, 0xa1b23c4d, '>'),
    'pcap-kuznetzov': pcap(TWO, 0xa1b2cd34, extra=bytes(8)),
    'pcap-twice': pcap(TWO) + pcap(TWO),
    'pcap-cut': pcap(TWO)[:-7], 'pcap-header-alone': pcap([]),
    'pcap-cut-header': pcap([])[:20],
    'pcap-other-version': pcap(TWO, major=3),
    'pcap-with-time-zone': pcap(TWO, zone=3600),
    'pcap-long-packet': pcap([]) + le(1, 2, 300000, 300000),
    'pcap-longer-than-wire': pcap([]) + le(1, 2, 20, 10) + bytes(20),
    'pcap-raw': pcap([FRAMES['rst']], linktype=101),
    'pcap-sll': pcap([bytes(14) + b'\x08\0' + A], linktype=113),
    'pcapng-little': pcapng(TWO), 'pcapng-big': pcapng(TWO, '>'),
    'pcapng-nano': pcapng(TWO, resol=b'\x09'),
    'pcapng-binary-time': pcapng(TWO, resol=b'\x8a'),
    'pcapng-seconds': pcapng(TWO, resol=b'\x00'),
    'pcapng-simple': pcapng(TWO, simple=True),
    'pcapng-two-sections': pcapng(TWO) + pcapng(TWO, '>'),
    'pcapng-with-length': pcapng(TWO[:1], length=200),
    'pcapng-cut': pcapng(TWO)[:-9],
    'pcapng-other-trailer': pcapng(TWO)[:-4] + le(77),
    'pcapng-odd-length': pcapng([]) + le(6, 33),
    'pcapng-short-block': pcapng([]) + le(6, 8, 8),
    'pcapng-no-interface': pcapng([])[:28] + block(6, le(0, 0, 0, 0, 0)),
    'pcapng-old-packet': pcapng([]) + block(2, struct.pack(
        '<HHIIII', 0, 0, 1, 2, len(TWO[0]), len(TWO[0])) + TWO[0]),
    'pcapng-unknown-block': pcapng([]) + block(0x0bad, b'what') +
    pcapng(TWO)[48:],
    'pcapng-bad-interface': pcapng([]) + block(6, le(7, 0, 0, 0, 0)),
    'pcapng-many-interfaces': pcapng([]) + b''.join(
        block(1, struct.pack('<HHI', i, 0, 0)) for i in range(6)) +
    block(6, le(3, 0, 0, 0, 0)),
    'nothing': b'', 'no-capture': b'hello, world\n' * 3,
    'pcap-magic-alone': le(0xa1b2c3d4), 'pcap-big-magic-alone': be(0xa1b23c4d),
    'short-no-capture': b'hello', 'shorter': b'hel',
    'pcap-big-other-version': pcap(TWO, order='>', major=3),
    'pcap-many': pcap([b''] * 300), 'pcap-many-big': pcap([b''] * 129, order='>'),
    'pcapng-many': pcapng([b''] * 300),
    'pcapng-time-offset-big': pcapng([], '>')[:28] + block(1, struct.pack(
        '>HHI', 1, 0, 0) + option(14, struct.pack('>Q', 1700000000), '>') +
        option(0, b'', '>'), '>') + pcapng(TWO, '>')[48:],
    'pcapng-odd-options': pcapng([])[:28] + block(1, struct.pack(
        '<HHI', 1, 0, 0) + option(14, b'abc') + option(9, b'ab') +
        option(2, b'a')) + pcapng(TWO)[48:],
    'pcapng-section-too-short': block(0x0a0d0d0a, le(0x1a2b3c4d, 1)),
    'pcapng-section-2': block(0x0a0d0d0a, struct.pack(
        '<IHHq', 0x1a2b3c4d, 2, 0, -1)),
    'pcapng-short-interface': pcapng([])[:28] + block(1, le(1)),
    'pcapng-resolution-20': pcapng(TWO, resol=b'\x14'),
    'pcapng-resolution-64': pcapng(TWO, resol=b'\xc0'),
    'pcapng-pico': pcapng(TWO, resol=b'\x0c'),
    'pcapng-short-packet': pcapng([]) + block(6, le(0, 0, 0, 0)),
    'pcapng-short-simple': pcapng([]) + block(3, b''),
    'pcapng-snapped': pcapng([])[:28] + block(1, struct.pack(
        '<HHI', 1, 0, 20)) + block(3, le(60) + bytes(20)) +
    block(3, le(20) + bytes(20)),
    'pcapng-simple-no-snaplen': pcapng([])[:28] + block(1, struct.pack(
        '<HHI', 1, 0, 0)) + block(3, le(20) + bytes(20)),
    'pcapng-packet-over-block': pcapng([]) + block(6, le(0, 0, 0, 40, 40)),
    'pcapng-length-33': pcapng([]) + le(6, 33) + bytes(40),
    'pcapng-huge-block': pcapng([]) + le(6, 0x2000000) + bytes(40),
}
MODIFIED = struct.pack('<IHHiIII', 0xa1b2cd34, 2, 4, 0, 0, 65535, 1)
for name, data in CAPTURES.items():
    for mapped in (0, 1):
        seed('pibs-capture', name + ('-pipe' if mapped else ''),
             bytes([mapped]), b'\0' * mapped, data)
seed('pibs-capture', 'pcap-gz', b'\0', gzip.compress(pcap(TWO), mtime=0))
seed('pibs-capture', 'pcapng-gz', b'\0', gzip.compress(pcapng(TWO), mtime=0))
seed('pibs-capture', 'pcapng-interfaces-gz', b'\0', gzip.compress(
    pcapng([]) + block(1, struct.pack('<HHI', 1, 0, 0)) * 65536, mtime=0))
seed('pibs-capture', 'pcapng-packet-gz', b'\0', gzip.compress(
    pcapng([]) + block(6, le(0, 0, 0, 300000, 300000) + bytes(300000)),
    mtime=0))

KINDS = ['opaque', 'lines', 'pcap', 'pcapng', 'ipfix']


def kind(name):
    return bytes([KINDS.index(name)])


for name, data in CAPTURES.items():
    if name.startswith('pcap'):
        seed('border', name, kind(name.split('-')[0]), data)


def ipfix(*sets):
    body = b''.join(sets)
    return struct.pack('>HHIII', 10, 16 + len(body), 1700000000, 1, 1) + body


seed('border', 'ipfix-two', kind('ipfix'), ipfix(b'\0\2\0\4'), ipfix())
seed('border', 'ipfix-short', kind('ipfix'), struct.pack('>HHIII', 10, 15, 0,
                                                         0, 0))
seed('border', 'ipfix-other-version', kind('ipfix'), b'\0\x09', bytes(20))
seed('border', 'lines', kind('lines'), 'one\n\ntwo\r\nno end')
seed('border', 'opaque', kind('opaque'), 'anything')
seed('border', 'pcapng-header-then-lines', kind('pcapng'), pcapng([])[:28],
     'hello, world\n')
seed('border', 'pcap-other-magic', kind('pcap'), bytes(24))
seed('border', 'pcap-twice-big-endian', kind('pcap'),
     pcap(TWO, order='>') * 2)
seed('border', 'pcap-cut-magic', kind('pcap'), pcap([])[:3])
seed('border', 'pcap-version-2.3', kind('pcap'), pcap([], minor=3),
     le(1, 2, 300, 100), bytes(100))
seed('border', 'pcapng-no-section', kind('pcapng'), le(6, 32))
seed('border', 'pcapng-other-magic', kind('pcapng'), le(0x0a0d0d0a, 28, 1))
seed('border', 'pcapng-block-too-long', kind('pcapng'), pcapng([]),
     le(6, 256 << 20))
seed('border', 'pcapng-section-too-long', kind('pcapng'),
     le(0x0a0d0d0a, 2 << 20, 0x1a2b3c4d))
seed('border', 'ipfix-cut-version', kind('ipfix'), b'\0')
seed('border', 'pcap-longest-packet', kind('pcap'), pcap([], snaplen=1 << 30),
     le(1, 2, 64 << 20, 64 << 20))

# ---- meta headers -----------------------------------------------------------

HEADERS = {
    'type-alone': '{"type":"ja3-jl"}',
    'spaces': ' {\n\t"type" : "x" , "a" : [ 1 , { "b" : null } ] } \r\n',
    'values': '{"type":"x","t":true,"f":false,"n":null,"i":-12,"r":1.5e3,'
              '"s":"\\u00e9\\n\\ud83d\\ude00","o":{}}',
    'no-type': '{"a":1}', 'type-number': '{"type":1}',
    'type-bad-name': '{"type":"../x"}', 'type-empty': '{"type":""}',
    'duplicate': '{"type":"x","type":"y"}', 'list': '[1]', 'nothing': '',
    'two': '{"type":"x"}{}', 'cut': '{"type":"x"', 'nul': '{"type":"x\0"}',
    'deep': '{"type":"x","a":' + '[' * 15 + ']' * 15 + '}',
    'too-deep': '{"type":"x","a":' + '[' * 16 + ']' * 16 + '}',
    'large-number': '{"type":"x","a":1e999}', 'big': '{"type":"x","a":1e20}',
    'integer-too-large': '{"type":"x","a":99999999999999999999}',
    'latin-1': b'{"type":"x","a":"\xe9"}', 'utf-8': '{"type":"x","a":"\u00e9"}',
    'surrogate': '{"type":"x","a":"\\ud800"}',
}
for name, text in HEADERS.items():
    seed('meta', 'header-' + name, b'\0', text)
seed('meta', 'text', b'\1', 'plain text')
seed('meta', 'text-control', b'\1', 'a"b\\c\n\t\1\x7f')
seed('meta', 'text-utf-8', b'\1', '\u00e9\u20ac\U0001f600')
seed('meta', 'text-broken', b'\1', b'\xff\xc0\x80\xed\xa0\x80\xf5 \xe2\x82')
METRICS = {
    'plain': '# HELP a b\n# TYPE a counter\na 1\nb{c="d",e="f\\"\\\\\\n"} 2.5\n',
    'timestamp': 'a 1 1700000000000\n', 'special': 'a NaN\nb +Inf\nc -Inf\n',
    'twice': 'a 1\na 2\n', 'bad-name': '1a 1\n', 'no-value': 'a\n',
    'bad-label': 'a{b=c} 1\n', 'open-label': 'a{b="c" 1\n',
    'exponent': 'a 1e-5\nb 0x10\nc 12345678901234567890\n', 'no-end': 'a 1',
    'empty-labels': 'a{} 1\na_b:c{d="",} -0\n',
    'blank-lines': '\n \t\na 1\n', 'no-name': '{a="b"} 1\n',
    'backslash-at-the-end': 'a{b="\\', 'blank-in-label': 'a{b="c d"} 1\n',
    'no-utf-8': b'a\xff 1\n', 'letter': 'a x\n', 'letter-behind': 'a 1x\n',
    'real-and-time': 'a 1.5 17\nb 1.5\t17\n', 'behind-the-time': 'a 1 1 x\n',
    'over-int64': 'a 9223372036854775808\n', 'nul': 'a 1\0\n',
    'long-line': 'a' * 1023 + ' 1\n', 'longest-line': 'a' * 1021 + ' 1\n',
}
for name, text in METRICS.items():
    seed('meta', 'metrics-' + name, b'\2', text)


def session(*records):
    """Types 2 (0) and 254 (3), uuid 0, up to 15 bytes each."""
    out = b'\3'
    for t, payload in records:
        for i in range(0, max(len(payload), 1), 15):
            part = payload[i:i + 15].encode()
            out += bytes([len(part) | t << 4]) + part
    return out


seed('meta', 'session-header-then-data', session(
    (0, '{"type":"fascia"}'), (3, 'a line\n')))
seed('meta', 'session-two-headers', session(
    (0, '{"type":"a"}'), (0, '{"type":"b"}'), (3, 'x')))
seed('meta', 'session-data-alone', session((3, 'x')))
seed('meta', 'session-unfinished', session((0, '{"type":"a"')))
seed('meta', 'session-broken', session((0, '{"type":]'), (3, 'x')))
seed('meta', 'session-other-uuid', session((0, '{"type":"a"}')),
     b'\x73abc')
seed('meta', 'session-of-nothing', b'\3')
seed('meta', 'session-empty', session((0, '')))
seed('meta', 'session-no-version-4', b'\3\xc3abc')
seed('meta', 'session-white-space', session((0, '{"type":"a"}'), (0, ' '),
                                            (0, 'x'), (0, 'x')))
seed('meta', 'session-broken-twice', session((0, '{"type":]'), (0, 'x')))
seed('meta', 'session-data-then-header', session((3, 'x'), (0, '{"type":"a"}')))
seed('meta', 'session-cut', session((0, '{"type":"a"'), (3, 'x')))
# Each part of it a thousand times.
seed('meta', 'session-too-long', session((0, '{"a":"'), *[(0, 'x' * 15)] * 8),
     choice(1))
seed('meta', 'session-of-blanks', session((0, ' ' * 15), (0, ' ' * 15),
                                          (3, 'x')), choice(1))
JA3 = {
    'plain': '{"Timestamp":"2024-02-29T23:59:58Z","Certificates":'
             '[{"Raw":"YWJj"}]}',
    'no-certificates': '{"Timestamp":"x","Certificates":null}',
    'missing-certificates': '{"Timestamp":"x"}',
    'no-timestamp': '{"Certificates":null}',
    'certificates-number': '{"Timestamp":"x","Certificates":1}',
    'certificate-text': '{"Timestamp":"x","Certificates":["YWJj"]}',
    'raw-number': '{"Timestamp":"x","Certificates":[{"Raw":1}]}',
    'list': '[]', 'cut': '{"Timestamp":"x"',
}
for name, text in JA3.items():
    seed('meta', 'ja3-' + name, b'\4', text)

# ---- configuration ----------------------------------------------------------

VALUES = {
    'number': '4096\n', 'no-newline': '4096', 'crlf': '4096\r\n',
    'two-lines': 'a\nb\n', 'blank-lines': '\n\na\n\n', 'empty': '',
    'newline-alone': '\n', 'crlf-alone': '\r\n', 'nul': 'a\0b\n',
    'control': 'a\tb\n', 'delete': 'a\x7f\n', 'uuid':
    '0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n', 'uuid-of-version-1':
    '0f3c2a9e-5b71-1c8d-9a64-7e2d1b0c9f35\n', 'uuid-cut':
    '0f3c2a9e-5b71-4c8d-9a64\n', 'too-large-number':
    '18446744073709551616\n', 'largest-number': '18446744073709551615\n',
    'negative': '-1\n', 'zero': '0\n', 'key-with-blanks': ' a key \n',
    'key-of-101': 'k' * 101 + '\n', 'longest-text': 't' * 4095 + '\n',
    'too-long-text': 't' * 4096 + '\n', 'list': '1\n3\r\n8\n\n254\n',
}
for name, text in VALUES.items():
    seed('conf', name, text)

# ---- compressed -------------------------------------------------------------

# The same bytes as of an old format of zstd: raw and repeated blocks.
RAW_FRAME = b'\x28\xb5\x2f\xfd\x20\x03\x19\x00\x00abc'
RLE_FRAME = b'\x28\xb5\x2f\xfd\x20\x05\x2b\x00\x00a'
PLAIN = b'some words, some words, some more words\n' * 4


def gz(data, level=9, name=b'', flags=0, extra=b''):
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return b'\x1f\x8b\x08' + bytes([flags]) + bytes(4) + b'\2\3' + extra + \
        name + c.compress(data) + c.flush() + le(
            zlib.crc32(data), len(data))


FILES = {
    'gz': gz(PLAIN), 'gz-stored': gz(PLAIN, 0), 'gz-empty': gz(b''),
    'gz-two-members': gz(PLAIN) + gz(b'more'),
    'gz-name': gz(PLAIN, name=b'name\0', flags=8),
    'gz-comment': gz(PLAIN, name=b'word\0', flags=16),
    'gz-extra': gz(PLAIN, extra=b'\4\0ab\0\0', flags=4),
    'gz-header-crc': gz(PLAIN, extra=struct.pack('<H', zlib.crc32(
        b'\x1f\x8b\x08\x02' + bytes(4) + b'\2\3') & 0xffff), flags=2),
    'gz-cut': gz(PLAIN)[:-12], 'gz-cut-trailer': gz(PLAIN)[:-3],
    'gz-bad-crc': gz(PLAIN)[:-8] + le(1, len(PLAIN)),
    'gz-bad-length': gz(PLAIN)[:-4] + le(1),
    'gz-bad-method': b'\x1f\x8b\x07' + bytes(20),
    'gz-bad-data': b'\x1f\x8b\x08\0' + bytes(6) + b'\xff' * 20,
    'gz-then-rest': gz(PLAIN) + b'rest', 'gz-then-zeros': gz(PLAIN) + bytes(9),
    'gz-cut-second': gz(PLAIN) + gz(PLAIN)[:5],
    'gz-bomb': gz(bytes(300000)), 'gz-magic-alone': b'\x1f\x8b',
    'zst-raw': RAW_FRAME, 'zst-repeated': RLE_FRAME,
    'zst-two-frames': RAW_FRAME + RLE_FRAME, 'zst-cut': RAW_FRAME[:-2],
    'zst-magic-alone': RAW_FRAME[:4], 'zst-then-rest': RAW_FRAME + b'rest',
    'zst-skippable': b'\x50\x2a\x4d\x18' + le(3) + b'abc' + RAW_FRAME,
    'zst-huge-window': b'\x28\xb5\x2f\xfd\x00\xff\x19\0\0abc',
    'plain': PLAIN, 'empty': b'', 'one-byte': b'x',
}
for name, data in FILES.items():
    seed('gz', 'file-' + name, b'\x20', data)
for i, name in enumerate(['plain', 'gz', 'zst']):
    n = [x for x in range(128, 256) if x % 3 == i]
    seed('gz', 'make-' + name, bytes([n[0]]), PLAIN)
    seed('gz', 'make-' + name + '-in-parts', bytes([n[1]]), PLAIN)
    seed('gz', 'make-' + name + '-of-nothing', bytes([n[2]]))
    for level in range(10):
        seed('gz', 'make-%s-by-%d' % (name, level),
             *[bytes([x]) for x in range(128, 256)
               if x % 3 == i and x // 3 % 10 == level][:1], PLAIN)

# ---- texts ------------------------------------------------------------------

TEXTS = {
    'base64': ['YWJj', 'YWI=', 'YQ==', '', 'YQ', 'YR==', 'Y===', 'YW!j',
               'YWJjZGVm', 'YQ==YQ==', '+/+/'],
    'uuid': ['0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35',
             '0f3c2a9e5b714c8d9a647e2d1b0c9f35',
             '{0F3C2A9E-5B71-4C8D-9A64-7E2D1B0C9F35}',
             'urn:uuid:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35', '0f3c',
             '0f3c2a9e-5b714c8d-9a64-7e2d1b0c9f35',
             '{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35',
             '0f3c2a9e-5b71-1c8d-1a64-7e2d1b0c9f35',
             '0f3c2a9e-5b71-4c8d-1a64-7e2d1b0c9f35',
             'gf3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0g3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0/3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0`3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0G3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0@3c2a9e5b714c8d9a647e2d1b0c9f35',
             '0f3c2a9e_5b71-4c8d-9a64-7e2d1b0c9f35', '{}'],
    'networks': ['192.0.2.1', '192.0.2.0/24\n192.0.2.64/26\n10.0.0.0/8',
                 '2001:db8::/32\n2001:db8::1\n::/0', '0.0.0.0/0\n::1',
                 '::ffff:192.0.2.1', '::ffff:192.0.2.0/120', '192.0.2.1/24',
                 '192.0.2.1/33', '2001:db8::/129', '192.0.2', '10.0.0.0/08',
                 '1.2.3.4/', '/8', '2001:db8::%eth0', '::ffff:0:0/90'],
    'address': ['collector:4443', '[2001:db8::1]:4443', 'tcp:127.0.0.1:1',
                'unix:/run/d4', ':4443', 'host', 'host:0', 'host:65536',
                '[::1', '[x]:1', 'unix:', 'tcp:', 'a:b:1', '::1:80'],
    'listen': [':4443', '127.0.0.1:4443', '[::]:1', 'tcp::9', 'unix:/x',
               'tcp:[::1]:65535', '[]:1', 'x' * 300 + ':1'],
    'redis': ['127.0.0.1:6379/2', 'redis:[::1]:6379/0', '/run/redis/0',
              'unix:/run/redis.sock/15', 'host:1', 'host:1/', 'host:1/-1',
              'redis:host:1/99999999999', 'redis:/a/b', '/0'],
    'name': ['ja3-jl', 'filewatcher', '.x', 'A', 'a' * 64, 'a' * 65, '\2\xfe',
             'aA', 'a\0', 'a.b_c', '', '\1\2', '\1\1', '\0x'],
}
for i, (what, texts) in enumerate(TEXTS.items()):
    for j, text in enumerate(texts):
        seed('text', '%s-%02d' % (what, j), bytes([i]), text)

# ---- entries of the store ---------------------------------------------------

HEX = UUID.hex()
SHA = hashlib.sha256(b'abc').hexdigest()
CERT = hashlib.sha1(b'abc').hexdigest()
STAMP = HEX + '-2024-02-29-235958.'
ENTRIES = {
    'pcap': '%s@1@2024@02@29@%scap~0~gz' % (HEX, STAMP),
    'pcap-done': '%s@1@2024@02@29@%scap~0~gz~' % (HEX, STAMP),
    'lines': '%s@3@2024@02@29@%stxt~12~none' % (HEX, STAMP),
    'type-4': '%s@4@2024@02@29@%scap~0~zst' % (HEX, STAMP),
    'type-8': '%s@8@2024@02@29@%spassivedns.txt~0~none' % (HEX, STAMP),
    'header': '%s@254@2024@02@29@x@%sjson~0~none' % (HEX, STAMP),
    'extended': '%s@254@2024@02@29@x@%stxt~0~gz' % (HEX, STAMP),
    'object': '%s@254@2024@02@29@x@files@%s.exe~0~none' % (HEX, SHA),
    'object-plain': '%s@254@2024@02@29@x@files@%s.~0~none' % (HEX, SHA),
    'datas-object': '%s@datas@filewatcher@files@%s.pdf~0~gz' % (HEX, SHA),
    'certificate': '%s@datas@ja3-jl@certs@%s.crt~0~none' % (HEX, CERT),
    'json': '%s@datas@ja3-jl@jsons@2024-02-29T23:59:58.1.json~0~none' % HEX,
    'upwards': '%s@254@2024@02@29@..@%stxt~0~gz' % (HEX, STAMP),
    'done-of-none': '%s@3@2024@02@29@%stxt~0~none~' % (HEX, STAMP),
    'other-day': '%s@3@2024@02@28@%stxt~0~none' % (HEX, STAMP),
    'leading-zero': '%s@03@2024@02@29@%stxt~0~none' % (HEX, STAMP),
    'type-256': '%s@256@2024@02@29@%stxt~0~none' % (HEX, STAMP),
    'no-number': '%s@3@2024@02@29@%stxt~~none' % (HEX, STAMP),
    'large-number': '%s@3@2024@02@29@%stxt~1000000001~none' % (HEX, STAMP),
    'uuid-alone': HEX + '@~0~none', 'no-tail': HEX + '@3@2024',
    'tail': '%s@3@2024@02@29@%stxt~0t0123456789abcdef.1.0~none' % (HEX, STAMP),
    'tail-done': '%s@1@2024@02@29@%scap~7t0123456789abcdef.12.3~gz~' %
    (HEX, STAMP),
    'tail-short': '%s@3@2024@02@29@%stxt~0t0123456789abcde.1.0~none' %
    (HEX, STAMP),
    'tail-without-numbers': '%s@3@2024@02@29@%stxt~0t0123456789abcdef~none' %
    (HEX, STAMP),
    'tail-zero': '%s@3@2024@02@29@%stxt~0t0123456789abcdef.0.0~none' %
    (HEX, STAMP),
    'tail-one-number': '%s@3@2024@02@29@%stxt~0t0123456789abcdef.1~none' %
    (HEX, STAMP),
    'tail-large-number':
    '%s@3@2024@02@29@%stxt~0t0123456789abcdef.1.9999999999~none' % (HEX, STAMP),
    'datas-elsewhere': '%s@datas@x@%s.crt~0~none' % (HEX, CERT),
    'datas-files-elsewhere': '%s@datas@filewatchex@files@%s.~0~none' %
    (HEX, SHA),
    'certificate-short': '%s@datas@ja3-jl@certs@%s.crt~0~none' %
    (HEX, CERT[1:]),
    'certificate-suffix': '%s@datas@ja3-jl@certs@%s.crx~0~none' % (HEX, CERT),
    'certs-elsewhere': '%s@datas@ja3-jx@certs@%s.crt~0~none' % (HEX, CERT),
    'jsons-elsewhere': '%s@datas@ja3-jx@jsons@x.json~0~none' % HEX,
    'json-without-name': '%s@datas@ja3-jl@jsons@.json~0~none' % HEX,
    'json-suffix': '%s@datas@ja3-jl@jsons@abc.jsox~0~none' % HEX,
    'json-blank': '%s@datas@ja3-jl@jsons@a b.json~0~none' % HEX,
    'json-dot': '%s@datas@ja3-jl@jsons@.a.json~0~none' % HEX,
    'json-long': '%s@datas@ja3-jl@jsons@%s.json~0~none' % (HEX, 'a' * 65),
    'object-no-dot': '%s@254@2024@02@29@x@files@%s~0~none' % (HEX, SHA),
    'object-dots': '%s@254@2024@02@29@x@files@%s..exe~0~none' % (HEX, SHA),
    'object-short': '%s@254@2024@02@29@x@files@%s.exe~0~none' % (HEX, SHA[1:]),
    'no-folder': '%s@254@2024@02@29@x~0~none' % HEX,
    'slash': '%s@1@2024@02@29/%scap~0~gz' % (HEX, STAMP),
    'no-at': '%s-1@2024@02@29@%scap~0~gz' % (HEX, STAMP),
    'upper-case': '%s@1@2024@02@29@%scap~0~gz' % (HEX.upper(), STAMP),
    'long': '%s@1@%s~0~gz' % (HEX, 'a' * 210),
    'behind-the-kind': '%s@1@2024@02@29@%scap~0~gzx' % (HEX, STAMP),
    'behind-the-end': '%s@1@2024@02@29@%scap~0~gz~x' % (HEX, STAMP),
    'no-kind': '%s@1@2024@02@29@%scap~0~x' % (HEX, STAMP),
    'no-type': '%s@x@2024@02@29@%scap~0~gz' % (HEX, STAMP),
    'type-alone': '%s@1~0~gz' % HEX, 'letters-in-day':
    '%s@1@20x4@02@29@%scap~0~gz' % (HEX, STAMP),
    'colon-in-day': '%s@1@20:4@02@29@%scap~0~gz' % (HEX, STAMP),
    'no-dash-in-day': '%s@1@2024-02@29@%scap~0~gz' % (HEX, STAMP),
    'other-suffix': '%s@4@2024@02@29@%stxt~0~gz' % (HEX, STAMP),
    'type-4-lines': '%s@4@2024@02@29@%sdnscap.txt~0~gz' % (HEX, STAMP),
    'short-time': '%s@1@2024@02@29@%s-2024-02-29-23595.cap~0~gz' % (HEX, HEX),
    'no-suffix': '%s@1@2024@02@29@%s-2024-02-29-235958xcap~0~gz' % (HEX, HEX),
    'number-after-digits': '%s@1@2024@02@29@%scap~0x~gz' % (HEX, STAMP),
}
for name, text in ENTRIES.items():
    seed('place', name, text)
for i, what in enumerate(['stream', 'header', 'object', 'shared-object',
                          'certificate', 'json']):
    for type_ in (1, 4, 254):
        seed('place', 'made-%s-%d' % (what, type_), b'\0', UUID, bytes(32),
             bytes([type_ % 3, type_ % 3, 0x01, 0x9a, 0x2b, 0x3c, i, type_]),
             'word.1')
    for word in ('A', 'z.Z:9_+-', '', '{', '`', '@', '[', '/', 'a/b', 'a\0b',
                 'w' * 64, 'w' * 65):
        if i in (2, 5):
            seed('place', 'made-%s-of-%s' % (what, word.encode().hex()[:16] +
                 str(len(word))), b'\0', UUID, bytes(32),
                 bytes([1, 1, 0x01, 0x9a, 0x2b, 0x3c, i, 254]), word)
seed('place', 'made-capture-of-4', b'\0', UUID, bytes(32),
     bytes([1, 1, 0x01, 0x9a, 0x2b, 0x3c, 0, 4]))

# ---- sessions of d4-recv ----------------------------------------------------

KNOWN, OWN_KEY, STRANGER, BLOCKED, BLOCKS_ADDRESS, BROKEN, UNREGISTERED, \
    NOBODY = range(8)
WRONG_KEY, BIT_TURNED, BYTE_MORE, HUGE, OTHER_VERSION = 16, 24, 32, 64, 128
REGISTERED, ROTATE, BY_SIZE, COMPRESS, FEW_FILES, NO_FILES, STREAMS, TLS = (
    1 << i for i in range(8))
ALWAYS, SECOND, MAX_AGE, MONOTONIC, BIND = (1 << i for i in range(5))


def given(data):
    data = data.encode() if isinstance(data, str) else data
    n = len(data)
    return (bytes([n]) if n < 224 else bytes([224 + (n >> 8), n & 255])) + data


def rec(payload, type_=1, who=KNOWN, i=0):
    return bytes([8 * i, who, type_]) + given(payload)


def large(part, type_=1, who=KNOWN):
    # A hundred times the part.  240 % 8 is 0, and 240 // 8 % 3, too.
    return bytes([240, who, type_]) + given(part)


def raw(data, i=0):
    return bytes([8 * i + 3]) + given(data)


def bye(i=0):
    return bytes([8 * i + 4])


def cut_off(i=0):
    # Such steps are 128 and more: 148 % 8 is 4, and 148 // 8 % 3 is 0.
    return bytes([x for x in range(128, 256)
                  if x % 8 == 4 and x // 8 % 3 == i][:1])


def wait(seconds, judge=False):
    n = [1, 3, 6, 31].index(seconds)
    return bytes([8 * n + 5 + (128 if judge else 0)])


def switch(name):
    n = ['disk', 'busy', 'items', 'stream', 'over', 'kick', 'address',
         'write', 'tls-slow', 'tls-broken', 'registry', 'elsewhere', 'blame',
         'key', 'types'].index(name)
    return bytes([8 * n + 6])


def hello(i=0, peer=2):
    return bytes([x for x in range([0, 64, 128, 216][peer], 256)
                  if x % 8 == 7 and x // 8 % 3 == i][:1])


def meta(name, more=''):
    return rec('{"type":"%s"%s}' % (name, more), 2)


def recv(name, *steps, how=0, more=0):
    seed('recv', name, bytes([how]), *steps, *[choice(more)] * (more > 0))


PCAP, PCAPNG = pcap(TWO), pcapng(TWO)
recv('pcap', rec(PCAP[:60]), rec(PCAP[60:]), bye())
recv('pcap-rotated', rec(PCAP), wait(3), rec(PCAP[24:]), wait(3),
     rec(PCAP[24:]), bye(), how=ROTATE | COMPRESS)
recv('pcap-by-size', rec(PCAP), rec(PCAP[24:] * 3), bye(), how=BY_SIZE)
recv('pcap-twice', rec(PCAP), rec(PCAP), bye())
recv('pcap-unfinished', rec(PCAP[:-5]), bye())
recv('pcap-header-alone', rec(PCAP[:24]), bye())
recv('pcap-not-one', rec('this is no capture, whatever it says'), bye())
recv('pcap-bad-later', rec(PCAP), rec(b'\xff' * 40), bye())
recv('pcapng', rec(PCAPNG, 1), bye())
recv('pcapng-as-5', rec(PCAPNG, 5), bye())
for t in (0, 2, 3, 4, 5, 6, 7, 8, 9, 254):
    recv('type-%d' % t, rec('one\ntwo\n', t), rec('three', t), bye())
recv('type-4-pcap', rec(PCAP[:2], 4), rec(PCAP[2:], 4), bye())
recv('type-4-short', rec('ab', 4), bye())
recv('ipfix', *[rec(ipfix(b'\0\2\0\4'), t) for t in (7, 7)], bye())
recv('lines-in-parts', rec('one\ntw', 3), rec('', 3), rec('o\n\nthr', 3),
     rec('ee\n', 3), bye())
recv('lines-cut-off', rec('one\ntwo', 3), cut_off())
recv('lines-as-items-and-streams', rec('a\nb\n', 8), bye(), how=STREAMS)
recv('streams-at-once', large('a\n' * 700, 8), rec('b\n', 8), bye(),
     how=STREAMS)
recv('streams-at-once-turned', large('a\n' * 700, 8, KNOWN | BIT_TURNED), bye(),
     how=STREAMS)
recv('waits-at-the-end', rec('a\n', 8), switch('disk'), rec('b\n' * 90, 8),
     wait(1), more=32)
recv('streams-alone', rec('a\nb\n', 8), bye(), how=NO_FILES)
recv('streams-full', rec('a\n', 8), switch('stream'), rec('b\n', 8), wait(1),
     bye(), wait(1), switch('stream'), how=STREAMS)
recv('streams-over', rec('a\n', 8), switch('over'), rec('b\n', 8),
     how=NO_FILES)
recv('extended', meta('x'), rec('a\nb\n', 255), rec('c', 255), bye())
recv('extended-in-parts', rec('{"type":', 2), rec('"x"}', 2),
     rec('a\n', 255), bye())
recv('extended-rotated', meta('x'), rec('a\n', 255), wait(3),
     rec('b\n', 255), bye(), how=ROTATE | COMPRESS)
recv('extended-not-accepted', meta('y'), rec('a\n', 255), bye())
recv('extended-no-header', rec('a\n', 255), bye())
recv('extended-bad-header', rec('{"type"', 2), rec('a\n', 255), bye())
recv('header-alone', meta('x'), bye())
recv('header-again', meta('x'), rec('a\n', 255), meta('x'), bye())
recv('maltrail', meta('maltrail'), rec('event 1\nevent 2\n', 255), bye())
recv('ja3-jl', meta('ja3-jl'), rec(JA3['plain'] + '\n', 255),
     rec(JA3['no-certificates'] + '\n', 255), bye())
recv('ja3-jl-odd-time', meta('ja3-jl'), rec(
    '{"Timestamp":"../x","Certificates":[]}\n', 255), bye())
recv('ja3-jl-bad', meta('ja3-jl'), rec(JA3['raw-number'] + '\n', 255), bye())
recv('ja3-jl-bad-base64', meta('ja3-jl'), rec(
    '{"Timestamp":"x","Certificates":[{"Raw":"!"}]}\n', 255), bye())
recv('filewatcher', meta('filewatcher'), rec('YWJj\nYWI=\r\n', 255), bye())
recv('filewatcher-shared', meta('filewatcher', ',"extension":"exe",'
     '"segregate":false,"compress":true'), rec('YWJj\n', 255), bye())
recv('filewatcher-bad-line', meta('filewatcher'), rec('YWJ\n', 255), bye())
recv('filewatcher-return-alone', meta('filewatcher'), rec('\r\n', 255), bye())
for what in ('"extension":1', '"extension":"../x"', '"compress":1',
             '"segregate":"no"', '"extension":""'):
    recv('filewatcher-option-' + ''.join(c for c in what if c.isalnum()),
         meta('filewatcher', ',' + what), rec('YWJj\n', 255), bye())
recv('filewatcherjson', meta('filewatcherjson'), rec('{"a":1}\n', 255), bye())
recv('own-key', rec('a\n', 3, OWN_KEY), rec('b\n', 3, OWN_KEY), bye())
recv('stranger', rec('a\n', 3, STRANGER), bye())
recv('stranger-refused', rec('a\n', 3, STRANGER), bye(), how=REGISTERED)
recv('stranger-on-an-odd-second', hello(), wait(1), rec('a\n', 3, STRANGER),
     bye(), how=REGISTERED)
recv('blocked', rec('a\n', 3, BLOCKED), bye())
recv('blocks-address', rec('a\n', 3, BLOCKS_ADDRESS), bye(),
     rec('a\n', 3), bye())
recv('registry-broken', rec('a\n', 3, BROKEN), bye())
recv('address-blocked', switch('address'), rec('a\n', 3), switch('address'),
     rec('b\n', 3), bye())
recv('address-broken', hello(0, 0), rec('a\n', 3), bye())
recv('address-of-unix', hello(0, 1), rec('a\n', 3), bye())
recv('kicked', rec('a\n', 3), switch('kick'), wait(1, True), rec('b\n', 3),
     bye())
recv('other-version', rec('a\n', 3, OTHER_VERSION), bye())
recv('sealed-by-others', raw(record(b'a\n', 3, key=b'x')), bye())
recv('no-version-4', rec('a\n', 3, NOBODY), bye())
recv('no-version-4-refused', rec('a\n', 3, NOBODY), bye(), how=REGISTERED)
recv('unregistered', rec('a\n', 3, UNREGISTERED), bye(), how=REGISTERED)
recv('wrong-key', rec('a\n', 3, WRONG_KEY), bye())
recv('wrong-key-later', rec('a\n', 3), rec('b\n', 3, WRONG_KEY), bye())
for bit, part in ((0, 2), (1, 20), (5, 40), (7, 58), (2, 61)):
    recv('bit-turned-at-%d' % part, rec('x' * part, bit, BIT_TURNED), bye())
recv('payload-bit-turned', rec('a\n', 3), rec('x' * 70, 3, BIT_TURNED), bye())
recv('size-a-byte-more', rec('a\n', 3), rec('b\n', 3, BYTE_MORE), bye())
recv('too-large', rec('a\n', 3), rec('b\n', 3, HUGE), bye())
recv('too-large-at-once', rec('b\n', 3, HUGE), bye())
recv('uuid-changed', rec('a\n', 3), rec('b\n', 3, STRANGER), bye())
recv('type-changed', rec('a\n', 3), rec('b\n', 8), bye())
recv('rubbish', raw('GET / HTTP/1.1\r\n\r\n' * 5), bye())
recv('header-cut', raw(record(b'', key=b'x')[:40]), bye())
recv('header-then-silence', raw(record(b'abc', key=b'x')[:63]), wait(31), wait(31))
recv('silence', hello(), wait(3), wait(6))
recv('silence-later', rec('a\n', 3), wait(31), rec('b\n', 3), bye())
recv('slow-record', rec('a\n', 3), raw(record(b'abc', key=b'x')[:63]), wait(31),
     wait(31))
recv('cut-off-at-once', hello(), cut_off())
recv('duplicate', rec('a\n', 3), rec('b\n', 3, i=1), bye(1), bye())
recv('taken-over', rec('a\n', 3), wait(6), rec('b\n', 3, i=1), wait(1),
     bye(1), bye())
recv('two-types', rec('a\n', 3), rec(PCAP, 1, i=1), rec('b\n', 3), bye(1),
     bye())
recv('three-sensors', rec('a\n', 3), rec('b\n', 3, OWN_KEY, 1),
     rec('c\n', 3, STRANGER, 2), rec('d\n', 3), bye(2), bye(1), bye())
recv('four-connections', hello(0), hello(1), hello(2), hello(0), wait(1))
recv('full-disk', rec('a\n', 3), switch('disk'), wait(1), rec('b\n', 3),
     wait(3), switch('disk'), wait(1), rec('c\n', 3), bye())
recv('full-disk-pcap', switch('disk'), rec(PCAP), rec(PCAP[24:] * 4), wait(1),
     bye(), wait(1), switch('disk'), wait(1))
recv('full-disk-then-wrong-key', switch('disk'), rec('a' * 300 + '\n', 3),
     wait(1), rec('b\n', 3, WRONG_KEY), wait(1), switch('disk'), wait(1))
recv('full-queue', switch('items'), rec('a\nb\n', 3), wait(1),
     switch('items'), wait(1), bye())
recv('full-queue-to-the-end', switch('items'), rec('a\nb\n', 3), bye())
recv('busy', switch('busy'), meta('filewatcher'), rec('YWJj\n', 255),
     wait(1), switch('busy'), wait(1), bye())
recv('few-files', rec('a\n', 3), rec('b\n', 3, OWN_KEY, 1), wait(6),
     rec('c\n', 3, STRANGER, 2), wait(1), bye(), bye(1), wait(1), bye(2),
     how=FEW_FILES)
recv('long-line', rec('x' * 3000, 3), rec('x' * 3000 + '\n', 3), bye())

# ---- the directories of registry and queues ---------------------------------

FOLDERS = ['sensor', 'facts', 'day', 'claims', 'workers', 'kicked', 'pending',
           'blocks-address', 'blocks-uuid', 'blocks-by-uuid', 'types',
           'metatypes', 'queue', 'group', 'queue-x', 'sensors', 'days',
           'queues', 'root']
TOKEN = '00112233445566778899aabbccddeeff'
SESSION = 'ffeeddccbbaa49889a66554433221100'


def short(data):
    data = data.encode() if isinstance(data, str) else data
    return bytes([len(data)]) + data


def entry(folder, name, content=''):
    return bytes([FOLDERS.index(folder)]) + short(name) + short(content)


def registry(name, *entries):
    seed('registry', name, *[entry(*e) for e in entries])


def claim(type_=1, more='', slot=0, token=TOKEN):
    return '%d %s %s %d %s 1700000000 192.0.2.1%s\n' % (
        slot, token, HEX, type_, SESSION, more)


registry('sensor', ('sensor', 'key', 'its key\n'),
         ('sensor', 'description', 'a sensor\n'), ('sensor', 'registered'),
         ('sensor', 'limit', '100\n'), ('sensor', 'monitor', '60\n'),
         ('sensor', 'max_age', '30\n'), ('sensor', 'monotonic', '1\n'),
         ('sensor', 'mail', 'a@example.org\n'))
registry('sensor-third-party', ('sensor', 'third_party', 'x\n'),
         ('sensor', 'pending'), ('kicked', HEX, '1700000030\n'))
registry('sensor-bad-key', ('sensor', 'key', 'a\0b\n'))
registry('sensor-empty-key', ('sensor', 'key', '\n'))
registry('sensor-key-crlf', ('sensor', 'key', 'key\r\n'))
registry('sensor-bad-limit', ('sensor', 'limit', '1x\n'))
registry('sensor-bad-text', ('sensor', 'description', 'a\tb\n'))
registry('sensor-large-limit', ('sensor', 'limit', '99999999999999999999\n'))
registry('sensor-of-other-name', ('sensors', 'not-a-uuid'))
registry('sensor-bad-monitor', ('sensor', 'monitor', '\n'))
FACTS = ('seen 1700000000 1700000100\ntype 1 1700000000 1700000050\n'
         'extended x 1700000050 1700000100\naddress 1700000100 192.0.2.1\n'
         'address 1700000000 2001:db8::1\nerror 1700000001 bad HMAC\n')
registry('facts', ('facts', HEX + '.0', FACTS), ('facts', HEX + '.1', FACTS),
         ('workers', '1', '1 x\n'))
registry('facts-many-addresses', ('facts', HEX + '.0', ''.join(
    'address %d 10.0.0.%d\n' % (i * 7 % 19, i) for i in range(10))),
    ('facts', HEX + '.1', ''.join(
        'address %d 10.0.1.%d\n' % (i, i) for i in range(10))),
    ('workers', '1', ''))
for name, text in {
        'cut': FACTS[:-1], 'empty': '', 'word': 'what 1 2\n',
        'number': 'seen 1 x\n', 'alone': 'seen\n', 'type': 'type 256 1 2\n',
        'name': 'extended .x 1 2\n', 'blank-line': 'seen 1 2\n\n',
        'address': 'address 1 a\tb\n', 'error': 'error 1 a\tb\n',
        'nul': 'seen 1 2\n\0\n', 'no-time': 'address x 1\n'}.items():
    registry('facts-bad-' + name, ('facts', HEX + '.0', text))
registry('facts-bad-slot', ('facts', HEX + '.1024', FACTS))
registry('facts-bad-uuid', ('facts', HEX.upper() + '.0', FACTS))
COUNTS = '1 192.0.2.1 10 1000\n254 other 1 1\n'
registry('counts', ('day', HEX + '.0', COUNTS), ('day', HEX + '.2', COUNTS),
         ('workers', '2', ''))
for name, text in {
        'cut': COUNTS[:-1], 'type': '256 a 1 1\n', 'short': '1 a 1\n',
        'number': '1 a x 1\n', 'long-address': '1 %s 1 1\n' % ('a' * 64),
        'empty': ''}.items():
    registry('counts-bad-' + name, ('day', HEX + '.0', text))
registry('counts-bad-file', ('day', 'x', COUNTS))
registry('days', ('days', '20240301', 'x'), ('days', '20231231', 'x'))
registry('days-bad', ('days', '1', 'x'))
LIVE = '1700000000123\n%s 10 1000\n' % SESSION
registry('claim', ('claims', HEX + '-1', claim()), ('workers', '0.live', LIVE))
registry('claim-extended', ('claims', '0.0', claim(254, ' x')),
         ('workers', '0.live', LIVE))
registry('claim-free', ('claims', HEX + '-1', '-\n'))
registry('claim-empty', ('claims', HEX + '-1', ''))
registry('claim-of-the-dead', ('claims', 'a', claim(slot=3)),
         ('claims', 'b', claim(token=SESSION)),
         ('claims', 'c', claim(slot=4)), ('workers', '4', 'x'))
for name, text in {
        'slot': claim(slot=1024), 'token': claim(token='x'),
        'type': claim(256), 'name': claim(254, ' .x'), 'cut': '0 ' + TOKEN,
        'short': claim()[:90], 'control': claim(1, '\t')}.items():
    registry('claim-bad-' + name, ('claims', 'a', text))
for name, text in {
        'empty': '', 'time': 'x\n', 'line': '1\nx\n', 'number':
        '1\n%s x 1\n' % SESSION, 'twice': LIVE + '%s 1 1\n' % SESSION,
        'blank': '1\n\n%s 1 1\n' % SESSION}.items():
    registry('live-bad-' + name, ('claims', 'a', claim()),
             ('workers', '0.live', text))
registry('kicked-bad-name', ('kicked', 'x', '1\n'))
registry('kicked-bad-time', ('kicked', HEX, 'x\n'))
registry('pending', ('pending', HEX, '1700000000 192.0.2.1\n'))
for name, text in {'time': 'x 192.0.2.1\n', 'alone': '1\n',
                   'more': '1 a b\n', 'control': '1 a\tb\n',
                   'long': '1 %s\n' % ('a' * 130)}.items():
    registry('pending-bad-' + name, ('pending', HEX, text))
registry('pending-bad-name', ('pending', 'x', '1 a\n'))
registry('blocks', ('blocks-address', '192.0.2.0_24'),
         ('blocks-address', '2001:db8::1'), ('blocks-uuid', HEX),
         ('blocks-by-uuid', HEX))
registry('blocks-bad-address', ('blocks-address', '192.0.2.1_24'))
registry('blocks-bad-uuid', ('blocks-uuid', 'x'))
registry('blocks-bad-by-uuid', ('blocks-by-uuid', HEX[:-1]))
registry('types', ('types', '1'), ('types', '254'), ('metatypes', 'x'))
registry('types-bad', ('types', '256'))
registry('types-leading-zero', ('types', '01'))
registry('metatypes-bad', ('metatypes', '-x'))
registry('queue', ('queue', 'max_size', '10\n'),
         ('queue', 'description', 'of all\n'),
         ('queue', 'updated', '1700000000\n'), ('queue-x', 'new'))
registry('queue-grouped', ('group', HEX), ('group', SESSION))
registry('queue-bad-member', ('group', 'x'))
registry('queue-bad-size', ('queue', 'max_size', 'x\n'))
registry('queue-bad-time', ('queue', 'updated', '-1\n'))
registry('queue-bad-description', ('queue', 'description', 'a\nb\n\n'))
registry('queue-other-kind', ('queues', '-'), ('queues', '300'))
registry('mode', ('root', 'mode', 'registration\n'))
registry('mode-bad', ('root', 'mode', 'none\n'))
registry('value-is-long', ('sensor', 'limit', '1' * 40 + '\n'))


def queue(name, *items, limit=None):
    size = b'' if limit is None else limit.encode()
    seed('queue', name, bytes([limit is not None]), size + bytes(8 - len(size)),
         *[short(n) + short(c) for n, c in items])


ITEM = '%020d-00112233445566aa-%d'
queue('empty')
queue('items', *[(ITEM % (1700000000000000000 + i, 3), 'abc')
                 for i in range(4)])
queue('items-of-others', ('b', 'second'), ('a', 'first'), ('c', 'in hand'),
      ('d', 'half made'), ('.hidden', 'x'), ('n' * 64, 'long name'))
queue('cut-item', (ITEM % (1700000000000000000, 10), 'abc'))
queue('longer-item', (ITEM % (1700000000000000000, 1), 'abc'))
queue('names-nearly', (ITEM[:-3] % 1 + '-x', 'abc'),
      (ITEM % (1, 3) + 'x', 'abc'), ('1' * 20 + '-' + 'g' * 16 + '-3', 'abc'),
      ('1' * 20 + '_', ''))
queue('from-the-future', (ITEM % (9700000000000000000, 3), 'abc'),
      (ITEM % (18446744073709551615, 3), 'abc'))
queue('limit', *[(ITEM % (1700000000000000000 + i, 3), 'abc')
                 for i in range(9)], limit='2\n')
queue('limit-none', ('a', 'b'), limit='0')
queue('limit-bad', ('a', 'b'), limit='2x')
queue('limit-negative', ('a', 'b'), limit='-1')
queue('limit-letter', ('a', 'b'), limit='x1')

# ---- files for one stream ---------------------------------------------------


def merge(name, *files):
    seed('stdout-merge', name,
         *[struct.pack('<H', len(f)) + f for f in files])


for name, data in CAPTURES.items():
    merge(name, data)
    merge(name + '-second', pcapng(TWO[:1]) if 'pcapng' in name else
          pcap(TWO[:1]), data)
merge('pcap-then-big', PCAP, CAPTURES['pcap-big'])
merge('big-nano-then-pcap', CAPTURES['pcap-nano-big'], PCAP)
merge('kuznetzov-first', CAPTURES['pcap-kuznetzov'], PCAP)
merge('other-link', PCAP, CAPTURES['pcap-raw'])
merge('pcap-then-pcapng', PCAP, PCAPNG)
merge('pcapng-then-lines', PCAPNG, b'hello\n')
merge('lines', b'hello\n', b'', b'world\n')
merge('lines-then-pcap', b'hello\n', PCAP)
merge('gz', gz(PCAP), PCAP, gz(PCAP)[:-20])
merge('gz-of-header-alone', gz(PCAP[:24]), gz(PCAP[:20]))
merge('nano-too-many', pcap([], 0xa1b23c4d) + le(1, 1 << 31, 4, 4) + bytes(4),
      PCAP)

# ---- state of d4-pibs -------------------------------------------------------


def long(*numbers):
    return b''.join(struct.pack('<Q', n) for n in numbers)


SCANNER = long(0, 0xffff << 32 | 0xc0000201) + le(1700000000)
seed('pibs-state', 'scanners', b'\0', long(2), SCANNER,
     long(0x20010db8 << 32, 1), le(0))
seed('pibs-state', 'nothing', b'\0', long(0))
seed('pibs-state', 'too-many', b'\0', long(3), SCANNER)
seed('pibs-state', 'short', b'\0', le(1))
seed('pibs-state', 'flows-of-zeros', b'\0', long(0), bytes(1200))
seed('pibs-state', 'flows-short', b'\0', long(1), SCANNER, long(1))
HEAD = b'd4-pibs\0' + le(1, 0)
seed('pibs-state', 'no-state', b'\1', 'hello')
seed('pibs-state', 'empty', b'\1')
seed('pibs-state', 'other-version', b'\1', b'd4-pibs\0', le(2, 0),
     long(8, 0, 0))
seed('pibs-state', 'cut-off', b'\1', HEAD, long(80, 0, 0))
seed('pibs-state', 'damaged', b'\1', HEAD, long(8, 1, 0))


def state_flow(target, proto=6, packets=30, detail=None, early=2, buckets=32,
               marks=(3, 2, 1)):
    out = long(0, 0xffff << 32 | target, proto, 1700000000 * 10**9)
    out += long(1690000000 * 10**9, packets, packets * 40, 0, 0, 0)
    out += long(*[17 - i for i in range(14)], *marks) * early
    if detail is None:
        return out + long(0)
    peak, newest, nreporters, tally, nblocks, maxblocks = detail
    out += long(1, peak, 1, 0, 0, newest, 3) + long(*range(buckets))
    out += long(2, 1, 7, 5, 4, 9) + long(5, 0, nreporters, 0)
    out += long(0, 1, 3) * nreporters
    for i in range(5):
        out += long(tally, 0) + long(7, 1) * tally
    out += long(maxblocks, nblocks)
    return out + long(9, 1, 2, 3, 4) * nblocks + \
        long(0, 0, 0, 0, 0) * (maxblocks - nblocks)


def state(name, *flows, repeats=0, limits=(300, 60, 10)):
    seed('pibs-state', name, b'\0', long(0), long(*limits), long(3, 5, 7),
         long(1700000000 * 10**9, 0, 0, 0, len(flows)), *flows,
         long(repeats), *[long(i, i + 1) for i in range(repeats)])


A_TARGET = 0xc0000201
state('flows-none')
state('flow-small', state_flow(A_TARGET))
state('flow-repeats', state_flow(A_TARGET), repeats=2)
state('flow-detail', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 1, 4)))
state('flow-twice', state_flow(A_TARGET), state_flow(A_TARGET))
state('flow-two', state_flow(A_TARGET), state_flow(A_TARGET + 1, 17))
state('flow-full-blocks', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 4, 4)))
state('flow-odd-blocks', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 1, 3)))
state('flow-many-values', state_flow(A_TARGET, 6, 30, (4, 2, 1, 33, 1, 4)))
state('flow-far-bucket', state_flow(A_TARGET, 6, 30, (4, 99, 1, 2, 1, 4)))
state('flow-other-limits', state_flow(A_TARGET), limits=(60, 60, 10))
state('flow-other-window', state_flow(A_TARGET), limits=(300, 61, 10))
state('flow-other-slide', state_flow(A_TARGET), limits=(300, 60, 11))
state('flow-no-blocks', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 0, 0)))
state('flow-unmarked', state_flow(A_TARGET, marks=(0, 0, 0)))
state('flow-cut-blocks', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 0, 64))[:-900])
state('flow-too-many-blocks', state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 0, 0)
                                         )[:-16] + long(1 << 20, 0))
for n in (4, 12, 30, 60, 200, 260, 400, 500):
    state('flow-cut-at-%d' % n, state_flow(A_TARGET, 6, 30,
                                           (4, 2, 1, 2, 1, 4))[:n])
seed('pibs-state', 'flows-and-more', b'\0', long(0), long(300, 60, 10),
     long(3, 5, 7), long(1700000000 * 10**9, 0, 0, 0, 0), long(0), b'more')

# ---- what a Redis server answers --------------------------------------------

WORDS = ['', '0', '1', '254', 'x', 'OK', 'QUEUED', '1700000000', HEX,
         '0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35', None, '192.0.2.1',
         '2001:db8::/32', '1:' + HEX]


def said(kind, text):
    if text in WORDS:
        return bytes([kind | WORDS.index(text) << 3])
    return bytes([kind | 24 << 3]) + short(text)


def string(text):
    return said(4, text)


def number(n):
    return bytes([3 | n << 3]) if n < 31 else bytes([3 | 31 << 3]) + \
        struct.pack('>Q', n)


def array(*elements):
    return bytes([6 | len(elements) << 3]) + b''.join(elements)


NIL, OK, LOST, SLOW = b'\0', said(1, 'OK'), b'\xff', b'\xf8'
for name, reply in {
        'nil': NIL, 'zero': number(0), 'one': number(1), 'ok': OK,
        'empty-list': array(), 'uuid': string(HEX), 'error':
        said(2, 'ERR wrong'), 'list-of-uuids': array(string(HEX)),
        'pairs': array(string(HEX), string('1700000000')),
        'scan': array(string('0'), array(string(HEX), string('1'))),
        'scan-without-end': array(string('1'), array(string(HEX))),
        'numbers': array(number(1), number(1700000000), number(0)),
        'types': array(string('1'), string('254'), string('x')),
        'addresses': array(string('192.0.2.1'), string('2001:db8::/32')),
        'lists-of-nil': array(NIL, NIL, NIL, NIL), 'slow': SLOW + OK,
        'queued': said(1, 'QUEUED')}.items():
    seed('redis', 'registry-' + name, b'\0', reply * 60)
    for i, how in enumerate(['hand', 'plain', 'limit', 'clear']):
        seed('redis', 'queue-%s-%s' % (how, name),
             bytes([1 | (1 << i) & 14]), number(0), reply * 30)
seed('redis', 'registry-lost', b'\0', OK * 3, LOST)
seed('redis', 'queue-lost', b'\1', number(0), number(1) * 3, LOST)
seed('redis', 'queue-more-than-asked-for', b'\3', number(0), number(1) * 3,
     array(), NIL, string('a'), array(*[string('b')] * 9))
seed('redis', 'queue-of-items', b'\3', number(3), number(1) * 3,
     array(string('a'), string('b')), array(string('c')),
     string('abc'), array(string('d'), string('e')))

# ---- what needs room --------------------------------------------------------


def large(payload, type_=3):
    return bytes([192, KNOWN, type_]) + given(payload)


recv('longest-line', large('x' * 4000), large('x' * 4000), rec('\n', 3), bye())
recv('longest-line-of-ja3-jl', meta('ja3-jl'),
     *[large('x' * 2900, 255) for _ in range(5)], bye())
recv('large-capture', rec(PCAP), large(PCAP[24:] * 40, 1), bye())
recv('broken-disk', bytes([62]), rec('a\nb\n', 3), wait(1), wait(1), bye())
recv('broken-disk-large', bytes([62]), large('x\n' * 2000), large('x\n' * 2000),
     bye())
recv('broken-disk-filewatcher', bytes([62]), meta('filewatcher'),
     rec('YWJj\n', 255), bye())
recv('broken-disk-later', rec('a\n', 3), wait(3), bytes([62]), rec('b\n', 3),
     wait(3), wait(1), bye(), how=ROTATE)
LARGE = block(6, le(0, 0, 0, 280000, 280000) + bytes(280000))
merge('gz-of-large-block', gz(PCAPNG + LARGE))
merge('gz-of-too-large-block', gz(PCAPNG) + gz(block(6, bytes(5000000))))
merge('gz-of-large-packet', gz(PCAP + le(1, 2, 280000, 280000) +
                               bytes(280000)))
seed('pibs-packet', 'ethernet-pppoe', link('ethernet'), lengths(
    [ether(b'\x11\0\0\1\0\x30\0\x21' + A, 0x8864),
     ether(b'\x11\0', 0x8864)]))
CAPTURES2 = {
    'pcapng-time-offset': pcapng([])[:28] + block(1, struct.pack(
        '<HHI', 1, 0, 0) + option(14, long(1700000000)) + option(0, b'')) +
    pcapng(TWO)[48:],
    'pcapng-fine-time': pcapng(TWO, resol=b'\xa8'),
    'pcapng-finest-time': pcapng(TWO, resol=b'\xbf'),
    'pcapng-short-section': le(0x0a0d0d0a, 12, 0x1a2b3c4d) + bytes(20),
    'pcapng-short-option': pcapng([])[:28] + block(1, struct.pack(
        '<HHIHH', 1, 0, 0, 9, 40)) + pcapng(TWO)[48:],
    'pcapng-other-magic': block(0x0a0d0d0a, bytes(16)),
}
for name, data in CAPTURES2.items():
    seed('pibs-capture', name, b'\0', data)
    seed('pibs-capture', name + '-pipe', b'\1\0', data)

# ---- the spool of d4, the tails of d4-recv ----------------------------------


def spool(name, preamble, *payloads, turned=255):
    seed('spool', name, bytes([0, turned]), short(preamble),
         *[struct.pack('<H', len(p)) + p for p in payloads])


spool('records', b'', b'abc', b'', b'x' * 300)
spool('preamble', b'before', b'abc')
for n in range(100, 140):
    spool('turned-%d' % n, b'', b'abc', turned=n)
seed('spool', 'large', b'\0\xff\0', struct.pack('<H', 40000) * 9)
spool('none', b'')
spool('head-turned', b'', b'abc', turned=10)
spool('preamble-turned', b'p' * 200, b'abc', turned=150)
spool('length-turned', b'', b'abc', turned=120)
seed('spool', 'no-segment', b'\1', bytes(80))
seed('spool', 'magic-alone', b'\1d4spool1')
seed('spool', 'huge-preamble', b'\1d4spool1', long(7, 3, 100, 38, 17),
     le(1 << 31, 0), long(1))
seed('spool', 'name', b'\1', '0000000000000003.seg')
seed('spool', 'name-short', b'\1', '3.seg')


def tail(name, *frames):
    seed('recv-tail', name, b'\0', *[
        bytes([kind, len(body)]) + body for kind, body in frames])


tail('entries', (1, bytes(40)), (1, bytes(20)))
tail('file', (3, b'an entry'), (1, bytes(20)), (4, long(1)))
tail('tags', (2, bytes(60)))
tail('file-with-data', (0x13, b'e'), (0x11, bytes(20)))
tail('no-kind', (0, b''))
tail('other-kind', (5, bytes(20)))
tail('part-of-an-entry', (1, bytes(21)))
tail('settled-short', (4, b'abc'))
tail('nothing')
seed('recv-tail', 'no-tail', b'\1', bytes(200))
seed('recv-tail', 'magic-alone', b'\1d4tail1\n')
seed('recv-tail', 'empty', b'\1')

# ---- calls that fail --------------------------------------------------------

seed('feed', 'unknown-refusal', b'\x0f', record(b''))
faulty('feed', 'records', b'\3', record(b'abc' * 40), record(b'x' * 3000),
       record(b'y' * 3000), calls='alloc')
faulty('border', 'pcapng', kind('pcapng'), pcapng(TWO), calls='alloc')
faulty('border', 'pcap', kind('pcap'), PCAP, calls='alloc')
for name in ('number', 'uuid', 'key-with-blanks', 'list', 'empty'):
    faulty('conf', name, VALUES[name], calls='alloc read read:EINTR read:short'
           ' write write:short sync rename open stat lock',
           choices=(4,) if name == 'number' else ())
faulty('conf', 'none', b'', calls='open stat', choices=(1, 2, 3, 5))
seed('conf', 'sample-key', 'private key to change\n')
seed('conf', 'none-is-made', b'', choice(1))
for call in ('write', 'sync', 'rename', 'lock', 'open', 'remove'):
    seed('conf', 'none-cannot-be-made-' + call, b'', choice(1),
         fault(call, sweep=True))
for name in ('gz', 'gz-two-members', 'gz-then-zeros', 'zst-raw', 'plain',
             'one-byte', 'zst-two-frames'):
    faulty('gz', name, b'\x20', FILES[name], calls='alloc read read:EINTR'
           ' read:short library')
for i, name in enumerate(['plain', 'gz', 'zst']):
    for way in (0, 1):
        number_ = [x for x in range(128, 256)
                   if x % 3 == i and x // 3 % 10 % 2 == way][0]
        faulty('gz', 'make-%s-%d' % (name, way), bytes([number_]), PLAIN,
               calls='alloc read write write:short library')
for name in ('values', 'type-alone', 'utf-8'):
    faulty('meta', 'header-' + name, b'\0', HEADERS[name],
           calls='alloc library')
faulty('meta', 'text', b'\1', 'plain "text"\n' * 30, calls='alloc library')
faulty('meta', 'metrics', b'\2', METRICS['plain'],
       calls='alloc read stat open read:none library')
faulty('meta', 'session', session((0, '{"type":"fascia"}'), (3, 'a line\n')),
       calls='alloc')
faulty('meta', 'ja3', b'\4', JA3['plain'], calls='alloc library')
for i, what in enumerate(['header', 'text', 'metrics', 'session', 'ja3']):
    seed('meta', 'too-long-' + what, bytes([i]), b'[{}, "a" 1]\n', choice(1))
seed('meta', 'header-nul-in-key', b'\0', '{"type":"x","a\\u0000b":1}')
for n in (101, 116, 150):
    seed('meta', 'text-of-%d' % n, b'\1', 'x' * n)


def queue_with(name, *items, how=0, **more):
    faulty('queue', name, bytes([how]), bytes(8),
           *[short(n) + short(c) for n, c in items], **more)


SOME = [(ITEM % (1700000000000000000 + i, 3), 'abc') for i in range(8)]
queue_with('some', *SOME, choices=range(1, 12), calls='alloc read read:short'
           ' write rename rename:ENOENT rename:EACCES remove remove:ENOENT open'
           ' open:EMFILE stat')
queue_with('some-awaited', *SOME, how=8, calls='lock read')
for how in (2, 4, 6):
    queue_with('some-looked-at-%d' % how, *SOME, how=how, choices=(0,))
for call in ('remove', 'remove-ENOENT', 'read', 'alloc'):
    what, _, way = call.partition('-')
    seed('queue', 'limited-faulty-' + call, bytes([1]), b'2\n' + bytes(6),
         *[short(n) + short(c) for n, c in SOME],
         fault(what, way or 'EIO', sweep=True))
SPOOLED = [bytes([0, 255]), short(b'before'),
           *[struct.pack('<H', len(p)) + p for p in (b'abc', b'x' * 300)]]
faulty('spool', 'records', *SPOOLED, calls='alloc read read:EINTR read:short'
       ' read:none')
seed('spool', 'record-too-long', b'\1', b'd4spool1', long(7, 3, 100, 38, 17),
     le(0, 0), long(0x0123456789abcdef), le(2000000, 0), long(0), bytes(80))
TAIL = [bytes([kind, len(body)]) + body for kind, body in (
    (3, b'an entry'), (1, bytes(40)), (4, long(1)))]
faulty('recv-tail', 'entries', b'\0', *TAIL, calls='alloc read read:EINTR'
       ' read:short read:none')
for n in (1, 20, 40, 63, 64, 70, 90, 110, 127):
    seed('recv-tail', 'damaged-%d' % n, b'\0', *TAIL, choice(n))
for n in (100, 64 + 7 + 24, 64 + 7 + 28):
    seed('recv-tail', 'damaged-head-%d' % n, b'\0', b'\4\x08' + long(1),
         choice(n))
seed('recv-tail', 'large', b'\0', b'\2\x80' + bytes(128), choice(128))
for how in (2, 6, 8, 24, 40, 64, 128):
    seed('recv-tail', 'head-%d' % how, bytes([how]), *TAIL)
tail('settled-in-part', (3, b'an entry'), (1, bytes(20)),
     (4, long(1) + bytes(range(16)) + le(7)), (1, bytes(range(20))))
tail('settled-in-part-of-nothing', (4, long(0) + bytes(16) + le(0)))
tail('settled-in-all', (4, long(1) + bytes(16) + le(0xffffffff)))
tail('settled-part-short', (4, long(1) + bytes(16)))
tail('settled-part-long', (4, long(1) + bytes(16) + le(7, 7)))
tail('entry-with-nul', (3, b'an\0entry'))
tail('entry-without-name', (3, b''))
tail('entries-none', (1, b''))
tail('tags-none', (2, b''))
tail('tags-odd', (2, bytes(17)))
seed('recv-tail', 'frame-cut', b'\1', b'd4tail1\n', bytes(400))
for name in ('pcap-little', 'pcapng-little', 'pcap-cut', 'no-capture'):
    for mapped in (0, 1):
        faulty('pibs-capture', name + ('-pipe' if mapped else ''),
               bytes([mapped]), b'\0' * mapped, CAPTURES[name],
               calls='alloc read read:EINTR read:short open open:EINTR '
               'stat',
               choices=(1, 2, 3))
seed('pibs-capture', 'faulty-alloc-no-interface', b'\0', choice(2),
     fault('alloc', sweep=True))
faulty('pibs-capture', 'pcapng-gz', b'\0', gzip.compress(pcapng(TWO), mtime=0),
       calls='alloc read read:EINTR')


def merged(name, *files, **more):
    faulty('stdout-merge', name,
           *[struct.pack('<H', len(f)) + f for f in files], **more)


merged('pcap', PCAP, CAPTURES['pcap-big'], calls='alloc read read:EINTR write'
       ' write:short')
merged('pcapng', PCAPNG, PCAPNG, calls='alloc read write')
merged('lines', b'hello\n', b'world\n', calls='alloc read write')
merged('large-block', gz(PCAPNG + LARGE), calls='alloc')
faulty('registry', 'sensor', entry('sensor', 'key', 'its key\n'),
       entry('sensor', 'limit', '100\n'), entry('facts', HEX + '.0', FACTS),
       entry('day', HEX + '.0', COUNTS), entry('claims', HEX + '-1', claim()),
       entry('pending', HEX, '1700000000 192.0.2.1\n'),
       entry('queue', 'max_size', '10\n'), entry('group', HEX),
       calls='alloc read open stat lock')
for name, reply in {'ok': OK, 'one': number(1), 'list-of-uuids': array(
        string(HEX)), 'pairs': array(string(HEX), string('1700000000'))}.items():
    faulty('redis', 'registry-' + name, b'\0', reply * 60, calls='alloc')
    faulty('redis', 'queue-' + name, b'\1', number(0), reply * 30,
           calls='alloc')
faulty('pibs-state', 'detail', b'\0', long(0), long(300, 60, 10),
       long(3, 5, 7), long(1700000000 * 10**9, 0, 0, 0, 1),
       state_flow(A_TARGET, 6, 30, (4, 2, 1, 2, 1, 4)), long(0),
       calls='alloc read stat open write write:short resize sync rename',
       choices=(1, 2))
faulty('text', 'networks', b'\2', TEXTS['networks'][1], calls='alloc')

# ---- files that a dead process left -----------------------------------------

WHOLE = ['opaque', 'lines', 'pcap', 'pcapng', 'ipfix', 'header', 'json', 'cert',
         'object']


def whole(name, what, data, other=False, **more):
    data = data.encode() if isinstance(data, str) else data
    start = bytes([WHOLE.index(what) + 128 * other])
    seed('whole', name, start, data)
    faulty('whole', name, start, data, **more)


whole('opaque', 'opaque', 'anything', calls='alloc read')
whole('opaque-empty', 'opaque', '')
whole('lines', 'lines', 'one\ntwo\nthr', calls='alloc read:EINTR read resize')
whole('lines-alone', 'lines', 'no end')
whole('pcap-cut', 'pcap', PCAP[:-5])
whole('pcap-header-alone', 'pcap', PCAP[:24])
whole('pcap-not-one', 'pcap', 'what\n')
whole('pcap-bad-later', 'pcap', PCAP + b'\xff' * 40)
whole('pcapng-cut', 'pcapng', PCAPNG[:-9])
whole('ipfix-cut', 'ipfix', ipfix(b'\0\2\0\4') + ipfix()[:9])
whole('header', 'header', '{"type":"x"}\n', calls='alloc read stat read:short')
whole('header-cut', 'header', '{"type":"x"', choices=(1,))
whole('json', 'json', JA3['plain'], calls='alloc read:none')
whole('json-cut', 'json', JA3['plain'][:20])
whole('cert', 'cert', 'abc', calls='alloc read library', choices=(1,))
whole('cert-other', 'cert', 'abc', other=True)
whole('object', 'object', 'abc', calls='alloc read library')
whole('object-other', 'object', 'abc', other=True)

# ---- streams that go on, TLS, registries that change ------------------------

HELLO = rec('', 3)
LINES = [rec('line %d\n' % i, 3) for i in range(6)]
CAP = [rec('', 1), rec(PCAP[:24], 1), rec(PCAP[24:], 1)]
for more, sync in ((0, 'never'), (ALWAYS, 'always'), (SECOND, 'second')):
    recv('goes-on-' + sync, HELLO, *LINES[:3], cut_off(), HELLO, *LINES, bye(),
         more=more)
    recv('goes-on-pcap-' + sync, *CAP, rec(PCAP[24:60]), cut_off(), *CAP,
         rec(PCAP[24:60]), rec(PCAP[60:]), rec(''), bye(), more=more)
    recv('goes-on-rotated-' + sync, *CAP, wait(3), rec(PCAP[24:]), wait(3),
         cut_off(), *CAP, rec(PCAP[24:]), rec(PCAP[24:]), wait(3), bye(),
         how=ROTATE | COMPRESS, more=more)
    recv('goes-on-extended-' + sync, rec('', 2), meta('x'), rec('a\n', 255),
         cut_off(), rec('', 2), meta('x'), rec('a\n', 255), rec('b\n', 255),
         bye(), more=more)
    recv('goes-on-full-' + sync, HELLO, LINES[0], switch('disk'), LINES[1],
         wait(1), wait(1), cut_off(), wait(1), switch('disk'), wait(1), HELLO,
         *LINES, bye(), more=more)
recv('goes-on-within-a-unit', *CAP, rec(PCAP[24:50]), cut_off(), *CAP,
     rec(PCAP[24:50]), rec(PCAP[50:]), bye())
recv('goes-on-within-a-line', HELLO, rec('one\ntw', 3), cut_off(), HELLO,
     rec('one\ntw', 3), rec('o\nthree\n', 3), rec('', 3), bye())
recv('goes-on-but-not-there', HELLO, *LINES[:2], bye(), HELLO, *LINES[4:],
     bye())
recv('goes-on-with-others', HELLO, *LINES[:3], bye(), HELLO, LINES[0],
     *LINES[4:], bye())
recv('goes-on-ended', HELLO, *LINES, rec('', 3), bye(), HELLO, *LINES,
     rec('', 3), bye())
recv('goes-on-elsewhere', HELLO, *LINES[:2], rec('', 3, i=1),
     rec('line 0\n', 3, i=1), bye(1), bye())
recv('goes-on-type-4', rec('', 4), rec(PCAP[:24], 4), rec(PCAP[24:], 4),
     cut_off(), rec('', 4), rec(PCAP[:24], 4), rec(PCAP[24:], 4),
     rec(PCAP[24:], 4), bye())
recv('goes-on-bad-later', *CAP, rec(b'\xff' * 40), bye(), *CAP,
     rec(b'\xff' * 40), bye())
recv('goes-on-maltrail', rec('', 2), meta('maltrail'), rec('a\nb', 255),
     cut_off(), rec('', 2), meta('maltrail'), rec('a\nb', 255),
     rec('c\n', 255), bye(), more=ALWAYS)
recv('goes-on-twice-extended', rec('', 2), meta('x'), rec('a\n', 255),
     rec('', 2, i=1), rec('{"type":"x"}', 2, i=1), rec('a\n', 255, i=1),
     wait(1), bye(1), bye())
recv('goes-on-full-and-elsewhere', HELLO, LINES[0], switch('disk'),
     rec('x' * 300 + '\n', 3), wait(1), rec('', 3, i=1),
     rec('line 0\n', 3, i=1), wait(1), switch('disk'), wait(3), bye(1), bye())
recv('goes-on-preamble-old', rec('', 1, OWN_KEY), rec(PCAP[:24], 1, OWN_KEY),
     rec(PCAP[24:], 1, OWN_KEY), cut_off(), rec('', 1, OWN_KEY),
     rec(PCAP[:24], 1, OWN_KEY), rec(PCAP[:24], 1, OWN_KEY | OTHER_VERSION),
     rec(PCAP[24:], 1, OWN_KEY), bye())
recv('too-old', rec('odd', 3, OTHER_VERSION), bye(), more=MAX_AGE)
recv('too-old-later', rec('even', 3), wait(31), rec('even', 3), bye(),
     more=MAX_AGE)
recv('too-old-goes-on', HELLO, LINES[0], wait(31), LINES[1], bye(),
     more=MAX_AGE)
recv('backwards', rec('even', 3, OTHER_VERSION), rec('odd', 3, OTHER_VERSION),
     bye(), more=MONOTONIC)
recv('backwards-next-time', rec('even', 3, OTHER_VERSION), bye(),
     rec('even', 3), bye(), more=MONOTONIC)
recv('backwards-goes-on', *CAP, rec('even', 1, OTHER_VERSION),
     rec(PCAP[:24], 1), rec('odd', 1, OTHER_VERSION), bye(), more=MONOTONIC)
recv('backwards-extended', meta('x'), rec('aa', 255, OTHER_VERSION), wait(1),
     bye(), meta('x'), rec('aa', 255), bye(), more=MONOTONIC)
recv('tls', rec('a\n', 3), rec('b\n', 3), bye(), how=TLS)
recv('tls-cut-off', rec('a\n', 3), cut_off(), how=TLS)
recv('tls-large', large('x\n' * 2000), large('y\n' * 2000), bye(), how=TLS)
recv('tls-no-handshake', hello(0, 1), wait(6), wait(6), wait(6), how=TLS)
recv('tls-failed', hello(0, 1), raw('x'), wait(1), how=TLS)
recv('tls-half', hello(0, 1), raw('w'), wait(1), raw('w'), raw('h'),
     rec('a\n', 3), bye(), how=TLS)
recv('tls-ends-in-handshake', hello(0, 1), bye(), how=TLS)
recv('tls-slow-end', rec('a\n', 3), switch('tls-slow'), bye(), wait(3),
     wait(31), how=TLS)
recv('tls-broken', rec('a\n', 3), switch('tls-broken'), rec('b\n', 3), wait(1),
     how=TLS)
recv('tls-full', rec('a\n', 3), switch('disk'), large('x\n' * 2000),
     large('x\n' * 2000), wait(1), switch('disk'), wait(1), bye(), how=TLS)
recv('tls-goes-on', HELLO, *LINES[:3], cut_off(), HELLO, *LINES, rec('', 3),
     bye(), how=TLS)
recv('tls-certificate', rec('a\n', 3), bye(), rec('a\n', 3, STRANGER), bye(),
     how=TLS, more=BIND)
recv('stdin', hello(0, 3), rec('a\n', 3), rec('b\n', 3), bye())
recv('registry-breaks', rec('a\n', 3), switch('registry'), wait(1, True),
     rec('b\n', 3), wait(1), rec('c\n', 3, STRANGER, 1), switch('registry'),
     bye(), bye(1))
recv('registry-breaks-before', switch('registry'), rec('a\n', 3), bye(),
     switch('registry'), rec('a\n', 3), bye())
recv('registry-breaks-extended', meta('x'), switch('registry'),
     rec('a\n', 255), wait(1), bye())
recv('registry-breaks-streams', rec('a\n', 8), switch('registry'),
     rec('b\n', 8), wait(1), switch('over'), wait(1), bye(), how=STREAMS)
recv('elsewhere-now', switch('elsewhere'), rec('a\n', 3), bye())
recv('elsewhere-long-ago', bytes([8 * 27 + 6]), rec('a\n', 3), bye())
recv('elsewhere-goes-on', HELLO, *LINES[:2], bye(), switch('elsewhere'), HELLO,
     *LINES, bye())
recv('blames', rec('a\n', 3), switch('blame'), wait(1, True), wait(1), bye())
recv('blames-before', switch('blame'), rec('a\n', 3), bye())
recv('key-changed', rec('a\n', 3), switch('key'), wait(1, True), rec('b\n', 3),
     bye())
recv('own-key-stays', rec('a\n', 3, OWN_KEY), wait(1, True),
     rec('b\n', 3, OWN_KEY), bye())
recv('types-changed', rec('a\n', 3), rec('b\n', 8, OWN_KEY, 1),
     switch('types'), wait(1, True), bye(), bye(1))
recv('metatypes-changed', meta('maltrail'), rec('a\n', 255), switch('types'),
     wait(1, True), rec('b\n', 255), bye())
recv('metatypes-kept', meta('x'), rec('a\n', 255), switch('types'),
     wait(1, True), rec('b\n', 255), bye())
recv('judged-while-strange', hello(0), wait(1, True), wait(1, True),
     rec('a\n', 3), bye(), how=STREAMS)
recv('blocked-while-strange', hello(0), switch('address'), wait(1, True),
     bye())
recv('meta-too-long', *[bytes([192, KNOWN, 2]) + given('x' * 4000)] * 2, bye())
recv('write-fails', rec('a\n', 3), wait(3), switch('write'), rec('b\n', 3),
     wait(3), wait(1), bye(), how=ROTATE)
recv('goes-on-write-fails', HELLO, LINES[0], wait(3), switch('write'), LINES[1],
     wait(3), LINES[2], wait(1), bye(), how=ROTATE, more=ALWAYS)


def recv_faulty(name, *steps, how=0, more=0, calls, ks=(0,)):
    for call in calls.split():
        what, _, way = call.partition(':')
        for k in ks:
            seed('recv', 'faulty-%s-%s%s' % (call.replace(':', '-'), name,
                                             '-%d' % k if k > 0 else ''),
                 bytes([how]), *steps, *[choice(more)] * (more > 0),
                 fault(what, way or 'EIO', k, sweep=True))


def huge(payload, type_=1, i=0):
    step = [x for x in range(224, 256) if x % 8 < 3 and x // 8 % 3 == i][0]
    return bytes([step, KNOWN, type_]) + given(payload)


recv('huge', huge('x' * 3000), huge('x' * 3000), bye())
recv('huge-capture', rec(PCAP), huge(PCAP[24:] * 16), huge(PCAP[24:] * 16), bye())
recv('huge-goes-on', rec('', 1), rec(PCAP[:24]), huge(PCAP[24:] * 16),
     huge(PCAP[24:] * 16), cut_off(), rec('', 1), rec(PCAP[:24]),
     huge(PCAP[24:] * 16), bye())
recv('huge-full', rec('ab', 5), switch('write'), huge('x' * 3000, 5),
     huge('x' * 3000, 5), wait(1), bye())
recv('huge-line-of-ja3-jl', meta('ja3-jl'), *[huge('x' * 3900, 255)] * 3, bye())
recv('huge-lines-full', meta('maltrail'), switch('items'), huge('x' * 2000, 255),
     wait(1), switch('items'), wait(1), bye())
CLOCK = bytes([8 * 15 + 6])
recv('clock-set-back', rec('a\n', 3), wait(3), CLOCK, wait(1), rec('b\n', 3),
     wait(3), bye(), how=ROTATE)
recv('clock-set-back-goes-on', *CAP, wait(3), CLOCK, rec(PCAP[24:]), wait(3),
     rec(PCAP[24:]), bye(), how=ROTATE)
recv('preamble-is-old', *CAP, rec('even', 1, OTHER_VERSION), bye(),
     more=MONOTONIC)
recv('preamble-again-is-old', *CAP, rec(PCAP[24:], 1, OTHER_VERSION),
     rec(PCAP[:24], 1, OTHER_VERSION), rec(PCAP[24:48], 1, OTHER_VERSION),
     bye(), more=MONOTONIC)
recv('preamble-of-lines-is-old', HELLO, rec('even', 3, OTHER_VERSION),
     rec('odd', 3, OTHER_VERSION), bye(), more=MONOTONIC)
recv('preamble-of-4-is-old', rec('', 4), rec(PCAP[:24], 4, OTHER_VERSION), bye(),
     more=MAX_AGE)
recv('preamble-of-type-4-is-old', rec('', 4), rec('even', 4, OTHER_VERSION),
     rec('odd', 4, OTHER_VERSION), bye(), more=MONOTONIC)
recv('preamble-of-pcapng-is-old', rec('', 5), rec(PCAPNG[:48], 5),
     rec('even', 5, OTHER_VERSION), bye(), rec('', 5), rec(PCAPNG, 5),
     rec(PCAPNG[48:] + PCAPNG[:48] + bytes(2), 5, OTHER_VERSION),
     rec(PCAPNG[:48], 5, OTHER_VERSION), bye(), more=MONOTONIC)
recv('leaves', rec('a\n', 3), switch('disk'), rec('b' * 300 + '\n', 3), wait(1),
     more=32)
recv('leaves-items', switch('items'), rec('a\nb\n', 3), wait(1), more=32)
recv('leaves-goes-on', HELLO, LINES[0], wait(1), switch('items'), LINES[1],
     wait(1), more=32)
recv('many-files', rec('a\n', 3), rec('b\n', 3, OWN_KEY, 1), wait(1), hello(2),
     rec('c\n', 3, STRANGER, 2), wait(1), wait(6), bye(), bye(1), bye(2),
     how=FEW_FILES)
recv('registry-writes-fail', rec('a\n', 3), bytes([8 * 26 + 6]), wait(1, True),
     rec('b\n', 3), rec('c\n', 3, BLOCKS_ADDRESS, 1), bye(), bye(1))
recv('goes-on-maltrail-busy', rec('', 2), meta('maltrail'), rec('a\nb\n', 255),
     wait(1), switch('busy'), rec('c\n', 255), wait(1), wait(1), switch('busy'),
     wait(1), bye(), more=ALWAYS)
recv('goes-on-ja3-jl', rec('', 2), meta('ja3-jl'), rec(JA3['plain'] + '\n', 255),
     wait(1), switch('busy'), rec(JA3['plain'] + '\n', 255), wait(1),
     switch('busy'), wait(1), bye(), more=ALWAYS)
recv_faulty('lines', rec('one\n', 3), wait(1), rec('two', 3), bye(),
            calls='alloc read read:EINTR read:EAGAIN write write:ENOSPC'
            ' write:EINTR sync resize lock library')
recv_faulty('goes-on', HELLO, *LINES[:2], cut_off(), HELLO, *LINES[:3], wait(1),
            rec('', 3), bye(), more=ALWAYS,
            calls='alloc read write write:ENOSPC sync resize lock open rename')
recv_faulty('pcap-rotated', rec(PCAP), wait(3), rec(PCAP[24:]), bye(),
            how=ROTATE, calls='alloc write write:ENOSPC sync resize')
recv_faulty('goes-on-pcap', *CAP, rec(PCAP[24:50]), cut_off(), *CAP,
            rec(PCAP[24:50]), rec(PCAP[50:]), bye(),
            calls='alloc write:ENOSPC resize open:EMFILE')
recv_faulty('filewatcher', meta('filewatcher'), rec('YWJj\n', 255), bye(),
            calls='alloc write write:ENOSPC library')
recv_faulty('ja3-jl', meta('ja3-jl'), rec(JA3['plain'] + '\n', 255), bye(),
            calls='alloc write library')
recv_faulty('ja3-jl-odd', meta('ja3-jl'), rec(
    '{"Timestamp":"../x","Certificates":[]}\n', 255), bye(), calls='library')
recv_faulty('streams', rec('a\n', 8), bye(), how=STREAMS, calls='alloc')
recv_faulty('tls', rec('a\n', 3), bye(), how=TLS, calls='alloc read')
recv_faulty('own-key', rec('a\n', 3, OWN_KEY), bye(), calls='alloc library')
recv_faulty('full', rec('a\n', 3), switch('disk'), rec('b' * 300 + '\n', 3),
            rec('c\n', 3), wait(1), switch('disk'), wait(1), bye(),
            calls='alloc')
recv_faulty('full-queue', switch('items'), rec('a\nb\n', 3), wait(1),
            switch('items'), wait(1), bye(), calls='alloc')
recv_faulty('type-4', rec('abcd\n', 4), bye(), calls='alloc')
recv_faulty('second', HELLO, *LINES[:2], wait(1), bye(), more=SECOND,
            calls='alloc sync lock')

# ---- streams that go on at other stores -------------------------------------

SHARED = 64


def other(what):
    """What other stores do, from now on or no more (fake-share.h)."""
    n = ['elsewhere', 'first', 'taken', 'wanted', 'lost', 'away', 'mute',
         'forgets'].index(what)
    return bytes([8 * (16 + n) + 6])


def waits(n):
    return wait(1) * n


AGAIN = HELLO + b''.join(LINES)
for more, sync in ((0, 'never'), (ALWAYS, 'always'), (SECOND, 'second')):
    begun = (HELLO, *LINES[:3], waits(3))

    def shared(name, *steps, how=0):
        recv('shared-%s-%s' % (name, sync), *steps, how=how,
             more=SHARED | more)

    shared('own', *begun, cut_off(), waits(2), AGAIN, waits(3), bye())
    shared('elsewhere', *begun, cut_off(), waits(3), other('elsewhere'), AGAIN,
           waits(4), rec('line 6\n', 3), waits(1), bye())
    shared('elsewhere-first', *begun, cut_off(), waits(3), other('elsewhere'),
           other('first'), AGAIN, waits(4), bye())
    shared('elsewhere-gap', *begun, cut_off(), waits(3), other('elsewhere'),
           other('forgets'), AGAIN, waits(4), bye())
    shared('elsewhere-preamble', rec('', 1), rec(PCAP[:24]), waits(3),
           rec(PCAP[24:]), waits(2), cut_off(), waits(3), other('elsewhere'),
           other('forgets'), rec('', 1), rec(PCAP[:24]), rec(PCAP[24:]),
           rec(PCAP[24:] * 2), waits(4), bye())
    shared('elsewhere-unknown', other('elsewhere'), AGAIN, waits(4), bye())
    shared('elsewhere-part', *CAP, rec(PCAP[24:50]), waits(3), cut_off(),
           waits(3), other('elsewhere'), *CAP, rec(PCAP[24:50]),
           rec(PCAP[50:]), waits(4), bye())
    shared('taken', *begun, other('taken'), LINES[3], waits(3), other('taken'),
           AGAIN, waits(3), bye())
    shared('taken-at-the-end', *begun, other('mute'), LINES[3], bye(),
           other('taken'), other('mute'), waits(3))
    shared('taken-while-asked', HELLO, waits(1), LINES[0], other('taken'),
           waits(3), other('taken'), waits(3), bye())
    shared('wanted', *begun, other('wanted'), LINES[3], waits(3))
    shared('lost', *begun, other('lost'), LINES[3], waits(4), bye())
    shared('lost-elsewhere', *begun, cut_off(), waits(3), other('elsewhere'),
           AGAIN, waits(1), other('lost'), waits(4), bye())
    shared('away', *begun, other('away'), LINES[3], wait(3), LINES[4], wait(3),
           bye(), waits(2), how=ROTATE)
    shared('mute', *begun, other('mute'), LINES[3], wait(3), LINES[4], wait(3),
           bye(), HELLO, LINES[0], waits(2), other('mute'), waits(3),
           how=ROTATE)
    shared('disk-full', *begun, switch('disk'), LINES[3], wait(3), bye(),
           waits(2), switch('disk'), waits(2), how=ROTATE)
    shared('items', rec('', 2), meta('maltrail'), rec('a\nb\n', 255), waits(3),
           cut_off(), waits(2), rec('', 2), meta('maltrail'),
           rec('a\nb\n', 255), rec('c\n', 255), waits(3), bye())
    shared('two', *begun, rec('', 3, i=1), rec('line 0\n', 3, i=1), waits(2),
           bye(1), bye(), waits(2))
for name, steps in {
        'own': (HELLO, *LINES[:3], waits(2), cut_off(), AGAIN, waits(3),
                bye()),
        'elsewhere': (HELLO, LINES[0], waits(3), cut_off(), waits(2),
                      other('elsewhere'), HELLO, *LINES[:2], waits(4), bye()),
        'elsewhere-preamble': (
            rec('', 1), rec(PCAP[:24]), waits(3), rec(PCAP[24:]), waits(2),
            cut_off(), waits(3), other('elsewhere'), other('forgets'),
            rec('', 1), rec(PCAP[:24]), rec(PCAP[24:]), waits(3), bye()),
        'first': (HELLO, LINES[0], waits(3), cut_off(), waits(2),
                  other('elsewhere'), other('first'), HELLO, *LINES[:2],
                  waits(4), bye()),
        'lost': (HELLO, LINES[0], waits(2), other('lost'), LINES[1], waits(3),
                 bye())}.items():
    recv_faulty('shared-' + name, *steps, more=SHARED | ALWAYS,
                calls='alloc read write write:ENOSPC sync open stat lock')

# ---- who else is there ------------------------------------------------------

recv('elsewhere-among-others', hello(2), rec('a\n', 8), rec('a\n', 3, OWN_KEY, 1),
     switch('elsewhere'), rec('a\n', 3, i=2), bye(2), bye(1), bye())
recv('elsewhere-and-clock-set-back', bytes([8 * 27 + 6]), CLOCK,
     rec('a\n', 3), bye())
recv('elsewhere-alone', switch('elsewhere'), HELLO, LINES[0], bye(),
     how=NO_FILES)
recv_faulty('elsewhere', switch('elsewhere'), rec('a\n', 3), bye(),
            calls='answer')
recv('goes-on-among-others', rec('a\n', 8), rec('', 3, OWN_KEY, 1),
     rec('', 3, i=2), rec('line 0\n', 3, i=2), bye(2), bye(1), bye())
recv('goes-on-where-one-is', rec('a\n', 3), rec('', 3, i=1),
     rec('line 0\n', 3, i=1), bye(1), bye())
recv('goes-on-in-an-older-one', hello(0), rec('', 3, i=1),
     rec('line 0\n', 3, i=1), rec('', 3), LINES[0], bye(), bye(1))
recv('older-has-ended', rec('a\n', 3), switch('items'), rec('b\nc\n', 3),
     rec('d\n', 3), bye(), rec('e\n', 3, i=1), wait(1), switch('items'),
     wait(1), bye(1))
recv('older-is-condemned', switch('items'), rec('b\nc\n', 3), rec('d\n', 3),
     rec('e\n', 3, WRONG_KEY), rec('f\n', 3), wait(1), rec('e\n', 3, i=1),
     wait(1), switch('items'), wait(1), bye(1), bye())
recv('bound-without-tls', rec('a\n', 3), bye(), more=BIND)
recv('strangers-of-many-addresses', hello(0, 1), hello(1), rec('a\n', 3, i=2),
     bye(2))
recv('too-many', rec('a\n', 3), switch('tls-slow'), bye(), hello(0, 1),
     rec('a\n', 8), rec('a\n', 3, OWN_KEY, 1), hello(2), rec('b\n', 3, STRANGER,
                                                         2), how=TLS)
recv('judged-streams', rec('a\n', 8), wait(1, True), rec('b\n', 8), bye(),
     how=STREAMS)
recv_faulty('judged', rec('a\n', 3, OWN_KEY), wait(1, True), switch('types'),
            wait(1, True), bye(), how=STREAMS, calls='answer')
recv('streams-taken', rec('a\n', 8), switch('elsewhere'), switch('over'),
     wait(1), how=STREAMS)
recv('streams-bad-data', rec('a\n', 8), switch('registry'), switch('over'),
     wait(1), how=STREAMS)
recv('streams-not-settled', rec('a\n', 8), switch('busy'), bye(), wait(1),
     switch('busy'), wait(1), how=STREAMS)
recv('streams-full-within-a-record', rec('a\n', 8), raw(record(b'abc')[:30]),
     switch('stream'), raw('x'), switch('stream'), wait(1), how=STREAMS)
recv('streams-alone-go-on', HELLO, *LINES[:3], cut_off(), HELLO, *LINES, bye(),
     how=NO_FILES)
recv('streams-alone-full', switch('stream'), HELLO, *LINES[:2], wait(1),
     switch('stream'), wait(1), bye(), how=NO_FILES)
recv('streams-alone-backwards', HELLO, rec('even', 3), rec('odd', 3,
                                                          OTHER_VERSION),
     bye(), how=NO_FILES, more=MONOTONIC)
recv('streams-alone-monotonic', rec('a\n', 3), rec('b\n', 3), bye(),
     how=NO_FILES, more=MONOTONIC)
recv('streams-alone-max-age', HELLO, LINES[0], bye(), how=NO_FILES,
     more=MAX_AGE)
recv_faulty('streams-alone', HELLO, *LINES[:2], bye(), how=NO_FILES,
            calls='alloc')
recv_faulty('monotonic', rec('even', 3, OTHER_VERSION), wait(1), bye(),
            more=MONOTONIC, calls='open write rename sync')
recv('goes-on-huge-full', rec('', 5), rec(PCAPNG[:28], 5), rec(PCAPNG[28:48], 5),
     switch('disk'), *[bytes([224, KNOWN, 5]) + given(PCAPNG[48:] * 12)] * 4,
     wait(1), wait(1), switch('disk'), wait(1), bye())
recv('goes-on-bad-at-the-end', rec('', 2), meta('ja3-jl'),
     rec(JA3['raw-number'] + '\n', 255), bye())
recv('goes-on-full-then-backwards', HELLO, rec('even\n', 3), switch('items'),
     rec('a\nb\n', 3), rec('odd', 3, OTHER_VERSION), wait(1), switch('items'),
     wait(1), more=MONOTONIC)
recv('goes-on-preamble-alone', rec('', 5), rec(PCAPNG[:28], 5),
     rec(PCAPNG[28:48], 5), rec(PCAPNG[48:], 5), cut_off(), rec('', 5),
     rec(PCAPNG[28:48], 5), bye())
recv('goes-on-type-4-in-parts', rec('', 4), rec('ab', 4), rec('cd\n', 4), bye())
recv('goes-on-nowhere', HELLO, rec('', 3), bye())
for name, text in (('capture', PCAP[:24]), ('lines', 'sixsix'), ('less', 'odd'),
                   ('nothing', '')):
    recv('too-old-4-%s' % name, rec('', 4), wait(6), rec(text, 4,
                                                        OTHER_VERSION), bye(),
         more=MAX_AGE)
recv('too-old-within-a-unit', *CAP, rec(PCAP[24:50]), wait(6),
     rec('six' * 3, 1, OTHER_VERSION), bye(), more=MAX_AGE)
recv('batch', rec('a\n', 3), wait(1), rec('', 3) * 1100, rec('b\n', 3), bye())
recv('batch-wrong-key', rec('a\n', 3), wait(1), rec('x', 3, WRONG_KEY),
     rec('', 3) * 1100, bye())
recv('few-files-rotated', rec('a\n', 3), rec('b\n', 3, OWN_KEY, 1), wait(3),
     rec('c\n', 3), wait(3), bye(), bye(1), how=FEW_FILES | ROTATE)
recv('few-files-never-rotated', rec('a\n', 3), rec('b\n', 3, OWN_KEY, 1), wait(6),
     bye(), bye(1), how=FEW_FILES, more=128)
recv('never-rotated', rec('a\n', 3), wait(31), rec('b\n', 3), bye(), more=128)
recv('rotated-behind-a-preamble', rec(PCAPNG, 5), wait(3), rec(PCAPNG[:48], 5),
     rec(PCAPNG[48:], 5), rec(PCAPNG[48:], 5), bye(), how=ROTATE)
recv('rotated-on-a-full-disk', rec(PCAP), wait(1), switch('write'),
     rec(PCAP[24:]), wait(3), rec(PCAP[24:]), wait(3), bye(), how=ROTATE)
recv('shared-leaves', HELLO, *LINES[:3], waits(3), other('mute'), LINES[3],
     bye(), waits(1), more=SHARED | 32)
recv('shared-lost-at-once', HELLO, LINES[0], waits(1), other('lost'), waits(3),
     bye(), more=SHARED)
recv_faulty('shared-taken', HELLO, *LINES[:3], waits(3), other('taken'),
            LINES[3], waits(3), other('taken'), AGAIN, waits(3), bye(),
            more=SHARED | ALWAYS, calls='open sync alloc', ks=(0, 40, 80))
recv_faulty('goes-on', HELLO, *LINES[:2], cut_off(), HELLO, *LINES[:3], bye(),
            calls='alloc', ks=(40, 80))
recv('shared-part', HELLO, rec('one\ntw', 3), waits(3), cut_off(), waits(3),
     other('elsewhere'), HELLO, rec('one\ntw', 3), rec('o\n', 3), waits(4),
     bye(), more=SHARED)

# ---- registries that are written to -----------------------------------------

SEEN = (entry('sensor', 'key', 'its key\n'), entry('facts', HEX + '.0', FACTS),
        entry('day', HEX + '.0', COUNTS), entry('claims', HEX + '-1', claim()),
        entry('queue', 'max_size', '10\n'), entry('group', HEX))
for i, what in enumerate(['sensor', 'registration', 'sets', 'queues', 'claims',
                          'facts', 'many', 'all']):
    seed('registry', 'written-' + what, choice(i + 1))
    seed('registry', 'written-to-' + what, *SEEN, choice(i + 1))
    # All of it would take long.
    for call in ('alloc', 'read', 'write', 'sync', 'rename', 'remove', 'open',
                 'stat', 'lock', 'resize')[:0 if what == 'all' else None]:
        seed('registry', 'written-%s-faulty-%s' % (what, call), *SEEN[:3],
             choice(i + 1), fault(call, sweep=True))
    for name, reply in {
            'nil': NIL, 'zero': number(0), 'one': number(1), 'ok': OK,
            'error': said(2, 'ERR wrong'), 'uuid': string(HEX),
            'list': array(string(HEX)), 'claimed': array(number(0), string('')),
            'held': array(number(1), string('')),
            'taken': array(number(0), string(HEX)),
            'two-texts': array(string('1'), string('1700000000')),
            'empty-list': array(), 'queued': said(1, 'QUEUED')}.items():
        seed('redis', 'written-%s-%s' % (what, name), b'\0', reply * 120,
             choice(i + 1))
    for n in (1, 3, 6):
        seed('redis', 'written-%s-lost-%d' % (what, n), b'\0', OK * n, LOST,
             choice(i + 1))
    seed('redis', 'written-%s-faulty' % what, b'\0', number(0) * 120,
         choice(i + 1), fault('alloc', sweep=True))
    seed('redis', 'written-%s-claimed-faulty' % what, b'\0',
         array(number(0), string(HEX)) * 120, choice(i + 1),
         fault('alloc', sweep=True))

seed('registry', 'of-another', choice(131))
seed('registry', 'written-sets-interrupted', choice(3),
     fault('lock', 'EINTR', sweep=True))
for call in ('alloc', 'open', 'lock', 'stat', 'write', 'rename'):
    seed('registry', 'of-another-faulty-' + call, choice(131),
         fault(call, sweep=True))
for name, text in (('nul', 'a\0b\n'), ('crlf', '10\r\n'), ('bare', '10'),
                   ('lines', '1\n2\n'), ('digit', '99\n'), ('empty', '\n')):
    registry('value-' + name, ('sensor', 'description', text),
             ('queue', 'max_size', text), ('kicked', HEX, text))
    registry('value-kicked-' + name, ('kicked', HEX, text))
    registry('value-size-' + name, ('queue', 'max_size', text))
for i in range(7):
    registry('claim-words-%d' % i, ('claims', 'a', ' '.join(
        claim().split()[:i]) + '\n'))
    registry('live-words-%d' % i, ('claims', 'a', claim()), (
        'workers', '0.live', '1\n' + ' '.join((SESSION, '1', '1')[:i]) + '\n'))
    registry('facts-words-%d' % i, ('facts', HEX + '.0', ' '.join(
        ('type 1 2 3', 'address 1', 'extended', 'type 1', 'seen 1',
         'extended x 1', 'error 1')[i:i + 1]) + '\n'))
registry('live-large', ('claims', 'a', claim()), ('workers', '0.live',
         '1\n%s 1 99999999999999999999\n' % SESSION))
registry('days-name', ('days', 'x', '1'))
registry('days-number', ('days', '00000001', '1'))
faulty('registry', 'live', entry('claims', 'a', claim()),
       entry('workers', '0.live', LIVE), entry('kicked', HEX, '1\n'),
       calls='alloc read open stat lock')
for name, text in (('dead', claim(slot=3)), ('alive', claim()),
                   ('bad', claim(slot=1024)), ('free', '-\n'),
                   ('number', claim(2)), ('other', claim(token=SESSION))):
    for i in (5, 8):
        seed('registry', 'old-claim-%s-%d' % (name, i), entry(
            'claims', 'o', text), entry('claims', HEX + '-1', text), choice(i))
    for call in ('read', 'open', 'stat', 'lock', 'lock:EINTR', 'remove'):
        call, _, way = call.partition(':')
        seed('registry', 'old-claim-%s-faulty-%s%s' % (name, call, way),
             entry('claims', 'o', text), choice(5),
             fault(call, way or 'EIO', sweep=True))
for n, what in ((128, 'taken-over'), (129, 'opened')):
    seed('registry', what, *SEEN[:2], choice(n))
    for call in ('alloc', 'read', 'write', 'sync', 'rename', 'remove', 'open',
                 'stat', 'lock', 'lock:EINTR', 'resize'):
        call, _, way = call.partition(':')
        for k in (0, 40, 80):
            seed('registry', '%s-faulty-%s%s-%d' % (what, call, way, k),
                 choice(n), fault(call, way or 'EIO', k, sweep=True))
seed('registry', 'crowded', choice(130))
for call, way, k in (('alloc', 'EIO', 1), ('alloc', 'EIO', 2),
                     ('read', 'EIO', 0), ('rename', 'EIO', 0),
                     ('rename', 'ENOENT', 0), ('stat', 'EIO', 5)):
    seed('registry', 'crowded-faulty-%s-%s-%d' % (call, way, k), choice(130),
         fault(call, way, k))

# ---- a Redis server that keeps what it is told ------------------------------

UUID_TEXT = WORDS[9]
DAY = '20240229'


def kept(name, *commands, says=(), who=128, what=None, sweeps='', k=0):
    """The server has been given the commands, each a line of words or a tuple;
    "says" it answers to scripts.  Swept are the ways of a reply, or other calls.
    """
    given_ = b''.join(array(*[string(w) for w in (
        c.split() if isinstance(c, str) else c)]) for c in commands)
    parts = [bytes([who]), given_, NIL, *says]
    if what is not None:
        parts.append(choice(what))
    if not sweeps:
        seed('redis', 'kept-' + name, *parts)
    for one in sweeps.split():
        call, _, way = one.rpartition(':')
        seed('redis', 'kept-%s-%s-%d' % (name, one.replace(':', '-'), k),
             *parts, fault(call or 'answer', way, k, sweep=True))


SENSOR_KEPT = (
    'HSET metadata_uuid:%s hmac_key k description d user_mail m first_seen '
    '1700000000 last_seen 1700000100' % HEX,
    'HSET to_monitor:sensor:%s delta_time 60' % HEX,
    'HSET d4toolkit:sensor:%s max_age 30 monotonic 1' % HEX,
    'HSET stream_max_size_by_uuid %s 100' % HEX,
    'SADD registered_uuid ' + HEX, 'SADD to_monitor:sensors ' + HEX,
    'HSET d4toolkit:registered_at %s 1700000000' % HEX,
    'HSET d4toolkit:kicked %s 1700000000' % HEX,
    'SADD sensor_pending_registration ' + SESSION,
    'SADD d4toolkit:workers ' + TOKEN)
SETS_KEPT = (
    'SADD blacklist_ip 192.0.2.1 2001:db8::1',
    'SADD d4toolkit:blacklist_networks 198.51.100.0/24',
    'SADD blacklist_uuid %s %s' % (HEX, UUID_TEXT),
    'SADD blacklist_ip_by_uuid ' + UUID_TEXT,
    'SADD server:accepted_type 1 254',
    'SADD server:accepted_extended_type x',
    'SET d4toolkit:mode registration')
FACTS_KEPT = (
    'SADD all_types_by_uuid:%s 1 8' % HEX,
    'SADD all_extended_types_by_uuid:%s x a' % HEX,
    'HSET metadata_type_by_uuid:%s:1 first_seen 1700000000 last_seen '
    '1700000010' % HEX,
    'HSET metadata_extended_type_by_uuid:%s:x first_seen 1700000000 last_seen '
    '1700000010' % HEX,
    'RPUSH list_uuid_ip:%s 192.0.2.1-20240229010203 192.0.2.2-20240228010203'
    % HEX,
    'HSET d4toolkit:facts:%s error_time 1700000000 error bad' % HEX,
    'SADD d4toolkit:days 20240229 20240301',
    ('HSET', 'd4toolkit:counts:%s:%s' % (DAY, HEX), '1 192.0.2.1 r', '3',
     '1 192.0.2.1 b', '100'),
    'SADD d4toolkit:counts:%s %s' % (DAY, HEX))
CORE_KEPT = (
    'ZINCRBY daily_uuid:%s 4 %s' % (DAY, HEX),
    'ZINCRBY daily_uuid:20240228 4 ' + HEX,
    'ZINCRBY daily_uuid:x 4 ' + HEX,
    'ZINCRBY stat_uuid_type:%s:%s 4 1' % (DAY, HEX),
    'ZINCRBY stat_uuid_ip:%s:%s 4 192.0.2.1' % (DAY, HEX))
QUEUES_KEPT = (
    'SADD all_analyzer_queues ' + UUID_TEXT,
    'HSET analyzer:%s type 1 max_size 10 last_updated 1700000000.5 description '
    'd' % UUID_TEXT,
    'SADD analyzer_sensor_group:%s %s %s' % (UUID_TEXT, HEX, SESSION),
    'SADD analyzer:1 ' + UUID_TEXT)
LINE = HEX + ' 1 1700000000 192.0.2.1'
LIVES = array(string('123'), string('1700000000123'), string(SESSION),
              string(LINE), string('10 100'), string(HEX),
              string(HEX + ' 254 1700000000 192.0.2.1 x'), string(''))
ALL_KEPT = SENSOR_KEPT + SETS_KEPT + FACTS_KEPT + QUEUES_KEPT
WAYS_KEPT = 'EIO ENOSPC EAGAIN ENOENT EACCES EMFILE EEXIST short none EINTR'
kept('all', *ALL_KEPT, says=(array(), array(), LIVES))
kept('core', *SENSOR_KEPT, *CORE_KEPT)
CORE_IP, CORE_TYPE = ('stat_uuid_%s:%s:%s' % (x, DAY, HEX)
                      for x in ('ip', 'type'))
for name, *more in (
        ('addresses', 'HSET %s 192.0.2.2 3' % CORE_IP),
        ('types', 'HSET %s 8 3' % CORE_TYPE),
        ('both', 'HSET %s 8 3' % CORE_TYPE, 'HSET %s 192.0.2.2 3' % CORE_IP),
        ('no-type', 'HSET %s x 3' % CORE_TYPE),
        ('no-address', ('HSET', CORE_IP, 'a\tb', '3')),
        ('no-number', 'HSET %s 1 x' % CORE_TYPE),
        ('no-uuid', 'HSET daily_uuid:%s x 3' % DAY)):
    kept('core-' + name, *SENSOR_KEPT, *CORE_KEPT, *more)
for k in (0, 40, 80):
    kept('core-days', *CORE_KEPT, sweeps='alloc:EIO', k=k)

BAD_KEPT = {
    'type': ['HSET analyzer:%s type 256' % UUID_TEXT],
    'metatype': ['HSET analyzer:%s metatype .x' % UUID_TEXT],
    'max-size': ['HSET analyzer:%s max_size x' % UUID_TEXT],
    'description': [('HSET', 'analyzer:' + UUID_TEXT, 'description', 'a\tb')],
    'queue': ['SADD all_analyzer_queues x'],
    'member': ['SADD analyzer_sensor_group:%s x' % UUID_TEXT],
    'day': ['SADD d4toolkit:days x'], 'day-short': ['SADD d4toolkit:days 1'],
    'day-first': ['DEL d4toolkit:days', 'SADD d4toolkit:days x'],
    'seen': ['HSET metadata_uuid:%s last_seen x' % HEX],
    'first': ['HSET metadata_uuid:%s first_seen x' % HEX],
    'seen-type': ['HSET metadata_type_by_uuid:%s:1 last_seen x' % HEX],
    'seen-name': ['HSET metadata_extended_type_by_uuid:%s:x last_seen x' % HEX],
    'types': ['SADD all_types_by_uuid:%s 256' % HEX],
    'names': ['SADD all_extended_types_by_uuid:%s .x' % HEX],
    'address': ['RPUSH list_uuid_ip:%s x' % HEX],
    'address-short': ['RPUSH list_uuid_ip:%s x-1' % HEX],
    'address-time': ['RPUSH list_uuid_ip:%s x-2024022901020x' % HEX],
    'address-digits': ['RPUSH list_uuid_ip:%s x-x0240229010203' % HEX],
    'address-text': [('RPUSH', 'list_uuid_ip:' + HEX,
                      'a\tb-20240229010203')],
    'error-time': ['HSET d4toolkit:facts:%s error_time x' % HEX],
    'error-theirs': ['HSET metadata_uuid:%s Error bad' % HEX],
    'error-theirs-other': ['HSET metadata_uuid:%s Error other' % HEX],
    'error-theirs-never-seen': ['HSET metadata_uuid:%s Error other' % HEX,
                                'HDEL metadata_uuid:%s last_seen' % HEX],
    'count': ['HSET d4toolkit:counts:%s:%s x 1' % (DAY, HEX)],
    'count-sensor': ['SADD d4toolkit:counts:%s x' % DAY],
    'kicked': ['HSET d4toolkit:kicked x 1'],
    'kicked-time': ['HSET d4toolkit:kicked %s x' % HEX],
    'sensor': ['HSET metadata_uuid:x hmac_key k last_seen 1'],
    'monitored': ['HSET to_monitor:sensor:%s delta_time x' % HEX],
    'limit': ['HSET stream_max_size_by_uuid %s x' % HEX],
    'limit-sensor': ['HSET stream_max_size_by_uuid x 1'],
    'key': [('HSET', 'metadata_uuid:' + HEX, 'hmac_key', 'a\0b')],
    'key-long': [('HSET', 'metadata_uuid:' + HEX, 'hmac_key', 'k' * 255)],
    'lives': ['SADD d4toolkit:workers x'], 'mode': ['SET d4toolkit:mode x'],
    'network': ['SADD d4toolkit:blacklist_networks 192.0.2.1/24'],
    'block': ['SADD blacklist_ip x'], 'block-uuid': ['SADD blacklist_uuid x'],
    'accepted': ['SADD server:accepted_type 256'],
    'gone-queue': ['DEL analyzer:' + UUID_TEXT],
    'extended-queue': ['HSET analyzer:%s type 254 metatype x' % UUID_TEXT],
}
for name, field in (('type', '256 192.0.2.1 r'), ('short', '1 r'),
                    ('none', '1'), ('text', '1 a\tb r'), ('kind', '1 x x'),
                    ('more', '1 x r r'), ('b', '1 x b')):
    BAD_KEPT['count-field-' + name] = [
        ('HSET', 'd4toolkit:counts:%s:%s' % (DAY, HEX), field, '1')]
BAD_KEPT['count-number'] = [('HSET', 'd4toolkit:counts:%s:%s' % (DAY, HEX),
                             '1 192.0.2.1 r', 'x')]
for name, commands in BAD_KEPT.items():
    kept('bad-' + name, *ALL_KEPT, *commands, says=(array(), array(), LIVES))
kept('all-bad', *ALL_KEPT, *[c for one in BAD_KEPT.values() for c in one])
for name, text in {
        'uuid': 'x 1 1 a', 'type': HEX + ' 256 1 a', 'since': HEX + ' 1 x a',
        'address': HEX + ' 1 1', 'text': HEX + ' 1 1 a\tb',
        'name': HEX + ' 254 1 a .x', 'none': ''}.items():
    kept('bad-live-' + name, 'SADD d4toolkit:workers 1', says=(
        array(), array(), array(string('1'), string('2'), string(SESSION),
                                string(text), string(''))))
for name, elements in {
        'session': ('1', '2', 'x', LINE, ''), 'short': ('1', '2', SESSION),
        'number': ('1', '2', SESSION, LINE, 'x 1'), 'none': (),
        'bytes': ('1', '2', SESSION, LINE, '1 x')}.items():
    kept('bad-lives-' + name, 'SADD d4toolkit:workers 1', says=(
        array(), array(), array(*[string(e) for e in elements])))
STRANGERS = array(string(HEX), string('1700000000'), string('192.0.2.1'))
kept('strangers', *ALL_KEPT, says=(STRANGERS, STRANGERS, LIVES))
kept('strangers-bad', says=(array(string('x'), string('1'), string('a')),))
for k in (0, 40, 80):
    kept('swept', *ALL_KEPT, says=(STRANGERS, STRANGERS, LIVES), k=k,
         sweeps=WAYS_KEPT + ' library:EIO alloc:EIO')
kept('swept', *SENSOR_KEPT, *CORE_KEPT, sweeps=WAYS_KEPT, k=52)
CLAIMED = (array(number(0), string('')),) * 60
for i, what in enumerate(['sensor', 'registration', 'sets', 'queues', 'claims',
                          'facts', 'many', 'all']):
    kept('written-' + what, says=CLAIMED, what=i + 1)
    kept('written-to-' + what, *ALL_KEPT, says=CLAIMED, what=i + 1)
    for k in (0, 40)[:0 if what == 'all' else None]:
        kept('written-' + what, *ALL_KEPT, says=CLAIMED, what=i + 1, k=k,
             sweeps=WAYS_KEPT + ' library:EIO alloc:EIO')
HELD = array(number(1), string(''))
for n in (3, 5, 8):
    kept('lease-lost-%d' % n, *ALL_KEPT, says=CLAIMED[:n] + (HELD,) * 40,
         what=5, sweeps='ENOENT')
    kept('claims-memory-%d' % n, *ALL_KEPT, says=CLAIMED[:n] + (HELD,) * 40,
         what=5, k=n, sweeps='alloc:EIO')
for how in (2, 4, 6, 8, 16, 24, 32, 2 | 8, 4 | 16):
    kept('opened-%d' % how, *ALL_KEPT, who=128 | how, says=CLAIMED, what=4,
         sweeps='alloc:EIO open:EIO')
ITEMS_KEPT = [('RPUSH', 'analyzer:1:' + UUID_TEXT, 'item %d' % i)
              for i in range(12)]
kept('queue-large', who=129 | 16)
kept('queue-long-name', who=129 | 48)
for how in (64, 66, 72, 74):
    kept('queue-under-way-%d' % how, who=129 | how, says=[number(1)] * 4,
         sweeps='EACCES EIO library:EIO alloc:EIO')
    kept('queue-early-%d' % how, *ITEMS_KEPT * 3, who=129 | how,
         says=[number(1)] * 9, sweeps='EAGAIN ENOSPC')
for how in range(0, 16, 2):
    kept('queue-%d' % how, *ITEMS_KEPT, who=129 | how,
         says=[number(1)] * 7, sweeps=WAYS_KEPT + ' library:EIO alloc:EIO '
         'open:EIO')
    kept('queue-short-%d' % how, *ITEMS_KEPT[:3], who=129 | how,
         says=[number(1)] * 7, sweeps='EAGAIN ENOSPC ENOENT', k=9)
    kept('queue-empty-%d' % how, who=129 | how, says=[number(20)] * 2)
kept('away', who=128 | 64, what=5, says=CLAIMED, sweeps='EIO')
kept('queue-in-large-items', *[('RPUSH', 'analyzer:1:' + UUID_TEXT, 'x' * 250)
                               for i in range(20)], who=129 | 2 | 64,
     says=[number(1)] * 4, sweeps='ENOSPC')

// Writes the vectors of the codecs, keys, ids, subjects, key records and signed requests, from
// libunibus/PROTOCOL.md and the RFCs alone: node tests/vectors/generate.mjs
import {createHash, sign as nodeSign, createPrivateKey} from 'node:crypto';
import {writeFileSync} from 'node:fs';
import * as ed from './ed25519.mjs';

const here = new URL('.', import.meta.url);
const write = (name, about, value) =>
	writeFileSync(new URL(name, here), JSON.stringify({about, ...value}, null, '\t') + '\n');

// Bytes that look random and are the same in every run.
let counter = 0;
function bytes(n) {
	let out = Buffer.alloc(0);
	while (out.length < n)
		out = Buffer.concat([
			out,
			createHash('sha256').update(`unibus vectors ${counter++}`).digest(),
		]);
	return out.subarray(0, n);
}

const sha256 = (b) => createHash('sha256').update(b).digest();
const b64u = (b) => Buffer.from(b).toString('base64url');

function bits(b, width, alphabet, front = 0) {
	let text = '';
	let acc = 0;
	let n = front;
	for (const byte of b) {
		acc = (acc << 8) | byte;
		for (n += 8; n >= width; n -= width) text += alphabet[(acc >> (n - width)) & 31];
		acc &= 255;
	}
	return n ? text + alphabet[(acc << (width - n)) & 31] : text;
}
const b32 = (b) => bits(b, 5, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567');
const crockford = (b) => bits(b, 5, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 2);

function crc16(b) {
	let crc = 0;
	for (const byte of b)
		for (let i = 7; i >= 0; i--) {
			const top = ((crc >> 15) & 1) ^ ((byte >> i) & 1);
			crc = ((crc << 1) & 0xffff) ^ (top ? 0x1021 : 0);
		}
	return crc;
}

function codecs() {
	const samples = [Buffer.alloc(0), Buffer.from('f'), Buffer.from('fo'), Buffer.from('foo')];
	samples.push(Buffer.from('foob'), Buffer.from('fooba'), Buffer.from('foobar'));
	samples.push(Buffer.alloc(32), Buffer.alloc(33, 0xff), Buffer.from([0xfb, 0xff, 0xbf]));
	for (const n of [16, 32, 47, 48, 49, 64, 96, 97, 148, 200]) samples.push(bytes(n));
	const endpoints = Array.from({length: 4}, () => bytes(32)).map((sign) => ({
		sign: sign.toString('hex'),
		endpoint: b64u(sha256(sign)),
		fingerprint: sha256(sign).subarray(0, 20).toString('hex').match(/..../g).join(' '),
	}));
	write('codecs.json', 'RFC 4648, CRC-16/XMODEM, SHA-256; PROTOCOL.md sections 0 and 1', {
		bytes: samples.map((b) => ({
			hex: b.toString('hex'),
			base64url: b64u(b),
			base64: b.toString('base64'),
			base32: b32(b),
			crc16: crc16(b),
			sha256: sha256(b).toString('hex'),
		})),
		crc16_check: {text: '123456789', crc16: 0x31c3},
		endpoints,
	});
}

const types = {user: 20 << 3, account: 0, server: 13 << 3, curve: 23 << 3};

function nkeyText(raw) {
	const crc = crc16(raw);
	return b32(Buffer.concat([raw, Buffer.from([crc & 255, crc >> 8])]));
}
const nkey = (type, key) => nkeyText(Buffer.concat([Buffer.from([type]), key]));
const nkeySeed = (type, seed) =>
	nkeyText(Buffer.concat([Buffer.from([0x90 | (type >> 5), (type & 31) << 3]), seed]));

function nkeys() {
	const rows = [];
	for (const [type, prefix] of Object.entries(types))
		for (const seed of [bytes(32), bytes(32), Buffer.alloc(32), Buffer.alloc(32, 255)]) {
			const pub = ed.publicKey(seed);
			rows.push({
				type,
				seed: seed.toString('hex'),
				seed_text: nkeySeed(prefix, seed),
				key: pub.toString('hex'),
				text: nkey(prefix, pub),
			});
		}
	write('nkey.json', 'PROTOCOL.md section 1; `published` is the pair in the NATS manual', {
		published: {
			seed_text: 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY',
			text: 'UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4',
		},
		keys: rows,
		bad: [
			{why: 'prefix of an operator', text: nkey(14 << 3, bytes(32))},
			{why: 'prefix of a seed', text: nkey(0x90, bytes(32))},
			{
				why: 'check sum big-endian',
				text: (() => {
					const raw = Buffer.concat([Buffer.from([types.user]), bytes(32)]);
					const crc = crc16(raw);
					return b32(Buffer.concat([raw, Buffer.from([crc >> 8, crc & 255])]));
				})(),
			},
		],
	});
}

function ulids() {
	const rows = [
		[0, Buffer.alloc(10)],
		[2 ** 48 - 1, Buffer.alloc(10, 255)],
		[1469922850259, Buffer.from('d6764c61efb99302bd5b', 'hex')],
		[1700000000000, bytes(10)],
		[1, bytes(10)],
	].map(([ms, random]) => {
		const raw = Buffer.alloc(6);
		raw.writeUIntBE(ms, 0, 6);
		return {
			ms,
			random: random.toString('hex'),
			text: crockford(Buffer.concat([raw, random])),
		};
	});
	write('ulid.json', 'ULIDs: 48 bits of milliseconds, 80 random bits, Crockford base32', {
		ulids: rows,
		bad: [
			['', 'empty'],
			['01ARZ3NDEKTSV4RRFFQ69G5FA', 'one short'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAVV', 'one long'],
			['81ARZ3NDEKTSV4RRFFQ69G5FAV', 'beyond 128 bits'],
			['Z1ARZ3NDEKTSV4RRFFQ69G5FAV', 'first character a letter'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAv', 'lower case'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAI', 'I'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAL', 'L'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAO', 'O'],
			['01ARZ3NDEKTSV4RRFFQ69G5FAU', 'U'],
			['01ARZ3NDEKTSV4RRFFQ69G5FA-', 'hyphen'],
			[' 1ARZ3NDEKTSV4RRFFQ69G5FAV', 'space'],
		].map(([text, why]) => ({text, why})),
	});
}

function subjects() {
	const wire = [bytes(32), bytes(32), Buffer.alloc(32), Buffer.alloc(32, 255)].map((room, i) => {
		const endpoint = bytes(32);
		const [R, E] = [room, endpoint].map((b) => b64u(b).slice(0, 22));
		const shards = [1, 4, 3, 256][i];
		const shard = room[0] % shards;
		return {
			room: room.toString('hex'),
			endpoint: endpoint.toString('hex'),
			shards,
			shard,
			sender: E,
			notify: `unibus.notify.${E}`,
			publish: `unibus.room.${R}.${E}`,
			publish_log: `unibus.log${shard}.${R}.${E}`,
			live: `unibus.live${shard}.${R}.${E}`,
			subscribe: `unibus.*.${R}.*`,
		};
	});
	const long = 'x'.repeat(128);
	write('subject.json', 'PROTOCOL.md section 6, and the rules for subjects and handles', {
		subjects: {
			good: ['a', 'room.general', 'agent.x-1.in', 'A.b_C.9', '-', '_', 'unibusx', 'x.unibus',
				'INBOX', '_INBO', 'a._INBOX', Array(16).fill('t').join('.'), long],
			bad: ['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', '*', '>', 'a.>', '$SYS', '$JS.API',
				'a.$x', 'unibus', 'unibus.room', '_INBOX', '_INBOX.a', '_INBOX_x.a', 'ä', 'a/b',
				'a\n', '\ta', 'a\u007f', Array(17).fill('t').join('.'), long + 'x'],
		},
		handles: {
			good: ['a', '0', 'ada', 'a.b', 'a_b', 'a-b', '0x', 'a..', 'a'.repeat(32)],
			bad: ['', '.a', '_a', '-a', 'A', 'aB', 'a b', 'a@b', 'ä', 'a\n', 'a'.repeat(33)],
		},
		wire,
	});
}

const signedText = (seed, tag, payload) =>
	`${b64u(payload)}.${b64u(ed.signPh(seed, Buffer.from(`${tag}\0${payload}`)))}`;

function keyrecs() {
	const seed = bytes(32);
	const sign = ed.publicKey(seed).toString('hex');
	const kex = '0900000000000000000000000000000000000000000000000000000000000000';
	const good = {v: 1, sign, kex, label: 'laptop', seq: 1, created: 1700000000000,
		expires: 1800000000000};
	const keyrec = (payload) => signedText(seed, 'unibus/keyrec/v1', payload);
	const row = (change) => {
		const r = {...good, ...change};
		const payload = JSON.stringify(r);
		return {seed: seed.toString('hex'), ...r, payload, text: keyrec(payload)};
	};
	const bad = (why, change) => {
		const r = {...good, ...change};
		for (const k of Object.keys(r)) if (r[k] === undefined) delete r[k];
		return {why, text: keyrec(JSON.stringify(r))};
	};
	const raw = (why, payload) => ({why, text: keyrec(payload)});
	const whole = JSON.stringify(good);
	write('keyrec.json', 'PROTOCOL.md section 1; every bad one but the last carries its true signature', {
		good: [
			row({}),
			row({label: ''}),
			row({label: 'x'.repeat(64)}),
			row({label: 'say "hi" \\ bye'}),
			row({label: 'Zoë \u00a0 日本 🚌'}),
			row({label: '"'.repeat(64), seq: 2 ** 53, created: 2 ** 53 - 1, expires: 2 ** 53}),
			row({seq: 2, created: 0, expires: 1}),
		],
		bad: [
			...Object.keys(good).map((k) => bad(`no ${k}`, {[k]: undefined})),
			bad('one member more', {extra: 1}),
			raw('a member twice', whole.replace('"seq":1', '"seq":1,"seq":1')),
			bad('version 2', {v: 2}),
			bad('version as text', {v: '1'}),
			bad('sign of 31 bytes', {sign: sign.slice(2)}),
			bad('sign of 33 bytes', {sign: sign + '00'}),
			bad('sign in upper case', {sign: sign.toUpperCase()}),
			bad('sign of small order', {sign: '01' + '00'.repeat(31)}),
			bad('sign not canonical', {sign: 'f0' + 'ff'.repeat(30) + '7f'}),
			bad('kex zero', {kex: '00'.repeat(32)}),
			bad('kex not canonical', {kex: 'f0' + 'ff'.repeat(30) + '7f'}),
			bad('kex with its high bit', {kex: kex.slice(0, 62) + '80'}),
			bad('label of 65 bytes', {label: 'x'.repeat(65)}),
			bad('label of 66 bytes in 33 characters', {label: 'ë'.repeat(33)}),
			bad('label with a line end', {label: 'a\nb'}),
			bad('label with a NUL', {label: 'a\u0000b'}),
			bad('label with DEL', {label: 'a\u007f'}),
			bad('label with U+0080', {label: '\u0080'}),
			bad('label with U+009F', {label: 'a\u009f'}),
			bad('label a number', {label: 1}),
			bad('seq zero', {seq: 0}),
			bad('seq negative', {seq: -1}),
			raw('seq beyond 2^53', whole.replace('"seq":1', '"seq":9007199254740993')),
			raw('seq real', whole.replace('"seq":1', '"seq":1.0')),
			bad('created negative', {created: -1}),
			bad('expires as created', {expires: good.created}),
			bad('expires before created', {expires: good.created - 1}),
			raw('an array', `[${whole}]`),
			raw('two values', whole + whole),
			raw('nothing', ''),
			raw('no JSON', 'keyrec'),
		],
		bad_signature: [
			{why: 'another tag', text: signedText(seed, 'unibus/room/v1', whole)},
			{why: 'another key', text: signedText(bytes(32), 'unibus/keyrec/v1', whole)},
			{
				why: 'plain Ed25519',
				text: `${b64u(whole)}.${b64u(
					ed.signPlain(seed, Buffer.from('unibus/keyrec/v1\0' + whole)))}`,
			},
			{
				why: 'the payload of another record',
				text: `${b64u(JSON.stringify({...good, seq: 2}))}.${keyrec(whole).split('.')[1]}`,
			},
		],
	});
}

function requests() {
	const one = (method, target, body, ts) => {
		const seed = bytes(32);
		const [nonce, audience] = [b64u(bytes(16)), b64u(bytes(16))];
		const hash = sha256(body).toString('hex');
		const content = [method, target, ts, nonce, audience, hash].join('\n');
		return {
			seed: seed.toString('hex'),
			method,
			target,
			body,
			headers: {
				pub: ed.publicKey(seed).toString('hex'),
				ts: String(ts),
				nonce,
				audience,
				sig: b64u(ed.signPh(seed, Buffer.from('unibus/request/v1\0' + content))),
			},
			content,
		};
	};
	write('reqsig.json', 'PROTOCOL.md section 2', {
		requests: [
			one('GET', '/server', '', 1700000000000),
			one('POST', '/rooms', '{"entry":"x"}', 1700000000001),
			one('PUT', '/blobs/a?x=%2F&y', 'body\nwith lines\n', 0),
			one('DELETE', '/' + 'a'.repeat(2000), 'ü', 2 ** 53),
		],
	});
}

// Every point of order 1, 2, 4, 8 is a multiple of one of order 8.
function torsion() {
	for (let y = 2n; ; y++) {
		const x = ed.recoverX(y, 0);
		if (x === null) continue;
		const t = ed.mul(ed.L, [x, y]);
		if (ed.mul(4n, t)[1] !== 1n)
			return Array.from({length: 8}, (_, i) => ed.mul(BigInt(i), t));
	}
}

function keys() {
	const small = torsion();
	const hex = (b) => b.toString('hex');
	const key = ed.mul(ed.fromBytes(bytes(31)), ed.base);
	const bad = small.map((t, i) => ({why: `torsion point ${i}`, key: hex(ed.encode(t))}));
	bad.push({why: '(0, 1) with a sign', key: hex(ed.encode(small[0], 1))});
	bad.push({why: '(0, -1) with a sign', key: hex(ed.encode(small[4], 1))});
	for (let y = 0n; y < 19n; y++)
		for (const sign of [0, 1])
			bad.push({why: `y = p + ${y}`, key: hex(ed.encode([0n, ed.p + y], sign))});
	small.slice(1).forEach((t, i) =>
		bad.push({why: `good key + torsion ${i + 1}`, key: hex(ed.encode(ed.add(key, t)))}));
	for (let y = 2n, n = 0; n < 6; y++)
		if (ed.recoverX(y, 0) === null) {
			bad.push({why: `no point has y = ${y}`, key: hex(ed.toBytes(y))});
			n++;
		}
	const kexBad = [];
	const low = [0n, 1n, ed.p - 1n];
	for (const t of [small[1], small[3]]) // u = (1 + y) / (1 - y)
		low.push(montgomery(t[1]));
	for (const u of low)
		for (const high of [0n, 1n << 255n])
			kexBad.push({why: `low order${high ? ', high bit' : ''}`, key: hex(ed.toBytes(u + high))});
	for (let u = ed.p; u < 1n << 255n; u++)
		kexBad.push({why: `p + ${u - ed.p}`, key: hex(ed.toBytes(u))});
	kexBad.push({why: '9 with its high bit', key: hex(ed.toBytes(9n + (1n << 255n)))});
	kexBad.push({why: 'all ones', key: 'ff'.repeat(32)});
	const seeds = Array.from({length: 6}, () => bytes(32));
	write('keys.json', 'RFC 8032 and RFC 7748: which public keys are acceptable', {
		sign: {
			good: [hex(ed.encode(key)), ...seeds.map((s) => hex(ed.publicKey(s)))],
			bad,
		},
		kex: {
			good: [9n, 2n, 3n, ed.p - 2n].map((u) => hex(ed.toBytes(u))),
			bad: kexBad,
		},
		ph: seeds.map((seed, i) => {
			const message = bytes(i * 40).toString('hex');
			const tagged = Buffer.concat([
				Buffer.from('unibus/frame/v1\0'), Buffer.from(message, 'hex')]);
			return {seed: hex(seed), message, sig: hex(ed.signPh(seed, tagged))};
		}),
		login: seeds.map((seed) => {
			const nonce = b64u(bytes(11 + (seed[0] % 30)));
			const sig = ed.signPlain(seed, Buffer.from(nonce));
			return {seed: hex(seed), nonce, sig: hex(sig)};
		}),
	});
}

function montgomery(y) {
	let inverse = 1n;
	let b = (((1n - y) % ed.p) + ed.p) % ed.p;
	for (let e = ed.p - 2n; e > 0n; e >>= 1n, b = (b * b) % ed.p)
		if (e & 1n) inverse = (inverse * b) % ed.p;
	return ((1n + y) * inverse) % ed.p;
}

// The integers above agree with RFC 8032's own vectors and with OpenSSL, or nothing is written.
function selfCheck() {
	const seed = Buffer.from(
		'833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42', 'hex');
	const want =
		'98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41' +
		'31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406';
	const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
	const key = createPrivateKey({key: der, format: 'der', type: 'pkcs8'});
	if (ed.signPh(seed, Buffer.from('abc')).toString('hex') !== want)
		throw new Error('Ed25519ph differs from RFC 8032 section 7.3');
	if (!nodeSign(null, Buffer.from('abc'), key).equals(ed.signPlain(seed, Buffer.from('abc'))))
		throw new Error('Ed25519 differs from OpenSSL');
}

selfCheck();
codecs();
nkeys();
ulids();
subjects();
keyrecs();
requests();
keys();

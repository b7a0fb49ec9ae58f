// A second implementation of PROTOCOL.md, written from that page alone: node:crypto and
// libsodium-wrappers, no code shared with C.
import './webcrypto.mjs';
import { createHash } from 'node:crypto';
import sodiumModule from 'libsodium-wrappers';

await sodiumModule.ready;
export const sodium = sodiumModule;

export const utf8 = (s) => new TextEncoder().encode(s);
export const text = (b) => new TextDecoder('utf-8', { fatal: true }).decode(b);
export const hex = (b) => Buffer.from(b).toString('hex');
export const unhex = (s) => {
	if (!/^([0-9a-f]{2})*$/.test(s)) throw new Error('invalid');
	return new Uint8Array(Buffer.from(s, 'hex'));
};
export const b64u = (b) => Buffer.from(b).toString('base64url');
export const unb64u = (s, len) => {
	const b = new Uint8Array(Buffer.from(s, 'base64url'));
	if (b64u(b) !== s || (len !== undefined && b.length !== len)) throw new Error('invalid');
	return b;
};
export const cat = (...parts) =>
	new Uint8Array(Buffer.concat(parts.map((p) => (typeof p === 'string' ? utf8(p) : p))));
export const u8 = (n) => new Uint8Array([n]);
export const u32 = (n) => {
	const b = Buffer.alloc(4);
	b.writeUInt32BE(n);
	return new Uint8Array(b);
};
export const u64 = (n) => {
	const b = Buffer.alloc(8);
	b.writeBigUInt64BE(BigInt(n));
	return new Uint8Array(b);
};
export const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
export const compare = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

// 0. Notation
export const H = (...parts) => sodium.crypto_generichash(32, cat(...parts), null);
export const keyed = (key, len, ...parts) => sodium.crypto_generichash(len, cat(...parts), key);
export const sha256 = (b) => new Uint8Array(createHash('sha256').update(b).digest());

// JSON.parse lets duplicate keys pass; a signed text must have none.
export const strictJson = (s) => {
	const value = JSON.parse(s);
	const names = (v) => {
		if (Array.isArray(v)) return v.reduce((n, x) => n + names(x), 0);
		if (v === null || typeof v !== 'object') return 0;
		return Object.entries(v).reduce((n, [, x]) => n + 1 + names(x), 0);
	};
	const outside = s.replace(/"(?:[^"\\]|\\.)*"/g, '""');
	if ((outside.match(/"":|"" *:/g) ?? []).length !== names(value)) throw new Error('invalid');
	if (/[0-9]\.|[0-9][eE]|\\u0000/.test(outside)) throw new Error('invalid');
	return value;
};

// 1. Keys
export const signPair = (seed) => {
	const p = sodium.crypto_sign_seed_keypair(seed);
	return { pub: p.publicKey, sec: p.privateKey };
};
export const endpointOf = (pub) => sha256(pub);
const ph = (tag, content) => {
	const st = sodium.crypto_sign_init();
	sodium.crypto_sign_update(st, cat(tag, u8(0)));
	sodium.crypto_sign_update(st, content);
	return st;
};
export const sign = (tag, sec, content) => sodium.crypto_sign_final_create(ph(tag, content), sec);
export const verify = (tag, pub, content, sig) =>
	sodium.crypto_sign_final_verify(ph(tag, content), sig, pub);

const B32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
export const base32 = (bytes) => {
	let bits = 0, acc = 0, out = '';
	for (const b of bytes) {
		acc = (acc << 8) | b;
		bits += 8;
		while (bits >= 5) {
			out += B32[(acc >> (bits - 5)) & 31];
			bits -= 5;
			acc &= (1 << bits) - 1;
		}
	}
	return bits ? out + B32[(acc << (5 - bits)) & 31] : out;
};
export const crc16 = (bytes) => {
	let crc = 0;
	for (const b of bytes) {
		crc ^= b << 8;
		for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
	}
	return crc;
};
export const nkeyPrefix = { user: 0xa0, account: 0x00, server: 0x68, curve: 0xb8 };
const withCrc = (b) => {
	const c = crc16(b);
	return base32(cat(b, u8(c & 255), u8(c >> 8)));
};
export const nkey = (type, key) => withCrc(cat(u8(nkeyPrefix[type]), key));
export const nkeySeed = (type, seed) => {
	const p = nkeyPrefix[type];
	return withCrc(cat(u8(0x90 | (p >> 5)), u8((p & 31) << 3), seed));
};

export const signedText = (tag, sec, payload) => {
	const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
	return `${b64u(utf8(body))}.${b64u(sign(tag, sec, utf8(body)))}`;
};
export const splitSigned = (s, max) => {
	if (s.length > max) throw new Error('too_large');
	const parts = s.split('.');
	if (parts.length !== 2) throw new Error('invalid');
	return { payload: unb64u(parts[0]), sig: unb64u(parts[1], 64) };
};

export const keyrecMake = (pair, kexPub, { label, seq, created, expires }) =>
	signedText('unibus/keyrec/v1', pair.sec, {
		v: 1, sign: hex(pair.pub), kex: hex(kexPub), label, seq, created, expires,
	});
export const keyrecOpen = (s) => {
	const st = splitSigned(s, 1024);
	const r = JSON.parse(text(st.payload));
	if (Object.keys(r).sort().join() !== 'created,expires,kex,label,seq,sign,v' || r.v !== 1)
		throw new Error('invalid');
	const pub = unhex(r.sign);
	if (!verify('unibus/keyrec/v1', pub, st.payload, st.sig)) throw new Error('bad_signature');
	return { pub, kex: unhex(r.kex), label: r.label, seq: r.seq, created: r.created, expires: r.expires };
};

// 2. Signed requests
export const requestContent = ({ method, target, ts, nonce, audience, body }) =>
	utf8([method, target, String(ts), nonce, audience, hex(sha256(body))].join('\n'));
export const requestHeaders = (pair, r) => ({
	'X-Unibus-Pub': hex(pair.pub),
	'X-Unibus-Ts': String(r.ts),
	'X-Unibus-Nonce': r.nonce,
	'X-Unibus-Audience': r.audience,
	'X-Unibus-Sig': b64u(sign('unibus/request/v1', pair.sec, requestContent(r))),
});

// 4. Room log
export const roleByte = { reader: 1, member: 2, admin: 3, owner: 4 };
export const roleName = ['none', 'reader', 'member', 'admin', 'owner'];
export const policyBits = (p) => (p.encrypt ? 1 : 0) | (p.persist ? 2 : 0) | (p.sign ? 4 : 0);
export const roomIdOf = (actorPub, genesis) =>
	H('unibus/room-id/v1\0', actorPub, unb64u(genesis.nonce, 16), u8(policyBits(genesis.policy)),
		u8(genesis.policy.history === 'since_join' ? 1 : 0), genesis.subject);
export const entryHash = (entry) => H(entry);
const isInt = (n) => Number.isInteger(n) && n >= 0 && n <= 2 ** 53;
export const entryOpen = (s) => {
	const st = splitSigned(s, 256 * 1024);
	const e = strictJson(text(st.payload));
	const keys = Object.keys(e).sort().join();
	if (keys !== 'actor,ops,prev,room,seq,ts,v' && keys !== 'actor,ops,seq,ts,v') throw new Error('bad_entry');
	if (e.v !== 1 || !isInt(e.seq) || !isInt(e.ts) || !Array.isArray(e.ops)) throw new Error('bad_entry');
	if ('room' in e) [e.room, e.prev].forEach((x) => unb64u(x, 32));
	if (!verify('unibus/room/v1', unhex(e.actor), st.payload, st.sig)) throw new Error('bad_signature');
	return { ...e, hash: entryHash(s) };
};
export const entryMake = (pair, e) =>
	signedText('unibus/room/v1', pair.sec, { v: 1, ...e, actor: hex(pair.pub) });
const sorted = (members) => [...members].sort((a, b) => compare(a.id, b.id));
export const rosterHash = (members) =>
	H(...sorted(members).map((m) => cat(m.id, m.kex, u8(roleByte[m.role]))));

// 4.4 Epoch keys
export const commitOf = (K, roomId, n) => keyed(K, 32, 'unibus/kc/v1\0', roomId, u32(n));
export const seal = (K, roomId, n, endpoint, kexPub) =>
	sodium.crypto_box_seal(cat(K, roomId, u32(n), endpoint), kexPub);
export const unseal = (sealed, pub, sec, roomId, n, endpoint, commit) => {
	const m = sodium.crypto_box_seal_open(sealed, pub, sec);
	if (!same(m.slice(32), cat(roomId, u32(n), endpoint))) throw new Error('NO_KEY_EPOCH');
	const K = m.slice(0, 32);
	if (!same(commitOf(K, roomId, n), commit)) throw new Error('BAD_COMMIT');
	return K;
};
export const sealedRoot = (list) =>
	H(...[...list].sort((a, b) => compare(a.to, b.to)).map((s) => cat(s.to, H(s.sealed))));
const linkKey = (K, roomId, n) => keyed(K, 32, 'unibus/backlink/v1\0', roomId, u32(n));
export const backlinkMake = (K, prev, roomId, n, nonce) =>
	cat(nonce, sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(prev, cat(roomId, u32(n)), null,
		nonce, linkKey(K, roomId, n)));
export const backlinkOpen = (K, link, roomId, n) => {
	if (n < 2) throw new Error('NO_KEY_EPOCH');
	return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, link.slice(24), cat(roomId, u32(n)),
		link.slice(0, 24), linkKey(K, roomId, n));
};

// 5. Frames
export const frameRef = (roomId, sender, id) => H('unibus/ref/v1\0', roomId, sender, id).slice(0, 16);
export const senderKey = (K, roomId, epoch, sender) =>
	keyed(K, 32, 'unibus/sender/v1\0', roomId, u32(epoch), sender);
export const frameHeader = (h) =>
	cat('UB', u8(1), u8(h.kind), u8(h.flags), u32(h.epoch), u64(h.room_seq), h.room_head, h.sender,
		u64(h.session), u64(h.seq), h.id, h.flags & 4 ? h.thread : '', h.flags & 8 ? h.reply : '',
		u32(h.len));
const frameKeys = (Ks, roomId, header, nonce) => {
	const okm = keyed(Ks, 64, 'unibus/frame-key/v1\0', roomId, header, nonce);
	return { key: okm.slice(0, 32), commit: okm.slice(32) };
};
export const framePayload = (mediaType, body) => cat(u8(utf8(mediaType).length), mediaType, body);
export const frameSeal = (roomId, h, payload, { Ks, nonce, sec }) => {
	const header = frameHeader({
		...h, flags: (h.flags & ~3) | (Ks ? 1 : 0) | (sec ? 2 : 0), len: payload.length,
	});
	let out;
	if (Ks) {
		const k = frameKeys(Ks, roomId, header, nonce);
		out = cat(header, nonce, k.commit, sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
			payload, cat(roomId, header), null, nonce, k.key));
	} else {
		out = cat(header, payload);
	}
	return sec ? cat(out, sign('unibus/frame/v1', sec, cat(roomId, out))) : out;
};
export const frameParse = (bytes) => {
	const b = Buffer.from(bytes);
	let at = 0;
	const take = (n) => {
		if (at + n > b.length) throw new Error('CORRUPT');
		at += n;
		return new Uint8Array(b.subarray(at - n, at));
	};
	const num = (n) => BigInt('0x' + hex(take(n)));
	if (text(take(2)) !== 'UB' || take(1)[0] !== 1) throw new Error('CORRUPT');
	const h = { kind: take(1)[0], flags: take(1)[0] };
	if (h.kind < 1 || h.kind > 9 || h.flags & ~15) throw new Error('CORRUPT');
	h.epoch = Number(num(4));
	h.room_seq = num(8);
	h.room_head = take(16);
	h.sender = take(32);
	h.session = num(8);
	h.seq = num(8);
	h.id = take(16);
	if (h.flags & 4) h.thread = take(16);
	if (h.flags & 8) h.reply = take(16);
	h.len = Number(num(4));
	if (!h.seq || Boolean(h.flags & 1) !== Boolean(h.epoch)) throw new Error('CORRUPT');
	if ([2, 3, 4, 6, 8].includes(h.kind) && !h.reply) throw new Error('CORRUPT');
	if (h.len > 1 + 127 + 65536) throw new Error('CORRUPT');
	const header = new Uint8Array(b.subarray(0, at));
	const f = { h, header };
	if (h.flags & 1) {
		f.nonce = take(24);
		f.commit = take(32);
		f.body = take(h.len + 16);
	} else {
		f.body = take(h.len);
	}
	f.signed = new Uint8Array(b.subarray(0, at));
	if (h.flags & 2) f.sig = take(64);
	if (at !== b.length) throw new Error('CORRUPT');
	return f;
};
export const frameVerify = (f, roomId, pub) => {
	if (!f.sig) throw new Error('POLICY_VIOLATION');
	if (!verify('unibus/frame/v1', pub, cat(roomId, f.signed), f.sig)) throw new Error('bad_signature');
};
export const frameOpen = (f, roomId, Ks) => {
	let plain = f.body;
	if (f.nonce) {
		const k = frameKeys(Ks, roomId, f.header, f.nonce);
		if (!same(k.commit, f.commit)) throw new Error('BAD_COMMIT');
		try {
			plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, f.body,
				cat(roomId, f.header), f.nonce, k.key);
		} catch {
			throw new Error('CORRUPT');
		}
	}
	if (plain.length < 1 || plain.length < 1 + plain[0]) throw new Error('CORRUPT');
	const mediaType = Buffer.from(plain.slice(1, 1 + plain[0])).toString('latin1');
	const body = plain.slice(1 + plain[0]);
	if (plain[0] > 127 || !/^[\x20-\x7e]*$/.test(mediaType) || body.length > 65536) throw new Error('CORRUPT');
	return { mediaType, body };
};

// 5.3 Blobs
const CHUNK = 65536, OVER = 17;
const blobAd = (roomId) => cat('unibus/blob/v1\0', roomId);
export const blobSeal = (key, roomId, header, content) => {
	const st = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
	const out = [header];
	for (let at = 0; at === 0 || at < content.length; at += CHUNK) {
		const last = at + CHUNK >= content.length;
		out.push(sodium.crypto_secretstream_xchacha20poly1305_push(st, content.slice(at, at + CHUNK),
			blobAd(roomId), last ? 3 : 0));
	}
	return cat(...out);
};
export const blobOpen = (key, roomId, stored) => {
	if (stored.length < 24 + OVER || stored.length > 16 * 1024 * 1024) throw new Error('CORRUPT');
	const st = sodium.crypto_secretstream_xchacha20poly1305_init_pull(stored.slice(0, 24), key);
	const out = [];
	for (let at = 24; at < stored.length; at += CHUNK + OVER) {
		const last = at + CHUNK + OVER >= stored.length;
		const sealed = stored.slice(at, at + CHUNK + OVER);
		let r = false;
		if (sealed.length >= OVER)
			r = sodium.crypto_secretstream_xchacha20poly1305_pull(st, sealed, blobAd(roomId));
		if (!r || r.tag !== (last ? 3 : 0)) throw new Error('CORRUPT');
		if (!r.message.length && at > 24) throw new Error('CORRUPT');
		out.push(r.message);
	}
	return cat(...out);
};
export const blobRef = (s) => {
	try {
		const r = strictJson(s);
		const keys = Object.keys(r).sort().join();
		if (keys !== 'hash,name,size,type' && keys !== 'hash,key,name,size,type') throw new Error('keys');
		if (unhex(r.hash).length !== 32) throw new Error('hash');
		if (!Number.isInteger(r.size) || r.size < 0 || r.size > 16 * 1024 * 1024) throw new Error('size');
		const bytes = utf8(r.name).length;
		if (bytes < 1 || bytes > 255 || r.name === '.' || r.name === '..') throw new Error('name');
		if (/[/\\\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(r.name)) throw new Error('name');
		if (!/^[\x20-\x7e]{1,127}$/.test(r.type)) throw new Error('type');
		if ('key' in r) {
			unb64u(r.key, 32);
			const chunks = Math.ceil((r.size - 24) / (CHUNK + OVER));
			const len = r.size - 24 - chunks * OVER;
			if (chunks < 1 || len < 0 || (len === 0 && chunks > 1)) throw new Error('size');
			if (len > 0 && Math.ceil(len / CHUNK) !== chunks) throw new Error('size');
		}
		return r;
	} catch {
		throw new Error('CORRUPT');
	}
};

// 6. NATS
export const token22 = (id) => b64u(id).slice(0, 22);
export const wirePublish = (roomId, endpoint) => `unibus.room.${token22(roomId)}.${token22(endpoint)}`;
export const wireSubscribe = (roomId) => `unibus.*.${token22(roomId)}.*`;

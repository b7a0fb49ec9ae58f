// A full peer in JavaScript: signed REST, nkey login, verified room logs, frames both ways.
import { randomBytes } from 'node:crypto';
import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import * as u from './unibus.mjs';
import { apply, emptyRoom, memberOf } from './roomlog.mjs';

export class Peer {
	constructor({ ctrl, nats, label = '' }) {
		this.ctrl = ctrl;
		this.natsUrl = nats;
		this.pair = u.signPair(new Uint8Array(randomBytes(32)));
		this.kex = u.sodium.crypto_box_keypair();
		this.id = u.endpointOf(this.pair.pub);
		this.endpoint = u.b64u(this.id);
		this.label = label;
		this.session = (BigInt(Date.now()) << 20n) | BigInt(randomBytes(4).readUInt32BE() & 0xfffff);
		this.seq = 0n;
	}

	keyrec() {
		return u.keyrecMake(this.pair, this.kex.publicKey, {
			label: this.label, seq: 1, created: Date.now(), expires: Date.now() + 90 * 86400e3,
		});
	}

	async call(method, target, json) {
		this.audience ??= (await (await fetch(this.ctrl + '/server')).json()).server_id;
		const body = json === undefined ? '' : JSON.stringify(json);
		const headers = u.requestHeaders(this.pair, {
			method, target, ts: Date.now(), nonce: u.b64u(randomBytes(16)), audience: this.audience,
			body: u.utf8(body),
		});
		if (body) headers['Content-Type'] = 'application/json';
		const res = await fetch(this.ctrl + target, { method, headers, body: body || undefined });
		const answer = await res.json();
		return { status: res.status, ...answer };
	}

	async must(method, target, json) {
		const r = await this.call(method, target, json);
		if (r.status >= 300) throw new Error(`${method} ${target}: ${r.status} ${r.code}: ${r.error}`);
		return r;
	}

	async publishKeyrec() {
		await this.must('PUT', `/peers/${this.endpoint}`, { keyrec: this.keyrec() });
	}

	async login() {
		const seed = u.nkeySeed('user', this.pair.sec.slice(0, 32));
		this.nc = await connect({
			servers: this.natsUrl, authenticator: nkeyAuthenticator(u.utf8(seed)), reconnect: false,
		});
		return this.nc;
	}

	// Fetches and verifies a room's whole log, and the keys of all epochs that may be had.
	async sync(roomId) {
		let st = emptyRoom();
		for (let from = 0; from !== undefined;) {
			const page = await this.must('GET', `/rooms/${roomId}/log?from=${from}&limit=100`);
			for (const { entry } of page.entries) st = apply(st, entry);
			from = page.next === undefined || page.next === null ? undefined : Number(page.next);
		}
		if (u.b64u(st.id) !== roomId) throw new Error('the server gave the log of another room');
		st.keys = {};
		if (st.epoch) {
			const k = await this.must('GET', `/rooms/${roomId}/key?epoch=${st.epoch}`);
			st.keys[st.epoch] = u.unseal(u.unb64u(k.sealed, 148), this.kex.publicKey,
				this.kex.privateKey, st.id, st.epoch, this.id, st.commits[st.epoch]);
			for (let n = st.epoch; st.backlinks[n]; n--) {
				st.keys[n - 1] = u.backlinkOpen(st.keys[n], st.backlinks[n], st.id, n);
				if (!u.same(u.commitOf(st.keys[n - 1], st.id, n - 1), st.commits[n - 1]))
					throw new Error('BAD_COMMIT');
			}
		}
		return st;
	}

	frame(st, body, { kind = 1, mediaType = '' } = {}) {
		const h = {
			kind, flags: 0, epoch: st.epoch, room_seq: st.seq, room_head: st.head.slice(0, 16),
			sender: this.id, session: this.session, seq: ++this.seq,
			id: u.cat(u.u64(Date.now()).slice(2), new Uint8Array(randomBytes(10))),
		};
		const Ks = st.epoch ? u.senderKey(st.keys[st.epoch], st.id, st.epoch, this.id) : undefined;
		return u.frameSeal(st.id, h, u.framePayload(mediaType, u.utf8(body)), {
			Ks, nonce: new Uint8Array(randomBytes(24)), sec: st.policy.sign ? this.pair.sec : undefined,
		});
	}

	send(st, body, options) {
		this.nc.publish(u.wirePublish(st.id, this.id), this.frame(st, body, options));
	}

	open(st, bytes, subject) {
		const f = u.frameParse(bytes);
		const m = memberOf(st, f.h.sender);
		if (!m || m.role === 'reader') throw new Error('NOT_A_MEMBER');
		if (subject.split('.')[3] !== u.token22(f.h.sender)) throw new Error('CORRUPT');
		if (!u.same(f.h.room_head, st.heads[Number(f.h.room_seq)].slice(0, 16))) throw new Error('fork');
		if (st.policy.encrypt && !f.nonce) throw new Error('POLICY_VIOLATION');
		if (st.policy.sign) u.frameVerify(f, st.id, m.sign);
		const Ks = f.h.epoch ? u.senderKey(st.keys[f.h.epoch], st.id, f.h.epoch, f.h.sender) : undefined;
		const p = u.frameOpen(f, st.id, Ks);
		return { sender: u.b64u(f.h.sender), kind: f.h.kind, mediaType: p.mediaType, text: u.text(p.body) };
	}

	// The next entry of a room; `ops` without the epoch, which is added when `rekey`.
	async append(st, verb, ops, { rekey = false } = {}) {
		const entry = (all) => u.entryMake(this.pair, {
			room: u.b64u(st.id), seq: st.seq + 1, prev: u.b64u(st.head), ts: Date.now(), ops: all,
		});
		if (!rekey)
			return this.must('POST', `/rooms/${u.b64u(st.id)}/${verb}`, { entry: entry(ops), sealed: {} });
		const members = this.after(st, ops);
		const n = st.epoch + 1;
		const K = new Uint8Array(randomBytes(32));
		const list = members.map((m) => ({ to: m.id, sealed: u.seal(K, st.id, n, m.id, m.kex) }));
		const op = {
			op: 'epoch', n, roster: u.b64u(u.rosterHash(members)), commit: u.b64u(u.commitOf(K, st.id, n)),
			sealed: u.b64u(u.sealedRoot(list)),
		};
		if (st.policy.history === 'all' && n > 1)
			op.backlink = u.b64u(u.backlinkMake(K, st.keys[n - 1], st.id, n, new Uint8Array(randomBytes(24))));
		return this.must('POST', `/rooms/${u.b64u(st.id)}/${verb}`, {
			entry: entry([...ops, op]),
			sealed: Object.fromEntries(list.map((s) => [u.b64u(s.to), u.b64u(s.sealed)])),
		});
	}

	after(st, ops) {
		let members = st.members;
		for (const op of ops) {
			if (op.op === 'remove') members = members.filter((m) => u.b64u(m.id) !== op.endpoint);
			if (op.op === 'add') {
				const r = u.keyrecOpen(op.keyrec);
				members = [...members, { id: u.endpointOf(r.pub), kex: r.kex, role: op.role }];
			}
		}
		return members;
	}

	// Adds a peer; in an encrypted room he gets the current key with a new epoch.
	async invite(st, endpoint, role = 'member') {
		const { keyrec } = await this.must('GET', `/peers/${endpoint}`);
		return this.append(st, 'invite', [{ op: 'add', keyrec, role }], { rekey: st.policy.encrypt });
	}

	async close() {
		await this.nc?.close();
	}
}

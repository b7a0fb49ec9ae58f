// apply(state, entry) of PROTOCOL.md section 4.3: throws an Error whose message is the named error.
import {
	b64u, compare, endpointOf, entryOpen, hex, keyrecOpen, roleByte, roomIdOf, rosterHash, same, unb64u,
	unhex,
} from './unibus.mjs';

const fail = (word) => {
	throw new Error(word);
};
const exactly = (op, ...keys) => {
	const optional = keys.filter((k) => k.endsWith('?')).map((k) => k.slice(0, -1));
	const needed = ['op', ...keys.filter((k) => !k.endsWith('?'))];
	const have = Object.keys(op);
	if (needed.some((k) => !have.includes(k))) fail('bad_entry');
	if (have.some((k) => !needed.includes(k) && !optional.includes(k))) fail('bad_entry');
};
const find = (st, id) => st.members.find((m) => same(m.id, id));
const rank = (role) => roleByte[role] ?? fail('bad_entry');

const shapes = {
	genesis: ['subject', 'policy', 'nonce'],
	add: ['keyrec', 'role'],
	remove: ['endpoint'],
	leave: [],
	role: ['endpoint', 'role'],
	key: ['keyrec'],
	policy: ['encrypt', 'sign', 'retain?'],
	epoch: ['n', 'roster', 'commit', 'sealed', 'backlink?'],
	takeover: [],
	close: [],
};
const least = {
	add: 3, remove: 3, leave: 1, role: 3, key: 1, policy: 3, epoch: 2, takeover: 3, close: 4,
};

const addMember = (st, op, seq) => {
	const r = keyrecOpen(op.keyrec);
	const id = endpointOf(r.pub);
	if (find(st, id)) fail('conflict');
	if (st.members.length >= 4000) fail('limit');
	st.members.push({ id, sign: r.pub, kex: r.kex, role: op.role, keyrecSeq: r.seq, addedSeq: seq });
	st.members.sort((a, b) => compare(a.id, b.id));
};
const drop = (st, id) => {
	st.members = st.members.filter((m) => !same(m.id, id));
};

const epoch = (st, op, seq, byAdmin, dueBefore) => {
	if (!byAdmin && !dueBefore) fail('no_right');
	if (!st.policy.encrypt || op.n !== st.epoch + 1) fail('bad_epoch');
	if (('backlink' in op) !== (st.policy.history === 'all' && op.n > 1)) fail('bad_epoch');
	if (!same(unb64u(op.roster, 32), rosterHash(st.members))) fail('bad_roster');
	st.epoch = op.n;
	st.epochSeq = seq;
	st.commits[op.n] = unb64u(op.commit, 32);
	if (op.backlink) st.backlinks[op.n] = unb64u(op.backlink, 72);
	st.rotationDue = false;
};

const genesis = (st, e) => {
	const [g, a, ep, ...rest] = e.ops;
	if (g?.op !== 'genesis' || a?.op !== 'add' || rest.length || (ep && ep.op !== 'epoch')) fail('bad_entry');
	if (a.role !== 'owner' || !same(keyrecOpen(a.keyrec).pub, unhex(e.actor))) fail('bad_entry');
	st.id = roomIdOf(unhex(e.actor), g);
	st.subject = g.subject;
	st.policy = { ...g.policy };
	addMember(st, a, 0);
	st.owner = endpointOf(unhex(e.actor));
	if (ep) epoch(st, ep, 0, true, false);
	if (st.policy.encrypt && !ep) fail('needs_epoch');
};

const one = {
	add(st, op, cx) {
		if (!['reader', 'member', 'admin'].includes(op.role)) fail('bad_entry');
		addMember(st, op, cx.e.seq);
		if (st.policy.history === 'since_join') cx.needs = true;
	},
	remove(st, op, cx) {
		const m = find(st, unb64u(op.endpoint, 32)) ?? fail('not_found');
		if (m.role === 'owner') fail('no_right');
		drop(st, m.id);
		cx.needs = true;
	},
	leave(st, op, cx) {
		if (find(st, cx.actor).role === 'owner') fail('no_right');
		drop(st, cx.actor);
		st.rotationDue = st.policy.encrypt;
	},
	role(st, op, cx) {
		rank(op.role);
		const m = find(st, unb64u(op.endpoint, 32)) ?? fail('not_found');
		if (m.role === 'owner') fail('no_right');
		if (op.role === 'owner') {
			if (cx.rank < 4 || !same(st.owner, cx.actor)) fail('no_right');
			find(st, cx.actor).role = 'admin';
			st.owner = m.id;
		}
		m.role = op.role;
	},
	key(st, op, cx) {
		const r = keyrecOpen(op.keyrec);
		const m = find(st, cx.actor);
		if (!same(r.pub, unhex(cx.e.actor))) fail('no_right');
		if (r.seq <= m.keyrecSeq) fail('conflict');
		m.kex = r.kex;
		m.keyrecSeq = r.seq;
		st.rotationDue = st.policy.encrypt;
	},
	policy(st, op, cx) {
		if ((st.policy.encrypt && !op.encrypt) || (st.policy.sign && !op.sign)) fail('bad_entry');
		if (op.encrypt && !st.policy.encrypt) cx.needs = true;
		st.policy = { ...st.policy, encrypt: op.encrypt, sign: op.sign };
		if (op.retain) st.policy.retain = op.retain;
	},
	epoch(st, op, cx) {
		cx.has = true;
		epoch(st, op, cx.e.seq, cx.rank >= 3, cx.dueBefore);
	},
	takeover(st, op, cx) {
		if (same(st.owner, cx.actor)) fail('no_right');
		drop(st, st.owner);
		find(st, cx.actor).role = 'owner';
		st.owner = cx.actor;
		cx.needs = true;
	},
	close(st) {
		st.closed = true;
	},
};

export const emptyRoom = () => ({ members: [], epoch: 0, commits: {}, backlinks: {}, heads: [], seq: -1 });

export const apply = (before, entryText) => {
	const e = entryOpen(entryText);
	const st = structuredClone(before);
	if (!Array.isArray(e.ops) || e.ops.length < 1 || e.ops.length > 64) fail('bad_entry');
	for (const op of e.ops) exactly(op, ...(shapes[op.op] ?? fail('bad_entry')));
	if (before.seq < 0) {
		if ('room' in e || 'prev' in e || e.seq !== 0) fail('bad_chain');
		genesis(st, e);
	} else {
		if (e.seq !== before.seq + 1 || e.room !== b64u(before.id) || e.prev !== b64u(before.head))
			fail('bad_chain');
		if (before.closed) fail('room_closed');
		const actor = endpointOf(unhex(e.actor));
		const cx = {
			e, actor, rank: roleByte[find(before, actor)?.role] ?? 0, dueBefore: before.rotationDue,
			needs: false, has: false,
		};
		if (!cx.rank) fail('no_right');
		for (const op of e.ops) {
			if (!one[op.op] || cx.has) fail('bad_entry');
			if (st.closed) fail('room_closed');
			if (cx.rank < least[op.op] || !find(st, actor)) fail('no_right');
			one[op.op](st, op, cx);
		}
		if (st.policy.encrypt && cx.needs && !cx.has) fail('needs_epoch');
	}
	st.seq = e.seq;
	st.head = e.hash;
	st.heads[e.seq] = e.hash;
	return st;
};
export const memberOf = (st, endpoint) => find(st, endpoint);
export const describe = (st) => ({ id: b64u(st.id), seq: st.seq, head: hex(st.head), epoch: st.epoch });

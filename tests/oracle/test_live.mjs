// Stock clients and the second implementation against the live daemons.
import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import { check, equal } from './check.mjs';
import { Peer } from './peer.mjs';
import { Stack } from './stack.mjs';
import * as u from './unibus.mjs';

const stack = await Stack.start();
const newPeer = async (handle) => {
	const p = new Peer({ ctrl: stack.ctrl, nats: stack.nats, label: handle });
	stack.unibus(stack.admin, 'users', 'add', handle, u.hex(p.pair.pub));
	await p.publishKeyrec();
	return p;
};
const next = async (sub) => {
	for await (const m of sub) return m;
	throw new Error('the subscription ended');
};

try {
	const roomOf = async (peer, subject) => {
		const list = await peer.must('GET', `/members/${peer.endpoint}/rooms`);
		return list.rooms.find((r) => r.subject === subject).room_id;
	};

	await check('a plain room is readable by a stock NATS client with an allowed nkey', async () => {
		const js = await newPeer('stock');
		stack.unibus(stack.admin, 'room', 'create', 'room.plain', '--plain');
		stack.unibus(stack.admin, 'room', 'invite', 'room.plain', 'stock');
		await js.must('POST', `/rooms/${await roomOf(js, 'room.plain')}/join`, {});
		const seed = u.utf8(u.nkeySeed('user', js.pair.sec.slice(0, 32)));
		const nc = await connect({ servers: stack.nats, authenticator: nkeyAuthenticator(seed) });
		const sub = nc.subscribe('room.plain');
		await nc.flush();
		stack.unibus(stack.admin, 'send', 'room.plain', 'as', 'plain', 'as', 'it', 'gets');
		equal(u.text((await next(sub)).data), 'as plain as it gets');

		const tail = stack.background(stack.admin, 'tail', 'room.plain', '--json', '--count', '1');
		await tail.ready;
		nc.publish('room.plain', 'from a stock client');
		await nc.flush();
		equal(JSON.parse((await tail.lines)[0]).text, 'from a stock client');
		await nc.close();
	});

	await check('a stock client that is no user is refused', async () => {
		const stranger = new Peer({ ctrl: stack.ctrl, nats: stack.nats });
		let refused = '';
		try {
			await stranger.login();
		} catch (e) {
			refused = e.message;
		}
		equal(/authorization/i.test(refused), true, `refused with "${refused}"`);
	});

	await check('a peer in JavaScript and peers in C talk in an encrypted room, both ways', async () => {
		const js = await newPeer('oracle');
		stack.unibus(stack.admin, 'room', 'create', 'room.secret');
		stack.unibus(stack.admin, 'room', 'invite', 'room.secret', 'oracle', '--role', 'admin');
		const room = await roomOf(js, 'room.secret');
		await js.must('POST', `/rooms/${room}/join`, {});
		const st = await js.sync(room);
		await js.login();
		const sub = js.nc.subscribe(u.wireSubscribe(st.id));
		await js.nc.flush();
		stack.unibus(stack.admin, 'send', 'room.secret', 'can you read this?');
		const m = await next(sub);
		equal(Buffer.from(m.data).includes('can you read this?'), false, 'plaintext on the wire');
		const got = js.open(st, m.data, m.subject);
		equal([got.text, got.kind], ['can you read this?', 1]);

		const tail = stack.background(stack.admin, 'tail', 'room.secret', '--json', '--count', '1');
		await tail.ready;
		js.send(st, 'every word');
		await js.nc.flush();
		const seen = JSON.parse((await tail.lines)[0]);
		equal([seen.text, seen.handle, seen.encrypted, seen.verified], ['every word', 'oracle', true, true]);

		// He invites a third peer, in C, who reads what he writes.
		const carol = stack.newIdentity('carol');
		stack.unibus(stack.admin, 'users', 'add', 'carol', carol.sign_pub);
		stack.unibus(carol.file, 'room', 'list'); // publishes her key record
		await js.invite(st, carol.endpoint);
		const after = await js.sync(room);
		const hers = stack.background(carol.file, 'tail', 'room.secret', '--json', '--count', '1');
		await hers.ready;
		js.send(after, 'welcome, carol');
		await js.nc.flush();
		equal(JSON.parse((await hers.lines)[0]).text, 'welcome, carol');
		await js.close();
	});
} finally {
	await stack.stop();
}

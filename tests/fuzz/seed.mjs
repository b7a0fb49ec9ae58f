// Writes the first corpus from the test vectors: node tests/fuzz/seed.mjs
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const v = (n) => JSON.parse(readFileSync(`tests/vectors/${n}.json`, 'utf8'));
const put = (target, i, bytes) => {
	mkdirSync(`tests/fuzz/corpus/${target}`, { recursive: true });
	writeFileSync(`tests/fuzz/corpus/${target}/${String(i).padStart(2, '0')}`, bytes);
};
const some = (list, n) => list.slice(0, n);

v('frame').frames.forEach((x, i) => put('frame', i, Buffer.from(x.frame, 'hex')));
some(v('claims').requests, 6).forEach((x, i) => put('jwt', i, x.token));
some(v('claims').boxes, 3).forEach((x, i) => put('xbox', i, Buffer.from(x.box, 'hex')));
some(v('keyrec').good, 4).forEach((x, i) => put('keyrec', i, x.text));
some(v('keyrec').good, 4).forEach((x, i) => put('json', i, x.payload));
put('json', 10, '{"a":[{"b":{"c":[1,-9007199254740992,"\\u00e9",true,null]}}]}');
v('reqsig').requests.forEach((x, i) => put('reqsig', i, Object.values(x.headers).join('\n')));
v('subject').subjects.good.forEach((x, i) => put('subject', i, x));
v('subject').wire.forEach((x, i) => put('subject', 40 + i, x.publish));
some(v('nkey').keys, 6).forEach((x, i) => {
	put('codecs', i, x.text);
	put('codecs', 20 + i, x.seed_text);
});
some(v('ulid').good ?? v('ulid').ulids ?? [], 4).forEach((x, i) => put('codecs', 40 + i, x.text ?? x.ulid));
['0', '18446744073709551615', '90', '250ms', '7d', '12h'].forEach((x, i) => put('numbers', i, x));
some(v('blob').refs, 8).forEach((x, i) => put('blob', i, x.text));
some(v('blob').sealed, 3).forEach((x, i) => put('blob', 20 + i, Buffer.from(x.stored, 'hex')));

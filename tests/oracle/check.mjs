// The least there is to a test runner: "ok NAME", "not ok NAME" and why; exit code 1 on any failure.
import { readFileSync } from 'node:fs';

export const check = async (name, fn) => {
	try {
		await fn();
		console.log(`ok ${name}`);
	} catch (e) {
		process.exitCode = 1;
		console.log(`not ok ${name}`);
		console.log(e.stack ?? String(e));
	}
};
export const throws = async (word, fn) => {
	let got;
	try {
		await fn();
	} catch (e) {
		got = e.message;
	}
	if (got === undefined) throw new Error(`expected ${word}, but it passed`);
	if (word !== '*' && got !== word) throw new Error(`expected ${word}, got ${got}`);
};
export const equal = (got, want, what = 'value') => {
	const a = JSON.stringify(got), b = JSON.stringify(want);
	if (a !== b) throw new Error(`${what}: got ${a}, want ${b}`);
};
export const vectors = (name) => JSON.parse(readFileSync(`tests/vectors/${name}.json`, 'utf8'));

// Ed25519 and Ed25519ph after RFC 8032 section 5.1, in plain integers: slow, not constant-time, and
// not a line in common with the library under test. For making vectors only.
import {createHash} from 'node:crypto';

export const p = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const mod = (a, m = p) => ((a % m) + m) % m;
const pow = (b, e) => {
	let r = 1n;
	for (b = mod(b); e > 0n; e >>= 1n, b = (b * b) % p) if (e & 1n) r = (r * b) % p;
	return r;
};
const inv = (a) => pow(a, p - 2n);
const d = mod(-121665n * inv(121666n));
const sqrtM1 = pow(2n, (p - 1n) / 4n);

// x with the given sign, or null when y is on no point.
export function recoverX(y, sign) {
	const x2 = mod((y * y - 1n) * inv(d * y * y + 1n));
	let x = pow(x2, (p + 3n) / 8n);
	if (mod(x * x - x2) !== 0n) x = mod(x * sqrtM1);
	if (mod(x * x - x2) !== 0n) return null;
	if (Number(x & 1n) !== sign) x = mod(-x);
	return x;
}

export const identity = [0n, 1n];
export const base = [recoverX(mod(4n * inv(5n)), 0), mod(4n * inv(5n))];

export function add([x1, y1], [x2, y2]) {
	const k = mod(d * x1 * x2 * y1 * y2);
	return [mod((x1 * y2 + x2 * y1) * inv(1n + k)), mod((y1 * y2 + x1 * x2) * inv(1n - k))];
}

export function mul(n, point) {
	let r = identity;
	for (; n > 0n; n >>= 1n, point = add(point, point)) if (n & 1n) r = add(r, point);
	return r;
}

export function fromBytes(b) {
	return b.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
}

export function toBytes(n, len = 32) {
	return Buffer.from(Array.from({length: len}, (_, i) => Number((n >> BigInt(8 * i)) & 255n)));
}

export function encode([x, y], sign = Number(x & 1n)) {
	return toBytes(y | (BigInt(sign) << 255n));
}

const sha512 = (...parts) => createHash('sha512').update(Buffer.concat(parts)).digest();

function expand(seed) {
	const h = sha512(seed);
	h[0] &= 248;
	h[31] = (h[31] & 127) | 64;
	return {a: fromBytes(h.subarray(0, 32)), prefix: h.subarray(32)};
}

export function publicKey(seed) {
	return encode(mul(expand(seed).a, base));
}

function sign(seed, dom, message) {
	const {a, prefix} = expand(seed);
	const pub = publicKey(seed);
	const r = fromBytes(sha512(dom, prefix, message)) % L;
	const R = encode(mul(r, base));
	const k = fromBytes(sha512(dom, R, pub, message)) % L;
	return Buffer.concat([R, toBytes((r + k * a) % L)]);
}

export function signPlain(seed, message) {
	return sign(seed, Buffer.alloc(0), message);
}

// dom2(1, ""): pre-hashed, empty context.
export function signPh(seed, message) {
	const dom = Buffer.concat([
		Buffer.from('SigEd25519 no Ed25519 collisions'),
		Buffer.from([1, 0]),
	]);
	return sign(seed, dom, sha512(message));
}

// Node.js 18 has no global `crypto`; libsodium-wrappers asks for it when it is loaded.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;

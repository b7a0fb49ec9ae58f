// A whole bus for a test: `make up` in a folder of its own on free ports, ended by its pid.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const build = process.env.UNIBUS_BUILD ?? 'build/release';

// Below the range that outgoing connections take theirs from.
const freePort = () =>
	new Promise((resolve) => {
		const attempt = () => {
			const port = randomInt(20000, 32000);
			const s = createServer();
			s.on('error', attempt);
			s.listen(port, '127.0.0.1', () => s.close(() => resolve(port)));
		};
		attempt();
	});

export class Stack {
	static async start() {
		const s = new Stack();
		s.dir = mkdtempSync(join(tmpdir(), 'unibus-oracle-'));
		s.run = join(s.dir, 'run');
		const [http, nats, web] = [await freePort(), await freePort(), await freePort()];
		s.ctrl = `http://127.0.0.1:${http}`;
		s.nats = `nats://127.0.0.1:${nats}`;
		s.env = {
			...process.env, UNIBUS_RUN_DIR: s.run, UNIBUS_HTTP_PORT: String(http),
			UNIBUS_NATS_PORT: String(nats), UNIBUS_WEB_PORT: String(web), XDG_STATE_HOME: join(s.dir, 'state'),
		};
		s.child = spawn('sh', ['deploy/up.sh'], { env: s.env, stdio: ['ignore', 'pipe', 'pipe'] });
		s.output = '';
		await new Promise((resolve, reject) => {
			const timer = setTimeout(() => reject(new Error(`not ready after 60 s:\n${s.output}`)), 60000);
			const more = (d) => {
				s.output += d;
				if (/Ctrl-C/.test(s.output)) {
					clearTimeout(timer);
					resolve();
				}
			};
			s.child.stdout.on('data', more);
			s.child.stderr.on('data', more);
			s.child.on('exit', (code) => {
				clearTimeout(timer);
				reject(new Error(`make up ended with ${code}:\n${s.output}`));
			});
		});
		return s;
	}

	env1(identity) {
		return {
			...this.env, UNIBUS_IDENTITY: identity, UNIBUS_CTRL_URLS: this.ctrl, UNIBUS_NATS_URLS: this.nats,
		};
	}

	get admin() {
		return join(this.run, 'admin.json');
	}

	// Runs the unibus tool to its end; gives its output. Throws when it fails.
	unibus(identity, ...args) {
		const r = spawnSync(join(build, 'unibus'), args, { env: this.env1(identity), encoding: 'utf8', timeout: 30000 });
		if (r.status !== 0) throw new Error(`unibus ${args.join(' ')}: exit ${r.status}\n${r.stderr}`);
		return r.stdout;
	}

	// Runs it in the background; `lines` resolves to its output when it ends.
	background(identity, ...args) {
		const p = spawn(join(build, 'unibus'), args, { env: this.env1(identity), stdio: ['ignore', 'pipe', 'pipe'] });
		let out = '', err = '';
		p.stdout.on('data', (d) => (out += d));
		const ready = new Promise((resolve) => p.stderr.on('data', (d) => {
			err += d;
			if (/listening/.test(err)) resolve();
		}));
		const lines = new Promise((resolve, reject) => p.on('exit', (code) =>
			code === 0 ? resolve(out.trim().split('\n')) : reject(new Error(`exit ${code}: ${err}`))));
		return { ready, lines };
	}

	newIdentity(name) {
		const file = join(this.dir, `${name}.json`);
		return { file, ...JSON.parse(this.unibus(file, 'id', 'new', '--json')) };
	}

	async stop() {
		this.child.removeAllListeners('exit');
		const ended = new Promise((resolve) => this.child.on('exit', resolve));
		this.child.kill('SIGTERM');
		await ended;
		rmSync(this.dir, { recursive: true, force: true });
	}
}

// A running station for a browser test: the real binary on free ports of loopback, with a data directory of its own.
//
//	const station = await startStation();          // YIZHAN_BIN, else build/asan/yizhan
//	await station.deliver({ to: "alice", subject: "Hello" });
//	const page = await station.login(browser, "alice");
//	await station.stop();                           // fails when a sanitizer wrote a report
//
// YIZHAN_WEB_DIR: serve the page from there instead of what is in the binary.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { fileURLToPath } from "node:url";

export const TOP = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const HOST = "127.0.0.1";
const DEMO_PORTS = { smtp: 2525, submission: 5870, submissions: 4650, imap: 1430, imaps: 9930, pop3: 1100, pop3s: 9950, web: 8080 };
const START_MS = 30_000;
const STOP_MS = 20_000;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Until `what` gives something true. */
export async function until(what, ms = 8000, why = "") {
	for (const end = Date.now() + ms; ;) {
		const v = await what();
		if (v)
			return v;
		if (Date.now() > end)
			throw new Error("waited in vain" + (why ? ": " + why : ": " + what));
		await sleep(25);
	}
}

function isFree(port) {
	return new Promise((done) => {
		const s = net.createServer();
		s.once("error", () => done(false));
		s.listen(port, HOST, () => s.close(() => done(true)));
	});
}
async function freeOffset() {
	for (;;) {
		const offset = 11000 + Math.floor(Math.random() * 11000);
		if ((await Promise.all(Object.values(DEMO_PORTS).map((p) => isFree(p + offset)))).every(Boolean))
			return offset;
	}
}

/** Lines out of a socket, one promise at a time; with TLS by whatever certificate the demo has. */
export function talk(port, isTls = false) {
	const socket = isTls ? tls.connect({ port, host: HOST, rejectUnauthorized: false }) : net.connect(port, HOST);
	let rest = "", isOver = false;
	const wake = [];
	socket.setEncoding("latin1");
	socket.on("data", (d) => { rest += d; wake.splice(0).forEach((w) => w()); });
	socket.on("close", () => { isOver = true; wake.splice(0).forEach((w) => w()); });
	socket.on("error", () => {});
	const line = async () => {
		for (;;) {
			const at = rest.indexOf("\r\n");
			if (at >= 0) {
				const l = rest.slice(0, at);
				rest = rest.slice(at + 2);
				return l;
			}
			if (isOver)
				throw new Error("the connection ended; left: " + rest);
			await new Promise((w) => wake.push(w));
		}
	};
	return {
		socket, line,
		send: (text) => socket.write(text + "\r\n", "latin1"),
		/** An SMTP answer, all its lines. */
		reply: async () => {
			const lines = [];
			for (;;) {
				const l = await line();
				lines.push(l);
				if (!/^\d{3}-/.test(l))
					return lines;
			}
		},
		end: () => socket.destroy(),
	};
}

let letters = 0;
/** A message's text; what is not said is made up. */
export function letter({ from = "Ana Lima <ana@example.org>", to = "alice@yizhan.test", subject = "Hello", text = "Good morning.", html, date = new Date(),
	headers = {}, id = `<${Date.now()}.${++letters}@example.org>` } = {}) {
	const encode = (s) => /^[\x20-\x7e]*$/.test(s) ? s : `=?utf-8?B?${Buffer.from(s).toString("base64")}?=`;
	const head = { From: from, To: to, Subject: encode(subject), Date: date.toUTCString().replace("GMT", "+0000"), "Message-ID": id, "MIME-Version": "1.0", ...headers };
	const lines = Object.entries(head).map(([k, v]) => `${k}: ${v}`);
	const type = html === undefined ? "text/plain" : "text/html";
	if (!headers["Content-Type"])
		lines.push(`Content-Type: ${type}; charset=utf-8`, "Content-Transfer-Encoding: 8bit");
	return lines.join("\r\n") + "\r\n\r\n" + (html ?? text).replace(/\r?\n/g, "\r\n") + "\r\n";
}

export class Station {
	constructor(options) {
		this.options = options;
		this.data = options.data;
		this.log = "";
	}
	async start() {
		this.data ??= mkdtempSync(path.join(os.tmpdir(), "yz-browser-"));
		this.offset ??= await freeOffset();
		this.ports = Object.fromEntries(Object.entries(DEMO_PORTS).map(([k, v]) => [k, v + this.offset]));
		this.url = `http://${HOST}:${this.ports.web}`;
		const program = process.env.YIZHAN_BIN ?? path.join(TOP, "build/asan/yizhan");
		if (!existsSync(program))
			throw new Error(program + " is not there: build it, or set YIZHAN_BIN");
		this.program = program;
		const web = this.options.webDir ?? process.env.YIZHAN_WEB_DIR;
		const args = ["serve", "--data", this.data, "--port-offset", String(this.offset), ...(web ? ["--web-dir", web] : []), ...(this.options.args ?? [])];
		this.process = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, ASAN_OPTIONS: `log_path=${this.data}/asan:exitcode=66:detect_leaks=0`, UBSAN_OPTIONS: `log_path=${this.data}/ubsan:print_stacktrace=1` } });
		this.ended = new Promise((done) => this.process.once("exit", done));
		this.process.stdout.on("data", (d) => { this.log += d; });
		this.process.stderr.on("data", (d) => { this.log += d; });
		await until(() => {
			if (this.process.exitCode !== null)
				throw new Error("the station did not start:\n" + this.log);
			return existsSync(path.join(this.data, "demo.json"));
		}, START_MS, "the station's start");
		this.demo = JSON.parse(readFileSync(path.join(this.data, "demo.json"), "utf8"));
		await until(async () => (await fetch(this.url + "/healthz").catch(() => null))?.ok, START_MS, "/healthz");
		return this;
	}
	async halt() {
		if (this.process.exitCode === null)
			this.process.kill("SIGTERM");
		const late = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS);
		await this.ended;
		clearTimeout(late); // else the test's own process would wait for it
	}
	async stop() {
		await this.halt();
		const reports = readdirSync(this.data).filter((n) => /^(asan|ubsan)\./.test(n)).map((n) => readFileSync(path.join(this.data, n), "utf8"));
		rmSync(this.data, { recursive: true, force: true });
		if (reports.length)
			throw new Error("a sanitizer has reported:\n" + reports.join("\n"));
	}
	/** "alice" → { address, password } */
	account(name) {
		const found = this.demo.accounts.find((a) => a.address === name || a.address.startsWith(name + "@"));
		if (!found)
			throw new Error("no account " + name);
		return found;
	}
	/** A command of ours against this station. */
	cli(...args) {
		const done = spawnSync(this.program, ["--data", this.data, ...args], { encoding: "utf8" });
		if (done.status)
			throw new Error(`yizhan ${args.join(" ")}: ${done.status}\n${done.stdout}${done.stderr}`);
		return done.stdout;
	}
	/** The same for one that takes its time: the station's log is read meanwhile. */
	async cliLong(...args) {
		const p = spawn(this.program, ["--data", this.data, ...args], { stdio: ["ignore", "pipe", "pipe"] });
		let said = "";
		p.stdout.on("data", (d) => { said += d; });
		p.stderr.on("data", (d) => { said += d; });
		const status = await new Promise((done) => p.once("close", done));
		if (status)
			throw new Error(`yizhan ${args.join(" ")}: ${status}\n${said}`);
		return said;
	}
	/** Mail from outside, by SMTP. `raw`: the whole message; else as letter() takes it. */
	async deliver(what = {}, { from = "ana@example.org", rcpt } = {}) {
		const to = [rcpt ?? what.rcpt ?? "alice@yizhan.test"].flat().map((a) => a.includes("@") ? a : a + "@yizhan.test");
		const raw = what.raw ?? letter(what);
		const t = talk(this.ports.smtp);
		const ask = async (line, code) => {
			if (line !== null)
				t.send(line);
			const r = await t.reply();
			if (!r[r.length - 1].startsWith(code))
				throw new Error(`${line}: ${r.join(" / ")}`);
		};
		try {
			await ask(null, "220");
			await ask("EHLO test.example", "250");
			await ask(`MAIL FROM:<${from}> BODY=8BITMIME`, "250");
			for (const rcpt of to)
				await ask(`RCPT TO:<${rcpt}>`, "250");
			await ask("DATA", "354");
			const bytes = Buffer.from(raw, what.raw ? "latin1" : "utf8").toString("latin1");
			t.socket.write(bytes.replace(/^\./gm, "..").replace(/(\r\n)?$/, "\r\n.\r\n"), "latin1");
			await ask(null, "250");
			t.send("QUIT");
		} finally {
			t.end();
		}
	}
	/** An IMAP session of a test: `await imap("SELECT INBOX")` gives the lines of the answer. */
	async imap(name) {
		const t = talk(this.ports.imap);
		const who = this.account(name);
		let tag = 0;
		await t.line();
		const ask = async (command) => {
			const my = "t" + ++tag, lines = [];
			t.send(`${my} ${command}`);
			for (;;) {
				const l = await t.line();
				lines.push(l);
				if (l.startsWith(my + " ")) {
					if (!l.startsWith(my + " OK"))
						throw new Error(`${command}: ${l}`);
					return lines;
				}
			}
		};
		ask.end = () => t.end();
		await ask(`LOGIN ${who.address} ${who.password}`);
		return ask;
	}
	/** JMAP as a program would: Basic. */
	async jmap(name, calls) {
		const who = this.account(name);
		const headers = { Authorization: "Basic " + Buffer.from(`${who.address}:${who.password}`).toString("base64"), "Content-Type": "application/json" };
		const session = await (await fetch(this.url + "/jmap/session", { headers })).json();
		const accountId = session.primaryAccounts["urn:ietf:params:jmap:mail"];
		const answer = await fetch(session.apiUrl, { method: "POST", headers, body: JSON.stringify({ using: Object.keys(session.capabilities),
			methodCalls: calls.map(([m, a], i) => [m, { accountId, ...a }, "c" + i]) }) });
		return (await answer.json()).methodResponses;
	}
}

export async function startStation(options = {}) {
	return await new Station(options).start();
}

// What the server alone takes, asked over one connection that stays open, as the page asks.

import { spawnSync } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { readdirSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { CHINESE, CHINESE_MORE, CHINESE_RARE, COMMON, COMMON_MORE, RARE } from "../../tests/browser/lib/mailbox.mjs";
import { startStation } from "../../tests/browser/lib/station.mjs";

const PROPERTIES = ["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "from", "to", "subject", "hasAttachment", "preview"];
const NEWEST = [{ property: "receivedAt", isAscending: false }];

/** A client of one connection: ask(calls) → { json, ms, octets }. */
export async function client(station, { isPacked = true } = {}) {
	const who = station.account("alice"), agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	const headers = { Authorization: "Basic " + Buffer.from(`${who.address}:${who.password}`).toString("base64"), "Content-Type": "application/json",
		...(isPacked ? { "Accept-Encoding": "gzip" } : {}) };
	const ask = (method, where, body) => new Promise((done, fail) => {
		const start = performance.now();
		const r = http.request(station.url + where, { agent, method, headers: { ...headers, ...(body ? { "Content-Length": Buffer.byteLength(body) } : {}) } }, (answer) => {
			const pieces = [];
			answer.on("data", (d) => pieces.push(d));
			answer.on("end", () => {
				const octets = Buffer.concat(pieces), ms = performance.now() - start;
				if (answer.statusCode !== 200)
					return fail(new Error(`${where}: ${answer.statusCode} ${octets}`));
				const plain = answer.headers["content-encoding"] === "gzip" ? gunzipSync(octets) : octets;
				done({ json: JSON.parse(plain), ms, octets: octets.length, plain: plain.length });
			});
		});
		r.on("error", fail);
		r.end(body);
	});
	const session = (await ask("GET", "/jmap/session")).json;
	const accountId = session.primaryAccounts["urn:ietf:params:jmap:mail"], using = Object.keys(session.capabilities);
	const jmap = async (calls) => {
		const a = await ask("POST", "/jmap/api", JSON.stringify({ using, methodCalls: calls.map(([m, args], i) => [m, { accountId, ...args }, "c" + i]) }));
		const bad = a.json.methodResponses.find((r) => r[0] === "error");
		if (bad)
			throw new Error(JSON.stringify(bad));
		return { ...a, answers: a.json.methodResponses.map((r) => r[1]) };
	};
	jmap.end = () => agent.destroy();
	const { answers: [boxes] } = await jmap([["Mailbox/get", { ids: null, properties: ["role"] }]]);
	jmap.inbox = boxes.list.find((m) => m.role === "inbox").id;
	return jmap;
}

export const list = (jmap, { position = 0, filter = { inMailbox: jmap.inbox }, collapseThreads = true } = {}) => [
	["Email/query", { filter, sort: NEWEST, collapseThreads, position, limit: 50, calculateTotal: true }],
	["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: PROPERTIES }]];

async function rounds(jmap, n, calls) {
	const out = [];
	for (let i = 0; i < n; i++)
		out.push((await jmap(typeof calls === "function" ? calls(i) : calls)).ms);
	return out;
}

/** What the kernel keeps of these files is forgotten. */
function forget(dir) {
	for (const f of readdirSync(dir, { recursive: true, withFileTypes: true }))
		if (f.isFile())
			spawnSync("dd", [`if=${path.join(f.parentPath ?? f.path, f.name)}`, "iflag=nocache", "count=0", "status=none"]);
}

async function cold(data, n) {
	const out = [];
	for (let i = 0; i < n; i++) {
		forget(data);
		const station = await startStation({ data });
		const jmap = await client(station);
		forget(data);
		out.push((await jmap(list(jmap))).ms);
		jmap.end();
		await station.halt();
	}
	return out;
}

export async function measureServer(report, data, count, isQuick) {
	const n = isQuick ? 20 : 300;
	const station = await startStation({ data });
	try {
		const jmap = await client(station), plain = await client(station, { isPacked: false });
		const first = await jmap(list(jmap)), unpacked = await plain(list(plain));
		report.add("the list's answer, 50 rows: octets", unpacked.octets / 1024, { unit: "KiB", most: 30 });
		report.add("the same packed", first.octets / 1024, { unit: "KiB", most: 6 });
		await rounds(jmap, 20, list(jmap));
		report.times("Email/query and get, 50 rows, a row a conversation, warm", await rounds(jmap, n, list(jmap)), { p50: 5, p95: 15 });
		report.times("the same unpacked", await rounds(plain, n, list(plain)));
		const total = first.answers[0].total, middle = Math.floor(count / 2);
		report.times(`a row a letter, at ${middle.toLocaleString("en")}`, await rounds(jmap, n,
			(i) => list(jmap, { position: middle + i, collapseThreads: false })), { p95: 20 });
		report.times(`a row a conversation, at ${Math.floor(total / 2).toLocaleString("en")} of ${total.toLocaleString("en")}`,
			await rounds(jmap, n, (i) => list(jmap, { position: Math.floor(total / 2) + i })), { p95: 20 });
		for (const [name, text] of [["a rare word", RARE], ["a common word", COMMON], ["a common Chinese word", CHINESE], ["a rare Chinese word", CHINESE_RARE]]) {
			const calls = list(jmap, { filter: { text } }), found = (await jmap(calls)).answers[0].total;
			report.times(`full text, ${name} (${found.toLocaleString("en")} conversations), first 50`, await rounds(jmap, isQuick ? 3 : 40, calls), { p50: 40, p95: 150 });
		}
		const fresh = [...COMMON_MORE, ...CHINESE_MORE].slice(0, isQuick ? 4 : undefined);
		report.times(`full text, ${fresh.length} other common words, each for the first time`, await rounds(jmap, fresh.length,
			(i) => list(jmap, { filter: { text: fresh[i] } })), { p50: 40, p95: 150 });
		jmap.end();
		plain.end();
	} finally {
		await station.halt();
	}
	report.times("the first 50 rows with cold caches (just started, files forgotten)", await cold(data, isQuick ? 2 : 20), { p50: null, p95: 60 });
}

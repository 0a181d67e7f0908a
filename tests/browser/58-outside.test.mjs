// What needs more of the world than the demo has: a domain with MTA-STS, a client from elsewhere (web.md section 10,
// 58 and 59; the rest of the trace is in 55-trace.test.mjs).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { assert, browserTests, letter, shot, talk, until } from "./lib/browser.mjs";
import { startNames } from "./lib/names.mjs";
import { openTrace, submit } from "./lib/trace.mjs";

// its mail goes to a host that its policy does not name
const names = await startNames({ "sts.example": { MX: [[10, "evil.sts.example"]] }, "evil.sts.example": { A: ["192.0.2.1"] } });
const home = mkdtempSync(path.join(os.tmpdir(), "yz-sts-"));
writeFileSync(path.join(home, "yizhan.conf"), `demo = yes
hostname = "mx.yizhan.test"
resolver { forwarders = { "127.0.0.1:${names.port}" } dnssec = no }
listener submissions { protocol = submission tls = implicit address = { "127.0.0.1:4650" } }
listener web { protocol = http tls = none address = { "127.0.0.1:8080" } }
listener behind { protocol = smtp address = { "127.0.0.1:2525" } proxy_networks = { "127.0.0.0/8" } }
`);
after(() => names.stop().then(() => rmSync(home, { recursive: true, force: true })));

/** As if it had been fetched yesterday: a policy that is kept holds while none can be had. */
const KEEP = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
now = time.time_ns()
db.execute("INSERT INTO sts_policy VALUES (?, ?, ?, ?, ?, ?)", ("sts.example", "1", "version: STSv1\\r\\nmode: enforce\\r\\nmx: mail.sts.example\\r\\nmax_age: 604800\\r\\n", now, now, now + 600000 * 10**9))
db.commit()
`;
const { test } = browserTests({ args: ["--conf", path.join(home, "yizhan.conf")], before: async ({ station }) => {
	await station.halt();
	const done = spawnSync("/usr/bin/python3", ["-c", KEEP, path.join(station.data, "yizhan.db")], { encoding: "utf8" });
	assert.equal(done.status, 0, done.stderr);
	await station.start();
} });

test("58 a host that MTA-STS does not allow is refused, and the trace says so", async (c) => {
	const id = await submit(c.station, { to: "bob@sts.example" });
	await openTrace(c, id);
	await until(async () => /Not delivered to bob@sts.example yet/.test(await c.page.innerText(".trace-verdict p").catch(() => "")), 20_000, "the verdict");
	await shot(c.page, "trace-sts");
	const said = await c.page.innerText(".trace-recipients");
	assert.match(said, /MTA-STS/);
	assert.match(said, /evil\.sts\.example/);
	assert.ok((await c.page.innerText(".trace-recipients .trace-cause")).length > 20, "why, in words");
	assert.match(await c.page.innerText("[data-event=deferred]"), /sts/i);
	// what was done on the way to that, and which step failed
	const steps = await c.page.$$eval("[data-event=deferred] .trace-steps li", (all) => all.map((l) => l.dataset.step + (l.classList.contains("bad") ? "!" : "")));
	assert.deepEqual(steps, ["mx", "policy", "address", "policy!"]);
	assert.match(await c.page.innerText("[data-step=mx]"), /\d ms\s+MX look-up\s+10 evil\.sts\.example/);
	assert.ok(names.asked.includes("sts.example MX"), names.asked.join(" "));
});

test("59 a hop that says it was us, but came with the letter, is a claim like the others", async ({ page, station, login }) => {
	const forged = `Received: from bank.example ([203.0.113.99]) by mx.yizhan.test (Yizhan) with ESMTPS id 0FORGED00001\r\n\tfor <alice@yizhan.test>; ${new Date(Date.now() - 60_000).toUTCString().replace("GMT", "+0000")}\r\n`;
	const t = talk(station.ports.smtp);
	t.send("PROXY TCP4 198.51.100.23 127.0.0.1 4711 25");
	const ask = async (line, code) => {
		if (line !== null)
			t.send(line);
		const r = await t.reply();
		assert.ok(r[r.length - 1].startsWith(code), `${line}: ${r.join(" / ")}`);
	};
	await ask(null, "220");
	await ask("EHLO mx.yizhan.test", "250"); // it says so here too
	await ask("MAIL FROM:<bank@bank.example>", "250");
	await ask("RCPT TO:<alice@yizhan.test>", "250");
	await ask("DATA", "354");
	t.socket.write(forged + letter({ subject: "From your bank" }) + ".\r\n", "latin1");
	await ask(null, "250");
	t.end();
	const email = await until(async () => {
		const [[, q]] = await station.jmap("alice", [["Email/query", { filter: { subject: "From your bank" } }]]);
		return q.ids?.[0];
	});
	await login("alice", "/trace/" + email);
	await page.waitForSelector(".trace-verdict");
	const hops = await page.$$eval(".trace-hop", (all) => all.map((h) => ({ text: h.innerText, isClaim: h.classList.contains("claim"), says: !!h.querySelector(".trace-claimed") })));
	assert.equal(hops.length, 3);
	assert.match(hops[0].text, /bank\.example/);
	assert.deepEqual(hops.map((h) => [h.isClaim, h.says]), [[true, true], [true, true], [false, false]]);
	await shot(page, "trace-forged");
});

// The trace page: where a message is (55 to 62).

import { assert, browserTests, letter, login as loginAs, newContext, shot, until } from "./lib/browser.mjs";
import { settings, write } from "./lib/compose.mjs";
import { startPeer } from "./lib/peer.mjs";
import { openTrace, peerFor, submit, traceId } from "./lib/trace.mjs";

const { test, shared } = browserTests();

const verdict = (page) => page.innerText(".trace-verdict p");
const untilVerdict = (page, pattern) => until(async () => pattern.test(await verdict(page).catch(() => "")), 20_000, "verdict " + pattern);

test("55 sent mail that was delivered at once: verdict, path, conversation", async (c) => {
	const peer = await peerFor(c.station, "corp.example", {});
	try {
		const id = await submit(c.station, { to: "bob@corp.example", subject: "Budget plan" });
		await until(() => peer.messages.length);
		await openTrace(c, id);
		await untilVerdict(c.page, /Delivered to bob@corp.example/);
		const boxes = await c.page.$$eval(".trace-box b", (all) => all.map((b) => b.textContent));
		assert.equal(boxes.length, 3);
		assert.match(boxes[0], /alice@yizhan.test/);
		await c.page.click("[data-event=delivered] .trace-head");
		await c.page.click(".trace-talk summary");
		const lines = await c.page.$$eval(".trace-talk li", (all) => all.map((l) => l.innerText.replace(/\s+/g, " ")));
		assert.ok(lines.some((l) => /C RCPT TO:<bob@corp.example>/.test(l)), lines.join("\n"));
		assert.ok(lines.some((l) => /S 250 2.0.0 taken \+\d+\.\d{3}/.test(l)), lines.join("\n"));
		// what was done before the conversation, each with its time
		const steps = await c.page.$$eval("[data-event=delivered] .trace-steps li", (all) => all.map((l) => [l.dataset.step, l.innerText.replace(/\s+/g, " ")]));
		assert.deepEqual(steps.map(([step]) => step), ["policy", "connect"]);
		assert.match(steps[1][1], /\d[\d.]* (ms|s) Connection \[127\.0\.0\.1\]:\d+/);
		await shot(c.page, "trace-delivered");
	} finally {
		await peer.stop();
	}
}, { timeout: 60_000 });

test("56 greylisted, then delivered: two attempts, and why in words", async (c) => {
	const peer = await peerFor(c.station, "grey.example", { rcpt: ["450 4.2.0 greylisted, try later", "250 2.1.5 ok"] });
	try {
		const id = await submit(c.station, { to: "bob@grey.example" });
		await openTrace(c, id);
		await untilVerdict(c.page, /Not delivered to bob@grey.example yet/);
		assert.match(await c.page.innerText("[data-event=deferred]"), /450 4.2.0 greylisted, try later/);
		const why = await c.page.innerText(".trace-recipients .trace-cause");
		assert.ok(why.length > 20, why);
		await shot(c.page, "trace-greylisted");
		c.station.cli("queue", "retry", "--all");
		await untilVerdict(c.page, /Delivered to bob@grey.example/); // live: nobody reloads
		assert.equal(await c.page.locator("[data-event=deferred]").count(), 1);
		assert.equal(await c.page.locator("[data-event=delivered]").count(), 1);
	} finally {
		await peer.stop();
	}
});

test("57 a bounce: the failure with its reason, and the report linked", async (c) => {
	const peer = await peerFor(c.station, "gone.example", { rcpt: "550 5.1.1 no such user" });
	try {
		const id = await submit(c.station, { to: "bob@gone.example" });
		await openTrace(c, id);
		await untilVerdict(c.page, /Not delivered to bob@gone.example/);
		assert.match(await c.page.innerText(".trace-recipients .trace-cause"), /no mailbox with this name/i);
		await c.page.waitForSelector("#trace-children");
		await c.page.click("#trace-children ~ ul a");
		await c.page.waitForURL(/\/trace\/Q/);
		await c.page.waitForSelector(".trace-verdict");
	} finally {
		await peer.stop();
	}
});

test("57 a connection that fails is named, with its time", async (c) => {
	const peer = await peerFor(c.station, "dead.example", {});
	await peer.stop();
	const id = await submit(c.station, { to: "bob@dead.example" });
	await openTrace(c, id);
	await untilVerdict(c.page, /Not delivered to bob@dead.example yet/);
	assert.match(await c.page.innerText("[data-event=deferred] [data-step=connect]"), /\d[\d.]* (ms|s)\s+Connection\s+failed · .*refused/is);
	await shot(c.page, "trace-dead");
});

test("58 TLS that is demanded and not there is told", async (c) => {
	const peer = await peerFor(c.station, "plain.example", {});
	try {
		c.station.cli("tls", "set", `127.0.0.1:${peer.port}`, "encrypt");
		const id = await submit(c.station, { to: "bob@plain.example" });
		await openTrace(c, id);
		await untilVerdict(c.page, /Not delivered to bob@plain.example yet/);
		assert.match(await c.page.innerText(".trace-recipients"), /TLS/);
	} finally {
		await peer.stop();
	}
});

test("59 received mail: six hops, a clock that differs, claims marked as such", async (c) => {
	const at = (s) => new Date(Date.now() - 600_000 + s * 1000).toUTCString().replace("GMT", "+0000");
	const hop = (from, by, s) => `Received: from ${from} by ${by} with ESMTPS id x${s};\r\n\t${at(s)}\r\n`;
	const id = `<six.${Date.now()}@far.example>`;
	const raw = hop("relay4.example ([203.0.113.4])", "relay5.example", 20) + hop("relay3.example ([203.0.113.3])", "relay4.example", 15) +
		hop("relay2.example ([203.0.113.2])", "relay3.example", -4000) + hop("relay1.example ([203.0.113.1])", "relay2.example", 10) +
		hop("laptop.example ([198.51.100.7])", "relay1.example", 0) + letter({ subject: "Far away", id });
	await c.station.deliver({ raw });
	const email = await until(async () => {
		const [[, q]] = await c.station.jmap("alice", [["Email/query", { filter: { subject: "Far away" } }]]);
		return q.ids?.[0];
	});
	await c.login("alice", "/trace/" + email);
	await c.page.waitForSelector(".trace-verdict");
	assert.match(await verdict(c.page), /Received over 6 stations/);
	const hops = await c.page.$$eval(".trace-hop", (all) => all.map((h) => ({ text: h.innerText, isClaim: h.classList.contains("claim") })));
	assert.equal(hops.length, 7);
	assert.ok(hops.slice(0, 6).every((h) => h.isClaim), "what we did not see is a claim");
	assert.ok(!hops[6].isClaim, "what we saw is none");
	assert.ok(hops.some((h) => /clock differs/.test(h.text)));
	assert.equal(await c.page.locator(".trace-seen").count(), 1);
	await shot(c.page, "trace-received");
});

test("60 who was written to in secret stays unknown to the others, in what leaves, in the page and in the trace", async (c) => {
	const peer = await peerFor(c.station, "open.example", {});
	try {
		await settings(c.station, "alice", { undoSeconds: 0 });
		await c.login("alice", "/mail/inbox");
		const w = await write(c.page, { to: "ana@open.example", subject: "In confidence", text: "Good morning." });
		await w.button("Bcc").click();
		await w.box.getByRole("combobox", { name: "Bcc", exact: true }).fill("bob@yizhan.test");
		await w.box.getByRole("combobox", { name: "Bcc", exact: true }).press("Enter");
		await w.send();
		await until(() => peer.messages.length, 10_000, "ana's copy");
		assert.deepEqual(peer.messages[0].to, ["ana@open.example"]);
		assert.doesNotMatch(peer.messages[0].data, /bob|^Bcc/im);
		const sent = await until(async () => {
			const [[, q]] = await c.station.jmap("alice", [["Email/query", { filter: { subject: "In confidence" } }]]);
			return q.ids?.[0];
		});
		await c.page.goto("/trace/" + sent);
		await c.page.waitForSelector(".trace-verdict");
		assert.match(await c.page.innerText(".trace-recipients"), /bob@yizhan.test/, "who wrote it sees all");
		assert.equal(await c.page.innerText(".trace h1"), "In confidence");
		await c.page.getByText("Your copy lies in Sent · read").waitFor();
		await c.page.getByRole("button", { name: "Header" }).click();
		assert.match(await c.page.locator(".trace-header-text").innerText(), /Subject: +In confidence/);
		await c.page.keyboard.press("Escape");
		await c.page.getByRole("link", { name: "Open the message" }).click();
		await c.page.waitForURL(/\/mail\/sent\/T/);
		// bob: neither that he was alone in secret with others, nor anything of ana's delivery
		const bobs = await until(async () => {
			const [[, q]] = await c.station.jmap("bob", [["Email/query", { filter: { subject: "In confidence" } }]]);
			return q.ids?.[0];
		});
		const [, [, got]] = await c.station.jmap("bob", [["Core/echo", {}], ["Trace/get", { ids: [bobs] }]]);
		assert.doesNotMatch(JSON.stringify([got.list[0].recipients, got.list[0].events]), /ana@open|127\.0\.0\.1:/);
		const theirs = await newContext(c.browser, c.station), page = await theirs.newPage();
		await loginAs(page, c.station, "bob");
		await page.locator(".row", { hasText: "In confidence" }).click();
		await page.locator(".card.open .card-body").waitFor();
		await page.locator(".card.open .recipients").click();
		const people = await page.locator(".card.open .people").innerText();
		assert.match(people, /ana@open\.example/);
		assert.doesNotMatch(people, /bcc/i);
		await theirs.close();
	} finally {
		await peer.stop();
	}
});

test("60 nobody sees another's trace, nor recipients that were hidden from him", async (c) => {
	const id = await submit(c.station, { to: ["bob@yizhan.test", "carol@nowhere.example"], subject: "For two" }); // carol is not in the header
	const mine = await traceId(c.station, id);
	const [[, none], [, query]] = await c.station.jmap("bob", [["Trace/get", { ids: [mine] }], ["Trace/query", { filter: { messageId: id } }]]);
	assert.deepEqual([none.list, none.notFound, query.ids], [[], [mine], []]);
	const bobs = await until(async () => {
		const [[, q]] = await c.station.jmap("bob", [["Email/query", { filter: { subject: "For two" } }]]);
		return q.ids?.[0];
	});
	const [[, got]] = await c.station.jmap("bob", [["Trace/get", { ids: [bobs] }]]);
	assert.equal(got.list.length, 1);
	assert.equal(got.list[0].role, "recipient");
	assert.doesNotMatch(JSON.stringify(got), /carol/);
	await c.login("bob", "/trace/" + mine);
	await c.page.waitForSelector(".trace h1");
	assert.match(await c.page.innerText(".trace"), /no trace/i);
});

test("61 neither passwords nor the message are in the conversation", async (c) => {
	const peer = await peerFor(c.station, "login.example", { ehlo: "250-peer.example\r\n250 AUTH PLAIN LOGIN", rcpt: "450 4.2.0 later" });
	try {
		const id = await submit(c.station, { to: "bob@login.example", text: "the-secret-text" });
		const trace = await traceId(c.station, id);
		const got = await until(async () => {
			const [[, g]] = await c.station.jmap("alice", [["Trace/get", { ids: [trace] }]]);
			return g.list[0]?.events.some((e) => e.conversation) && g.list[0];
		});
		assert.doesNotMatch(JSON.stringify(got), /the-secret-text/);
		assert.doesNotMatch(JSON.stringify(got), new RegExp(c.station.account("alice").password));
		assert.ok(got.events.find((e) => e.conversation).conversation.some((l) => l.who === "S" && /450 4.2.0 later/.test(l.text)));
	} finally {
		await peer.stop();
	}
});

test("62 the page follows the letter while it is open; trying now and stopping work", async (c) => {
	const peer = await peerFor(c.station, "later.example", { rcpt: "450 4.3.2 busy" });
	try {
		const id = await submit(c.station, { to: "bob@later.example" });
		await openTrace(c, id);
		await untilVerdict(c.page, /Not delivered to bob@later.example yet/);
		await c.page.click("text=Try now");
		await c.page.waitForSelector(".toast");
		assert.match(await c.page.innerText(".toast"), /a moment ago/);
		await c.page.keyboard.press("Escape");
		await c.page.click("text=Stop trying");
		await c.page.click(".dialog-foot button.danger");
		await until(async () => !/busy/.test(c.station.cli("queue", "list")), 8000, "the queue to forget it");
	} finally {
		await peer.stop();
	}
});

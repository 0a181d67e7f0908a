// Letters that leave, octet by octet as a scripted server of somebody else gets them.

import { after } from "node:test";
import { assert, browserTests, until } from "./lib/browser.mjs";
import { composerOf, leaves, parseMail, settings, shapeOf, write } from "./lib/compose.mjs";
import { startPeer } from "./lib/peer.mjs";

let peer, hard;
const { test } = browserTests({ before: async ({ station }) => {
	peer = await startPeer();
	hard = await startPeer({ rcpt: "550 5.1.1 no such user here" });
	station.cli("route", "add", "far.example", `127.0.0.1:${peer.port}`);
	station.cli("route", "add", "hard.example", `127.0.0.1:${hard.port}`);
	await settings(station, "alice", { undoSeconds: 0 });
} });
after(async () => {
	await peer?.stop();
	await hard?.stop();
});
const arrived = async (n) => {
	await until(() => peer.messages.length > n, 20_000, "the letter at the peer");
	return peer.messages[n];
};

test("34 send plain and rich: what leaves, octet by octet", async ({ page, login }) => {
	await login("alice");
	const n = peer.messages.length;
	const c = await write(page, { to: "ana@far.example", subject: "Grüße 你好", text: "Hello " });
	await page.keyboard.press("Control+b");
	await page.keyboard.type("bold");
	await page.keyboard.press("Control+b");
	await page.keyboard.type(" words");
	await page.keyboard.press("Enter");
	await page.keyboard.type("第二行");
	await c.send();
	await c.box.waitFor({ state: "detached" });
	const got = await arrived(n);
	assert.deepEqual(got.to, ["ana@far.example"]);
	const mail = parseMail(got.data);
	assert.equal(shapeOf(mail), "alternative(text/plain text/html)");
	assert.match(mail.parts[0].body, /Hello bold words\r?\n第二行/);
	assert.match(mail.parts[1].body, /<div>Hello(&nbsp;| )<b>bold<\/b>(&nbsp;| )words<\/div><div>第二行<\/div>/);
	assert.match(mail.header("subject"), /=\?utf-8\?/i);
	assert.match(mail.header("message-id"), /^<[0-9a-f]{32}@yizhan\.test>$/);
	assert.equal(mail.header("x-yizhan-draft"), null);
	assert.equal(mail.header("bcc"), null);
	assert.doesNotMatch(got.data, /data-yz|class="(color|size)"/);
	assert.ok(got.data.split("\r\n").every((l) => l.length <= 998), "no line is longer than SMTP has");

	const p = await write(page, { to: "ana@far.example", subject: "Plain" });
	await p.button("Plain text").click();
	await p.plain.fill("one\n.\ntwo");
	await p.send();
	await p.box.waitFor({ state: "detached" });
	const plain = parseMail((await arrived(n + 1)).data);
	assert.equal(shapeOf(plain), "text/plain");
	assert.match(plain.body, /^one\r\n\.\r\ntwo/);
});

test("34 a text that is larger than a request to JMAP is kept as a draft and leaves whole", async ({ page, station, login }) => {
	await login("alice");
	const n = peer.messages.length, line = `中文 and English, ${"word after word, ".repeat(7)}and on.`;
	const c = await write(page, { to: "ana@far.example", subject: "Long 34" });
	await c.button("Plain text").click();
	await c.plain.evaluate((el, [l, n]) => { // Chromium types long texts for minutes
		el.value = `${l}\n`.repeat(n) + "the end";
		el.dispatchEvent(new Event("input", { bubbles: true }));
	}, [line, 9000]);
	await c.saved();
	await c.send();
	await c.box.waitFor({ state: "detached" });
	const mail = parseMail((await arrived(n)).data);
	assert.equal(shapeOf(mail), "text/plain");
	const lines = mail.body.trimEnd().split("\r\n");
	assert.deepEqual([lines.length, lines[0], lines[8999], lines[9000]], [9001, line, line, "the end"]);
	assert.ok(!(await station.jmap("alice", [["Email/query", { filter: { hasKeyword: "$draft" } }]]))[0][1].ids.length, "the draft is gone");
});

test("34 an answer is threaded, and the letter says that it was answered", async ({ page, station, login }) => {
	await station.deliver({ subject: "Question 34", from: "Ana <ana@far.example>", id: "<q34@far.example>", headers: { References: "<older@far.example>" } });
	await login("alice");
	await page.getByRole("option", { name: /Question 34/ }).first().click();
	const n = peer.messages.length;
	await page.locator("main").getByText("Good morning.").first().waitFor().catch(() => {});
	await page.locator("body").press("r");
	const c = composerOf(page);
	await c.rich.waitFor();
	await page.keyboard.type("Answer");
	await c.send();
	await c.box.waitFor({ state: "detached" });
	const mail = parseMail((await arrived(n)).data);
	assert.equal(mail.header("subject"), "Re: Question 34");
	assert.equal(mail.header("in-reply-to"), "<q34@far.example>");
	assert.equal(mail.header("references"), "<older@far.example> <q34@far.example>");
	assert.match(leaves(mail)[0].body, /^Answer[^]*> Good morning\./);
	await until(async () => {
		const [[, query], [, got]] = await station.jmap("alice", [["Email/query", { filter: { header: ["Message-ID", "q34@far.example"] } }],
			["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: ["keywords"] }]]);
		return query.ids.length && got.list[0].keywords.$answered;
	}, 8000, "$answered");
});

test("35 reply-all writes as who was addressed, and not to ourselves", async ({ page, station, login }) => {
	station.cli("alias", "add", "office@yizhan.test", "alice@yizhan.test");
	await station.jmap("alice", [["Identity/set", { create: { o: { name: "Office", email: "office@yizhan.test" } } }]]);
	await station.deliver({ subject: "For the office", from: "Ana <ana@far.example>", to: "office@yizhan.test, Bob <bob@far.example>", headers: { Cc: "alice@yizhan.test, carol@far.example" } }, { rcpt: "office" });
	await login("alice");
	await page.getByRole("option", { name: /For the office/ }).first().click();
	await page.locator("main").getByText("Good morning.").first().waitFor().catch(() => {});
	await page.locator("body").press("a");
	const c = composerOf(page);
	await c.rich.waitFor();
	assert.match(await c.from.locator("option:checked").textContent(), /office@yizhan\.test/);
	assert.deepEqual(await c.chips.allTextContents(), ["Ana", "Bob", "carol@far.example"]);
});

test("36 forward takes the files along without loading them up", async ({ page, station, login }) => {
	const boundary = "b36";
	await station.deliver({ subject: "With a file", from: "Ana <ana@far.example>", headers: { "Content-Type": `multipart/mixed; boundary=${boundary}` },
		text: `--${boundary}\nContent-Type: text/plain\n\nSee it.\n--${boundary}\nContent-Type: application/pdf; name="plan.pdf"\nContent-Disposition: attachment; filename="plan.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--${boundary}--` });
	await login("alice");
	await page.getByRole("option", { name: /With a file/ }).first().click();
	await page.locator("main").getByText("plan.pdf").first().waitFor();
	const uploads = [];
	page.on("request", (r) => r.url().includes("/jmap/upload/") && uploads.push(r.url()));
	const n = peer.messages.length;
	await page.locator("body").press("f");
	const c = composerOf(page);
	await c.rich.waitFor();
	assert.match(await c.files.first().textContent(), /plan\.pdf/);
	await c.to.fill("dora@far.example");
	await c.to.press("Enter");
	await c.send();
	await c.box.waitFor({ state: "detached" });
	const mail = parseMail((await arrived(n)).data);
	assert.equal(shapeOf(mail), "mixed(alternative(text/plain text/html) application/pdf)");
	assert.equal(leaves(mail)[2].octets.toString(), "%PDF-1.4\n");
	assert.match(leaves(mail)[0].body, /Forwarded message[^]*From: Ana <ana@far\.example>[^]*See it\./);
	assert.deepEqual(uploads, []);
});

test("41 undo send, also after a reload", async ({ page, station, login }) => {
	await settings(station, "alice", { undoSeconds: 20 });
	try {
		await login("alice");
		const n = peer.messages.length;
		const c = await write(page, { to: "ana@far.example", subject: "Not yet", text: "wait" });
		await c.send();
		await page.locator(".held").getByText(/Sending in \d+ s/).waitFor();
		await page.reload();
		await page.locator(".held").getByRole("button", { name: "Undo" }).click();
		const again = composerOf(page);
		await again.rich.getByText("wait").waitFor();
		assert.equal(await again.subject.inputValue(), "Not yet");
		const [[, subs]] = await station.jmap("alice", [["EmailSubmission/query", { filter: { undoStatus: "pending" } }]]);
		assert.deepEqual(subs.ids, []);
		assert.equal(peer.messages.length, n);
	} finally {
		await settings(station, "alice", { undoSeconds: 0 });
	}
});

test("41 what is taken back after a reload has not answered anything", async ({ page, station, login }) => {
	await settings(station, "alice", { undoSeconds: 20 });
	try {
		await station.deliver({ subject: "Question 41", from: "Ana <ana@far.example>" });
		const isAnswered = async () => {
			const [[, q]] = await station.jmap("alice", [["Email/query", { filter: { subject: "Question 41", inMailboxOtherThan: [] } }]]);
			const [[, got]] = await station.jmap("alice", [["Email/get", { ids: q.ids, properties: ["keywords", "subject"] }]]);
			return !!got.list.find((e) => e.subject === "Question 41").keywords.$answered;
		};
		await login("alice");
		await page.getByRole("option", { name: /Question 41/ }).first().click();
		await page.locator(".quick-buttons button").first().click();
		const c = composerOf(page);
		await c.rich.waitFor();
		await c.send();
		await until(isAnswered, 8000, "answered");
		await page.reload();
		await page.locator(".held").getByRole("button", { name: "Undo" }).click();
		await composerOf(page).rich.waitFor();
		await until(async () => !await isAnswered(), 8000, "not answered any more");
	} finally {
		await settings(station, "alice", { undoSeconds: 0 });
	}
});

test("42 schedule, look at it, and cancel", async ({ page, station, login }) => {
	await login("alice");
	const n = peer.messages.length;
	const c = await write(page, { to: "ana@far.example", subject: "Tomorrow", text: "later" });
	await c.button("Ways to send").click();
	await page.getByRole("menuitem", { name: /Tomorrow morning/ }).click();
	await c.box.waitFor({ state: "detached" });
	const [[, pending]] = await station.jmap("alice", [["EmailSubmission/get", { ids: null }]]);
	const s = pending.list.find((x) => x.undoStatus === "pending");
	const at = new Date(s.sendAt);
	assert.deepEqual([at.getHours(), at.getMinutes()], [8, 0]);
	assert.ok(at > Date.now());
	await page.getByRole("navigation", { name: "Folders" }).getByRole("link", { name: /Scheduled/ }).click();
	await page.locator(".row", { hasText: "Tomorrow" }).waitFor();
	await page.getByRole("button", { name: "Change or cancel" }).click();
	const list = page.getByRole("dialog", { name: "Scheduled messages" });
	await list.getByText("Tomorrow").first().waitFor();
	await list.getByRole("button", { name: "Cancel sending" }).click();
	await list.getByText("No scheduled messages").waitFor();
	const [[, after2]] = await station.jmap("alice", [["EmailSubmission/get", { ids: [s.id] }]]);
	assert.equal(after2.list[0].undoStatus, "canceled");
	assert.equal(peer.messages.length, n);
	await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
	await page.locator(".row", { hasText: "Tomorrow" }).waitFor({ state: "detached" });
});

test("43 a letter that cannot be delivered comes back with the reason", async ({ page, login }) => {
	await login("alice");
	const c = await write(page, { to: "nobody@hard.example", subject: "Into the void", text: "precious words" });
	await c.send();
	await c.box.waitFor({ state: "detached" });
	const toast = page.locator(".toast.bad");
	await toast.getByText("550 5.1.1").waitFor({ timeout: 20_000 });
	await toast.getByRole("button", { name: "Open the message" }).click();
	const again = composerOf(page);
	await again.rich.getByText("precious words").waitFor();
	await again.box.locator(".composer-problem").getByText("nobody@hard.example").waitFor();
	assert.equal(await again.box.locator(".person.bad").count(), 1);
});

test("43 a letter that our own server refuses stays open with the reason", async ({ page, login }) => {
	await login("alice");
	const c = await write(page, { to: "nobody-here@yizhan.test", subject: "Refused", text: "precious words" });
	await c.send();
	await c.box.locator(".composer-problem").getByText("nobody-here@yizhan.test").waitFor();
	await c.rich.getByText("precious words").waitFor();
	await c.saved();
});

// Reading a conversation: what is open, what is loaded, what is said about it.

import { randomBytes } from "node:crypto";
import { browserTests, shot, talk } from "./lib/browser.mjs";
import { allFacts, assert, deliverAndOpen, factIds, find, frameOf, html, mail, more, multipart, open, part, plain, until } from "./lib/mail.mjs";
import { startTrap } from "./lib/trap.mjs";

const { test } = browserTests();
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC", "base64");

async function append(station, box, raw, flags = "\\Seen") {
	const t = talk(station.ports.imap), who = station.account("alice");
	await t.line();
	const ask = async (line) => {
		t.send("a " + line);
		for (;;) {
			const l = await t.line();
			if (l.startsWith("a ") || l.startsWith("+"))
				return l;
		}
	};
	await ask(`LOGIN ${who.address} ${who.password}`);
	assert.match(await ask(`APPEND ${box} (${flags}) {${raw.length}}`), /^\+/);
	t.send(raw);
	for (;;) {
		const l = await t.line();
		if (l.startsWith("a ")) {
			assert.match(l, /^a OK/);
			break;
		}
	}
	t.end();
}

test("18 conversation with own replies from Sent", async (x) => {
	const { station, page } = x;
	const first = "<conv.1@example.org>";
	await station.deliver({ raw: plain("Shall we meet?", { subject: "Meeting", id: first }) });
	await append(station, "Sent", plain("Yes, at ten.\r\n\r\nOn Tuesday, Ana wrote:\r\n> Shall we meet?\r\n", { from: "Alice <alice@yizhan.test>", to: "ana@example.org", subject: "Re: Meeting", id: "<conv.2@yizhan.test>",
		headers: { "In-Reply-To": first, References: first } }));
	await find(station, "Re: Meeting");
	const imap = await station.imap("alice");
	await imap("SELECT INBOX");
	await imap("STORE 1:* +FLAGS.SILENT (\\Seen)");
	imap.end();
	await station.deliver({ raw: plain("Good. I bring the numbers.", { subject: "Re: Re: Meeting", id: "<conv.3@example.org>", headers: { "In-Reply-To": "<conv.2@yizhan.test>", References: `${first} <conv.2@yizhan.test>` } }) });
	await open(x, "Re: Re: Meeting");
	await page.waitForFunction(() => document.querySelectorAll(".card").length === 3);
	assert.equal(await page.textContent(".reader h1"), "Meeting");
	assert.deepEqual(await page.$$eval(".card", (c) => c.map((e) => e.classList.contains("open"))), [false, false, true], "read ones are folded");
	assert.match(await page.textContent(".card:nth-child(2)"), /^Ame|me/);
	// what was quoted is folded away, and comes when it is asked for
	await page.click(".card:nth-child(2) .card-line");
	await page.waitForSelector(".card:nth-child(2) .mail-text");
	assert.equal(await page.isVisible(".card:nth-child(2) .quote"), false);
	await page.click(".card:nth-child(2) .folded > summary");
	assert.equal(await page.isVisible(".card:nth-child(2) .quote"), true);
	assert.match(await page.textContent(".card:nth-child(3) .card-from"), /Ana Lima <ana@example\.org>/);
	// read after a moment, on the server
	await until(async () => (await find(station, "Re: Re: Meeting")).keywords.$seen, 5000, "read");
	// keys: previous, next; back to unread
	await page.keyboard.press("p");
	await page.waitForSelector(".card:nth-child(1).current");
	await page.keyboard.press("n");
	await page.waitForSelector(".card:nth-child(2).current");
	await page.keyboard.press("Shift+U");
	await until(async () => !(await find(station, "Re: Re: Meeting")).keywords.$seen, 5000, "unread again");
	await page.waitForURL(/\/mail\/inbox$/);
	await shot(page, "18-conversation");
});

test("20 images are loaded by the proxy alone, and not from this network", async (x) => {
	const { page, context } = x;
	const trap = await startTrap();
	try {
		context.setQuiet(/status of 502|status of 4\d\d|Failed to load/);
		const far = `http://127.0.0.1:${trap.port}/pixel.png`;
		await deliverAndOpen(x, html(`<p>News</p><img src="${far}" width=40 height=30 alt=logo><img src="${far}?2"><p style="background:url(${far}?css)">x</p>`, { subject: "Pictures" }), "Pictures");
		const frame = await frameOf(page);
		await page.waitForSelector("[data-fact=images]");
		assert.match(await page.textContent("[data-fact=images]"), /2 external images blocked/);
		assert.equal(await frame.$eval("img", (i) => i.hasAttribute("src")), false);
		const asked = [];
		page.on("request", (r) => asked.push(new URL(r.url()).pathname));
		await page.click("[data-fact=images] .button");
		await page.waitForSelector(".note:has-text('could not be loaded')");
		assert.ok(asked.includes("/jmap/image") && asked.every((p) => /^\/jmap\/(image|api)$/.test(p)), asked.join(" "));
		assert.equal(trap.connections, 0, "neither the browser nor the server goes there");
		// what the proxy gives is shown, from a blob, and only for this time
		await page.route("**/jmap/image*", (r) => r.fulfill({ contentType: "image/png", body: PNG }));
		await page.reload();
		await page.waitForSelector("[data-fact=images]");
		await page.click("[data-fact=images] .button");
		const again = await frameOf(page);
		await until(() => again.$eval("img", (i) => i.naturalWidth === 10), 5000, "the picture");
		assert.match(await again.$eval("img", (i) => i.src), /^blob:/);
		assert.equal((await factIds(page)).includes("images"), false);
		// always for this sender: also after a reload
		await page.reload();
		await page.click("[data-fact=images] .button:nth-of-type(2)");
		await page.waitForTimeout(1200);
		await page.reload();
		const third = await frameOf(page);
		await until(() => third.$eval("img", (i) => i.naturalWidth === 10), 5000, "the picture without asking");
	} finally {
		await trap.stop();
	}
});

test("21 pictures of the message itself", async (x) => {
	const { page } = x;
	const related = multipart("related", [part("text/html; charset=utf-8", `<p>Look: <img src="cid:Pic%401@x" alt=pic></p>`), part("image/png; name=pic.png", PNG, { "Content-ID": "<pic@1@x>", "Content-Disposition": "inline; filename=pic.png" })]);
	await deliverAndOpen(x, mail(related, { subject: "Inline" }), "Inline");
	const frame = await frameOf(page);
	await until(() => frame.$eval("img", (i) => i.naturalWidth === 10), 5000, "the picture");
	assert.match(await frame.$eval("img", (i) => i.src), /^blob:/);
	assert.equal(await page.$(".attachment"), null, "what the text shows is not listed again");
	assert.deepEqual(await factIds(page), []);
});

const PAPER = `getComputedStyle(document.documentElement).backgroundColor`;
test("22 dark mode and light switch", async (x) => {
	const { page, station } = x;
	await station.deliver({ raw: html(`<p>Nothing but words</p>`, { subject: "Dark plain" }) });
	await station.deliver({ raw: html(`<body bgcolor="#ffffff"><p style="color:#222">Coloured</p>`, { subject: "Dark coloured" }) });
	await station.deliver({ raw: html(`<head><meta name="color-scheme" content="light dark"><style>p{color:#111}@media (prefers-color-scheme: dark){p{color:#99ff99}}</style></head><p>I know the dark</p>`, { subject: "Dark ready" }) });
	await open(x, "Dark plain");
	assert.equal(await (await frameOf(page)).evaluate(PAPER), "rgb(21, 24, 27)");
	await open(x, "Dark ready");
	let frame = await frameOf(page);
	await until(async () => await frame.$eval("p", (p) => getComputedStyle(p).color) === "rgb(153, 255, 153)", 3000, "its own dark colours");
	assert.equal(await frame.evaluate(PAPER), "rgb(21, 24, 27)");
	await page.click(".card-actions button[aria-label='Show on light paper']");
	await until(async () => await frame.evaluate(PAPER) === "rgb(255, 255, 255)", 3000, "light paper by one click");
	assert.equal(await frame.$eval("p", (p) => getComputedStyle(p).color), "rgb(17, 17, 17)");
	await open(x, "Dark coloured");
	frame = await frameOf(page);
	await until(async () => await frame.evaluate(PAPER) === "rgb(255, 255, 255)", 3000, "light paper");
	assert.equal(await frame.$eval("p", (p) => getComputedStyle(p).filter), "none");
	await shot(page, "22-dark");
}, { colorScheme: "dark" });

test("23 plain text, format=flowed, quotes", async (x) => {
	const { page } = x;
	const text = "A long line that \r\nflows on.\r\n> quoted \r\n> and flowed\r\n>> deeper\r\nMy answer: https://example.org/a?b=c. Or bob@example.org\r\n\r\nOn Tuesday, Ana wrote:\r\n> old words\r\n-- \r\nAna\r\n";
	await deliverAndOpen(x, mail(part("text/plain; charset=utf-8; format=flowed", text), { subject: "Flowed" }), "Flowed");
	const box = page.locator(".mail-text");
	assert.match(await box.innerText(), /A long line that flows on\./);
	assert.equal(await page.textContent(".quote.depth-1"), "quoted and flowed");
	assert.equal(await page.textContent(".quote.depth-2"), "deeper");
	assert.equal(await page.getAttribute(".mail-text a >> nth=0", "href"), "https://example.org/a?b=c");
	assert.equal(await page.getAttribute(".mail-text a >> nth=0", "rel"), "noopener noreferrer");
	assert.equal(await page.getAttribute(".mail-text a >> nth=1", "href"), "mailto:bob@example.org");
	assert.equal(await page.isVisible("text=old words"), false);
	assert.equal(await box.getAttribute("dir"), "auto");
});

test("24 charsets and writing from right to left", async (x) => {
	const { page, station } = x;
	const cases = [
		["gb18030", "text/plain; charset=gb18030", Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 0x81, 0x30, 0x84, 0x36]), "你好¥"],
		["iso-2022-jp", "text/plain; charset=iso-2022-jp", Buffer.from("\x1b$B$3$s$K$A$O\x1b(B", "latin1"), "こんにちは"],
		["koi8-r", "text/plain; charset=koi8-r", Buffer.from([0xf0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4]), "Привет"],
		["broken", "text/plain; charset=utf-8", Buffer.from([0x61, 0xff, 0xfe, 0x62]), "a"],
		["html in gb2312", "text/html; charset=gb2312", Buffer.from([0x3c, 0x70, 0x3e, 0xc4, 0xe3, 0xba, 0xc3, 0x3c, 0x2f, 0x70, 0x3e]), "你好"],
	];
	for (const [name, type, octets] of cases)
		await station.deliver({ raw: mail(part(type, octets), { subject: "Charset " + name }) });
	for (const [name, type, , expected] of cases) {
		await open(x, "Charset " + name);
		const shown = type.startsWith("text/html") ? await (await frameOf(page)).evaluate(() => document.body.textContent) : await page.innerText(".mail-text");
		assert.ok(shown.includes(expected), `${name}: ${JSON.stringify(shown)}`);
		if (name === "broken")
			assert.ok(await page.isVisible("text=could not be read"), "the reader says that octets were lost");
	}
	await deliverAndOpen(x, plain("مرحبا بالعالم\r\nHello\r\n", { subject: "مرحبا" }), "مرحبا");
	assert.equal(await page.$eval(".reader h1", (e) => getComputedStyle(e).direction), "rtl");
	assert.equal(await page.$eval(".mail-text", (e) => getComputedStyle(e).direction), "rtl");
});

test("27 what others say about the sender is ignored", async (x) => {
	const { page, station } = x;
	const name = await station.jmap("alice", [["Core/echo", {}]]).then(async () => (await (await fetch(station.url + "/jmap/session", { headers: { Authorization: "Basic " + Buffer.from(`alice@yizhan.test:${station.account("alice").password}`).toString("base64") } })).json())
		.capabilities["https://yizhan.dev/jmap/page"]?.authservId);
	assert.ok(name, "our name in Authentication-Results");
	const says = (who, what) => `Authentication-Results: ${who}; ${what}\r\n`;
	await deliverAndOpen(x, plain("Believe me.", { subject: "Forged", above: says(name, "dkim=pass header.d=example.org; dmarc=pass header.from=example.org") + says("mx.elsewhere.example", "dmarc=pass header.from=example.org") }), "Forged");
	assert.equal((await allFacts(page)).includes("verified"), false, "a field that came with the message");
	// ours stands above what this server wrote at arrival
	await append(station, "INBOX", plain("Checked.", { subject: "Checked", above: says(name, "dkim=pass header.d=example.org; dmarc=pass header.from=example.org") + "Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\r\n" }), "");
	await open(x, "Checked");
	assert.match(await page.textContent("[data-fact=verified]"), /Verified: example\.org \(DKIM, DMARC\)/);
	await append(station, "INBOX", plain("Not mine.", { subject: "Failed", above: says(name, "dmarc=fail header.from=example.org") + "Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\r\n" }), "");
	await open(x, "Failed");
	assert.match(await page.textContent("[data-fact=dmarcFails]"), /Fails DMARC: example\.org/);
});

test("28 hints of fraud", async (x) => {
	const { page } = x;
	await deliverAndOpen(x, mail(multipart("mixed", [part("text/html; charset=utf-8", `<p><a href="https://evil.example/">https://bank.example/login</a> <a href="https://good.example/">words</a></p>`),
		part("application/octet-stream; name=\"invoice.pdf.exe\"", "MZ", { "Content-Disposition": "attachment; filename=\"invoice.pdf.exe\"" })]), { subject: "Locked", from: "Bank <x@xn--80ak6aa92e.com>", headers: { "Reply-To": "y@other.example" } }), "Locked");
	await frameOf(page);
	await page.waitForSelector("[data-fact=lookalikeSender]");
	assert.equal((await factIds(page)).length, 2, "two facts in sight");
	const all = await allFacts(page);
	for (const id of ["lookalikeSender", "disguisedFile", "linkElsewhere", "replyElsewhere", "first"])
		assert.ok(all.includes(id), id + " in " + all.join(" "));
	assert.match(await page.textContent("[data-fact=linkElsewhere]"), /“bank\.example” leads to evil\.example/);
	assert.match(await page.textContent(".attachment.dangerous"), /Do not open it/);
	// the link asks first, and says where it leads
	const frame = await frameOf(page);
	await frame.click("a >> nth=0");
	await page.waitForSelector("dialog:has-text('evil.example')");
	await page.click("dialog .button:has-text('Cancel')");
	assert.equal(x.context.pages().length, 1);
	await shot(page, "28-hints");
});

test("29 unsubscribe with one click", async (x) => {
	const { page, context } = x;
	context.setQuiet(/status of 502|Failed to load/);
	await deliverAndOpen(x, plain("News", { subject: "List", from: "News <news@shop.example>", headers: { "List-Id": "Shop news <news.shop.example>", "List-Unsubscribe": "<mailto:u@shop.example>, <https://127.0.0.1:1/u?x>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" } }), "List");
	await page.click("[data-fact=list] .button");
	await page.waitForSelector("dialog:has-text('Shop news')");
	let answer = 204;
	const asked = [];
	await page.route("**/jmap/unsubscribe", (r) => {
		asked.push({ ...r.request().postDataJSON(), header: r.request().headers()["x-yizhan"] });
		return answer === 204 ? r.fulfill({ status: 204 }) : r.continue();
	});
	await page.click("dialog .button.primary");
	await page.waitForSelector(".toast:has-text('Unsubscribed from Shop news')");
	assert.equal(asked.length, 1);
	assert.equal(asked[0].header, "1");
	assert.match(asked[0].emailId, /^M/);
	// the server itself does not go to addresses of its own network; the page says that it did not work
	answer = 0;
	await page.click("[data-fact=list] .button");
	await page.click("dialog .button.primary");
	await page.waitForSelector(".toast.bad");
});

test("30 source, headers, parts; .eml equals the original octets", async (x) => {
	const { page, station } = x;
	const raw = mail(multipart("mixed", [part("text/plain; charset=utf-8", "Body with ünï"), part("image/png; name=p.png", PNG, { "Content-Disposition": "attachment; filename=p.png" })]), { subject: "Octets", headers: { "X-Odd": "  two  blanks\r\n\tfolded" } });
	const email = await deliverAndOpen(x, raw, "Octets");
	await more(page, "Source");
	await page.waitForSelector("pre.source");
	assert.ok((await page.textContent("pre.source")).includes("X-Odd:   two  blanks"));
	const [download] = await Promise.all([page.waitForEvent("download"), page.click("dialog .button:has-text('.eml')")]);
	assert.equal(download.suggestedFilename(), "Octets.eml");
	const { readFileSync } = await import("node:fs");
	const saved = readFileSync(await download.path());
	assert.ok(saved.toString("latin1").endsWith(raw), "what was sent, octet for octet, below the fields of the way");
	const ask = await station.imap("alice");
	const box = await ask("SELECT INBOX");
	void box;
	const who = station.account("alice");
	const blob = await fetch(`${station.url}/jmap/download/${(await (await fetch(station.url + "/jmap/session", { headers: { Authorization: "Basic " + Buffer.from(`${who.address}:${who.password}`).toString("base64") } })).json()).primaryAccounts["urn:ietf:params:jmap:mail"]}/${email.blobId}/x?type=message/rfc822`,
		{ headers: { Authorization: "Basic " + Buffer.from(`${who.address}:${who.password}`).toString("base64") } });
	assert.ok(Buffer.from(await blob.arrayBuffer()).equals(saved));
	ask.end();
	await page.keyboard.press("Escape");
	await more(page, "Headers");
	await page.waitForSelector("table.headers");
	assert.ok((await page.$$eval("table.headers th", (l) => l.map((e) => e.textContent))).includes("X-Odd"));
	await page.keyboard.press("Escape");
	await more(page, "MIME parts");
	await page.waitForSelector("table.parts tbody tr");
	assert.deepEqual(await page.$$eval("table.parts tbody td:first-child", (l) => l.map((e) => e.textContent.trim())), ["multipart/mixed", "1 text/plain", "2 image/png"]);
	await page.keyboard.press("Escape");
});

test("31 print view", async (x) => {
	const { page } = x;
	await deliverAndOpen(x, html(`<style>p{color:red}</style><p>On <b>paper</b></p>`, { subject: "Paper" }), "Paper");
	await more(page, "Print");
	await page.waitForSelector("dialog .button.primary:not([aria-disabled])");
	const frame = await (await page.$("iframe.print-frame")).contentFrame();
	const words = await frame.evaluate(() => document.body.innerText + [...document.querySelectorAll("section div")].map((d) => d.shadowRoot?.textContent ?? "").join(" "));
	for (const w of ["Paper", "ana@example.org", "alice@yizhan.test", "paper"])
		assert.ok(words.includes(w), w);
	assert.equal(await frame.evaluate(() => getComputedStyle(document.querySelector("h1")).color), "rgb(0, 0, 0)", "its style stays its own");
	await page.evaluate(() => {
		const w = document.querySelector("iframe.print-frame").contentWindow;
		w.addEventListener("beforeprint", () => { window.printed = true; });
		w.print = () => { window.printed = true; };
	});
	await page.click("dialog .button.primary");
	assert.equal(await page.evaluate(() => window.printed), true);
	await shot(page, "31-print");
});

test("32 a message of 5 MB stays responsive", async (x) => {
	const { page, station } = x;
	const row = (i) => `<tr><td style="color:#333">${i}</td><td><a href="https://example.org/${i}">link ${i}</a></td><td>${"words ".repeat(12)}</td></tr>`;
	let body = "<html><body><table>";
	for (let i = 0; body.length < 5 << 20; i++)
		body += row(i);
	body += "</table><p id=end>The end</p></body></html>";
	await station.deliver({ raw: html(body, { subject: "Huge" }) });
	const email = await find(station, "Huge");
	await x.login("alice", "/mail/inbox");
	await page.waitForSelector(".top");
	await page.evaluate(() => {
		window.longest = 0;
		let last = performance.now();
		const tick = () => {
			const now = performance.now();
			window.longest = Math.max(window.longest, now - last);
			last = now;
			setTimeout(tick, 0);
		};
		tick();
	});
	await page.evaluate((to) => {
		history.pushState({ ours: true }, "", to);
		dispatchEvent(new PopStateEvent("popstate"));
	}, `/mail/inbox/${email.threadId}`);
	await page.waitForSelector("iframe.mail-frame");
	await page.waitForSelector("button:has-text('Show the whole message')", { timeout: 20_000 });
	const frame = await frameOf(page);
	await page.waitForSelector("iframe.mail-frame[data-filled]", { timeout: 20_000 });
	assert.ok(await frame.evaluate(() => document.querySelectorAll("tr").length > 3000), "the first part");
	assert.ok(await page.evaluate(() => window.longest) < 1500, "the page was stuck for " + await page.evaluate(() => Math.round(window.longest)) + " ms");
	await page.click("button:has-text('Show the whole message')");
	await until(() => page.evaluate(() => !!document.querySelector("iframe.mail-frame[data-filled]")?.contentDocument.querySelector("#end")), 60_000, "all of it");
	// keys are heard all the while
	await page.keyboard.press("u");
	await page.waitForURL(/\/mail\/inbox$/);
}, { timeout: 120_000 });

test("25 attachments: preview, save, zip; HTML does not run", async (x) => {
	const { page } = x;
	const big = randomBytes(3000);
	const file = (type, name, octets) => part(`${type}; name="${name}"`, octets, { "Content-Disposition": `attachment; filename="${name}"` });
	await deliverAndOpen(x, mail(multipart("mixed", [part("text/plain; charset=utf-8", "See files."), file("image/png", "p.png", PNG), file("text/plain", "notes.txt", "Notes\r\n> quoted\r\n"),
		file("text/html", "page.html", "<script>top.pwned=1;alert(1)</script>"), file("application/octet-stream", "data.bin", big), file("application/pdf", "a.pdf", "%PDF-1.4")]), { subject: "Files" }), "Files");
	assert.equal(await page.locator(".attachment").count(), 5);
	await page.click("button.attachment-name:has-text('p.png')");
	await until(() => page.$eval(".preview img", (i) => i.naturalWidth === 10), 5000, "the preview");
	await page.keyboard.press("Escape");
	await page.click("button.attachment-name:has-text('notes.txt')");
	await page.waitForSelector(".preview .quote");
	await page.keyboard.press("Escape");
	assert.equal(await page.locator("button.attachment-name:has-text('page.html')").count(), 0, "a web page is not opened here");
	const [saved] = await Promise.all([page.waitForEvent("download"), page.click(".attachment:has-text('page.html') a[download]")]);
	assert.equal(saved.suggestedFilename(), "page.html");
	const [zip] = await Promise.all([page.waitForEvent("download"), page.click("button:has-text('Save all as ZIP')")]);
	const { readFileSync } = await import("node:fs");
	const octets = readFileSync(await zip.path());
	assert.equal(octets.readUInt32LE(0), 0x04034b50);
	assert.ok(octets.includes(big) && octets.includes(PNG), "files are in it as they are");
	assert.equal(await page.evaluate(() => window.pwned), undefined);
	await shot(page, "25-attachments");
});

test("33 a message within a message, and winmail.dat", async (x) => {
	const { page } = x;
	const inner = html("<p>The <b>inner</b> words</p>", { subject: "Inner subject", from: "Bob <bob@inner.example>" });
	await deliverAndOpen(x, mail(multipart("mixed", [part("text/plain; charset=utf-8", "See below."), `Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n${inner}\r\n`,
		part("application/ms-tnef; name=winmail.dat", "x\x9f>\"", { "Content-Disposition": "attachment; filename=winmail.dat" })]), { subject: "Forwarded" }), "Forwarded");
	assert.match(await page.textContent(".attachment:has-text('winmail.dat')"), /Outlook package/);
	await page.click(".attachment button.attachment-name >> nth=0");
	await page.waitForSelector("dialog:has-text('Inner subject')");
	assert.match(await page.textContent("dialog .people"), /bob@inner\.example/);
	const handle = await page.waitForSelector("dialog iframe.mail-frame");
	const frame = await handle.contentFrame();
	await until(() => frame.evaluate(() => document.body.textContent.includes("inner words")), 5000, "the inner text");
	await shot(page, "33-inner");
});

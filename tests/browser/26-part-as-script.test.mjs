// A part of a message is never a script, a style sheet or a page of this server's: in Chromium and in Firefox.

import { test } from "node:test";
import { assert, browserTests, startStation, until } from "./lib/browser.mjs";
import { launchFirefox, loginFirefox } from "./lib/firefox.mjs";
import { find, mail, multipart, part } from "./lib/mail.mjs";

const RUN = "window.pwned=(window.pwned||0)+1";
const file = (type, name, octets) => part(`${type}; name="${name}"`, octets, { "Content-Disposition": `attachment; filename="${name}"` });
const raw = () => mail(multipart("mixed", [part("text/html; charset=utf-8", `<script src="x.js"></script><p>x</p>`), file("text/javascript", "x.js", RUN), file("text/css", "x.css", "body{display:none}"),
	file("text/html", "x.html", `<script>${RUN};opener&&(opener.pwned=1)</script>`), file("image/svg+xml", "x.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"><script>${RUN}</script></svg>`)]), { subject: "Script part" });

/** Addresses of the parts, as the page has them. */
async function addresses(station) {
	const email = await find(station, "Script part");
	const [[, got]] = await station.jmap("alice", [["Email/get", { ids: [email.id], properties: ["attachments"], bodyProperties: ["blobId", "type", "name"] }]]);
	const who = station.account("alice");
	const session = await (await fetch(station.url + "/jmap/session", { headers: { Authorization: "Basic " + Buffer.from(`${who.address}:${who.password}`).toString("base64") } })).json();
	const account = session.primaryAccounts["urn:ietf:params:jmap:mail"];
	return { email, urls: Object.fromEntries(got.list[0].attachments.map((p) => [p.name, `/jmap/download/${account}/${p.blobId}/${p.name}?type=${encodeURIComponent(p.type)}`])) };
}

/** Runs in the page: tries to use parts as what they say they are. */
async function attempt(urls) {
	const tries = {};
	const load = (e) => new Promise((done) => {
		e.onload = () => done("loaded");
		e.onerror = () => done("refused");
		document.head.append(e);
		setTimeout(() => done("nothing"), 3000);
	});
	const policy = window.trustedTypes?.createPolicy?.("dompurify", { createScriptURL: (s) => s });
	const script = document.createElement("script");
	try {
		script.src = policy ? policy.createScriptURL(urls["x.js"]) : urls["x.js"];
		tries.script = await load(script);
	} catch (e) {
		tries.script = "refused";
	}
	const link = document.createElement("link");
	link.rel = "stylesheet";
	link.href = urls["x.css"];
	tries.style = await load(link);
	try {
		new Worker(urls["x.js"]);
		tries.worker = "made";
	} catch {
		tries.worker = "refused";
	}
	const head = async (u) => {
		const a = await fetch(u);
		return [a.headers.get("content-type"), a.headers.get("content-disposition"), a.headers.get("content-security-policy"), a.headers.get("x-content-type-options")];
	};
	tries.heads = await Promise.all(Object.values(urls).map(head));
	tries.pwned = window.pwned ?? 0;
	tries.hidden = getComputedStyle(document.body).display === "none";
	return tries;
}

function judge(tries) {
	assert.equal(tries.pwned, 0);
	assert.equal(tries.hidden, false);
	assert.notEqual(tries.script, "loaded");
	assert.notEqual(tries.style, "loaded");
	for (const [type, disposition, policy, sniff] of tries.heads) {
		assert.ok(!/html|javascript|css|svg|xml/i.test(type), type);
		assert.match(disposition ?? "", /^attachment/);
		assert.match(policy ?? "", /sandbox/);
		assert.equal(sniff, "nosniff");
	}
}

const { test: chromium } = browserTests();
chromium("26 message part as script refused", async ({ station, page, login, context }) => {
	context.setQuiet(/Content.Security|Refused|status of|MIME type|Trusted|TrustedScriptURL|violates/i);
	await station.deliver({ raw: raw() });
	const { email, urls } = await addresses(station);
	await login("alice", `/mail/inbox/${email.threadId}`);
	await page.waitForSelector(".card.open");
	judge(await page.evaluate(attempt, urls));
	// nor as a page of its own: it is saved
	const other = await context.newPage();
	const saved = other.waitForEvent("download");
	await other.goto(urls["x.html"]).catch(() => {});
	assert.equal((await saved).suggestedFilename(), "x.html");
});

test("26 message part as script refused in Firefox", { timeout: 120_000 }, async () => {
	const station = await startStation();
	const firefox = await launchFirefox();
	try {
		await station.deliver({ raw: raw() });
		const { email, urls } = await addresses(station);
		const page = await firefox.browser.newPage();
		await loginFirefox(page, station, "alice", `/mail/inbox/${email.threadId}`);
		await until(() => page.evaluate(() => !!document.querySelector(".card.open")), 15_000, "the message");
		judge(await page.evaluate(attempt, urls));
	} finally {
		await firefox.close();
		await station.stop();
	}
});

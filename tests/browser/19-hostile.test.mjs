// The corpus of hostile mail: nothing of it runs, nothing is asked of anybody, nothing leaves its frame; with the
// sanitizer, and with nothing but the frame's policy. In Chromium and in Firefox.

import { test } from "node:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { assert, launch, login, newContext, shot, startStation, until } from "./lib/browser.mjs";
import { launchFirefox, loginFirefox } from "./lib/firefox.mjs";
import { emailsOf } from "./lib/mail.mjs";
import { startTrap } from "./lib/trap.mjs";
import { buildUnsafe } from "./lib/unsafe.mjs";
import { cases } from "./corpus/cases.mjs";
import { message } from "./corpus/message.mjs";

const PER_THREAD = 21; // messages of one conversation, all open at once
const MINUTES = 4 * 60_000;

async function deliver(station, host) {
	const all = cases(host);
	assert.ok(all.length >= 100, "a corpus of a hundred");
	for (let i = 0; i < all.length; i++)
		await station.deliver({ raw: message(all[i], i, { thread: "hostile" + Math.floor(i / PER_THREAD) }) });
	const wanted = all.length;
	return await until(async () => {
		const mine = (await emailsOf(station)).filter((e) => /evil/.test(JSON.stringify(e.from)));
		return mine.length >= wanted ? [...new Set(mine.map((e) => e.threadId))] : null;
	}, 20_000, "the corpus in the mailbox");
}

/** A document's body and elements, whatever names in the mail say they are. */
const getters = () => {
	const of = (name) => (d) => Object.getOwnPropertyDescriptor(Document.prototype, name).get.call(d);
	window.bodyOf = of("body");
	window.rootOf = of("documentElement");
	window.attributesOf = (e) => Object.getOwnPropertyDescriptor(Element.prototype, "attributes").get.call(e);
};

/** Runs in the page: are all frames there and filled, and has anything got out? */
function look() {
	const frames = [...document.querySelectorAll("iframe.mail-frame")];
	const reader = document.querySelector(".reader")?.getBoundingClientRect() ?? { left: 0, right: innerWidth };
	const bad = [];
	for (const f of frames) {
		const r = f.getBoundingClientRect();
		if (r.left < reader.left - 1 || r.right > reader.right + 1)
			bad.push("wider than the reader");
		if (r.height > 400_100)
			bad.push("higher than allowed: " + r.height);
		if (getComputedStyle(f).position !== "static")
			bad.push("not where it belongs");
		try {
			if (f.contentWindow.location.pathname !== "/frame")
				bad.push("went to " + f.contentWindow.location.href);
		} catch (e) {
			bad.push("went elsewhere: " + e.message);
		}
	}
	const bar = document.querySelector(".top, header")?.getBoundingClientRect();
	const on = bar ? document.elementFromPoint(bar.left + bar.width / 2, bar.top + bar.height / 2) : null;
	if (on?.tagName === "IFRAME")
		bad.push("over the page's own bar");
	return { frames: frames.length, filled: frames.filter((f) => f.dataset.filled === "").length,
		cards: document.querySelectorAll(".card.open").length, waiting: document.querySelectorAll(".card .loading").length,
		bad, pwned: window.pwned ?? 0, path: location.pathname };
}
const settled = (r) => r.cards > 0 && r.waiting === 0 && r.filled === r.frames && r.frames > 0;

/** In the mail's frames: what is left that could do something. */
function leftovers() {
	const out = [];
	for (const f of document.querySelectorAll("iframe.mail-frame")) {
		const root = rootOf(f.contentDocument);
		for (const e of root.querySelectorAll("*")) {
			if (/^(script|iframe|frame|object|embed|form|input|button|svg|math|video|audio|link|meta|base|template|dialog)$/i.test(e.localName) && !(e.localName === "meta" && e.hasAttribute("charset") && e.parentNode.localName === "head"))
				out.push(e.localName);
			for (const a of attributesOf(e))
				if (/^on/i.test(a.name) || /^\s*javascript:/i.test(a.value) || (a.name === "src" && !/^(blob:|data:image\/)/.test(a.value)))
					out.push(`${e.localName} ${a.name}=${a.value.slice(0, 60)}`);
		}
	}
	return out;
}

async function walkChromium({ webDir, isSafe }) {
	const trap = await startTrap();
	const host = `evil.test:${trap.port}`;
	const station = await startStation(webDir ? { webDir } : {});
	const dir = mkdtempSync(path.join(os.tmpdir(), "yz-netlog-"));
	const log = path.join(dir, "net.json");
	// every other name leads to the trap: also who only connects is seen
	const browser = await launch({ args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * 127.0.0.1",
		`--log-net-log=${log}`] });
	try {
		const threads = await deliver(station, host);
		const context = await newContext(browser, station, { quiet: /Content.Security.Policy|Refused to|violates|sandboxed|Blocked|request to elsewhere|err_blocked|CSP|status of 404|Failed to load|Unsafe attempt|javascript.? URLs|Not allowed to load/i });
		const page = await context.newPage();
		const opened = [];
		context.on("page", (p) => opened.push(p.url()));
		page.on("dialog", (d) => opened.push("dialog: " + d.message()) && d.dismiss());
		await login(page, station);
		await context.addInitScript(getters);
		let frames = 0, left = 0;
		for (const thread of threads) {
			await page.goto(`/mail/inbox/${thread}`);
			const r = await until(async () => {
				const now = await page.evaluate(look);
				return settled(now) ? now : null;
			}, 20_000, "all frames of " + thread);
			frames += r.frames;
			await page.waitForTimeout(400); // refreshes, animations, lazy loads
			for (const f of await page.$$("iframe.mail-frame"))
				await f.scrollIntoViewIfNeeded();
			await page.mouse.move(900, 500);
			const after = await page.evaluate(look);
			assert.deepEqual(after.bad, [], thread);
			assert.equal(after.pwned, 0, "a script ran in " + thread);
			assert.equal(after.path, `/mail/inbox/${thread}`);
			if (isSafe)
				assert.deepEqual(await page.evaluate(leftovers), [], "left by the sanitizer");
			else
				left += (await page.evaluate(leftovers)).length;
			await shot(page, `19-${isSafe ? "safe" : "unsafe"}-${thread}`);
		}
		assert.ok(frames >= 100, `${frames} frames`);
		assert.ok(isSafe || left > 100, "the sanitizer is off: " + left);
		assert.deepEqual(opened, [], "windows and dialogs");
		assert.deepEqual(context.complaints, []);
		assert.deepEqual(trap.evil(), [], "requests");
		// without the sanitizer Chromium connects for a frame, before it sees that the policy forbids it; it asks nothing
		if (isSafe)
			assert.equal(trap.connections, 0, "connections");
		// the instruments work: what is asked outside of a frame is seen
		const control = await context.newPage();
		await control.goto(`http://${host.replace("evil", "control")}/`).catch(() => {});
		assert.ok(trap.hits.some((h) => h.startsWith("GET")), "the trap");
		await browser.close();
		const said = readFileSync(log, "utf8");
		assert.ok(said.includes("control.test"), "the log of the network");
		const names = [...said.matchAll(/[\w.-]*evil\.test[^"\\]*/g)].map((m) => m[0]);
		if (isSafe)
			assert.deepEqual([...new Set(names)], [], "names that were looked up");
		else
			assert.ok(names.every((n) => /foreignObject|iframe|frameset|portal|object|^evil\.test:\d+ *$/i.test(n)), "names: " + [...new Set(names)].join(" "));
	} finally {
		await browser.close().catch(() => {});
		await station.stop();
		await trap.stop();
		rmSync(dir, { recursive: true, force: true });
	}
}

async function walkFirefox(webDir) {
	const trap = await startTrap();
	const station = await startStation(webDir ? { webDir } : {});
	const firefox = await launchFirefox({ proxy: trap.port });
	try {
		const threads = await deliver(station, "evil.test:80");
		const page = await firefox.browser.newPage();
		await page.evaluateOnNewDocument(getters);
		await page.setViewport({ width: 1440, height: 900 });
		await loginFirefox(page, station);
		let frames = 0;
		for (const thread of threads) {
			await page.goto(`${station.url}/mail/inbox/${thread}`);
			await until(async () => settled(await page.evaluate(look)), 30_000, "all frames of " + thread);
			await new Promise((done) => setTimeout(done, 400));
			const r = await page.evaluate(look);
			frames += r.frames;
			assert.deepEqual(r.bad, [], thread);
			assert.equal(r.pwned, 0, "a script ran in " + thread);
		}
		assert.ok(frames >= 100, `${frames} frames`);
		assert.equal((await firefox.browser.pages()).filter((p) => !/^about:/.test(p.url())).length, 1, "windows");
		assert.deepEqual(trap.evil(), []);
		await page.goto("http://control.test/").catch(() => {});
		await until(() => trap.hits.some((h) => h.includes("control.test")), 5000, "the trap");
	} finally {
		await firefox.close();
		await station.stop();
		await trap.stop();
	}
}

test("19 hostile HTML corpus: no request, no script, no overlay", { timeout: MINUTES }, () => walkChromium({ webDir: process.env.YIZHAN_WEB_DIR, isSafe: true }));
test("19 hostile HTML corpus with the sanitizer switched off", { timeout: MINUTES }, async () => {
	const unsafe = await buildUnsafe();
	try {
		await walkChromium({ webDir: unsafe.dir, isSafe: false });
	} finally {
		unsafe.remove();
	}
});
test("19 hostile HTML corpus in Firefox", { timeout: MINUTES }, () => walkFirefox(process.env.YIZHAN_WEB_DIR));
test("19 hostile HTML corpus in Firefox with the sanitizer switched off", { timeout: MINUTES }, async () => {
	const unsafe = await buildUnsafe();
	try {
		await walkFirefox(unsafe.dir);
	} finally {
		unsafe.remove();
	}
});

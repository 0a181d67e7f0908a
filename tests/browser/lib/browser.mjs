// Chromium for tests: Debian's own, driven by playwright-core. Everything that a page complains about (console errors,
// errors of scripts, violations of the content security policy, requests to anywhere else) makes the test fail.
//
//	const { test, run } = browserTests();
//	test("8 first list of a large mailbox", async ({ station, page }) => { … });

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { TOP, startStation, until } from "./station.mjs";

const require = createRequire(path.join(TOP, "web/package.json"));
const { chromium } = require("playwright-core");
export { assert, until };
export * from "./station.mjs";

export const SHOTS = process.env.YIZHAN_SHOTS ?? "";

export async function launch(options = {}) {
	return await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
		...options });
}

/** A context of its own (cookies, storage), that notes every complaint. `quiet`: a pattern of complaints that belong to the test. */
export async function newContext(browser, station, { quiet = null, ...options } = {}) {
	const context = await browser.newContext({ baseURL: station.url, viewport: { width: 1440, height: 900 }, locale: "en-GB", ...options });
	const complaints = [];
	const note = (text) => {
		if (!quiet || !quiet.test(text))
			complaints.push(text);
	};
	context.on("page", (page) => {
		page.on("console", (m) => {
			if (m.type() === "error" || /Content.Security.Policy|Trusted ?Type/i.test(m.text()))
				note(`console: ${m.text()} ${m.location().url}`);
		});
		page.on("pageerror", (e) => note(`page: ${e.stack ?? e}`));
		page.on("request", (r) => {
			const url = new URL(r.url());
			if (!["data:", "blob:", "about:"].includes(url.protocol) && url.origin !== station.url)
				note(`request to elsewhere: ${r.url()}`);
		});
	});
	await context.addInitScript(() => {
		addEventListener("securitypolicyviolation", (e) => console.error(`Content Security Policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
	});
	context.complaints = complaints;
	context.setQuiet = (pattern) => { quiet = pattern; };
	context.setDefaultTimeout(10_000);
	return context;
}

/** Log in by the form, as people do, and wait for the first list. */
export async function login(page, station, name = "alice", to = "/mail/inbox") {
	const who = station.account(name);
	await page.goto(to);
	await page.waitForURL(/\/login/);
	await page.fill("input[name=user]", who.address);
	await page.fill("input[name=password]", who.password);
	await page.click("main button, form button");
	await page.waitForURL((u) => !u.pathname.startsWith("/login"));
}

export async function shot(page, name) {
	if (!SHOTS)
		return;
	mkdirSync(SHOTS, { recursive: true });
	await page.screenshot({ path: path.join(SHOTS, name + ".png") });
}

/** Tests of one file share a station and a browser; each has a context and a page of its own. */
export function browserTests(options = {}) {
	const shared = {};
	before(async () => {
		shared.station = await startStation(options);
		shared.browser = await launch(options.launch);
		await options.before?.(shared);
	});
	after(async () => {
		await shared.browser?.close();
		await shared.station?.stop();
	});
	const test = (name, run, context = {}) => nodeTest(name, { timeout: context.timeout ?? 60_000 }, async () => {
		const c = await newContext(shared.browser, shared.station, { ...options.context, ...context });
		const page = await c.newPage();
		try {
			await run({ ...shared, context: c, page, login: (who, to) => login(page, shared.station, who, to) });
		} catch (e) {
			await shot(page, "failed-" + name.replace(/\W+/g, "-").slice(0, 60)).catch(() => {});
			if (c.complaints.length)
				e.message += "\ncomplaints:\n" + c.complaints.join("\n");
			throw e;
		} finally {
			await c.close();
		}
		assert.deepEqual(c.complaints, [], "complaints of the page");
	});
	return { test, shared };
}

/** axe-core, put in past the content security policy; its serious findings. */
export async function axe(page, options = {}) {
	const source = await import("node:fs").then((fs) => fs.readFileSync(path.join(TOP, "web/node_modules/axe-core/axe.min.js"), "utf8"));
	await page.evaluate(source);
	const found = await page.evaluate((o) => window.axe.run(document, { resultTypes: ["violations"], ...o }), options);
	return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.slice(0, 4).map((n) => n.html.slice(0, 200) + " | " + n.failureSummary.replace(/\s+/g, " ")).join("\n  ")}`);
}

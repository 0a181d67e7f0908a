// Start and login (web.md section 10, 1 to 7 but 3 and 4), and what holds on every route.

import { LIST, untilCount, untilShown } from "./lib/list.mjs";
import { assert, browserTests, until } from "./lib/browser.mjs";

const { test, shared } = browserTests({ before: async ({ station }) => {
	for (let i = 0; i < 3; i++)
		await station.deliver({ subject: "Letter " + i });
} });

test("1 cold start: few requests, none to elsewhere", async ({ page, station, login }) => {
	await login();
	await untilCount(page, 3);
	const asked = [];
	page.on("request", (r) => asked.push(new URL(r.url()).pathname));
	await page.context().addCookies(await page.context().cookies());
	await page.reload();
	await untilCount(page, 3);
	const own = asked.filter((p) => p !== "/jmap/events" && !/\/icon-\w+\.svg$/.test(p)); // not the browser's own favicon
	const list = own.slice(0, own.indexOf("/jmap/api") + 1);
	assert.equal(list.filter((p) => p === "/jmap/session").length, 1, "the session is asked for once: " + list);
	assert.ok(list.length <= 6, "until the list is asked for: " + list.join(" "));
	assert.ok(station.url);
});

test("2 login: wrong, right, and where one wanted to go", async ({ page, context, station }) => {
	context.setQuiet(/40[13]/);
	const who = station.account("alice");
	await page.goto("/settings/general");
	await page.waitForURL(/\/login/);
	await page.fill("input[name=user]", who.address);
	await page.fill("input[name=password]", "wrong");
	await page.click("main button");
	await page.locator("#note").waitFor();
	assert.match(page.url(), /\/login/);
	await page.fill("input[name=user]", who.address);
	await page.fill("input[name=password]", who.password);
	await page.click("main button");
	await page.waitForURL(/\/settings\/general/);
	await page.locator(".settings-page h1").waitFor();
});

test("5 signing out leaves nothing in the browser", async ({ page, context, login }) => {
	context.setQuiet(/401/);
	await login();
	await untilCount(page, 3);
	await page.getByRole("button", { name: "Account" }).click();
	await page.getByRole("menuitem", { name: "Sign out" }).click();
	await page.waitForURL(/\/login/);
	const left = await page.evaluate(async () => ({ local: localStorage.length, session: sessionStorage.length, workers: (await navigator.serviceWorker.getRegistrations()).length }));
	assert.deepEqual(left, { local: 0, session: 0, workers: 0 });
	await page.goto("/mail/inbox");
	await page.waitForURL(/\/login/);
});

test("6 what another site posts is refused", async ({ page, context, station, login }) => {
	await login();
	const cookies = (await context.cookies()).map((c) => `${c.name}=${c.value}`).join("; ");
	const body = JSON.stringify({ using: ["urn:ietf:params:jmap:core"], methodCalls: [["Core/echo", {}, "a"]] });
	const ask = async (headers) => (await fetch(station.url + "/jmap/api", { method: "POST", body, headers: { "Content-Type": "application/json", Cookie: cookies, ...headers } })).status;
	assert.equal(await ask({ "X-Yizhan": "1", Origin: station.url }), 200);
	assert.equal(await ask({ "X-Yizhan": "1", Origin: "https://evil.example" }), 403);
	assert.equal(await ask({ Origin: station.url }), 403);
	assert.equal(await ask({ "X-Yizhan": "1", Origin: station.url, "Sec-Fetch-Site": "cross-site" }), 403);
	await untilCount(page, 3);
});

test("7 seven tabs share one stream, and all hear of new mail", async ({ page, context, station, login }) => {
	let streams = 0;
	context.on("request", (r) => { streams += new URL(r.url()).pathname === "/jmap/events" ? 1 : 0; });
	await login();
	await untilCount(page, 3);
	await until(async () => /Live/.test(await page.locator(".status").textContent()), 8000, "live");
	const tabs = [page];
	for (let i = 1; i < 7; i++) {
		tabs.push(await context.newPage());
		await tabs[i].goto("/mail/inbox");
		await tabs[i].locator(LIST).waitFor();
	}
	await Promise.all(tabs.map((t) => untilCount(t, 3)));
	await station.deliver({ subject: "For all tabs" });
	await Promise.all(tabs.map((t) => untilShown(t, "For all tabs")));
	assert.equal(streams, 1);
	await tabs[0].close();
	await until(() => streams === 2, 8000, "another tab takes over");
	await station.deliver({ subject: "After the first is gone" });
	await Promise.all(tabs.slice(1).map((t) => untilShown(t, "After the first is gone")));
});

test("80 the page's policy, and nothing that breaks it", async ({ page, station, login }) => {
	await login();
	await page.locator(LIST).waitFor();
	for (const path of ["/mail/inbox", "/settings/general", "/trace/x"]) {
		const answer = await page.goto(path), h = answer.headers();
		assert.match(h["content-security-policy"], /script-src 'self';.*require-trusted-types-for 'script'/);
		assert.match(h["content-security-policy"], /default-src 'none'/);
		assert.equal(h["x-content-type-options"], "nosniff");
		assert.equal(h["referrer-policy"], "no-referrer");
		assert.equal(h["cross-origin-opener-policy"], "same-origin");
		assert.match(h["cache-control"], /no-cache/);
		assert.ok(h.etag);
		const again = await page.request.get(path, { headers: { "If-None-Match": h.etag, "Accept-Encoding": "br" } });
		assert.ok([200, 304].includes(again.status()));
	}
	const html = await (await page.request.get("/mail/inbox")).text();
	assert.doesNotMatch(html, /<style|style=|onclick|<script>/);
	for (const [, file] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
		const a = await page.request.get(file);
		assert.equal(a.status(), 200);
		assert.match(a.headers()["cache-control"], /immutable/);
	}
	assert.ok(shared.station === station);
});

test("81 an old tab says that there is a new version, and a chunk that is gone breaks nothing", async ({ page, context, login }) => {
	context.setQuiet(/404|Failed to load/);
	await context.route("**/assets/Settings-*.js", (r) => r.fulfill({ status: 404, body: "" }));
	await login();
	await page.locator(LIST).waitFor();
	await page.goto("/mail/inbox");
	await page.locator(LIST).waitFor();
	await page.getByRole("button", { name: "Account" }).click();
	await page.getByRole("menuitem", { name: "Settings" }).click();
	await page.locator(".banner", { hasText: "new version" }).waitFor();
	await page.getByText("This part of the page could not be loaded.").waitFor();
	await page.goBack();
	await page.locator(LIST).waitFor();
}, { serviceWorkers: "block" });

test("83 Back, Forward and links to what was shown", async ({ page, login }) => {
	await login();
	await page.locator(LIST).waitFor();
	await page.getByRole("link", { name: /^Sent/ }).click();
	await page.waitForURL(/\/mail\/sent/);
	await page.goBack();
	await page.waitForURL(/\/mail\/inbox/);
	await page.locator(".row").first().click();
	await page.waitForURL(/\/mail\/inbox\/T/);
	const url = page.url(), subject = await page.locator(".pane-reader h1").textContent();
	await page.goBack();
	await page.waitForURL(/\/mail\/inbox$/);
	await page.goForward();
	await page.waitForURL(url);
	await page.goto(url);
	await until(async () => await page.locator(".pane-reader h1").count() && await page.locator(".pane-reader h1").textContent() === subject, 8000, "the same conversation");
});

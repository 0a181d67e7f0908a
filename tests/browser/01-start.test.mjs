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
	await page.evaluate(() => navigator.serviceWorker.ready); // what comes behind the list has come
	await page.waitForFunction(() => performance.getEntriesByType("resource").some((r) => /\/Reader-\w+\.js$/.test(r.name)));
	const asked = [];
	const said = [];
	page.on("request", (r) => {
		asked.push(new URL(r.url()).pathname);
		if (asked.at(-1) === "/jmap/api")
			said.push(JSON.parse(r.postData()).methodCalls.map(([name]) => name));
	});
	await page.context().addCookies(await page.context().cookies());
	await page.reload();
	await untilCount(page, 3);
	const own = asked.filter((p) => p !== "/jmap/events" && !/\/icon-\w+\.svg$/.test(p)); // not the browser's own favicon
	const list = own.slice(own.indexOf("/mail/inbox"), own.indexOf("/jmap/api") + 1);
	assert.equal(list.filter((p) => p === "/jmap/session").length, 1, "the session is asked for once: " + list);
	assert.ok(list.length <= 5, "until the list is asked for: " + list.join(" "));
	for (const name of ["Mailbox/get", "WebSettings/get", "Email/query", "Email/get"])
		assert.ok(said[0].includes(name), `one request has all that is shown first: ${said[0]}`);
	await until(() => asked.some((p) => /\/Reader-\w+\.js$/.test(p)), 5000, "behind the list, the code of the reader");
	assert.ok(asked.findIndex((p) => p.includes("/Reader-")) > asked.indexOf("/jmap/api"));
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

test("2 login: who guesses has to wait, and is told how long, at the page and over what is open", async ({ page, context, station, login }) => {
	context.setQuiet(/40[13]|429/);
	const who = station.account("bob");
	await login("bob");
	await page.locator(LIST).waitFor();
	let guesses = 0;
	const guess = () => fetch(station.url + "/login", { method: "POST", body: JSON.stringify({ user: who.address, password: "guess " + ++guesses }),
		headers: { "Content-Type": "application/json", "X-Yizhan": "1", Origin: station.url } });
	await until(async () => (await guess()).status === 429, 20_000, "429");
	await context.clearCookies(); // the session is gone while a list is open
	await page.keyboard.press("c");
	const dialog = page.getByRole("dialog", { name: "Sign in again" });
	await dialog.waitFor({ timeout: 15_000 });
	await dialog.getByLabel("Password").fill(who.password);
	await dialog.getByRole("button", { name: "Sign in" }).click();
	await dialog.getByText(/Too many attempts. Try again in (\d+ (sec|min|hr)|1 hr)/).waitFor();
	await page.goto("/login");
	await page.fill("input[name=user]", who.address);
	await page.fill("input[name=password]", who.password);
	const [answer] = await Promise.all([page.waitForNavigation(), page.click("main button")]);
	assert.equal(answer.status(), 429);
	assert.ok(Number(answer.headers()["retry-after"]) > 0);
	assert.match(await page.locator("#note[role=alert]").textContent(), /Too many tries.* \d+ (minutes|seconds)/);
});

test("5 signing out leaves nothing in the browser", async ({ page, context, login }) => {
	context.setQuiet(/401/);
	await login();
	await untilCount(page, 3);
	await page.locator(".row").first().click();
	await page.locator(".card.open .card-body").waitFor();
	const kept = await until(() => page.evaluate(async () => {
		const all = [];
		for (const name of await caches.keys())
			all.push(...(await (await caches.open(name)).keys()).map((r) => new URL(r.url).pathname));
		return all.length ? all : null;
	}), 8000, "the worker's files");
	assert.deepEqual(kept.filter((p) => !p.startsWith("/assets/")), [], "files of the page alone, never mail");
	await page.getByRole("button", { name: "Account" }).click();
	await page.getByRole("menuitem", { name: "Sign out" }).click();
	await page.waitForURL(/\/login/);
	const left = await page.evaluate(async () => ({ local: localStorage.length, session: sessionStorage.length, workers: (await navigator.serviceWorker.getRegistrations()).length,
		caches: (await caches.keys()).length }));
	assert.deepEqual(left, { local: 0, session: 0, workers: 0, caches: 0 });
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

// What comes back by itself (web.md section 10, 54), and how sent letters stand in the list (7.4).

import { letter } from "./lib/station.mjs";
import { row, untilGone, untilShown } from "./lib/list.mjs";
import { assert, browserTests, until } from "./lib/browser.mjs";
import { peerFor, submit } from "./lib/trace.mjs";

const { test } = browserTests();

/** In the clock of the page. */
const soon = (page, ms) => page.evaluate((n) => {
	const d = new Date(Date.now() + n), two = (x) => String(x).padStart(2, "0");
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds() || 1)}`; // without its seconds the field has another value
}, ms);

test("54 a snoozed letter goes away, waits among the snoozed, and returns unread", async ({ page, station, login }) => {
	await station.deliver({ subject: "Sleeper", text: "later" });
	await station.deliver({ subject: "Stays" });
	await login();
	await untilShown(page, "Sleeper");
	await row(page, "Sleeper").click(); // read, so that it can be unread again
	await until(async () => !/^Unread/.test(await row(page, "Sleeper").locator(".row-label").textContent()));
	await page.locator(".toolbar").getByRole("button", { name: /^Snooze/ }).click();
	await page.getByRole("menuitem", { name: /Pick/ }).click();
	const field = page.locator("dialog input");
	await field.fill("2001-01-01T08:00");
	assert.equal(await page.locator("dialog .wrong").count(), 1);
	await field.fill(await soon(page, 6000));
	await page.keyboard.press("Enter");
	await untilGone(page, "Sleeper");
	await page.getByRole("link", { name: /^Snoozed/ }).click();
	await untilShown(page, "Sleeper");
	await page.getByRole("link", { name: /^Inbox/ }).click();
	await untilShown(page, "Stays");
	assert.equal(await row(page, "Sleeper").count(), 0);
	await untilShown(page, "Sleeper", 20_000); // by push: nobody reloads
	assert.match(await row(page, "Sleeper").locator(".row-label").textContent(), /^Unread/);
	await page.getByRole("link", { name: /^Snoozed/ }).waitFor({ state: "detached" });
});

test("54 a sent letter that waits, or that failed, says so in the list and leads to its trace", async ({ page, station, login }) => {
	const peers = [await peerFor(station, "slow.example", { rcpt: ["450 4.2.0 greylisted, try later", "250 2.1.5 ok"] }), await peerFor(station, "no.example", { rcpt: "550 5.1.1 no such user" }),
		await peerFor(station, "fine.example", {})];
	try {
		const imap = await station.imap("alice");
		for (const [domain, subject] of [["slow.example", "Slow"], ["no.example", "Refused"], ["fine.example", "Fine"]]) {
			const id = await submit(station, { to: "bob@" + domain, subject }); // by another program, which keeps its copy
			const text = letter({ from: "alice@yizhan.test", to: "bob@" + domain, subject, id });
			await imap(`APPEND Sent (\\Seen) {${text.length}+}\r\n${text}`);
		}
		imap.end();
		await until(() => peers[2].messages.length && peers[0].lines.some((l) => /^RCPT/.test(l)) && peers[1].lines.some((l) => /^RCPT/.test(l)));
		await login("alice", "/mail/sent");
		await untilShown(page, "Fine");
		await row(page, "Refused").locator(".chip.bad", { hasText: "not delivered" }).waitFor();
		await row(page, "Slow").locator(".chip.wait", { hasText: "waiting" }).waitFor();
		assert.equal(await row(page, "Fine").locator(".chip").count(), 0);
		await row(page, "Slow").locator(".chip.wait").click();
		await page.waitForURL(/\/trace\//);
		await page.locator(".trace-verdict", { hasText: /Not delivered to bob@slow.example yet/ }).waitFor();
		station.cli("queue", "retry", "--all");
		await until(() => peers[0].messages.length);
		await page.goBack();
		await page.reload();
		await untilShown(page, "Slow");
		await until(async () => await row(page, "Refused").locator(".chip.bad").count() === 1);
		assert.equal(await row(page, "Slow").locator(".chip").count(), 0);
	} finally {
		await Promise.all(peers.map((p) => p.stop()));
	}
});

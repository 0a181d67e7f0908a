// The second factor, as people switch it on (web.md section 10, 3).

import { createHmac } from "node:crypto";
import { LIST, untilCount } from "./lib/list.mjs";
import { assert, browserTests, login as loginAs, newContext, talk, until } from "./lib/browser.mjs";

const { test } = browserTests({ before: async ({ station }) => { await station.deliver({ subject: "Hello" }); } });

/** RFC 6238, of a secret in base 32: the code of the step that is so many `ahead` of now. */
function totp(secret, ahead = 0) {
	let bits = "";
	for (const c of secret.replace(/[\s=]/g, ""))
		bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0");
	const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => parseInt(b, 2)));
	const step = Buffer.alloc(8);
	step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
	const mac = createHmac("sha1", key).update(step).digest(), at = mac[19] & 15;
	return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
async function password(page, station) {
	const who = station.account("alice");
	await page.goto("/mail/inbox");
	await page.waitForURL(/\/login/);
	await page.fill("input[name=user]", who.address);
	await page.fill("input[name=password]", who.password);
	await page.click("main button");
	await page.locator("input[name=code]").waitFor();
	assert.match(page.url(), /\/login/);
}
async function signOut(page) {
	await page.getByRole("button", { name: "Account" }).click();
	await page.getByRole("menuitem", { name: "Sign out" }).click();
	await page.waitForURL(/\/login/);
}
/** What IMAP answers to the main password. */
async function imapSays(station) {
	const t = talk(station.ports.imap), who = station.account("alice");
	await t.line();
	t.send(`a LOGIN ${who.address} ${who.password}`);
	for (;;) {
		const l = await t.line();
		if (l.startsWith("a ")) {
			t.end();
			return l;
		}
	}
}

test("89 app passwords with their bounds, sessions that are ended, who tried to log in", async ({ page, browser, context, station, login }) => {
	await login("bob", "/settings/security");
	const who = station.account("bob");
	await page.getByRole("button", { name: "New app password" }).click();
	const dialog = page.locator("dialog");
	await dialog.getByLabel("What it is for").fill("Phone");
	await dialog.getByLabel("read mail (IMAP)").check();
	await dialog.getByLabel(/Only from these networks/).fill("192.0.2.0/24");
	await dialog.getByLabel(/^Valid until/).fill("2031-05-06");
	await dialog.getByRole("button", { name: "Create" }).click();
	const secret = await page.locator("dialog code.secret").textContent();
	assert.ok(secret.length >= 16);
	await page.getByRole("dialog").getByRole("button", { name: "Close" }).first().click();
	const line = page.locator(".settings-list li", { hasText: "Phone" });
	await line.waitFor();
	assert.match((await line.textContent()).replace(/\s+/g, " "), /not used yet · until 6 May 2031 · from 192\.0\.2\.0\/24 only/);
	assert.doesNotMatch(await page.locator(".settings-page").textContent(), new RegExp(secret.slice(0, 8)), "shown once");
	await line.getByRole("button", { name: "Revoke" }).click();
	await page.locator("dialog").getByRole("button", { name: "Revoke" }).click();
	await line.waitFor({ state: "detached" });

	// another browser: it is listed, ended from here, and notices
	const other = await newContext(browser, station, { quiet: /401/ }), there = await other.newPage();
	await loginAs(there, station, "bob");
	await there.locator(LIST).waitFor();
	await page.reload();
	const session = page.locator(".settings-list li", { hasText: "Chrome on" }).filter({ hasNotText: "this browser" });
	await session.waitFor();
	await session.getByRole("button", { name: "Sign out" }).click();
	await session.waitFor({ state: "detached" });
	await there.keyboard.press("c");
	await there.getByRole("dialog", { name: "Sign in again" }).waitFor({ timeout: 15_000 });
	await other.close();

	await fetch(station.url + "/login", { method: "POST", body: JSON.stringify({ user: who.address, password: "not it" }),
		headers: { "Content-Type": "application/json", "X-Yizhan": "1", Origin: station.url } });
	await until(async () => {
		await page.reload();
		await page.locator(".settings-table tbody tr").first().waitFor();
		return await page.locator(".settings-table .bad-text").count() === 1;
	}, 8000, "the try that was refused");
	assert.ok(context);
});

test("3 second factor: switched on, a code logs in, a recovery code does once, the password alone is not enough", async ({ page, context, station, login }) => {
	context.setQuiet(/40[13]/);
	assert.match(await imapSays(station), /^a OK/);
	await login("alice", "/settings/security");
	await page.getByRole("button", { name: "Set up two-step verification" }).click();
	const secret = await page.locator("dialog code.secret").textContent();
	await page.fill("dialog input[name=word]", totp(secret));
	await page.keyboard.press("Enter");
	await page.locator("dialog .codes li").first().waitFor();
	const codes = await page.locator("dialog .codes code").allTextContents();
	assert.ok(codes.length >= 8, codes.join(" "));
	await page.locator("dialog .primary").click();
	await page.getByText(`${codes.length} recovery codes left`).waitFor();
	assert.match(await imapSays(station), /^a NO/);

	await signOut(page);
	await password(page, station);
	await page.fill("input[name=code]", "000000");
	await page.click("main button");
	await page.locator("#note").waitFor();
	assert.match(page.url(), /\/login/);
	await page.fill("input[name=code]", totp(secret, 1)); // that of now was taken once already
	await page.click("main button");
	await untilCount(page, 1);

	await signOut(page);
	await password(page, station);
	await page.fill("input[name=code]", codes[0]);
	await page.click("main button");
	await untilCount(page, 1);
	await page.goto("/settings/security");
	await page.getByText(`${codes.length - 1} recovery codes left`).waitFor();

	await signOut(page);
	await password(page, station);
	await page.fill("input[name=code]", codes[0]);
	await page.click("main button");
	await page.locator("#note").waitFor();
	assert.match(page.url(), /\/login/);
	await page.fill("input[name=code]", codes[1]);
	await page.click("main button");
	await untilCount(page, 1);
	await until(async () => /^a NO/.test(await imapSays(station)), 1000, "IMAP still refuses");
});

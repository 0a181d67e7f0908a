// What tests of writing do again and again.

import { until } from "./station.mjs";

export const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

/** A handle on one composer; without a number, the one that is active. */
export function composerOf(page, title) {
	const box = title ? page.getByRole("dialog", { name: `Write: ${title}` }) : page.locator(".composer.active");
	return {
		box,
		to: box.getByRole("combobox", { name: "To", exact: true }),
		cc: box.getByRole("combobox", { name: "Cc", exact: true }),
		subject: box.getByLabel("Subject"),
		from: box.getByLabel("From"),
		rich: box.locator(".rich-text"),
		plain: box.locator(".plain-text"),
		state: box.locator(".save-state"),
		chips: box.locator(".person .person-name"),
		files: box.locator(".compose-file"),
		button: (name) => box.getByRole("button", { name, exact: true }),
		send: () => box.getByRole("button", { name: "Send", exact: true }).click(),
		saved: () => until(async () => (await box.locator(".save-state").textContent()).startsWith("Saved"), 10_000, "Saved"),
	};
}

/** "c", and the editor is there. */
export async function write(page, { to, subject, text } = {}) {
	await page.evaluate(() => document.activeElement?.blur?.());
	const before = await page.locator(".composer").count();
	await page.keyboard.press("c");
	await until(async () => await page.locator(".composer").count() > before, 8000, "a composer");
	const c = composerOf(page);
	await c.box.locator(".rich-text, .plain-text").waitFor();
	if (to) {
		await c.to.fill(to);
		await c.to.press("Enter");
	}
	if (subject !== undefined)
		await c.subject.fill(subject);
	if (text !== undefined) {
		await c.rich.click();
		await page.keyboard.press("Control+Home");
		await page.keyboard.type(text);
	}
	return c;
}

/** How long a letter can be taken back, and other settings of the page, before it starts. */
export async function settings(station, name, what) {
	await station.jmap(name, [["WebSettings/set", { update: { singleton: what } }]]);
}

/** A file dropped or pasted, as the browser would hand it over. */
export async function give(target, type, { name, mime, base64 }) {
	await target.evaluate((el, [t, n, m, b]) => {
		const data = new DataTransfer();
		data.items.add(new File([Uint8Array.from(atob(b), (c) => c.charCodeAt(0))], n, { type: m }));
		const init = { bubbles: true, cancelable: true };
		el.dispatchEvent(t === "paste" ? new ClipboardEvent("paste", { ...init, clipboardData: data }) : new DragEvent("drop", { ...init, dataTransfer: data }));
	}, [type, name, mime, base64]);
}

/** A MIME message cut into its header fields (unfolded, lower case) and parts. */
export function parseMail(raw) {
	const at = raw.indexOf("\r\n\r\n");
	const fields = {};
	for (const line of raw.slice(0, at).replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
		const colon = line.indexOf(":");
		const name = line.slice(0, colon).toLowerCase();
		(fields[name] ??= []).push(line.slice(colon + 1).trim());
	}
	const type = fields["content-type"]?.[0] ?? "text/plain";
	const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
	const mail = { fields, type: type.split(";")[0].trim().toLowerCase(), header: (n) => fields[n]?.[0] ?? null, parts: [], body: "" };
	const body = raw.slice(at + 4);
	if (boundary) {
		const pieces = ("\r\n" + body).split(`\r\n--${boundary}`);
		mail.parts = pieces.slice(1, -1).map((p) => parseMail(p.replace(/^[ \t]*\r\n/, "")));
	} else {
		const how = (fields["content-transfer-encoding"]?.[0] ?? "7bit").toLowerCase();
		mail.octets = how === "base64" ? Buffer.from(body, "base64")
			: how === "quoted-printable" ? Buffer.from(body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/gi, (_, h) => String.fromCharCode(parseInt(h, 16))), "latin1")
			: Buffer.from(body, "latin1");
		mail.body = mail.octets.toString("utf8");
	}
	return mail;
}
/** Its shape: "alternative(text/plain text/html)". */
export function shapeOf(mail) {
	return mail.parts.length ? `${mail.type.replace("multipart/", "")}(${mail.parts.map(shapeOf).join(" ")})` : mail.type;
}
export function leaves(mail) {
	return mail.parts.length ? mail.parts.flatMap(leaves) : [mail];
}

// A case of the corpus as a message (a string of octets). `thread`: all with the same belong to one conversation.

export function message(c, number, { thread = "hostile", to = "alice@yizhan.test" } = {}) {
	const head = {
		From: "Mallory <mallory@evil.test>", To: to, Subject: `Hostile ${thread}`,
		Date: new Date(Date.UTC(2026, 0, 1, 0, 0, number)).toUTCString().replace("GMT", "+0000"),
		"Message-ID": `<${thread}.${number}@evil.test>`, References: `<${thread}@evil.test>`,
		"MIME-Version": "1.0", "Content-Type": "text/html; charset=utf-8", "Content-Transfer-Encoding": "base64", ...c.headers,
	};
	const body = Buffer.from(c.html, /utf-8/.test(head["Content-Type"]) ? "utf8" : "latin1").toString("base64").replace(/.{76}/g, "$&\r\n");
	return Object.entries(head).map(([k, v]) => `${k}: ${v}\r\n`).join("") + "\r\n" + body + "\r\n";
}

// Letters that are handed in, and their trace.

import { assert, letter, talk, until } from "./browser.mjs";
import { startPeer } from "./peer.mjs";

/** Hand a letter in as a client that has logged in does; its Message-ID. */
export async function submit(station, { to, name = "alice", id = `<${Math.random().toString(36).slice(2)}@alice.test>`, ...more }) {
	const who = station.account(name), t = talk(station.ports.submissions, true);
	const rcpts = [to].flat();
	const ask = async (line, code) => {
		if (line !== null)
			t.send(line);
		const r = await t.reply();
		assert.ok(r[r.length - 1].startsWith(code), `${line}: ${r.join(" / ")}`);
	};
	try {
		await ask(null, "220");
		await ask("EHLO laptop.test", "250");
		await ask("AUTH PLAIN " + Buffer.from(`\0${who.address}\0${who.password}`).toString("base64"), "235");
		await ask(`MAIL FROM:<${who.address}>`, "250");
		for (const r of rcpts)
			await ask(`RCPT TO:<${r}>`, "250");
		await ask("DATA", "354");
		t.socket.write(letter({ from: who.address, to: rcpts[0], id, ...more }) + ".\r\n", "latin1");
		await ask(null, "250");
	} finally {
		t.end();
	}
	return id;
}

/** A peer that the domain's mail goes to. */
export async function peerFor(station, domain, script) {
	const peer = await startPeer(script);
	station.cli("route", "set", domain, `127.0.0.1:${peer.port}`);
	return peer;
}

/** The trace's id of a letter that alice sent, once the log has it. */
export async function traceId(station, id, name = "alice") {
	return await until(async () => {
		const [[, found]] = await station.jmap(name, [["Trace/query", { filter: { messageId: id } }]]);
		return found.ids?.[0];
	}, 8000, "the trace of " + id);
}
export async function openTrace({ station, page, login }, id) {
	await login("alice", "/mail/inbox");
	await page.goto("/trace/" + await traceId(station, id));
	await page.waitForSelector(".trace-verdict");
}

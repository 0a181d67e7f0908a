// A mail server of somebody else, as a script says: for each message it gets, what it answers and when.
//
//	const peer = await startPeer({ rcpt: ["450 4.2.0 greylisted, try later", "250 2.1.5 ok"] });
//	peer.messages[0].data                      // octets as they came, dots taken back
//
// greet, ehlo, mail, rcpt, data, end: one answer, or a list of them of which the last stays.

import net from "node:net";

const DEFAULTS = { greet: "220 peer.example ESMTP", ehlo: "250-peer.example\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 SMTPUTF8", mail: "250 2.1.0 ok", rcpt: "250 2.1.5 ok",
	data: "354 go on", end: "250 2.0.0 taken" };

export async function startPeer(script = {}, port = 0) {
	const said = {};
	const answer = (what) => {
		const list = [script[what] ?? DEFAULTS[what]].flat();
		said[what] = (said[what] ?? 0) + 1;
		return list[Math.min(said[what], list.length) - 1];
	};
	const peer = { messages: [], lines: [], sockets: new Set() };
	const server = net.createServer((s) => {
		let rest = "", now = null, isData = false;
		const say = (text) => s.write(text + "\r\n", "latin1");
		peer.sockets.add(s);
		s.setEncoding("latin1");
		s.on("error", () => {});
		s.on("close", () => peer.sockets.delete(s));
		say(answer("greet"));
		s.on("data", (d) => {
			rest += d;
			for (;;) {
				if (isData) {
					const at = rest.startsWith(".\r\n") ? -2 : rest.indexOf("\r\n.\r\n");
					if (at === -1)
						return;
					now.data = rest.slice(0, Math.max(0, at + 2)).replace(/^\.\./gm, ".");
					rest = rest.slice(at + 5);
					isData = false;
					const word = answer("end");
					if (word.startsWith("2"))
						peer.messages.push(now);
					say(word);
					continue;
				}
				const at = rest.indexOf("\r\n");
				if (at < 0)
					return;
				const line = rest.slice(0, at);
				rest = rest.slice(at + 2);
				peer.lines.push(line);
				if (/^(EHLO|HELO)/i.test(line))
					say(answer("ehlo"));
				else if (/^MAIL FROM:<(.*?)>/i.test(line)) {
					now = { from: RegExp.$1, to: [], data: "" };
					say(answer("mail"));
				} else if (/^RCPT TO:<(.*?)>/i.test(line)) {
					const to = RegExp.$1, word = answer("rcpt");
					if (word.startsWith("2"))
						now.to.push(to);
					say(word);
				} else if (/^DATA/i.test(line)) {
					const word = answer("data");
					isData = word.startsWith("3");
					say(word);
				} else if (/^QUIT/i.test(line)) {
					say("221 2.0.0 bye");
					s.end();
				} else {
					say("250 2.0.0 ok");
				}
			}
		});
	});
	await new Promise((ok, bad) => server.once("error", bad).listen(port, "127.0.0.1", ok));
	peer.port = server.address().port;
	peer.stop = () => {
		peer.sockets.forEach((s) => s.destroy());
		return new Promise((done) => server.close(done));
	};
	return peer;
}

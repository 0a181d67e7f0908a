// A name server of a few names, for stations that have to look something up.
//
//	const names = await startNames({ "sts.example": { MX: [[10, "mx.sts.example"]] }, "mx.sts.example": { A: ["192.0.2.1"] } });
//
// What is not named has nothing, in the words of a server that knows.

import dgram from "node:dgram";

const TYPES = { A: 1, MX: 15, TXT: 16 };

function nameOctets(name) {
	return Buffer.concat([...name.split(".").filter(Boolean).map((l) => Buffer.from([l.length, ...Buffer.from(l, "ascii")])), Buffer.from([0])]);
}
function data(type, value) {
	if (type === "A")
		return Buffer.from(value.split(".").map(Number));
	if (type === "MX")
		return Buffer.concat([Buffer.from([value[0] >> 8, value[0] & 255]), nameOctets(value[1])]);
	return Buffer.from([value.length, ...Buffer.from(value, "ascii")]);
}

export async function startNames(zone) {
	const socket = dgram.createSocket("udp4");
	const asked = [];
	socket.on("message", (m, from) => {
		const labels = [];
		let at = 12;
		for (; m[at]; at += m[at] + 1)
			labels.push(m.toString("ascii", at + 1, at + 1 + m[at]));
		const question = m.subarray(12, at + 5), type = Object.keys(TYPES).find((t) => TYPES[t] === m.readUInt16BE(at + 1));
		const name = labels.join(".").toLowerCase();
		asked.push(`${name} ${type}`);
		const answers = (zone[name]?.[type] ?? []).map((value) => {
			const d = data(type, value), head = Buffer.alloc(12);
			head.writeUInt16BE(0xc00c, 0); // the question's name
			head.writeUInt16BE(TYPES[type], 2);
			head.writeUInt16BE(1, 4);
			head.writeUInt32BE(60, 6);
			head.writeUInt16BE(d.length, 10);
			return Buffer.concat([head, d]);
		});
		const head = Buffer.alloc(12);
		m.copy(head, 0, 0, 2);
		head.writeUInt16BE(name in zone || Object.keys(zone).some((n) => n.endsWith("." + name)) ? 0x8580 : 0x8583, 2);
		head.writeUInt16BE(1, 4);
		head.writeUInt16BE(answers.length, 6);
		socket.send(Buffer.concat([head, question, ...answers]), from.port, from.address);
	});
	await new Promise((ok) => socket.bind(0, "127.0.0.1", ok));
	return { port: socket.address().port, asked, stop: () => new Promise((ok) => socket.close(ok)) };
}

// Where requests to elsewhere end up: a listener that is the browser's proxy, or every other host's address. It counts
// connections too, for a browser may connect without asking for anything.

import net from "node:net";

export async function startTrap() {
	const trap = { hits: [], connections: 0 };
	const sockets = new Set();
	const server = net.createServer((s) => {
		trap.connections++;
		sockets.add(s);
		s.on("close", () => sockets.delete(s));
		s.on("error", () => {});
		s.once("data", (d) => {
			trap.hits.push(d.toString("latin1").split("\r\n")[0]);
			s.end("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		});
	});
	await new Promise((ok, bad) => server.once("error", bad).listen(0, "127.0.0.1", ok));
	trap.port = server.address().port;
	/** Of our corpus: a browser's own errands are not the mail's doing. */
	trap.evil = () => trap.hits.filter((h) => /evil|xn--|bank\.example/.test(h));
	trap.stop = () => {
		sockets.forEach((s) => s.destroy());
		return new Promise((done) => server.close(done));
	};
	return trap;
}

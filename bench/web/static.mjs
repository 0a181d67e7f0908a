// Static files from memory, beside nginx from Debian, asked by wrk, in turns on the same cores.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { startStation, until } from "../../tests/browser/lib/station.mjs";
import { percentile } from "./report.mjs";

const CONNECTIONS = 32;

const freePort = () => new Promise((done) => {
	const s = net.createServer().listen(0, "127.0.0.1", () => {
		const { port } = s.address();
		s.close(() => done(port));
	});
});

/** nginx as its manual advises for static files: no log, no Nagle, open files kept, packed beforehand. */
async function startNginx(peers, dist) {
	const dir = mkdtempSync(path.join(os.tmpdir(), "yz-nginx-")), port = await freePort();
	for (const f of readdirSync(dist, { recursive: true, withFileTypes: true }))
		if (f.isFile() && /\.(js|css|svg|html)$/.test(f.name))
			spawnSync("sh", ["-c", 'mkdir -p "$2/$(dirname "$3")" && cp "$1/$3" "$2/$3" && gzip -9nk "$2/$3"', "sh", dist, dir,
				path.relative(dist, path.join(f.parentPath ?? f.path, f.name))]);
	writeFileSync(path.join(dir, "nginx.conf"), `daemon off; worker_processes ${os.cpus().length}; pid ${dir}/pid; error_log ${dir}/log;
events { worker_connections 1024; }
http { types { text/javascript js; text/css css; image/svg+xml svg; } access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000;
open_file_cache max=100; gzip_static on; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
server { listen 127.0.0.1:${port}; root ${dir}; } }`);
	const p = spawn(path.join(peers, "usr/sbin/nginx"), ["-c", path.join(dir, "nginx.conf"), "-p", dir, "-e", path.join(dir, "log")], { stdio: "ignore" });
	const ended = new Promise((done) => p.once("exit", done));
	spawnSync("chmod", ["-R", "a+rX", dir]);
	const url = `http://127.0.0.1:${port}`;
	await until(async () => (await fetch(url + "/").catch(() => null)) !== null, 5000, "nginx");
	return { url, stop: async () => {
		p.kill("SIGTERM");
		await ended;
		rmSync(dir, { recursive: true, force: true });
	} };
}

async function load(peers, url, seconds) {
	const p = spawn(path.join(peers, "usr/bin/wrk"), ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "-H", "Accept-Encoding: gzip", url],
		{ env: { ...process.env, LD_LIBRARY_PATH: path.join(peers, "usr/lib/x86_64-linux-gnu") } });
	let said = "";
	p.stdout.on("data", (d) => { said += d; });
	p.stderr.on("data", (d) => { said += d; });
	await new Promise((done) => p.once("close", done));
	const rate = /Requests\/sec:\s+([\d.]+)/.exec(said);
	if (!rate || /Non-2xx/.test(said))
		throw new Error("wrk: " + said);
	return Number(rate[1]);
}

export async function measureStatic(report, top, { isQuick }) {
	const peers = process.env.YIZHAN_PEERS ?? path.join(top, "peers");
	if (!existsSync(path.join(peers, "usr/sbin/nginx")) || !existsSync(path.join(peers, "usr/bin/wrk"))) {
		console.log("no nginx, no wrk: tests/peers/fetch --web");
		return;
	}
	const dist = path.join(top, "web/dist"), seconds = isQuick ? 1 : 3;
	const station = await startStation(), nginx = await startNginx(peers, dist);
	try {
		const names = readdirSync(path.join(dist, "assets"));
		for (const [what, name] of [["the icon, 0.5 KB", names.find((n) => /^icon-/.test(n))], ["a style sheet, 5 KB packed", names.find((n) => /^main-.*css$/.test(n))]]) {
			const ours = [], theirs = [];
			for (let i = 0; i < (isQuick ? 1 : 5); i++)
				for (const s of i % 2 ? [station, nginx] : [nginx, station])
					(s === station ? ours : theirs).push(await load(peers, `${s.url}/assets/${name}`, seconds));
			report.add(`static: ${what}, requests/s (${os.cpus().length} cores, wrk on them too)`, percentile(ours, 0.5), { unit: "/s", least: 20_000, runs: ours.length });
			report.add("   nginx from Debian, the same", percentile(theirs, 0.5), { unit: "/s", runs: theirs.length });
			report.add("   Yizhan over nginx", percentile(ours.map((o, i) => o / theirs[i]), 0.5), { unit: "times" });
		}
	} finally {
		await nginx.stop();
		await station.stop();
	}
}

// bench/web/run: see there.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { TOP } from "../../tests/browser/lib/station.mjs";
import { measureBrowser } from "./browser.mjs";
import { copyOf, keptMailbox } from "./mailbox.mjs";
import { Report } from "./report.mjs";
import { measureServer } from "./server.mjs";
import { measureStatic } from "./static.mjs";

const CASES = ["sizes", "server", "start", "scroll", "keys", "open", "push", "heap", "static"];
const BROWSER = CASES.slice(2, 8);
const CALM = 1.0; // a load of others above it is told beside the table

function options(args) {
	const o = { cases: CASES, isQuick: false, isPublished: false };
	while (args.length) {
		const a = args.shift();
		if (a === "--quick")
			o.isQuick = true;
		else if (a === "--publish")
			o.isPublished = true;
		else if (a === "--cases" && args[0]?.split(",").every((c) => CASES.includes(c)))
			o.cases = args.shift().split(",");
		else
			throw new Error(`usage: bench/web/run [--quick] [--publish] [--cases ${CASES.join(",")}]`);
	}
	return o;
}

function measureSizes(report) {
	const done = spawnSync("node", ["tools/check.mjs"], { cwd: path.join(TOP, "web"), encoding: "utf8" });
	const lines = [...done.stdout.matchAll(/^(.+?)\s+([\d.]+) of (\d+) KB$/gm)];
	if (!lines.length)
		throw new Error("web/tools/check.mjs: " + done.stdout + done.stderr);
	for (const [, what, size, most] of lines)
		report.add(what + ", gzip", Number(size), { unit: "KB", most: Number(most) });
}

const o = options(process.argv.slice(2));
process.env.YIZHAN_BIN ??= path.join(TOP, "build/release/yizhan");
if (!existsSync(process.env.YIZHAN_BIN))
	throw new Error(process.env.YIZHAN_BIN + " is not there: make build");
const load = os.loadavg()[0], report = new Report(), count = o.isQuick ? 2_000 : 100_000;
const wants = (name) => o.cases.includes(name);
const copy = path.join(TOP, "bench/out/web-run");
if (wants("sizes"))
	measureSizes(report);
if (wants("server") || BROWSER.some(wants)) {
	const kept = await keptMailbox(TOP, count, console.log);
	if (wants("server"))
		await measureServer(report, copyOf(kept, copy), count, o.isQuick);
	const cases = BROWSER.filter(wants);
	if (cases.length)
		await measureBrowser(report, copyOf(kept, copy), { isQuick: o.isQuick, only: cases });
	rmSync(copy, { recursive: true, force: true });
}
if (wants("static"))
	await measureStatic(report, TOP, o);
const now = os.loadavg()[0];
console.log(`\nload when it began ${load.toFixed(2)}, at the end ${now.toFixed(2)}; ${report.missed.length} missed`);
if (o.isPublished) {
	const date = new Date().toISOString().slice(0, 10), file = path.join(TOP, `bench/results/${date}-web.md`);
	const cpu = /model name\s*:\s*(.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
	const chromium = spawnSync(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--version"], { encoding: "utf8" }).stdout?.trim();
	writeFileSync(file, `# Webmail, ${date}

\`bench/web/run\` on ${os.cpus().length} cores (${cpu}), ${chromium}, node ${process.version}; a mailbox of ${count.toLocaleString("en")} letters. Load of the machine
when it began: ${load.toFixed(2)}, at the end: ${now.toFixed(2)} (its own work included).${load > CALM ? " Others worked on the same cores meanwhile: times are longer than they are by themselves." : ""}

${report.text().replace(/^/gm, "    ").trimEnd()}
`);
	console.log(file);
}
process.exit(0);

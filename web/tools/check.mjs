// What has to hold before anything lands: types, unit tests, catalogues that say the same in each language, sizes.
//   node tools/check.mjs [--dist]   with --dist: is the committed dist what the sources make?
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ROOMS, build } from "./build.mjs";

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const problems = [];

/** web.md section 9, kilobytes of gzip; a room's share is what comes when it is opened. */
const BUDGETS = { "JS before the first list": 60, CSS: 12, icons: 6, reader: 40, compose: 40, settings: 25, trace: 12, search: 3 };

function sources(dir, end) {
	return readdirSync(dir, { withFileTypes: true }).flatMap((f) => f.isDirectory() ? sources(path.join(dir, f.name), end)
		: end.test(f.name) ? [path.join(dir, f.name)] : []);
}

/** Styles of rooms come one after another into the same page, in the order in which people visit them: what one room calls
 * by a class alone, no other may. */
function checkRooms() {
	const owner = new Map();
	for (const file of sources(path.join(top, "src/ui"), /\.css$/)) {
		const room = path.basename(path.dirname(file));
		const text = readFileSync(file, "utf8").replace(/\/\*[^]*?\*\//g, "");
		const own = new Set([...text.matchAll(/(?:^|[{};,])\s*\.([\w-]+)(?=\s*[,{])/g)].map((m) => m[1]));
		for (const name of own) {
			if (owner.has(name) && owner.get(name) !== room && !(name === "toasts" && room === "shell"))
				problems.push(`ui/${room}: .${name} is ${owner.get(name)}'s too`);
			owner.set(name, room);
		}
	}
}

function checkCatalogues() {
	const dir = path.join(top, "src/i18n");
	const keys = new Set();
	const words = (v) => [...JSON.stringify(v).matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
	for (const file of readdirSync(dir).filter((n) => n.endsWith(".en.json"))) {
		const room = file.slice(0, -".en.json".length);
		const en = JSON.parse(readFileSync(path.join(dir, file), "utf8"));
		const other = path.join(dir, `${room}.zh-CN.json`);
		if (!existsSync(other)) {
			problems.push(`i18n/${room}.zh-CN.json is not there`);
			continue;
		}
		const zh = JSON.parse(readFileSync(other, "utf8"));
		for (const key of Object.keys(en)) {
			if (keys.has(key))
				problems.push(`i18n/${file}: ${key} is another catalogue's too`);
			keys.add(key);
			if (!key.startsWith(room + "."))
				problems.push(`i18n/${file}: ${key} does not begin with "${room}."`);
			if (!(key in zh))
				problems.push(`i18n/${room}.zh-CN.json: ${key} is missing`);
			else if (String([...new Set(words(en[key]))].sort()) !== String([...new Set(words(zh[key]))].sort()))
				problems.push(`i18n/${room}: ${key} has other {words} in Chinese`);
			if (typeof en[key] === "object" && !("other" in en[key]))
				problems.push(`i18n/${file}: ${key} needs "other"`);
		}
		for (const key of Object.keys(zh))
			if (!(key in en))
				problems.push(`i18n/${room}.zh-CN.json: ${key} is not in English`);
	}
	const used = new Set();
	const text = [];
	for (const file of sources(path.join(top, "src"), /\.tsx?$/)) {
		const code = readFileSync(file, "utf8").replace(/^\/\/.*$/gm, "");
		text.push(code);
		for (const m of code.matchAll(/\bt\(\s*["'`]([\w.-]+)["'`]/g)) {
			used.add(m[1]);
			if (!keys.has(m[1]))
				problems.push(`${path.relative(top, file)}: t("${m[1]}") is in no catalogue`);
		}
		if (/dangerouslySetInnerHTML|\.innerHTML\s*=|\.outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(/.test(code))
			problems.push(`${path.relative(top, file)}: makes HTML of text`);
		if (/\sstyle=[{"]/.test(code))
			problems.push(`${path.relative(top, file)}: inline style (use a class, or el.style.setProperty)`);
	}
	const all = text.join("\n");
	for (const key of keys) {
		// made of pieces: t(`folder.role.${role}`)
		const stem = key.slice(0, key.lastIndexOf(".") + 1);
		if (!used.has(key) && !all.includes(`"${key}"`) && !all.includes("`" + stem + "${"))
			problems.push(`i18n: ${key} is used nowhere`);
	}
}

function checkStyles() {
	const physical = /(^|[\s;{])(margin|padding|border)-(left|right|top|bottom)\s*:|(^|[\s;{])(left|right)\s*:|text-align:\s*(left|right)|float:\s*(left|right)/;
	for (const file of sources(path.join(top, "src"), /\.css$/))
		readFileSync(file, "utf8").split("\n").forEach((line, i) => {
			if (physical.test(line) && !/margin-(top|bottom)|padding-(top|bottom)|border-(top|bottom)/.test(line))
				problems.push(`${path.relative(top, file)}:${i + 1}: physical side; use inline-start, inline-end`);
		});
}

function closure(metafile, from) {
	const seen = new Set(), left = [from];
	while (left.length) {
		const name = left.pop();
		if (seen.has(name))
			continue;
		seen.add(name);
		for (const i of metafile.outputs[name].imports)
			if (i.kind === "import-statement")
				left.push(i.path);
	}
	return seen;
}

function checkSizes(made) {
	const kb = (name) => gzipSync(made.files.get(name), { level: 9 }).length / 1024;
	const sizes = {};
	const start = new Set(made.needed.map((n) => "dist" + n));
	sizes["JS before the first list"] = [...start].reduce((n, f) => n + kb(f.slice(5)), 0);
	sizes.CSS = Object.values(made.styles).reduce((n, f) => n + kb(f.slice(1)), 0);
	sizes.icons = gzipSync(made.icons, { level: 9 }).length / 1024;
	if (start.size !== 1)
		problems.push(`${start.size} scripts before the first list, one is meant: what else comes later belongs into ALSO of tools/build.mjs`);
	for (const [room, file] of Object.entries(ROOMS)) {
		const entry = Object.entries(made.metafile.outputs).find(([, o]) => o.entryPoint === "src/" + file);
		if (!entry)
			continue;
		const names = [...closure(made.metafile, entry[0])].filter((n) => !start.has(n));
		sizes[room] = names.reduce((n, f) => n + kb(f.slice(5)), 0);
	}
	for (const [what, size] of Object.entries(sizes)) {
		console.log(`${what.padEnd(26)} ${size.toFixed(1).padStart(6)} of ${BUDGETS[what]} KB`);
		if (size > BUDGETS[what])
			problems.push(`${what}: ${size.toFixed(1)} KB of gzip, more than ${BUDGETS[what]}`);
	}
}

function checkDist(made) {
	const dist = path.join(top, "dist");
	for (const [name, octets] of made.files) {
		const where = path.join(dist, name);
		if (!existsSync(where) || !readFileSync(where).equals(octets))
			problems.push(`dist/${name} is not what the sources make: npm run build`);
	}
	for (const file of sources(dist, /./))
		if (!made.files.has(path.relative(dist, file).split(path.sep).join("/")))
			problems.push(`${path.relative(top, file)} is left over: npm run build`);
}

const made = await build();
if (process.argv.includes("--dist")) {
	checkDist(made);
} else {
	for (const [name, args] of [["types", ["node_modules/.bin/tsc", "--noEmit"]], ["unit tests", [process.execPath, "tools/test.mjs"]]]) {
		const done = spawnSync(args[0], args.slice(1), { cwd: top, encoding: "utf8" });
		if (done.status)
			problems.push(`${name}:\n${done.stdout}${done.stderr}`);
	}
	checkCatalogues();
	checkStyles();
	checkRooms();
	checkSizes(made);
}
for (const p of problems)
	console.log(p);
console.log(problems.length ? `${problems.length} problems` : "web: all well");
process.exit(problems.length ? 1 : 0);

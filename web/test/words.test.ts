import assert from "node:assert/strict";
import { test } from "node:test";
import { domainOf, firstName, formatAddress, isAddress, parseAddresses, shortName } from "../src/core/address";
import { clockStamp, shortDate, spokenDate } from "../src/core/dates";
import { addCatalogue, chooseLanguage, formatSize, ready, setLanguage, t } from "../src/core/i18n";
import { Keys, isTyping } from "../src/core/keys";
import { keepPending, takeOrphans } from "../src/core/offline";
import { EventParser } from "../src/core/push";
import { changeSettings, clean, cleanPatch, DEFAULTS, loadSettings, saveSettings, settings, startSettings } from "../src/core/settings";
import { UndoStack } from "../src/core/undo";

test("addresses as they are typed and pasted", () => {
	const cases: [string, [string | null, string][]][] = [
		["ana@x.org", [[null, "ana@x.org"]]],
		["Ana Lima <ana@x.org>", [["Ana Lima", "ana@x.org"]]],
		["\"Lima, Ana\" <ana@x.org>, bob@y.org;c@z.org", [["Lima, Ana", "ana@x.org"], [null, "bob@y.org"], [null, "c@z.org"]]],
		["ana@x.org (Ana Lima)", [["Ana Lima", "ana@x.org"]]],
		["a@x.org b@y.org\nc@z.org", [[null, "a@x.org"], [null, "b@y.org"], [null, "c@z.org"]]],
		["Ana ana@x.org", [["Ana", "ana@x.org"]]],
		["<ana@x.org>", [[null, "ana@x.org"]]],
		["mailto:ana@x.org", [[null, "ana@x.org"]]],
		["王伟 <wei@例子.测试>", [["王伟", "wei@例子.测试"]]],
		["\"a\\\"b\" <c@d.org>", [["a\"b", "c@d.org"]]],
		["friends: a@x.org, b@x.org;", [[null, "a@x.org"], [null, "b@x.org"]]],
		["O'Neil <o@x.org>", [["O'Neil", "o@x.org"]]],
		["nonsense", [[null, "nonsense"]]],
		[" , ;\n", []],
	];
	for (const [text, want] of cases)
		assert.deepEqual(parseAddresses(text).map((a) => [a.name, a.email]), want, text);
});

test("which addresses mail can go to", () => {
	for (const good of ["a@b", "a.b+c@x-y.example", "\"a b\"@x.org", "用户@例子.测试", "a@[192.0.2.1]"])
		assert.ok(isAddress(good), good);
	for (const bad of ["a", "@b", "a@", "a b@c", ".a@b", "a..b@c", "a@-b.org", "a@b..org", "a@b,c", "a@" + "x".repeat(320)])
		assert.ok(!isAddress(bad), bad);
});

test("what is written as an address is read the same", () => {
	for (const name of ["Ana", "Lima, Ana", "a\"b\\c", "王伟", "x@y", null])
		assert.deepEqual(parseAddresses(formatAddress({ name, email: "a@b.org" })), [{ name, email: "a@b.org" }]);
	assert.equal(firstName({ name: "Lima, Ana", email: "" }), "Ana");
	assert.equal(shortName({ name: null, email: "bob@x.org" }), "bob");
	assert.equal(domainOf("a@X.org"), "x.org");
});

test("words and their plurals", async () => {
	addCatalogue({ "x.n": { one: "{n} letter", other: "{n} letters" }, "x.plain": "to {who}" },
		{ "zh-CN": async () => ({ default: { "x.n": { other: "{n} 封信" } } }) });
	assert.equal(t("x.n", { n: 1 }), "1 letter");
	assert.equal(t("x.n", { n: 12431 }), "12,431 letters");
	assert.equal(t("x.plain", { who: "{n}" }), "to {n}");
	assert.equal(t("x.missing"), "x.missing");
	await setLanguage("zh-CN");
	assert.equal(t("x.n", { n: 1 }), "1 封信");
	assert.equal(t("x.plain", { who: "我" }), "to 我");
	await setLanguage("en");
	await ready();
	assert.deepEqual([["zh-TW"], ["fr", "en-GB"], ["fr"], []].map(chooseLanguage), ["zh-CN", "en", "en", "en"]);
	assert.equal(formatSize(1500), "1.5 kB");
	assert.equal(formatSize(1), "1 byte");
});

test("dates in a list", () => {
	const now = new Date(2026, 10, 23, 15, 0);
	assert.match(shortDate(new Date(2026, 10, 23, 9, 5).toISOString(), now), /^0?9:05/);
	assert.match(shortDate(new Date(2026, 10, 3).toISOString(), now), /Nov/);
	assert.match(shortDate(new Date(2024, 10, 3).toISOString(), now), /2024/);
	assert.equal(shortDate("nonsense", now), "");
	assert.equal(clockStamp(new Date(2026, 10, 23, 21, 5, 7, 9)), "21:05:07.009");
	assert.equal(spokenDate(new Date(2026, 10, 22, 23, 59).toISOString(), now), "yesterday");
});

const event = (key: string, more = {}) => ({ key, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, isComposing: false, keyCode: 65, timeStamp: 1000,
	target: null, defaultPrevented: false, preventDefault() {}, ...more });

test("keys fire where nobody types", () => {
	const keys = new Keys(), ran: string[] = [];
	const off = keys.add(["a", "g i", "Shift+U", "#", "o, Enter"].map((k) => ({ keys: k, label: k, group: "", run: () => ran.push(k) })));
	keys.handle(event("a"));
	keys.handle(event("g"));
	keys.handle(event("i", { timeStamp: 1500 }));
	keys.handle(event("g", { timeStamp: 5000 }));
	keys.handle(event("i", { timeStamp: 9000 }));
	keys.handle(event("U", { shiftKey: true }));
	keys.handle(event("#", { shiftKey: true }));
	keys.handle(event("Enter"));
	assert.deepEqual(ran, ["a", "g i", "Shift+U", "#", "o, Enter"]);
	ran.length = 0;
	for (const no of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }, { isComposing: true }, { keyCode: 229 }, { defaultPrevented: true }])
		keys.handle(event("a", no));
	keys.composed(990);
	keys.handle(event("Enter")); // the one that ended a composition
	keys.handle(event("a", { target: { closest: (s: string) => /textarea/.test(s) ? {} : null } }));
	keys.isOn = () => false;
	keys.handle(event("a", { timeStamp: 9999 }));
	off();
	keys.isOn = () => true;
	keys.handle(event("a", { timeStamp: 9999 }));
	assert.deepEqual(ran, []);
	assert.equal(isTyping(null), false);
});

test("undo takes back the last thing first, and not for ever", () => {
	let now = 0;
	const stack = new UndoStack(() => now), done: string[] = [];
	const what = (text: string) => ({ text, undo: () => { done.push(text); } });
	const b = what("b");
	[what("a"), b, what("c")].forEach((w) => stack.push(w));
	assert.equal(stack.top.value?.text, "c");
	assert.ok(stack.undo(b));
	assert.ok(!stack.undo(b));
	assert.ok(stack.undo());
	now = 61_000;
	assert.ok(!stack.undo());
	assert.deepEqual(done, ["b", "c"]);
});

test("events of a stream, cut anywhere", () => {
	const text = "event: ping\ndata: {}\n\n: remark\r\nevent: state\r\ndata: a\r\ndata: b\r\n\r\ndata:c\n\n";
	const want = [{ event: "ping", data: "{}" }, { event: "state", data: "a\nb" }, { event: "message", data: "c" }];
	assert.deepEqual(new EventParser().feed(text), want);
	const p = new EventParser();
	assert.deepEqual([...text].flatMap((c) => p.feed(c)), want);
});

test("settings from elsewhere fit or stay away", () => {
	assert.deepEqual(clean({ theme: "dark", keys: "yes", labels: {}, evil: 1 }), { ...DEFAULTS, theme: "dark" });
	assert.deepEqual(clean(null), DEFAULTS);
});

test("a setting that was not saved when its tab went is saved by the next one", async () => {
	const map = new Map<string, string>();
	const of = (k: string) => JSON.parse(map.get(k) ?? "null");
	const sent: unknown[] = [];
	let isLost = false, lose = () => {};
	const server = { has: () => true, call: async (name: string, args: { update?: { singleton: object } }) => {
		if (name === "WebSettings/get")
			return { list: [{ id: "singleton", language: "en", density: "roomy" }] };
		sent.push(args.update!.singleton);
		return isLost ? new Promise((_, bad) => { lose = () => bad(new Error("gone")); }) : {};
	} } as unknown as Parameters<typeof loadSettings>[0];
	const was = { localStorage: globalThis.localStorage, document: globalThis.document };
	Object.assign(globalThis, { localStorage: { getItem: (k: string) => map.get(k) ?? null, setItem: (k: string, v: string) => void map.set(k, v), removeItem: (k: string) => void map.delete(k) },
		document: { documentElement: { dataset: {} } } });
	try {
		map.set("yizhan.settings", JSON.stringify({ language: "en" }));
		map.set("yizhan.settings.waiting", JSON.stringify({ density: "compact", evil: 1 }));
		await startSettings();
		await loadSettings(server);
		assert.equal(settings.value.density, "compact", "what the server does not know yet counts");
		await saveSettings();
		assert.deepEqual(sent, [{ density: "compact" }]);
		assert.equal(of("yizhan.settings.waiting"), null);
		isLost = true;
		changeSettings({ theme: "dark" });
		const saving = saveSettings(); // and the tab goes
		assert.deepEqual(of("yizhan.settings.waiting"), { theme: "dark" });
		changeSettings({ density: "roomy" });
		assert.deepEqual(of("yizhan.settings.waiting"), { theme: "dark", density: "roomy" });
		lose();
		await saving;
		assert.deepEqual(of("yizhan.settings.waiting"), { theme: "dark", density: "roomy" });
		isLost = false;
		await saveSettings();
		assert.deepEqual([sent.at(-1), of("yizhan.settings.waiting")], [{ theme: "dark", density: "roomy" }, null]);
		assert.deepEqual(cleanPatch({ theme: 7, labels: [] }), { labels: [] });
	} finally {
		Object.assign(globalThis, was);
	}
});

test("changes of a tab that is gone are taken by one other tab, once", async () => {
	const map = new Map<string, string>();
	const storage = { get length() { return map.size; }, key: (i: number) => [...map.keys()][i] ?? null, getItem: (k: string) => map.get(k) ?? null,
		setItem: (k: string, v: string) => void map.set(k, v), removeItem: (k: string) => void map.delete(k) } as unknown as Storage;
	const held = new Set<string>();
	const line = new Map<string, Promise<unknown>>();
	const locks = { query: async () => ({ held: [...held].map((name) => ({ name })) }), request: (name: string, run: () => Promise<unknown>) => {
		const done = (line.get(name) ?? Promise.resolve()).then(async () => {
			held.add(name);
			const v = await run();
			held.delete(name);
			return v;
		});
		line.set(name, done);
		return done;
	} } as unknown as LockManager;
	const s = { storage, locks };
	const change = { type: "Email", update: { M1: { "keywords/$seen": true } }, destroy: [], args: {} };
	keepPending([change], s, "yizhan.pending.dead");
	void locks.request("yizhan.pending.living", () => new Promise(() => {}));
	keepPending([change], s, "yizhan.pending.living");
	const [a, b] = await Promise.all([takeOrphans(s, "yizhan.pending.a"), takeOrphans(s, "yizhan.pending.b")]);
	assert.equal(a.length + b.length, 1);
	assert.deepEqual([...map.keys()], ["yizhan.pending.living"]);
});

// Words for people: catalogues by room, plurals by Intl, other languages loaded when they are wanted.
//
//	addCatalogue(en, { "zh-CN": () => import("../i18n/list.zh-CN.json") });
//	t("list.selected", { n: 3 })      // {"one": "{n} selected", "other": …}: chosen by n

import { computed, signal } from "@preact/signals-core";

export type Catalogue = Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;
export type Language = "en" | "zh-CN";
export const LANGUAGES: { id: Language; name: string }[] = [{ id: "en", name: "English" }, { id: "zh-CN", name: "简体中文" }];
type Loaders = Partial<Record<Language, () => Promise<{ default: Catalogue }>>>;

export const language = signal<Language>("en");
/** Becomes another number when words have arrived: what was rendered with t() renders again. */
const loaded = signal(0);
const words: Record<Language, Catalogue> = { en: {}, "zh-CN": {} };
let waiting: { lang: Language; load: () => Promise<{ default: Catalogue }> }[] = [];

export function addCatalogue(en: Catalogue, others: Loaders = {}) {
	Object.assign(words.en, en);
	for (const [lang, load] of Object.entries(others))
		waiting.push({ lang: lang as Language, load });
}

/** All words of the language that is chosen are here. Call it after a room's code has come. */
export async function ready(): Promise<void> {
	const mine = waiting.filter((w) => w.lang === language.value);
	if (!mine.length)
		return;
	waiting = waiting.filter((w) => !mine.includes(w));
	const done = await Promise.allSettled(mine.map(async (w) => {
		Object.assign(words[w.lang], (await w.load()).default);
	}));
	// what did not come is asked for next time; English stands in until then
	waiting.push(...mine.filter((_, i) => done[i]!.status === "rejected"));
	loaded.value++;
}

export async function setLanguage(lang: Language): Promise<void> {
	language.value = lang;
	if (typeof document !== "undefined")
		document.documentElement.lang = lang;
	await ready();
}

/** The best of ours for what the browser says. */
export function chooseLanguage(wanted: readonly string[]): Language {
	for (const w of wanted) {
		if (/^zh\b/i.test(w))
			return "zh-CN";
		if (/^en\b/i.test(w))
			return "en";
	}
	return "en";
}

/** The language with its country, for dates and numbers: "en" of a British browser is en-GB. */
export const locale = computed(() => (typeof navigator === "undefined" ? [] : navigator.languages ?? [])
	.find((l) => l.toLowerCase().startsWith(language.value.slice(0, 2))) ?? language.value);
const rules = computed(() => new Intl.PluralRules(language.value));
const numbers = computed(() => new Intl.NumberFormat(locale.value));

export function formatNumber(n: number): string {
	return numbers.value.format(n);
}

export function t(key: string, values: Record<string, string | number> = {}): string {
	void loaded.value;
	const word = words[language.value][key] ?? words.en[key] ?? key;
	const n = values.n;
	const text = typeof word === "string" ? word
		: word[rules.value.select(typeof n === "number" ? n : 0)] ?? word.other ?? key;
	return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
		const v = values[name];
		return v === undefined ? whole : typeof v === "number" ? formatNumber(v) : v;
	});
}

/** Sizes of files, as people say them. */
export function formatSize(octets: number): string {
	const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
	let n = octets, i = 0;
	while (n >= 1000 && i < units.length - 1) {
		n /= 1000;
		i++;
	}
	return new Intl.NumberFormat(locale.value, { style: "unit", unit: units[i], unitDisplay: i ? "short" : "long",
		maximumFractionDigits: n < 10 && i ? 1 : 0 }).format(n);
}

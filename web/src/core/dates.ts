// Times as people read them.

import { language, locale } from "./i18n";
import { settings } from "./settings";

const DAY_MS = 24 * 60 * 60 * 1000;
const made = new Map<string, Intl.DateTimeFormat>();

function format(key: string, options: Intl.DateTimeFormatOptions, at: Date): string {
	const clock = settings.value.dateFormat;
	const all = "hour" in options && clock !== "auto" ? { ...options, hourCycle: clock === "24" ? "h23" as const : "h12" as const } : options;
	const id = `${locale.value} ${clock} ${key}`;
	let f = made.get(id);
	if (!f) {
		f = new Intl.DateTimeFormat(locale.value, all);
		made.set(id, f);
	}
	return f.format(at);
}

export function isSameDay(a: Date, b: Date): boolean {
	return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

/** In a list: today the time, this year day and month, else the date. */
export function shortDate(iso: string, now = new Date()): string {
	const at = new Date(iso);
	if (Number.isNaN(at.getTime()))
		return "";
	if (isSameDay(at, now))
		return clockTime(at);
	if (at.getFullYear() === now.getFullYear())
		return format("day", { day: "numeric", month: "short" }, at);
	return format("date", { year: "numeric", month: "2-digit", day: "2-digit" }, at);
}

export function clockTime(at: Date): string {
	return format("time", { hour: "2-digit", minute: "2-digit" }, at);
}

/** As a log has it: 24 hours, milliseconds. */
export function clockStamp(at: Date): string {
	return format("stamp", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" }, at);
}

/** Everything, for titles and headers. */
export function fullDate(iso: string): string {
	const at = new Date(iso);
	return Number.isNaN(at.getTime()) ? iso
		: format("full", { weekday: "short", year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit" }, at);
}

/** For screen readers: "yesterday" where a list shows "3 Nov". */
export function spokenDate(iso: string, now = new Date()): string {
	const at = new Date(iso);
	const days = Math.round((new Date(at).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / DAY_MS);
	if (days === 0)
		return clockTime(at);
	if (days < 0 && days > -7)
		return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(days, "day");
	return shortDate(iso, now);
}

/** "in 12 minutes", "3 hours ago" */
export function relativeTime(iso: string, now = Date.now()): string {
	const s = (new Date(iso).getTime() - now) / 1000;
	const f = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
	const a = Math.abs(s);
	if (a < 60)
		return f.format(Math.round(s), "second");
	if (a < 3600)
		return f.format(Math.round(s / 60), "minute");
	if (a < 86400)
		return f.format(Math.round(s / 3600), "hour");
	return f.format(Math.round(s / 86400), "day");
}

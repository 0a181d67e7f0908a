// When something that is put off may come back.

import { clockTime, shortDate } from "../../core/dates";
import { t } from "../../core/i18n";

export function snoozeTimes(now = new Date()): { label: string; hint: string; at: Date | null }[] {
	const at = (days: number, hour: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
	const out: { label: string; hint: string; at: Date | null }[] = [];
	const put = (label: string, when: Date) => {
		if (when > now)
			out.push({ label, at: when, hint: when.getDate() === now.getDate() ? clockTime(when) : `${shortDate(when.toISOString(), now)} ${clockTime(when)}` });
	};
	if (now.getHours() < 16)
		put(t("list.snoozeToday"), at(0, 18));
	put(t("list.snoozeTomorrow"), at(1, 8));
	put(t("list.snoozeWeek"), at((8 - now.getDay()) % 7 || 7, 8));
	out.push({ label: t("list.snoozePick"), hint: "", at: null });
	return out;
}

/** What a field for date and time begins with: tomorrow at eight, in this zone. */
export function snoozeField(now = new Date()): string {
	const two = (n: number) => String(n).padStart(2, "0");
	const d = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, 8);
	return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}

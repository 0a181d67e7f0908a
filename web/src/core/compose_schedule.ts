/* When a letter goes: in some seconds (so that it can be taken back), this evening, tomorrow morning, at a time. */

export const UNDO_SECONDS = [0, 5, 10, 20, 30] as const;
export const UNDO_DEFAULT = 10;

export function undoSeconds(v: unknown): number {
	return typeof v === "number" && (UNDO_SECONDS as readonly number[]).includes(v) ? v : UNDO_DEFAULT;
}

export type ScheduleChoice = "evening" | "tomorrow" | "monday";

/** The times that are offered, all in the future: this evening 18:00 (not after 17:30), tomorrow 8:00, Monday 8:00 (not
 * when that is tomorrow). */
export function scheduleChoices(now: Date): { choice: ScheduleChoice; at: Date }[] {
	const at = (days: number, hour: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour, 0, 0, 0);
	const out: { choice: ScheduleChoice; at: Date }[] = [];
	const evening = at(0, 18);
	if (evening.getTime() - now.getTime() >= 30 * 60000)
		out.push({ choice: "evening", at: evening });
	out.push({ choice: "tomorrow", at: at(1, 8) });
	const toMonday = (8 - now.getDay()) % 7 || 7;
	if (toMonday > 1)
		out.push({ choice: "monday", at: at(toMonday, 8) });
	return out;
}

/** What a date field and a time field say, in this machine's zone; null: not a time. */
export function pickedTime(date: string, time: string): Date | null {
	const d = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date);
	const t = /^(\d{2}):(\d{2})/.exec(time);
	if (!d || !t)
		return null;
	const at = new Date(Number(d[1]), Number(d[2]) - 1, Number(d[3]), Number(t[1]), Number(t[2]));
	return at.getMonth() === Number(d[2]) - 1 ? at : null;
}

export type PickProblem = "past" | "tooFar" | "notATime" | null;

export function pickProblem(at: Date | null, now: Date, maxDelaySeconds: number): PickProblem {
	if (at === null)
		return "notATime";
	const s = (at.getTime() - now.getTime()) / 1000;
	return s < 30 ? "past" : s > maxDelaySeconds ? "tooFar" : null;
}

// The answer while somebody is away (RFC 8621 section 8).

import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { t } from "../../core/i18n";
import type { GetResponse, SetResponse } from "../../core/types";
import { jmap } from "../app";
import { Button, Spinner, toast } from "../kit/kit";

interface VacationResponse { id: string; isEnabled: boolean; fromDate: string | null; toDate: string | null; subject: string | null; textBody: string | null;
	htmlBody: string | null }

/** A date field's day in this zone, and back: the first and the last moment of it. */
const dayOf = (iso: string | null) => {
	if (!iso)
		return "";
	const d = new Date(iso);
	return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
};
const momentOf = (day: string, isEnd: boolean) => {
	const [y, m, d] = day.split("-").map(Number);
	return day ? new Date(y!, m! - 1, d! + (isEnd ? 1 : 0)).toISOString().replace(/\.\d+Z$/, "Z") : null;
};

export function Vacation() {
	const v = useSignal<VacationResponse | null>(null);
	const problem = useSignal("");
	const isBusy = useSignal(false);
	const [from, to, subject, text] = [useId(), useId(), useId(), useId()];
	useEffect(() => {
		jmap.call<GetResponse<VacationResponse>>("VacationResponse/get", { ids: ["singleton"] }).then((got) => { v.value = got.list[0] ?? null; },
			() => { problem.value = t("writing.failed"); });
	}, []);
	const now = v.value;
	if (!now)
		return <section class="writing-section"><h1>{t("writing.vacation")}</h1>{problem.value ? <p role="alert" class="bad-text">{problem.value}</p> : <Spinner />}</section>;
	const set = (patch: Partial<VacationResponse>) => { v.value = { ...now, ...patch }; };
	const lastDay = now.toDate ? dayOf(new Date(new Date(now.toDate).getTime() - 1).toISOString()) : "";
	const save = async () => {
		problem.value = "";
		if (now.fromDate && now.toDate && now.toDate <= now.fromDate) {
			problem.value = t("writing.wrongDates");
			return;
		}
		isBusy.value = true;
		const { isEnabled, fromDate, toDate, textBody } = now;
		try {
			const done = await jmap.call<SetResponse>("VacationResponse/set", { update: { singleton: { isEnabled, fromDate, toDate, subject: now.subject || null, textBody, htmlBody: null } } });
			const why = done.notUpdated?.singleton;
			problem.value = why ? why.description ?? t("writing.failed") : "";
			if (!why)
				toast({ text: isEnabled ? t("writing.vacationOn") : t("writing.vacationOff") });
		} catch {
			problem.value = t("writing.failed");
		}
		isBusy.value = false;
	};
	return (
		<section class="writing-section">
			<h1>{t("writing.vacation")}</h1>
			<form class="form" onSubmit={(e) => {
				e.preventDefault();
				void save();
			}}>
				<label class="check"><input type="checkbox" checked={now.isEnabled} onChange={(e) => set({ isEnabled: e.currentTarget.checked })} /><span>{t("writing.vacationEnabled")}</span></label>
				<div class="field-row">
					<div class="field"><label for={from}>{t("writing.firstDay")}</label>
						<input class="input" id={from} type="date" value={dayOf(now.fromDate)} onInput={(e) => set({ fromDate: momentOf(e.currentTarget.value, false) })} /></div>
					<div class="field"><label for={to}>{t("writing.lastDay")}</label>
						<input class="input" id={to} type="date" value={lastDay} onInput={(e) => set({ toDate: momentOf(e.currentTarget.value, true) })} /></div>
				</div>
				<div class="field"><label for={subject}>{t("writing.subject")}</label>
					<input class="input" id={subject} dir="auto" value={now.subject ?? ""} onInput={(e) => set({ subject: e.currentTarget.value })} /></div>
				<div class="field"><label for={text}>{t("writing.message")}</label>
					<textarea class="input" id={text} rows={8} dir="auto" value={now.textBody ?? ""} onInput={(e) => set({ textBody: e.currentTarget.value })} /></div>
				<p class="quiet">{t("writing.vacationHint")}</p>
				{problem.value && <p class="wrong bad-text" role="alert">{problem.value}</p>}
				<div><Button type="submit" kind="primary" label={t("writing.save")} disabled={isBusy.value} /></div>
			</form>
		</section>
	);
}

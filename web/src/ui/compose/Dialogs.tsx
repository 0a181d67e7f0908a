// Questions of the composer: what was forgotten, when to send, where a link goes.

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { type Check, isBlocking } from "../../core/compose_checks";
import { pickProblem, pickedTime } from "../../core/compose_schedule";
import { t } from "../../core/i18n";
import { jmap } from "../app";
import { Button, Dialog } from "../kit/kit";

export function checkText(c: Check): string {
	switch (c.kind) {
	case "noRecipient":
		return t("compose.check.noRecipient");
	case "badAddress":
		return t("compose.check.badAddress", { n: c.addresses.length, who: c.addresses.join(", ") });
	case "noSubject":
		return t("compose.check.noSubject");
	case "noAttachment":
		return t("compose.check.noAttachment", { word: c.word });
	case "uploading":
		return t("compose.check.uploading", { n: c.names.length, what: c.names.join(", ") });
	case "outside":
		return t("compose.check.outside", { n: c.addresses.length, who: c.addresses.join(", ") });
	}
}

export function CheckDialog({ checks, onClose }: { checks: Check[]; onClose(sendAnyway: boolean): void }) {
	const isStopped = checks.some(isBlocking);
	return (
		<Dialog title={isStopped ? t("compose.check.cannot") : t("compose.check.title")} onClose={() => onClose(false)} foot={<>
			<Button label={t("compose.check.back")} kind={isStopped ? "primary" : "normal"} onClick={() => onClose(false)} />
			{!isStopped && <Button kind="primary" label={t("compose.check.anyway")} onClick={() => onClose(true)} />}
		</>}>
			<ul class="checks">
				{checks.map((c) => <li key={c.kind} class={isBlocking(c) ? "bad-text" : ""}>{checkText(c)}</li>)}
			</ul>
		</Dialog>
	);
}

const two = (n: number) => String(n).padStart(2, "0");

/** The longest that the server holds a letter, in seconds. */
export function maxDelay(): number {
	const s = jmap.session.value;
	const of = s?.accounts[jmap.accountId]?.accountCapabilities["urn:ietf:params:jmap:submission"];
	const v = of?.maxDelayedSend;
	return typeof v === "number" ? v : 0;
}

export function ScheduleDialog({ onClose }: { onClose(at: Date | null): void }) {
	const soon = new Date(Date.now() + 3600_000);
	const date = useSignal(`${soon.getFullYear()}-${two(soon.getMonth() + 1)}-${two(soon.getDate())}`);
	const time = useSignal(`${two(soon.getHours())}:00`);
	const dateId = useId(), timeId = useId();
	const at = pickedTime(date.value, time.value);
	const why = pickProblem(at, new Date(), maxDelay());
	const done = () => {
		if (!why)
			onClose(at);
	};
	return (
		<Dialog title={t("compose.schedulePick")} onClose={() => onClose(null)} foot={<>
			<Button label={t("kit.cancel")} onClick={() => onClose(null)} />
			<Button kind="primary" label={t("compose.schedule")} disabled={!!why} onClick={done} />
		</>}>
			<div class="field-row">
				<div class="field"><label for={dateId}>{t("compose.day")}</label>
					<input class="input" id={dateId} type="date" value={date.value} onInput={(e) => { date.value = e.currentTarget.value; }} /></div>
				<div class="field"><label for={timeId}>{t("compose.time")}</label>
					<input class="input" id={timeId} type="time" value={time.value} onInput={(e) => { time.value = e.currentTarget.value; }} /></div>
			</div>
			{why && <p class="wrong bad-text" role="alert">{t(`compose.pick.${why}`)}</p>}
		</Dialog>
	);
}

/** null: leave it as it is; "": no link. */
export function LinkDialog({ url, onClose }: { url: string; onClose(url: string | null): void }) {
	const value = useSignal(url);
	const id = useId();
	const wanted = value.value.trim();
	const full = wanted === "" || /^(https?|mailto|tel):/i.test(wanted) ? wanted : wanted.includes("@") && !wanted.includes("/") ? `mailto:${wanted}` : `https://${wanted}`;
	const isBad = full !== "" && !URL.canParse(full);
	const done = () => {
		if (!isBad)
			onClose(full);
	};
	return (
		<Dialog title={t("compose.link")} onClose={() => onClose(null)} foot={<>
			{url !== "" && <Button label={t("compose.unlink")} onClick={() => onClose("")} />}
			<Button label={t("kit.cancel")} onClick={() => onClose(null)} />
			<Button kind="primary" label={t("compose.setLink")} disabled={isBad || full === ""} onClick={done} />
		</>}>
			<div class="field"><label for={id}>{t("compose.linkTo")}</label>
				<input class="input" id={id} type="text" inputMode="url" dir="ltr" autofocus value={value.value} aria-invalid={isBad}
					onInput={(e) => { value.value = e.currentTarget.value; }}
					onKeyDown={(e) => {
						if (e.key === "Enter" && !e.isComposing && e.keyCode !== 229) {
							e.preventDefault();
							done();
						}
					}} /></div>
		</Dialog>
	);
}

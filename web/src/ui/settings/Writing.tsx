// How the composer behaves.

import { useId } from "preact/hooks";
import { UNDO_SECONDS } from "../../core/compose_schedule";
import { t } from "../../core/i18n";
import { changeSettings, settings } from "../../core/settings";

export function Writing() {
	const undoId = useId(), modeId = useId();
	const s = settings.value;
	return (
		<section class="writing-section">
			<h1>{t("writing.writing")}</h1>
			<div class="field">
				<label for={undoId}>{t("writing.undo")}</label>
				<select class="input" id={undoId} value={String(s.undoSeconds)} onChange={(e) => changeSettings({ undoSeconds: Number(e.currentTarget.value) })}>
					{UNDO_SECONDS.map((n) => <option key={n} value={String(n)}>{n ? t("writing.undoSeconds", { n }) : t("writing.undoOff")}</option>)}
				</select>
				<p class="hint">{t("writing.undoHint")}</p>
			</div>
			<div class="field">
				<label for={modeId}>{t("writing.format")}</label>
				<select class="input" id={modeId} value={s.composeMode} onChange={(e) => changeSettings({ composeMode: e.currentTarget.value as "rich" | "plain" })}>
					<option value="rich">{t("writing.rich")}</option>
					<option value="plain">{t("writing.plain")}</option>
				</select>
			</div>
			<label class="check">
				<input type="checkbox" checked={s.askOutside} onChange={(e) => changeSettings({ askOutside: e.currentTarget.checked })} />
				<span>{t("writing.askOutside")}</span>
			</label>
		</section>
	);
}

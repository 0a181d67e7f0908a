// The files of a letter, and those on their way.

import { t, formatSize } from "../../core/i18n";
import { Button, Icon } from "../kit/kit";
import type { Composer } from "./composer";
import type { UploadItem } from "./uploads";

export function Files({ c }: { c: Composer }) {
	const files = c.letter.value.attachments.filter((a) => a.cid === null || c.letter.value.format === "plain");
	const coming = c.uploads.items.value;
	if (!files.length && !coming.length)
		return null;
	return (
		<ul class="compose-files" aria-label={t("compose.files")}>
			{files.map((a) => (
				<li class="compose-file" key={a.key}>
					<Icon name={a.type.startsWith("image/") ? "image" : "file"} />
					<span class="file-name" dir="auto" title={a.name}>{a.name}</span>
					<span class="quiet">{a.size > 0 ? formatSize(a.size) : ""}</span>
					<Button small kind="plain" icon="close" label={t("kit.remove", { what: a.name })} onClick={() => c.removeFile(a.key)} />
				</li>
			))}
			{coming.map((i) => <Coming c={c} i={i} key={i.key} />)}
		</ul>
	);
}

function Coming({ c, i }: { c: Composer; i: UploadItem }) {
	const percent = i.size ? Math.min(100, Math.round(100 * i.sent / i.size)) : 0;
	const isBad = i.state === "failed" || i.state === "tooLarge";
	return (
		<li class={`compose-file coming${isBad ? " bad" : ""}`}>
			<Icon name={isBad ? "warning" : "upload"} />
			<span class="file-name" dir="auto" title={i.name}>{i.name}</span>
			{i.state === "tooLarge" ? <span role="alert">{t("compose.tooLarge", { size: formatSize(i.size), max: formatSize(c.uploads.max) })}</span>
				: i.state === "failed" ? <span role="alert">{t("compose.uploadFailed")}</span>
				: <progress max={100} value={percent} aria-label={t("compose.uploading", { what: i.name })} />}
			{i.state === "failed" && <Button small kind="plain" icon="refresh" label={t("compose.retry", { what: i.name })} onClick={() => c.uploads.retry(i.key)} />}
			<Button small kind="plain" icon="close" label={t("compose.cancelUpload", { what: i.name })} onClick={() => c.cancelUpload(i.key)} />
		</li>
	);
}

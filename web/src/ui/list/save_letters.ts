// What is chosen as files: one letter as .eml, several as a .zip of such. It comes when it is first asked for.

import { ZIP_LETTERS_MAX, ZIP_MAX, type Letter, emlName, isTooMuch, zipLetters } from "../../core/eml";
import { formatSize, t } from "../../core/i18n";
import type { Email, Filter, GetResponse, QueryResponse } from "../../core/types";
import { jmap } from "../app";
import { toast } from "../kit/kit";
import { type Space, accountOf } from "../spaces";

/** All that a query finds; null: more than are put into one file here. */
async function lettersOf(space: Space, filter: Filter | null): Promise<Letter[] | null> {
	const { ids } = await jmap.call<QueryResponse>("Email/query", space.store.args({ filter, limit: ZIP_LETTERS_MAX + 1 }));
	if (ids.length > ZIP_LETTERS_MAX)
		return null;
	const out: Letter[] = [], max = jmap.limit("maxObjectsInGet", 500);
	for (let i = 0; i < ids.length; i += max)
		out.push(...(await jmap.call<GetResponse<Email>>("Email/get", space.store.args({ ids: ids.slice(i, i + max), properties: ["blobId", "subject", "size"] }))).list);
	return out;
}

function give(href: string, name: string) {
	const a = document.createElement("a");
	a.href = href;
	a.download = name;
	a.click();
}

export async function saveLetters(space: Space, chosen: readonly Email[] | { filter: Filter | null }, name: string): Promise<void> {
	const otherwise = t("list.letter");
	try {
		const letters = Array.isArray(chosen) ? chosen : await lettersOf(space, (chosen as { filter: Filter | null }).filter);
		if (!letters || isTooMuch(letters))
			return void toast({ kind: "bad", text: t("list.zipTooMuch", { n: ZIP_LETTERS_MAX, size: formatSize(ZIP_MAX) }) });
		if (letters.length === 1) {
			const file = emlName(letters[0]!, otherwise);
			return give(jmap.downloadUrl(letters[0]!.blobId, file, "message/rfc822", accountOf(space)), file);
		}
		const stop = toast({ text: t("list.zipping", { n: letters.length }), seconds: 600 });
		const url = URL.createObjectURL(await zipLetters(jmap, accountOf(space), letters, otherwise));
		stop();
		give(url, name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, "-") + ".zip");
		setTimeout(() => URL.revokeObjectURL(url), 60_000);
	} catch {
		toast({ kind: "bad", text: t("list.zipFailed") });
	}
}

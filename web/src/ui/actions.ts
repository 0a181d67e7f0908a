// What was done is said, with Undo beside it.

import type { Done } from "../core/mail";
import { t } from "../core/i18n";
import { undo } from "./app";
import { toast } from "./kit/kit";

/** Say it; Undo takes exactly this back. */
export function announce(done: Done | null): void {
	if (!done)
		return;
	const { undoable } = done;
	toast({ text: done.text, action: undoable ? { label: t("kit.undo"), run: () => undo.undo(undoable) } : undefined });
}

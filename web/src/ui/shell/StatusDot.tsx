// Is what is shown what is there? Live, asked for now and then, or without a network; with words beside the colour.

import { clockTime } from "../../core/dates";
import { t } from "../../core/i18n";
import { push } from "../app";
import { openMenu } from "../kit/kit";
import { pendingCount } from "../spaces";

export function StatusDot() {
	const status = push.status.value, pending = pendingCount.value;
	const words = t(`shell.status.${status}`);
	const at = push.updatedAt.value ? t("shell.updated", { time: clockTime(new Date(push.updatedAt.value)) }) : "";
	return (
		<button type="button" class={`button plain status ${status}`} aria-haspopup="menu" title={[words, at].filter(Boolean).join(", ")}
			onClick={(e) => openMenu(t("shell.statusTitle"), [
				{ title: words },
				...(at ? [{ title: at }] : []),
				{ title: pending ? t("shell.pending", { n: pending }) : t("shell.nothingPending") },
				{ label: t("shell.tryAgain"), icon: "refresh", run: () => push.retry() },
			], e.currentTarget)}>
			<span class="status-dot" aria-hidden />
			<span class={status === "live" || status === "starting" ? "sr-only" : "status-words"}>{words}</span>
			{pending > 0 && status !== "live" && <span class="chip wait">{pending}</span>}
		</button>
	);
}

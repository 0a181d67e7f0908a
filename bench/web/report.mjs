// One table: what was measured, beside what is to be reached (docs/web.md, "How fast it is").

export const percentile = (values, p) => {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * p) - 1)];
};
const figure = (v) => v >= 100 ? String(Math.round(v)) : v >= 10 ? v.toFixed(1) : v.toFixed(2);

export class Report {
	rows = [];
	/** `most`: at most so much; `least`: at least. */
	add(what, value, { unit = "ms", most, least, runs, note = "" } = {}) {
		const isMet = most !== undefined ? value <= most : least !== undefined ? value >= least : null;
		const row = { what, value, unit, most, least, runs, note, verdict: isMet === null ? "" : isMet ? "met" : "MISSED" };
		this.rows.push(row);
		console.log(this.#line(row));
	}
	/** p50 and p95 of one thing's runs. */
	times(what, values, { p50, p95, note } = {}) {
		const more = { runs: values.length, note };
		if (p50 !== null)
			this.add(what + ", p50", percentile(values, 0.5), { most: p50, ...more });
		this.add(what + ", p95", percentile(values, 0.95), { most: p95, ...more });
	}
	#line(r) {
		const bound = r.most !== undefined ? `<= ${r.most}` : r.least !== undefined ? `>= ${r.least}` : "";
		return `${r.what.padEnd(66)} ${figure(r.value).padStart(8)} ${r.unit.padEnd(6)} ${bound.padStart(9)}  ${r.verdict.padEnd(6)} ${r.runs ? `${r.runs} runs` : ""}${r.note ? "  " + r.note : ""}`.trimEnd();
	}
	text() {
		return this.rows.map((r) => this.#line(r)).join("\n") + "\n";
	}
	get missed() {
		return this.rows.filter((r) => r.verdict === "MISSED");
	}
}

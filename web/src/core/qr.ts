// Square codes (ISO/IEC 18004), as far as an address of a second factor needs: octets, level M, versions 1 to 15.

const VERSION_MAX = 15;
// of level M, by version: octets of correction a block; blocks of the first kind, their data; of the second kind
const BLOCKS: [number, number, number, number, number][] = [[10, 1, 16, 0, 0], [16, 1, 28, 0, 0], [26, 1, 44, 0, 0], [18, 2, 32, 0, 0], [24, 2, 43, 0, 0], [16, 4, 27, 0, 0],
	[18, 4, 31, 0, 0], [22, 2, 38, 2, 39], [22, 3, 36, 2, 37], [26, 4, 43, 1, 44], [30, 1, 50, 4, 51], [22, 6, 36, 2, 37], [22, 8, 37, 1, 38], [24, 4, 40, 5, 41], [24, 5, 41, 5, 42]];
const ALIGN = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50], [6, 30, 54], [6, 32, 58], [6, 34, 62], [6, 26, 46, 66], [6, 26, 48, 70]];

const EXP = new Uint8Array(512), LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
	EXP[i] = EXP[i + 255] = x;
	LOG[x] = i;
	x = x & 128 ? (x << 1) ^ 0x11d : x << 1;
}
const times = (a: number, b: number) => a && b ? EXP[LOG[a]! + LOG[b]!]! : 0;

function correction(data: number[], count: number): number[] {
	let generator = [1];
	for (let i = 0; i < count; i++) {
		const next = [...generator, 0];
		generator.forEach((g, k) => { next[k + 1]! ^= times(g, EXP[i]!); });
		generator = next;
	}
	const rest = [...data, ...Array<number>(count).fill(0)];
	for (let i = 0; i < data.length; i++) {
		const lead = rest[i]!;
		if (lead)
			generator.forEach((g, k) => { rest[i + k]! ^= times(g, lead); });
	}
	return rest.slice(data.length);
}

function words(octets: Uint8Array): { version: number; all: number[] } | null {
	for (let version = 1; version <= VERSION_MAX; version++) {
		const [ec, n1, d1, n2, d2] = BLOCKS[version - 1]!;
		const room = n1 * d1 + n2 * d2, lengthBits = version < 10 ? 8 : 16;
		if (octets.length * 8 + 4 + lengthBits > room * 8)
			continue;
		let bits = "0100" + octets.length.toString(2).padStart(lengthBits, "0") + [...octets].map((o) => o.toString(2).padStart(8, "0")).join("");
		bits += "0".repeat(Math.min(4, room * 8 - bits.length));
		bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "0");
		const data = (bits.match(/.{8}/g) ?? []).map((b) => parseInt(b, 2));
		for (let i = 0; data.length < room; i++)
			data.push(i % 2 ? 0x11 : 0xec);
		const blocks: number[][] = [];
		for (let i = 0, at = 0; i < n1 + n2; i++) {
			const n = i < n1 ? d1 : d2;
			blocks.push(data.slice(at, at + n));
			at += n;
		}
		const checks = blocks.map((b) => correction(b, ec)), all: number[] = [];
		for (let i = 0; i < Math.max(d1, d2); i++)
			for (const b of blocks)
				if (i < b.length)
					all.push(b[i]!);
		for (let i = 0; i < ec; i++)
			for (const c of checks)
				all.push(c[i]!);
		return { version, all };
	}
	return null;
}

const MASKS: ((r: number, c: number) => boolean)[] = [(r, c) => (r + c) % 2 === 0, (r) => r % 2 === 0, (_, c) => c % 3 === 0, (r, c) => (r + c) % 3 === 0,
	(r, c) => ((r >> 1) + Math.floor(c / 3)) % 2 === 0, (r, c) => (r * c) % 2 + (r * c) % 3 === 0, (r, c) => ((r * c) % 2 + (r * c) % 3) % 2 === 0,
	(r, c) => ((r + c) % 2 + (r * c) % 3) % 2 === 0];

function bch(value: number, polynomial: number, bits: number): number {
	let rest = value << bits;
	const top = 31 - Math.clz32(polynomial);
	while (rest && 31 - Math.clz32(rest) >= top)
		rest ^= polynomial << (31 - Math.clz32(rest) - top);
	return (value << bits) | rest;
}

function penalty(m: boolean[][]): number {
	const n = m.length;
	let sum = 0, dark = 0;
	for (let a = 0; a < n; a++) {
		for (const row of [m[a]!, m.map((r) => r[a]!)]) {
			let run = 1;
			for (let i = 1; i <= n; i++) {
				if (i < n && row[i] === row[i - 1]) {
					run++;
					continue;
				}
				if (run >= 5)
					sum += run - 2;
				run = 1;
			}
			const text = row.map((v) => v ? "1" : "0").join("");
			for (let i = 0; i + 11 <= n; i++) {
				const s = text.slice(i, i + 11);
				if (s === "10111010000" || s === "00001011101")
					sum += 40;
			}
		}
		for (let b = 0; b < n; b++) {
			dark += m[a]![b] ? 1 : 0;
			if (a + 1 < n && b + 1 < n && m[a]![b] === m[a]![b + 1] && m[a]![b] === m[a + 1]![b] && m[a]![b] === m[a + 1]![b + 1])
				sum += 3;
		}
	}
	return sum + 10 * Math.floor(Math.abs(dark * 20 / (n * n) - 10));
}

/** Rows of dark and light; null: too long. */
export function qrCode(text: string): boolean[][] | null {
	const made = words(new TextEncoder().encode(text));
	if (!made)
		return null;
	const { version, all } = made, n = 17 + 4 * version;
	const m: (boolean | null)[][] = Array.from({ length: n }, () => Array<boolean | null>(n).fill(null));
	const put = (r: number, c: number, v: boolean) => {
		if (r >= 0 && c >= 0 && r < n && c < n)
			m[r]![c] = v;
	};
	for (const [r0, c0] of [[0, 0], [0, n - 7], [n - 7, 0]] as const)
		for (let r = -1; r < 8; r++)
			for (let c = -1; c < 8; c++) {
				const d = Math.max(Math.abs(r - 3), Math.abs(c - 3));
				put(r0 + r, c0 + c, d !== 2 && d !== 4);
			}
	for (let i = 8; i < n - 8; i++) {
		put(6, i, i % 2 === 0);
		put(i, 6, i % 2 === 0);
	}
	const centers = ALIGN[version - 1]!, lastCenter = centers[centers.length - 1];
	for (const r0 of centers)
		for (const c0 of centers) {
			if ((r0 === 6 && (c0 === 6 || c0 === lastCenter)) || (c0 === 6 && r0 === lastCenter))
				continue;
			for (let r = -2; r <= 2; r++)
				for (let c = -2; c <= 2; c++)
					put(r0 + r, c0 + c, Math.max(Math.abs(r), Math.abs(c)) !== 1);
		}
	const format = (mask: number, to: (r: number, c: number, v: boolean) => void) => {
		const bits = bch(mask, 0x537, 10) ^ 0x5412; // level M is 00
		for (let i = 0; i < 15; i++) {
			const v = (bits >> i & 1) === 1;
			if (i < 8) {
				to(i < 6 ? i : i + 1, 8, v);
				to(8, n - 1 - i, v);
			} else {
				to(8, i === 8 ? 7 : 14 - i, v);
				to(n - 15 + i, 8, v);
			}
		}
		to(n - 8, 8, true);
	};
	format(0, put);
	if (version >= 7) {
		const bits = bch(version, 0x1f25, 12);
		for (let i = 0; i < 18; i++) {
			const v = (bits >> i & 1) === 1;
			put(Math.floor(i / 3), n - 11 + i % 3, v);
			put(n - 11 + i % 3, Math.floor(i / 3), v);
		}
	}
	const free: [number, number][] = [];
	for (let c = n - 1, up = true; c > 0; c -= 2, up = !up) {
		if (c === 6)
			c--;
		for (let i = 0; i < n; i++) {
			const r = up ? n - 1 - i : i;
			for (const k of [c, c - 1])
				if (m[r]![k] === null)
					free.push([r, k]);
		}
	}
	const bits = all.flatMap((w) => [7, 6, 5, 4, 3, 2, 1, 0].map((b) => (w >> b & 1) === 1));
	let best: boolean[][] | null = null, least = Infinity;
	MASKS.forEach((mask, number) => {
		const out = m.map((row) => row.map((v) => v === true));
		free.forEach(([r, c], i) => { out[r]![c] = (bits[i] ?? false) !== mask(r, c); });
		format(number, (r, c, v) => { out[r]![c] = v; });
		const p = penalty(out);
		if (p < least) {
			least = p;
			best = out;
		}
	});
	return best;
}

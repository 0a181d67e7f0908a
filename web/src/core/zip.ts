/* A ZIP archive of files as they are (stored, not compressed: what is attached to mail mostly is already), made in
 * the browser. APPNOTE.TXT sections 4.3.7, 4.3.12, 4.3.16; names are UTF-8 (bit 11). */

export interface ZipFile {
	name: string;
	octets: Uint8Array;
}

const TABLE = (() => {
	const table = new Uint32Array(256);
	for (let n = 0; n < 256; n++) {
		let c = n;
		for (let k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
		table[n] = c >>> 0;
	}
	return table;
})();

export function crc32(octets: Uint8Array): number {
	let c = 0xffffffff;
	for (let i = 0; i < octets.length; i++)
		c = TABLE[(c ^ octets[i]!) & 0xff]! ^ (c >>> 8);
	return (c ^ 0xffffffff) >>> 0;
}

/** No name twice: "a.txt", "a (2).txt". */
export function uniqueNames(names: string[]): string[] {
	const seen = new Set<string>();
	return names.map((name) => {
		const dot = name.lastIndexOf(".");
		const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
		let out = name;
		for (let n = 2; seen.has(out.toLowerCase()); n++)
			out = `${stem} (${n})${end}`;
		seen.add(out.toLowerCase());
		return out;
	});
}

export function zip(files: ZipFile[], at = new Date()): Blob {
	const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
	const date = (Math.max(0, at.getFullYear() - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
	const names = uniqueNames(files.map((f) => f.name)).map((n) => new TextEncoder().encode(n));
	const pieces: BlobPart[] = [];
	const central: Uint8Array[] = [];
	let offset = 0;
	files.forEach((file, i) => {
		const name = names[i]!;
		const common = new DataView(new ArrayBuffer(26));
		[20, 0x0800, 0, time, date].forEach((v, k) => common.setUint16(k * 2, v, true));
		common.setUint32(10, crc32(file.octets), true);
		common.setUint32(14, file.octets.length, true);
		common.setUint32(18, file.octets.length, true);
		common.setUint16(22, name.length, true);
		const local = new Uint8Array(30 + name.length);
		local.set([0x50, 0x4b, 3, 4]);
		local.set(new Uint8Array(common.buffer), 4);
		local.set(name, 30);
		pieces.push(local, file.octets as Uint8Array<ArrayBuffer>);
		const entry = new Uint8Array(46 + name.length);
		entry.set([0x50, 0x4b, 1, 2, 20, 0]);
		entry.set(new Uint8Array(common.buffer), 6);
		new DataView(entry.buffer).setUint32(42, offset, true);
		entry.set(name, 46);
		central.push(entry);
		offset += local.length + file.octets.length;
	});
	const size = central.reduce((n, e) => n + e.length, 0);
	const end = new DataView(new ArrayBuffer(22));
	end.setUint32(0, 0x06054b50, true);
	end.setUint16(8, files.length, true);
	end.setUint16(10, files.length, true);
	end.setUint32(12, size, true);
	end.setUint32(16, offset, true);
	return new Blob([...pieces, ...(central as Uint8Array<ArrayBuffer>[]), new Uint8Array(end.buffer)], { type: "application/zip" });
}

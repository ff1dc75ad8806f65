// What a page holds, out of its element: a JSON text that is the base64 of gzipped JSON. Raises an Error with one
// sentence for the person where it cannot be read.

import { type Fields, isFields } from "../fields";

export async function unpack(written: string | null): Promise<Fields> {
  if (typeof DecompressionStream === "undefined")
    throw new Error("This browser is too old to open this page: it cannot unpack what is in it.");
  try {
    const unpacked = new Blob([bytesOf(JSON.parse(written ?? ""))])
      .stream()
      .pipeThrough(new DecompressionStream("gzip"));
    const page: unknown = await new Response(unpacked).json();
    if (isFields(page)) return page;
  } catch {
    // what a person can do about it is the same, whatever is wrong
  }
  throw new Error("The run in this page cannot be read: the file is damaged or not complete.");
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

import { createRequire } from "node:module";
import { log } from "../../../log.js";

/** A path's extended attributes, of a symbolic link its own; undefined where it has none, or they cannot be read. */
export type XattrReader = (path: string) => ReadonlyMap<string, Uint8Array> | undefined;

interface NativeXattr {
  listAttributesSync(path: string): string[];
  getAttributeSync(path: string, name: string): Uint8Array | null;
}

let reader: XattrReader | undefined;
let isLoaded = false;

/**
 * Reads extended attributes as BuildKit's client does: all but Apple's. Node has no call for them; the native module is an
 * optional dependency, and undefined is returned where it has no build for this machine: files are then sent without.
 */
export function xattrReader(): XattrReader | undefined {
  if (isLoaded) return reader;
  isLoaded = true;
  try {
    const native = createRequire(import.meta.url)("@napi-rs/xattr") as NativeXattr;
    reader = (path) => read(native, path);
  } catch (error) {
    log("session", "extended attributes are not sent", { error: String(error) });
  }
  return reader;
}

function read(native: NativeXattr, path: string): ReadonlyMap<string, Uint8Array> | undefined {
  try {
    const names = native.listAttributesSync(path);
    if (names.length === 0) return undefined;
    const found = new Map<string, Uint8Array>();
    for (const name of names) {
      if (name.startsWith("com.apple.")) continue;
      const value = native.getAttributeSync(path, name);
      if (value) found.set(name, value);
    }
    return found.size > 0 ? found : undefined;
  } catch {
    // A file system without them, or a path that has gone.
    return undefined;
  }
}

import { resolve } from "node:path";
import type { MountSettings } from "../docker/containers.js";
import { UsageError } from "../errors.js";

/**
 * `docker run -v`'s grammar, `[source:]target[:options]`, as the engine takes it: only a source that begins with `.` is made
 * absolute, the rest is the engine's to read. Throws UsageError.
 */
export function parseVolume(text: string, cwd: string): string {
  const [first = "", second, ...rest] = text.split(":");
  if (text === "" || first === "" || second === "" || rest.length > 1) throw badVolume(text);
  if (second === undefined) {
    if (!first.startsWith("/")) throw badVolume(text);
    return checkTarget(first, text) && text;
  }
  if (!second.startsWith("/")) throw badVolume(text);
  checkTarget(second, text);
  const source = first.startsWith(".") ? resolve(cwd, first) : first;
  return [source, second, ...rest].join(":");
}

function badVolume(text: string): UsageError {
  return new UsageError(`-v ${text}: not a mount`, { hint: "It is [SOURCE:]TARGET[:OPTIONS], the target absolute." });
}

/** /target is the debugged container's. */
function checkTarget(path: string, text: string): true {
  if (/^\/+target(\/|$)/.test(path))
    throw new UsageError(`${text}: /target is where the container's files are`, { hint: "Mount it somewhere else." });
  return true;
}

const kinds = ["bind", "volume", "tmpfs"] as const;

/** `docker run --mount`'s grammar: `type=bind,source=...,target=...[,readonly]`. Throws UsageError; an unknown key is one. */
export function parseMount(text: string, cwd: string): MountSettings {
  let type: (typeof kinds)[number] = "volume";
  let source = "";
  let target = "";
  let readOnly = false;
  let propagation: string | undefined;
  let nonRecursive = false;
  let noCopy = false;
  let size: number | undefined;
  let mode: number | undefined;
  let driver: string | undefined;
  const driverOptions: Record<string, string> = {};
  const labels: Record<string, string> = {};
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    const key = (at < 0 ? field : field.slice(0, at)).trim().toLowerCase();
    const value = at < 0 ? undefined : field.slice(at + 1);
    const needed = (): string => {
      if (value === undefined || value === "") throw new UsageError(`--mount ${text}: ${key} needs a value`);
      return value;
    };
    const pair = (): [string, string] => {
      const [name = "", ...rest] = needed().split("=");
      return [name, rest.join("=")];
    };
    switch (key) {
      case "type": {
        const wanted = kinds.find((kind) => kind === needed().toLowerCase());
        if (!wanted) throw new UsageError(`--mount ${text}: type is bind, volume or tmpfs`);
        type = wanted;
        break;
      }
      case "source":
      case "src":
        source = needed();
        break;
      case "target":
      case "dst":
      case "destination":
        target = needed();
        break;
      case "readonly":
      case "ro":
        readOnly = flag(text, key, value);
        break;
      case "bind-propagation":
        propagation = needed();
        break;
      case "bind-nonrecursive":
        nonRecursive = flag(text, key, value);
        break;
      case "volume-nocopy":
        noCopy = flag(text, key, value);
        break;
      case "volume-driver":
        driver = needed();
        break;
      case "volume-opt":
        driverOptions[pair()[0]] = pair()[1];
        break;
      case "volume-label":
        labels[pair()[0]] = pair()[1];
        break;
      case "tmpfs-size":
        size = bytes(text, needed());
        break;
      case "tmpfs-mode":
        mode = Number.parseInt(needed(), 8);
        break;
      default:
        throw new UsageError(`--mount ${text}: there is no option ${key}`, {
          hint: "docker run --mount's grammar: type=bind|volume|tmpfs, source, target, readonly, bind-propagation, volume-nocopy, tmpfs-size, ...",
        });
    }
  }
  if (target === "") throw new UsageError(`--mount ${text}: target is missing`);
  checkTarget(target, `--mount ${text}`);
  if (type === "bind" && source === "") throw new UsageError(`--mount ${text}: a bind needs a source`);
  if (type === "tmpfs" && source !== "") throw new UsageError(`--mount ${text}: a tmpfs has no source`);
  const isVolume = noCopy || driver !== undefined || Object.keys({ ...driverOptions, ...labels }).length > 0;
  const foreign =
    (type !== "bind" && (propagation !== undefined || nonRecursive)) ||
    (type !== "volume" && isVolume) ||
    (type !== "tmpfs" && (size !== undefined || mode !== undefined));
  if (foreign) throw new UsageError(`--mount ${text}: an option of another type than ${type}`);
  const settings = {
    Type: type,
    Source: type === "bind" && source.startsWith(".") ? resolve(cwd, source) : source,
    Target: target,
    ReadOnly: readOnly,
    ...(propagation !== undefined || nonRecursive
      ? { BindOptions: { ...(propagation ? { Propagation: propagation } : {}), NonRecursive: nonRecursive } }
      : {}),
    ...(isVolume
      ? {
          VolumeOptions: {
            NoCopy: noCopy,
            Labels: labels,
            DriverConfig: { Name: driver ?? "local", Options: driverOptions },
          },
        }
      : {}),
    ...(size !== undefined || mode !== undefined
      ? { TmpfsOptions: { SizeBytes: size ?? 0, Mode: mode ?? 0o1777 } }
      : {}),
  };
  // @types/dockerode asks for every field of an option group and lacks NonRecursive; the API does not.
  return settings as unknown as MountSettings;
}

function flag(text: string, key: string, value: string | undefined): boolean {
  if (value === undefined || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new UsageError(`--mount ${text}: ${key} is true or false`);
}

/** Bytes, or with a unit of 1024: 64m, 1g (docker's RAMInBytes). */
function bytes(text: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i.exec(value);
  if (!match) throw new UsageError(`--mount ${text}: ${value} is no size`, { hint: "Bytes, or 64m, 1g." });
  return Math.floor(Number(match[1]) * 1024 ** " kmgtp".indexOf((match[2] ?? "").toLowerCase() || " "));
}

/** One line of comma-separated values; a field in double quotes may hold commas. */
function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (const [, quoted, plain] of text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
    fields.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
  return fields;
}

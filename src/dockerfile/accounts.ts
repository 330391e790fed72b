import { nearest } from "./suggest.js";

/** Who a container's process is. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Further groups that /etc/group has the user in. */
  readonly groups: readonly number[];
  /** Undefined: /etc/passwd has no entry, which a number needs none of. */
  readonly name: string | undefined;
}

/** A name that /etc/passwd or /etc/group has not. */
export interface UnknownAccount {
  readonly missing: "user" | "group";
  readonly name: string;
  readonly near: string | undefined;
}

interface Entry {
  readonly name: string;
  readonly id: number;
  /** A user's group, or a group's members. */
  readonly rest: readonly string[];
}

/**
 * USER's value looked up as the engine does (moby/sys/user, GetExecUser): names and numbers are searched in the files, the
 * first entry counts, and only what is no number must be there. "" is root.
 */
export function findAccount(user: string, passwd: string, group: string): Account | UnknownAccount {
  const [userName = "", groupName = ""] = user.split(":", 2);
  const users = entries(passwd);
  const groups = entries(group);
  const entry = find(users, userName === "" ? "0" : userName);
  const uid = entry?.id ?? numeric(userName === "" ? "0" : userName);
  if (uid === undefined) return unknown("user", userName, users);
  const own = Number(entry?.rest[0] ?? 0);
  if (groupName === "") {
    const further = groups.filter(({ rest }) => entry !== undefined && (rest[0] ?? "").split(",").includes(entry.name));
    return { uid, gid: own, groups: further.map(({ id }) => id), name: entry?.name };
  }
  const gid = find(groups, groupName)?.id ?? numeric(groupName);
  return gid === undefined ? unknown("group", groupName, groups) : { uid, gid, groups: [], name: entry?.name };
}

function entries(file: string): Entry[] {
  return file.split("\n").flatMap((line) => {
    const [name = "", , id, ...rest] = line.trim().split(":");
    return name === "" || id === undefined ? [] : [{ name, id: Number(id), rest }];
  });
}

function find(all: readonly Entry[], wanted: string): Entry | undefined {
  return all.find(({ name, id }) => name === wanted || String(id) === wanted);
}

/** Ids are 31 bits there. */
function numeric(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) < 2 ** 31 ? Number(text) : undefined;
}

function unknown(missing: UnknownAccount["missing"], name: string, all: readonly Entry[]): UnknownAccount {
  const names = all.map((entry) => entry.name);
  return { missing, name, near: nearest(name, names) };
}

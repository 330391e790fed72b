import type { Account } from "../../dockerfile/accounts.js";

/** A file's owner and permissions. */
export interface Owned {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Whether a user may execute a file (or pass through a folder). Root may where anybody may. */
export function mayExecute({ mode, uid, gid }: Owned, account: Account): boolean {
  if (account.uid === 0) return (mode & 0o111) !== 0;
  if (account.uid === uid) return (mode & 0o100) !== 0;
  const isMember = account.gid === gid || account.groups.includes(gid);
  return (mode & (isMember ? 0o010 : 0o001)) !== 0;
}

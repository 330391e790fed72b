/** The bits of Go's os.FileMode that are not permissions, which is how BuildKit sends modes. */
export const goFileMode = {
  folder: 0x80000000,
  symlink: 1 << 27,
  device: 1 << 26,
  pipe: 1 << 25,
  setuid: 1 << 23,
  setgid: 1 << 22,
  characterDevice: 1 << 21,
  sticky: 1 << 20,
} as const;

/** A st_mode as Go's os.FileMode. A socket has no bit: fsutil sends it as an empty file, for a tar could not hold it. */
export function goMode(mode: number): number {
  let result = mode & 0o777;
  switch (mode & 0o170000) {
    case 0o040000:
      result |= goFileMode.folder;
      break;
    case 0o120000:
      result |= goFileMode.symlink;
      break;
    case 0o060000:
      result |= goFileMode.device;
      break;
    case 0o020000:
      result |= goFileMode.device | goFileMode.characterDevice;
      break;
    case 0o010000:
      result |= goFileMode.pipe;
      break;
    default:
      break;
  }
  if (mode & 0o4000) result |= goFileMode.setuid;
  if (mode & 0o2000) result |= goFileMode.setgid;
  if (mode & 0o1000) result |= goFileMode.sticky;
  return result >>> 0;
}

/** Whether the receiver may ask for content, by fsutil's rule: nothing but permissions and their special bits. */
export function hasContent(mode: number): boolean {
  const { folder, symlink, device, pipe, characterDevice } = goFileMode;
  return (mode & (folder | symlink | device | pipe | characterDevice)) === 0;
}

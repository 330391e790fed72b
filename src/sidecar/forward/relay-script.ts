import { runFolder } from "../scripts.js";

/*
 * One connection into the container's network, as a process in the sidecar: busybox nc connects and hands the socket to a
 * shell (-e), in which two copies run, one a direction, so that neither waits for the other. (nc's own copying does: it
 * stops both directions for one, and forgets what is still to be sent when the server has said all it has to say.)
 *
 * Standard error is the way back for what is no payload, a line each: `ready`; `open` when the socket is connected; `reset`
 * when it broke. The server's end of output is a mark behind its bytes, a random word that the client's side gave: the two
 * outputs keep no order between them.
 *
 * Whatever is started is waited for: an orphan would become the container's own first process's to reap.
 */

/** Exit codes of the script: no busybox; an architecture that `finisher` is not written for. */
export const exitNoTool = 47;
export const exitNoFinisher = 48;

/** argv for an exec. It reads `HOST PORT MARK` in a line, then the client's bytes; HOST `-` is the container's localhost. */
export function relayCommand(kit: string): string[] {
  const finishers = [finisher("x86_64"), finisher("aarch64")].map(octal);
  return ["/bin/sh", "-c", script, "sh", kit.replace(/\/$/, ""), connection, ...finishers];
}

const script = `
bb=$1/bin/busybox connection=$2 finish=${runFolder}/finish-sending
[ -x "$bb" ] || exit ${String(exitNoTool)}
if [ ! -x $finish ]; then
  case $("$bb" uname -m) in x86_64) code=$3 ;; aarch64) code=$4 ;; *) exit ${String(exitNoFinisher)} ;; esac
  printf "$code" >$finish.$$ && "$bb" chmod 755 $finish.$$ && "$bb" mv -f $finish.$$ $finish
fi
trap 'trap "" TERM; kill -s TERM 0; wait; exit 143' TERM
echo ready >&2
read -r host port mark || exit 0
exec 3<&0 4>&1
try() {
  "$bb" nc -w 10 "$1" "$port" -e /bin/sh -c "$connection" sh "$bb" $finish "$mark" 3<&3 4>&4 &
  wait $!
}
if [ "$host" = - ]; then try 127.0.0.1 || try ::1; else try "$host"; fi
`;

/** Runs with the socket as standard input and output, the client's as 3 and 4. Ends with 0: nc ends with 1 when refused. */
const connection = `
bb=$1 finish=$2 mark=$3
trap : TERM
echo open >&2
exec 5<&0 6>&1 </dev/null >/dev/null
{
  trap : TERM
  if "$bb" dd bs=65536 <&5 >&4 2>/dev/null; then printf %s $mark >&4; else echo reset >&2; fi
} &
"$bb" cat <&3 >&6 2>/dev/null
$finish >&6
wait
exit 0
`;

/**
 * A program of one system call that no applet of busybox makes on a socket that it was given: shutdown(1, SHUT_WR), the end
 * of the client's bytes while the server still answers. A static ELF of one segment, written where it is needed.
 */
export function finisher(machine: "x86_64" | "aarch64"): Buffer {
  const code = Buffer.from(machineCode[machine].flat());
  const headers = 64 + 56;
  const base = 0x400000n;
  const file = Buffer.alloc(headers + code.length);
  const size = BigInt(file.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(machine === "x86_64" ? 62 : 183, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headers), 24); // where it begins
  file.writeBigUInt64LE(64n, 32); // the program header follows
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(size, 96);
  file.writeBigUInt64LE(size, 104);
  file.writeBigUInt64LE(0x10000n, 112); // the largest page of arm64
  file.set(code, headers);
  return file;
}

const machineCode = {
  x86_64: [
    [0xbf, 1, 0, 0, 0], // mov edi, 1 (standard output)
    [0xbe, 1, 0, 0, 0], // mov esi, 1 (SHUT_WR)
    [0xb8, 48, 0, 0, 0], // mov eax, 48 (shutdown)
    [0x0f, 0x05], // syscall
    [0x31, 0xff], // xor edi, edi
    [0xb8, 60, 0, 0, 0], // mov eax, 60 (exit)
    [0x0f, 0x05], // syscall
  ],
  aarch64: [
    [0x20, 0x00, 0x80, 0xd2], // mov x0, #1 (standard output)
    [0x21, 0x00, 0x80, 0xd2], // mov x1, #1 (SHUT_WR)
    [0x48, 0x1a, 0x80, 0xd2], // mov x8, #210 (shutdown)
    [0x01, 0x00, 0x00, 0xd4], // svc #0
    [0x00, 0x00, 0x80, 0xd2], // mov x0, #0
    [0xa8, 0x0b, 0x80, 0xd2], // mov x8, #93 (exit)
    [0x01, 0x00, 0x00, 0xd4], // svc #0
  ],
} as const;

/** As printf of any shell takes bytes. */
function octal(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

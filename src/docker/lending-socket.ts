import { Socket, type ConnectOpts, type SocketConstructorOpts } from "node:net";

/** Is given what came; the bytes are its own until it calls `done`, and then the next ones are read over them. */
export type Borrower = (chunk: Buffer, done: () => void) => void;

/** More than a pipe holds (64 KiB), and two of the frames that an engine sends (32 KiB and a header). */
const bufferBytes = 96 * 1024;
/** One that is read into, one kept for the next read, and two that their borrower has. */
const bufferCount = 4;

/**
 * A socket that lends what it reads instead of giving it away: its buffers are used again and again, so that no memory is
 * allocated, and none collected, however much passes through. Until `lend` is called it is a socket as any other. A
 * borrower that keeps all buffers stops the reading: that is its back-pressure.
 */
export class LendingSocket extends Socket {
  private readonly buffers: Buffers;

  /** With `fd`, one end of a pipe or a socket that is open already. Throws where it is neither. */
  constructor(options: { readonly fd?: number } = {}) {
    const buffers = new Buffers();
    const onread = { buffer: () => buffers.next(), callback: (length: number) => buffers.filled(length) };
    // As process.stdin: nothing is read before somebody wants it.
    const open = options.fd === undefined ? {} : { readable: true, writable: false, manualStart: true };
    const all: SocketConstructorOpts & ConnectOpts = { ...options, ...open, onread };
    super(all);
    this.buffers = buffers;
    buffers.owner = this;
  }

  /**
   * From now on `borrower` has what comes, what waits to be read first, and there are no `data` events; undefined ends that,
   * and pauses the socket. `end`, `error` and `close` come as ever.
   */
  lend(borrower: Borrower | undefined): void {
    this.buffers.lendTo(borrower);
    if (!borrower) {
      this.pause();
      return;
    }
    for (;;) {
      const chunk = this.read() as Buffer | null;
      if (chunk === null) break;
      borrower(chunk, () => undefined);
    }
    this.resume();
  }
}

/** The buffers of one socket: Node reads into one, and asks for the next as soon as that was taken. */
class Buffers {
  owner: Socket | undefined;
  private borrower: Borrower | undefined;
  /** What Node reads into. */
  private current: Buffer = Buffer.alloc(0);
  private readonly free: Buffer[] = [];
  private made = 0;
  private isStopped = false;

  lendTo(borrower: Borrower | undefined): void {
    this.borrower = borrower;
    this.isStopped = false;
  }

  /** Never without one: `filled` stops the reading in time. */
  next(): Buffer {
    this.current = this.free.pop() ?? this.make();
    return this.current;
  }

  /** Whether reading goes on. */
  filled(length: number): boolean {
    const { current, borrower, owner } = this;
    const chunk = current.subarray(0, length);
    if (!borrower) {
      this.free.push(current);
      return owner?.push(Buffer.from(chunk)) ?? true;
    }
    let isDone = false;
    borrower(chunk, () => {
      if (isDone) return;
      isDone = true;
      this.free.push(current);
      if (this.isStopped && this.borrower) {
        this.isStopped = false;
        owner?.resume();
      }
    });
    // One is taken right after this; the one after it has to be there too.
    this.isStopped = this.free.length + (bufferCount - this.made) < 2;
    return !this.isStopped;
  }

  private make(): Buffer {
    this.made += 1;
    return Buffer.allocUnsafeSlow(bufferBytes);
  }
}

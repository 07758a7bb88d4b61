/** The disk's own price of durability: one record's worth of bytes appended, then fdatasync, and nothing around it. */
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs';

/** About the size of a trail record. */
const RECORD = Buffer.alloc(700, 0x61);

export interface Disk {
  /** Appends and syncs once; returns milliseconds. */
  sync(): number;
  close(): void;
}

/** A file of its own at `path`, which must lie on the disk that is to be measured. */
export function openDisk(path: string): Disk {
  const fd = openSync(path, 'a', 0o600);
  return {
    sync() {
      const began = performance.now();
      writeSync(fd, RECORD);
      fdatasyncSync(fd);
      return performance.now() - began;
    },
    close() {
      closeSync(fd);
      unlinkSync(path);
    },
  };
}

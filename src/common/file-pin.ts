/** Files outside of our hands that something rests on, and how they were. */

/** What a file was like. */
export interface FilePin {
  /** Of the file. */
  readonly sizeBytes: number;
  /** When it was written last: microseconds since 1970. */
  readonly modifiedUs: number;
  /** CRC-32 of its content; null: nobody knows. */
  readonly checksum: number | null;
  /** The checksum is of all of it, else of samples. */
  readonly isWhole: boolean;
}

/** What a machine boots from, and would boot from again. */
export type BootFileUse = 'kernel' | 'initrd' | 'firmware';

/** Such a file, as it was when the machine booted. */
export interface BootFile {
  readonly path: string;
  readonly use: BootFileUse;
  readonly pin: FilePin;
}

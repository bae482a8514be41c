/**
 * A recording: the state of a machine at one execution point, and everything that reached it from outside afterwards.
 * The file is only ever appended to, and everything up to its last complete record is of use. Integers are
 * little-endian, types are four ASCII characters, checksums are CRC-32.
 *
 *     header      32 bytes, as in checkpoints (checkpoint/container/layout.ts), of the kind RECO
 *     records     one after the other, without gaps
 *
 * Record
 *      0  4  length of the content as it is stored
 *      4  4  type
 *      8  4  length of the content when it is inflated (RFC 1951); 0: it is stored as it is
 *     12  4  checksum of bytes 0 to 11 and of the stored content
 *     16     stored content
 *
 * Types, by the order in which they come first
 *     STRT  plain data: the machine and its state (start.ts)
 *     PAGE  up to 16 pages of memory at the start: u32 how many, u32 page number each, then 4096 bytes each.
 *           Pages that
 *           are in no such record are zeros
 *     PEND  the start is complete. u32: how many pages
 *     EVNT  entries of the log, in order (entries.ts). They may come between the pages,
 *           which are saved while the machine runs
 *     IMAG  plain data: what the machine boots from. Only when the guest resets it
 *     END.  plain data: how the recording ended (end.ts). Nothing follows
 *
 * A reader passes over records of unknown types whose first character is a small letter, and refuses the others.
 */
export const RECORDING_KIND = 'RECO';
/** 1 was before saved state had names and versions. */
export const RECORDING_VERSION = 2;

export const RECORD_HEADER_BYTES = 16;
export const RECORD = { length: 0, type: 4, inflated: 8, checksum: 12 } as const;

export const START = 'STRT';
export const PAGES = 'PAGE';
export const PAGES_END = 'PEND';
export const EVENTS = 'EVNT';
export const IMAGES = 'IMAG';
export const END = 'END.';
export const KNOWN_RECORDS: readonly string[] = [START, PAGES, PAGES_END, EVENTS, IMAGES, END];

export const PAGE_BYTES = 4096;
/** Pages in one record. Replays inflate them together when one is touched. */
export const RECORD_PAGES = 16;

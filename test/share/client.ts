/** A 9P2000.L client for tests, written from the protocol's description and not from our constants. */

type Field =
  | ['u8' | 'u16' | 'u32', number]
  | ['u64', bigint | number]
  | ['s', string | Uint8Array]
  | ['data', Uint8Array];

export const u8 = (value: number): Field => ['u8', value];
export const u16 = (value: number): Field => ['u16', value];
export const u32 = (value: number): Field => ['u32', value];
export const u64 = (value: bigint | number): Field => ['u64', value];
export const s = (value: string | Uint8Array): Field => ['s', value];
export const data = (value: Uint8Array): Field => ['data', value];

export const T = {
  statfs: 8,
  lopen: 12,
  lcreate: 14,
  symlink: 16,
  mknod: 18,
  rename: 20,
  readlink: 22,
  getattr: 24,
  setattr: 26,
  xattrwalk: 30,
  xattrcreate: 32,
  readdir: 40,
  fsync: 50,
  lock: 52,
  getlock: 54,
  link: 70,
  mkdir: 72,
  renameat: 74,
  unlinkat: 76,
  version: 100,
  auth: 102,
  attach: 104,
  flush: 108,
  walk: 110,
  read: 116,
  write: 118,
  clunk: 120,
  remove: 122,
} as const;

export type RequestName = keyof typeof T;

export function message(type: number, tag: number, fields: readonly Field[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const [kind, value] of fields) {
    const bytes = Buffer.alloc(8);
    if (kind === 'u8') parts.push(bytes.subarray(0, bytes.writeUInt8(value)));
    else if (kind === 'u16') parts.push(bytes.subarray(0, bytes.writeUInt16LE(value)));
    else if (kind === 'u32') parts.push(bytes.subarray(0, bytes.writeUInt32LE(value >>> 0)));
    else if (kind === 'u64') parts.push(bytes.subarray(0, bytes.writeBigUInt64LE(BigInt(value))));
    else if (kind === 'data') parts.push(Buffer.from(value));
    else {
      const text = Buffer.from(value as string);
      const length = Buffer.alloc(2);
      length.writeUInt16LE(text.length);
      parts.push(length, text);
    }
  }
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(7);
  head.writeUInt32LE(7 + body.length, 0);
  head.writeUInt8(type, 4);
  head.writeUInt16LE(tag, 5);
  return new Uint8Array(Buffer.concat([head, body]));
}

/** Reads the fields of an answer, behind its header. */
export class Answer {
  readonly bytes: Buffer;
  private at = 7;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes);
  }

  get type(): number {
    return this.bytes[4]!;
  }

  get tag(): number {
    return this.bytes.readUInt16LE(5);
  }

  /** Of Linux; 0: it went well. */
  get errno(): number {
    return this.type === 7 ? this.bytes.readUInt32LE(7) : 0;
  }

  get rest(): number {
    return this.bytes.length - this.at;
  }

  private skip(length: number): number {
    this.at += length;
    return this.at - length;
  }

  u8(): number {
    return this.bytes.readUInt8(this.skip(1));
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.skip(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.skip(8));
  }

  s(): string {
    const length = this.u16();
    return this.bytes.toString('utf8', this.skip(length), this.at);
  }

  data(length: number): Buffer {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  qid(): { kind: number; version: number; path: bigint } {
    return { kind: this.u8(), version: this.u32(), path: this.u64() };
  }
}

export const ROOT = 1;
export const NO_FID = 0xffff_ffff;

/** Sends requests to whatever answers them. */
export class Client {
  private readonly send: (message: Uint8Array) => Promise<Uint8Array>;
  private tag = 0;
  private nextFid = 100;

  constructor(send: (message: Uint8Array) => Promise<Uint8Array>) {
    this.send = send;
  }

  async ask(name: RequestName, ...fields: Field[]): Promise<Answer> {
    this.tag = (this.tag + 1) & 0xffff;
    const { tag } = this;
    const answer = new Answer(await this.send(message(T[name], tag, fields)));
    if (answer.tag !== tag) throw new Error(`the answer to ${name} has another tag`);
    if (answer.bytes.readUInt32LE(0) !== answer.bytes.length) throw new Error(`the answer to ${name} has another size`);
    if (answer.type !== 7 && answer.type !== T[name] + 1) throw new Error(`${name} was answered with ${answer.type}`);
    return answer;
  }

  /** Of Linux; 0: it went well. */
  async errno(name: RequestName, ...fields: Field[]): Promise<number> {
    return (await this.ask(name, ...fields)).errno;
  }

  async begin(messageBytes = 65_536): Promise<void> {
    const version = await this.ask('version', u32(messageBytes), s('9P2000.L'));
    if (version.errno !== 0) throw new Error('the version was refused');
    const attach = await this.ask('attach', u32(ROOT), u32(NO_FID), s('root'), s(''), u32(0));
    if (attach.errno !== 0) throw new Error('it could not be attached');
  }

  /** Gives a number for it. Throws an error with the number of Linux. */
  async walk(path: string): Promise<number> {
    const names = path.split('/').filter((name) => name !== '');
    const fid = this.nextFid++;
    const answer = await this.ask('walk', u32(ROOT), u32(fid), u16(names.length), ...names.map((name) => s(name)));
    if (answer.errno !== 0) throw new Error(`errno ${answer.errno}`);
    if (answer.u16() !== names.length) throw new Error('errno 2');
    return fid;
  }

  async open(path: string, flags = 0): Promise<number> {
    const fid = await this.walk(path);
    const answer = await this.ask('lopen', u32(fid), u32(flags));
    if (answer.errno !== 0) throw new Error(`errno ${answer.errno}`);
    return fid;
  }

  async readAll(path: string): Promise<string> {
    const fid = await this.open(path);
    const answer = await this.ask('read', u32(fid), u64(0), u32(60_000));
    await this.ask('clunk', u32(fid));
    if (answer.errno !== 0) throw new Error(`errno ${answer.errno}`);
    return answer.data(answer.u32()).toString();
  }

  async list(path: string, count = 4096): Promise<string[]> {
    const fid = await this.open(path);
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const answer = await this.ask('readdir', u32(fid), u64(offset), u32(count));
      if (answer.errno !== 0) throw new Error(`errno ${answer.errno}`);
      if (answer.u32() === 0) break;
      while (answer.rest > 0) {
        answer.qid();
        offset = answer.u64();
        answer.u8();
        names.push(answer.s());
      }
    }
    await this.ask('clunk', u32(fid));
    return names;
  }
}

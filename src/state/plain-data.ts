/** Plain data that `structuredClone` and the state format can carry. 64-bit quantities are bigint. */
export type PlainData =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PlainData[]
  | { [key: string]: PlainData };

/** A part of the machine whose state can be taken and put back. */
export interface Stateful {
  /** A record with a field `version`, and all that this version of the part has. */
  save(): PlainData;
  /**
   * Throws GodwitError 'damaged' or 'unsupported' when the data is not what `save` gives, before it changes anything.
   */
  restore(state: PlainData): void;
}

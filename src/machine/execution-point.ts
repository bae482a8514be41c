/** Position in execution: between two counted transfers of a hart its pc only rises, so that no two are the same. */
export interface ExecutionPoint {
  /** Number of the hart whose turn it is, and whose branches and pc the others are. */
  readonly hart: number;
  /** Transfers of control that the hart has counted. */
  readonly branches: bigint;
  /** Address of the instruction that is next. */
  readonly pc: bigint;
}

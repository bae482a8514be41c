/** What an action takes, said once (common/schema.ts). */
export * from '../common/schema.ts';

/**
 * Ties an executor to a store: handed to each store, so that a bundle without one has nothing of it.
 */
import type { KeeperMeans } from '../keeper.ts'
import type { MakeKeeper } from '../store.ts'
import { type KeeperParts, StoreKeeper } from './keeper.ts'

/** What an executor does with a store: for the member of that name of a store of your own. */
export const keeper: MakeKeeper = (store, engine, means) =>
  new StoreKeeper(store, engine as KeeperParts, means as KeeperMeans)

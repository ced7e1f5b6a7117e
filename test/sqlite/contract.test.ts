/**
 * What every store promises, by a store in a file.
 */
import { join } from 'node:path'
import { vi } from 'vitest'
import { storeContract } from '../contract/store.ts'
import { temporaryFolder } from './support/engine.ts'
import { open } from './support/store.ts'

// The disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

storeContract('openStore()', (options) => open(join(temporaryFolder(), 'requests.db'), options))
